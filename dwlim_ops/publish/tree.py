"""The published tree: a static web root in which a reader never sees half a file."""

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from dwlim_ops.errors import StoreError
from dwlim_ops.workspace import sync_folder, write_atomically

SCHEMA_VERSION: Final = 1
LATEST: Final = "latest.json"
STATUS: Final = "status.json"
BASINS_CSV: Final = "basins/basins.csv"
REVISIONS_CSV: Final = "basins/revisions.csv"
REVISION_STATISTICS_CSV: Final = "basins/revision_statistics.csv"
STANDINGS_CSV: Final = "basins/standings.csv"
CLIMATOLOGY: Final = "climatology/climatology.nc"
MAPS: Final = "maps"
BASIN_PLOT: Final = "maps/basins.png"


@dataclass(frozen=True)
class Latest:
    """What `latest.json` says: the newest day, where its product is and what it holds.

    `path` is relative to the published folder; `basins`, `inputs` and `quality` are plain values,
    in which NaN becomes null.
    """

    region: str
    region_title: str
    synthetic: bool
    day: date
    product_id: str
    path: str
    sha256: str
    tier: str
    revision: int
    as_of: datetime
    published_method: str
    methods: tuple[str, ...]
    basins: tuple[Mapping[str, Any], ...]
    inputs: tuple[Mapping[str, Any], ...]
    quality: Mapping[str, Any]


def product_path(region: str, day: date, revision: int) -> str:
    """Place of a product, relative to the published folder.

    >>> product_path("australia", date(2017, 6, 1), 2)
    'daily/2017/06/twsa_australia_20170601_r02.nc'
    """
    return f"daily/{day:%Y/%m}/{_name(region, day, revision)}.nc"


def map_path(region: str, day: date, revision: int) -> str:
    """Place of the day's map."""
    return f"maps/{_name(region, day, revision)}.png"


def basin_path(basin: str) -> str:
    """Place of a basin's document; signs that a path cannot hold are percent-encoded."""
    return f"basins/{quote(basin, safe='')}.json"


def sha256(content: bytes) -> str:
    """Digest by which the ledger and `latest.json` name a file's content."""
    return hashlib.sha256(content).hexdigest()


def release(published: Path, path: str, staged: Path) -> None:
    """Move a whole file into the tree. What was published stays: the same bytes are no act.

    Raises
    ------
    StoreError
        The file exists with other bytes, or cannot be moved.
    """
    target = published / path
    content, existing = _content(staged), _content(target)
    if existing is not None and existing != content:
        raise StoreError(
            "a published file is never overwritten", where=str(target),
            expected=sha256(content or b""), got=sha256(existing),
            remedy="publish it under the next revision")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise _refused(target, error) from error


def keep_only(published: Path, folder: str, wanted: Collection[str]) -> None:
    """Remove the files of a folder that are not wanted; `wanted` are paths in the tree."""
    for path in sorted((published / folder).glob("*")):
        if path.relative_to(published).as_posix() not in wanted:
            try:
                path.unlink()
            except OSError as error:
                raise _refused(path, error) from error


def replace(published: Path, path: str, content: bytes) -> bool:
    """Replace a file that changes, at once; False if it already holds these bytes.

    Raises
    ------
    StoreError
        The file cannot be written.
    """
    target = published / path
    if _content(target) == content:
        return False
    _write(target, content)
    return True


def write_latest(published: Path, latest: Latest) -> bool:
    """Point `latest.json` to a product; False if it already says so.

    Raises
    ------
    StoreError
        It cannot be written.
    """
    content = {name.name: getattr(latest, name.name) for name in fields(latest)}
    return replace(published, LATEST, _json({"schema_version": SCHEMA_VERSION, **content}))


def write_status(published: Path, status: Mapping[str, Any]) -> bool:
    """Replace `status.json`, the health of the system in plain values."""
    return replace(published, STATUS, _json({"schema_version": SCHEMA_VERSION, **status}))


def _name(region: str, day: date, revision: int) -> str:
    return f"twsa_{region}_{day:%Y%m%d}_r{revision:02d}"


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refused(path, error) from error


def _write(target: Path, content: bytes) -> None:
    try:
        write_atomically(target, content)
    except OSError as error:
        raise _refused(target, error) from error


def _refused(path: Path, error: OSError) -> StoreError:
    return StoreError("cannot be read or written", where=str(path), got=repr(error),
                      remedy="check free space and permissions of the workspace")


def _json(content: Mapping[str, Any]) -> bytes:
    text = json.dumps(_plain(content), ensure_ascii=False, indent=1, allow_nan=False)
    return (text + "\n").encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
