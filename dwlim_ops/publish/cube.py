"""The whole record as one cube (time, lat, lon), chunked for time series.

An Icechunk repository: Zarr arrays behind transactions. Plain Zarr would show a reader half of a
revision, as its chunks are replaced one by one, and would forget what stood there before. Here a
refresh is one commit, readers keep the snapshot that they opened, and earlier ones can be read.

The days are regular from the first to the last of the record; a day that is not published is
missing. What the cube holds of each day it says itself (`product_id`, `sha256`).
"""

import hashlib
import json
import logging
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import icechunk
import numpy as np
import xarray as xr
import zarr

from dwlim_ops.errors import ConfigError, MalformedInputError, StoreError
from dwlim_ops.publish.cube_layout import (
    Held,
    Issue,
    Load,
    in_words,
    is_on_grid,
    look_at_blocks,
    read_held,
    write_days,
    write_setting,
)

_log = logging.getLogger(__name__)

FOLDER: Final = "cube"
BRANCH: Final = "main"
#: At a time. Each takes a thread, and services run under a limit of a few hundred.
_MOST_REQUESTS: Final = 8
#: What Icechunk says of a file that is not what was written, also while it writes others.
_CORRUPT: Final = "Data corruption"
_READING: Final = (icechunk.IcechunkError, OSError, KeyError, ValueError, RuntimeError, TypeError)


@dataclass(frozen=True, kw_only=True)
class CubeSettings:
    """Where the cube is, and how long its earlier snapshots can be read.

    Parameters
    ----------
    enabled : bool
        Without it no cube is written.
    url : str
        `s3://bucket/prefix` or `gs://bucket/prefix`, with credentials and region from the
        environment; empty: the folder `cube` of the published tree.
    endpoint_url : str
        Address of an S3-compatible store that is not Amazon's.
    keep_snapshots, keep_snapshots_days : int, float
        A snapshot stays while it is one of so many newest and less than so many days older than
        the newest one.
    """

    enabled: bool = True
    url: str = ""
    endpoint_url: str = ""
    keep_snapshots: int = 50
    keep_snapshots_days: float = 7.0

    def __post_init__(self) -> None:
        if self.url and not re.fullmatch(r"(s3|gs)://[^/@:]+/[^@]+", self.url):
            raise ConfigError("value cannot be used", where="cube.url", got=self.url,
                              expected="s3://bucket/prefix or gs://bucket/prefix")
        if self.keep_snapshots < 2 or not self.keep_snapshots_days > 0:
            raise ConfigError("value cannot be used", where="cube.keep_snapshots",
                              expected="2 snapshots or more, and more than 0 days",
                              got=f"{self.keep_snapshots}, {self.keep_snapshots_days}")


class _DamagedError(Exception):
    """The cube cannot be read."""


def storage_of(settings: CubeSettings, folder: Path) -> icechunk.Storage:
    """Where the repository lies: in `folder`, or in the object store that the URL names."""
    if not settings.url:
        return icechunk.local_filesystem_storage(str(folder))
    address = urlsplit(settings.url)
    bucket, prefix = address.netloc, address.path.strip("/")
    if address.scheme == "gs":
        return icechunk.gcs_storage(bucket=bucket, prefix=prefix, from_env=True)
    endpoint = settings.endpoint_url
    return icechunk.s3_storage(
        bucket=bucket, prefix=prefix, endpoint_url=endpoint or None, from_env=True,
        allow_http=endpoint.startswith("http://"), force_path_style=bool(endpoint))


def update(settings: CubeSettings, folder: Path, issues: Mapping[date, Issue], load: Load, *,
           region: str) -> list[str]:
    """Bring the cube up to date with the record in one commit; none if it is.

    A cube in `folder` that cannot be read is made anew from the products. One of another layout or
    grid, with days that the record has not, or that begins after the record, is written anew
    within one commit.

    Parameters
    ----------
    folder : Path
        Where the cube is if the settings name no URL.
    issues : mapping of date to Issue
        The newest revision of every published day.
    region : str
        Name of the region, the attribute `region` of its products.

    Returns
    -------
    list of str
        What could not be done, or was made anew, in words.

    Raises
    ------
    StoreError
        The cube cannot be written, or one in an object store cannot be read.
    """
    if not issues:
        return []
    try:
        return _update(settings, folder, issues, load, region)
    except _DamagedError as error:
        if settings.url:
            raise StoreError(
                "the cube cannot be read", where=settings.url, got=str(error),
                remedy="check credentials and network; a damaged one is made anew once its "
                       "objects are removed") from error
        _log.error("the cube in %s is made anew: %s", folder, error)
        shutil.rmtree(folder)
        return [f"the cube was damaged and is made anew: {error}",
                *_update(settings, folder, issues, load, region)]


