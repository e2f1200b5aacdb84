"""Taking in what providers offer, and reading it back as it was known at any time."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final

import xarray as xr

from dwlim_ops.archive.raw import RawStore
from dwlim_ops.contracts import Source
from dwlim_ops.errors import DwlimError, MalformedInputError, StoreError
from dwlim_ops.state.ledger import Granule, Ledger

_log = logging.getLogger(__name__)

LAST_TIME: Final = datetime.max.replace(tzinfo=UTC)
Merge = Callable[[Sequence[xr.Dataset]], xr.Dataset]


@dataclass(frozen=True)
class IngestReport:
    """What one pass over a source brought. Reasons are whole sentences for the operator."""

    source: str
    fetched: int
    quarantined: tuple[str, ...]
    failed: tuple[str, ...]


@dataclass
class Archive:
    """Granules on disk, their record in the ledger, and a memory of what was parsed.

    `damaged` says of every stored granule that could not be read back why not.
    """

    store: RawStore
    ledger: Ledger
    damaged: dict[str, str] = field(default_factory=dict)
    _parsed: dict[str, xr.Dataset] = field(default_factory=dict)

    def ingest(self, source: Source, *, as_of: datetime, retrieved_at: datetime) -> IngestReport:
        """Fetch every offer whose version is not recorded yet; parse it; store it; record it.

        A malformed granule is stored and recorded as quarantined with its reason, so it counts as
        absent and an older good version stays in force; a failed fetch is reported and tried again
        at the next tick. A file that replaces a usable one counts as available from its fetch.
        """
        seen = self.ledger.seen(source.name)
        usable = {granule.key for granule in self.ledger.granules(source.name, LAST_TIME)}
        granules, failed = [], []
        try:
            offers = source.offers(as_of)
        except (DwlimError, OSError) as error:
            return IngestReport(source.name, 0, (), (str(error),))
        for offer in offers:
            if seen.get(offer.key) == offer.version:
                continue
            try:
                content = source.fetch(offer)
            except (DwlimError, OSError) as error:
                failed.append(str(error))
                continue
            sha256 = self.store.put(content)
            reason = self._refusal(source, content, offer.key, sha256, retrieved_at.date())
            if reason:
                _log.warning("quarantined: %s", reason)
            granules.append(Granule(
                source.name, offer.stream, offer.key, offer.version, offer.valid_from,
                offer.valid_to, retrieved_at if offer.key in usable or offer.available_at is None
                else offer.available_at, retrieved_at, sha256,
                len(content), reason))
        self.ledger.add_granules(granules)
        reasons = tuple(g.quarantine_reason for g in granules if g.quarantine_reason)
        return IngestReport(source.name, len(granules), reasons, tuple(failed))

    def _refusal(self, source: Source, content: bytes, key: str, sha256: str,
                 not_after: date) -> str:
        try:
            parsed = source.parse(content, key, not_after=not_after)
            self._parsed[f"{source.name}:{key}:{sha256}"] = parsed
        except MalformedInputError as error:
            return str(error)
        return ""

    def read(self, source: Source, merge: Merge, *, as_of: datetime) -> xr.Dataset | None:
        """Everything of `source` that was known at `as_of`, merged; None if nothing was.

        A stored granule that is damaged is left out and named in `damaged`.
        """
        datasets = []
        for granule in self.ledger.granules(source.name, as_of):
            memory = f"{source.name}:{granule.key}:{granule.sha256}"
            if memory not in self._parsed:
                try:
                    content = self.store.get(granule.sha256)
                    self._parsed[memory] = source.parse(
                        content, granule.key, not_after=granule.retrieved_at.date())
                except (StoreError, MalformedInputError) as error:
                    self.damaged[memory] = str(error)
                    _log.error("left out: %s", error)
                    continue
            datasets.append(self._parsed[memory])
        return merge(datasets) if datasets else None
