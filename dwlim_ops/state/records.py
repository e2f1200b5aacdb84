"""What the ledger keeps, as Python sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True)
class Granule:
    """One file as received. `quarantine_reason` is empty for a file that may be used."""

    source: str
    stream: str
    key: str
    version: str
    valid_from: date
    valid_to: date
    available_at: datetime
    retrieved_at: datetime
    sha256: str
    size_bytes: int
    etag: str = ""
    last_modified: str = ""
    quarantine_reason: str = ""


@dataclass(frozen=True)
class ProductRecord:
    """One published revision of one day.

    `parts` are the fingerprints of what it was computed from, by name; `newest_granule` is the
    last granule that the ledger held then: with `as_of` it fixes the inputs for good.
    `content_sha256` is over the estimates alone, without names and dates of issue.
    `settings_sha256` names the configuration in the raw store.
    """

    product_id: str
    day: date
    tier: str
    revision: int
    as_of: datetime
    newest_granule: int
    parts: Mapping[str, str]
    path: str
    sha256: str
    content_sha256: str
    settings_sha256: str
    change_rms_mm: float | None = None


@dataclass(frozen=True)
class Tick:
    """One pass of ingest, plan, compute, publish; `started_at` is by the wall clock."""

    as_of: datetime
    started_at: datetime
    outcome: str
    detail: Mapping[str, Any]