def content_sha256(folder: Path, *, snapshot_id: str | None = None) -> str:
    """Digest of all that a cube in a folder shows; equal for equal records, unlike its files.

    Raises
    ------
    StoreError
        It cannot be read.
    """
    digest = hashlib.sha256()
    try:
        repository = _opened(CubeSettings(), folder)
        session = (repository.readonly_session(snapshot_id=snapshot_id) if snapshot_id
                   else repository.readonly_session(BRANCH))
        group = zarr.open_group(session.store, mode="r")
        digest.update(json.dumps(dict(group.attrs), sort_keys=True).encode())
        for name, array in sorted(group.arrays()):
            values = np.asarray(array[...])
            about = name, array.shape, dict(array.attrs)
            digest.update(json.dumps(about, sort_keys=True).encode())
            digest.update(json.dumps(values.tolist()).encode() if values.dtype.kind in "OUT"
                          else np.ascontiguousarray(values).data)
    except _READING as error:
        raise StoreError("the cube cannot be read", where=str(folder), got=repr(error)) from error
    return digest.hexdigest()


def _update(settings: CubeSettings, folder: Path, issues: Mapping[date, Issue], load: Load,
            region: str) -> list[str]:
    with _reading():
        repository = _opened(settings, folder)
        session = repository.writable_session(BRANCH)
        group = _group(repository, session)
        held = None if group is None else read_held(group, region)
    remarks = [] if group is None or held else _other_layout(settings, group, region)
    if held is not None and not held.suits(issues):
        _log.info("the cube is written anew: its days are not those of the record")
        held = None
    model = _model(issues, held, load)
    if held is not None and model is not None and not is_on_grid(held, model):
        remarks.append("the cube was on another grid and is written anew")
        held = None
    days = [day for day in sorted(issues) if held is None or not held.has(issues[day])]
    if held is None and model is None:
        return [*remarks, f"no cube: none of {len(issues)} products can be read"]
    if days and held is not None:
        with _reading():
            look_at_blocks(held, days)
    if days:
        with _writing(settings.url or str(folder)):
            group = (zarr.create_group(session.store, overwrite=True) if held is None
                     else held.group)
            if model is not None:
                write_setting(group, model)
            held, skipped = write_days(group, held, days, issues, load)
            remarks += [f"the cube lacks {day}: {text}" for day, text in skipped.items()]
            if len(skipped) < len(days):
                session.commit(in_words([day for day in days if day not in skipped]))
                _expire(repository, settings)
    if held is not None and held.n_left_out:
        remarks.append(f"the cube leaves out {held.n_left_out} days on another grid than the "
                       "newest; remedy: dwlim backfill")
    return remarks


def _model(issues: Mapping[date, Issue], held: Held | None, load: Load) -> xr.Dataset | None:
    """The newest product: it has the grid and the attributes of the cube.

    None if the cube knows it, or it cannot be read; a new cube takes the newest that can be.
    """
    days = sorted(issues, reverse=True)
    if held is not None:
        days = [day for day in days[:1] if not held.has(issues[day])]
    for day in days:
        try:
            return load(issues[day])
        except MalformedInputError as error:
            _log.error("%s", error)
    return None


def _other_layout(settings: CubeSettings, group: zarr.Group, region: str) -> list[str]:
    found = group.attrs.get("region")
    if settings.url and found != region:
        raise StoreError("there is no cube of this region", where=settings.url,
                         expected=region, got=str(found), remedy="choose another prefix")
    return ["the cube was of another layout or region and is written anew"]


def _opened(settings: CubeSettings, folder: Path) -> icechunk.Repository:
    # What is wrong is raised; that only one process may commit is seen to by the lock.
    icechunk.set_logs_filter("icechunk=off")
    storage, ours = storage_of(settings, folder), icechunk.RepositoryConfig.default()
    ours.max_concurrent_requests = _MOST_REQUESTS
    if not icechunk.Repository.exists(storage):
        icechunk.Repository.create(storage)
    # Given here and not at creation, it is this process's setting and no reader's.
    return icechunk.Repository.open(storage, ours)


def _group(repository: icechunk.Repository, session: icechunk.Session) -> zarr.Group | None:
    """The arrays; None in a repository that nothing was written to."""
    newest = next(iter(repository.ancestry(branch=BRANCH)))
    return None if newest.parent_id is None else zarr.open_group(session.store, mode="r+")


def _expire(repository: icechunk.Repository, settings: CubeSettings) -> None:
    """Forget old snapshots, and remove what only they, or killed refreshes, needed."""
    history = list(repository.ancestry(branch=BRANCH))
    before = history[0].written_at - timedelta(days=settings.keep_snapshots_days)
    if len(history) > settings.keep_snapshots:
        before = max(before, history[settings.keep_snapshots - 1].written_at)
    if any(one.written_at < before for one in history[1:-1]):
        repository.expire_snapshots(before)
        repository.garbage_collect(before, max_concurrent_manifest_fetches=_MOST_REQUESTS)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except _READING as error:
        raise _DamagedError(_first_line(error)) from error


@contextmanager
def _writing(where: str) -> Iterator[None]:
    try:
        yield
    except (icechunk.IcechunkError, OSError) as error:
        if _CORRUPT in str(error):
            raise _DamagedError(_first_line(error)) from error
        raise StoreError("the cube cannot be written", where=where, got=_first_line(error),
                         remedy="check free space, permissions and credentials") from error


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
