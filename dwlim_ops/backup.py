"""A workspace as one file, and back: what cannot be computed again, each file with its digest."""

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, Final

from pydantic import TypeAdapter, ValidationError

from dwlim_ops import __version__
from dwlim_ops.config import read_config
from dwlim_ops.errors import ConfigError, MalformedInputError, StoreError
from dwlim_ops.telemetry.progress import progress
from dwlim_ops.workspace import TEMPORARY, Workspace, only_writer, sync_folder

FORMAT: Final = 1
#: A backup waits so long for the tick that runs.
PATIENCE_S: Final = 3600.0
_MANIFEST, _FILES = "manifest.json", "files/"
_LEDGER: Final = "state/ledger.db"
#: What is made again by itself: results that are kept, the scheduler's database, locks.
_LEFT_OUT: Final = ("store/cache", "state/prefect")
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Stored:
    """One file of a backup."""

    sha256: str
    n_bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class Manifest:
    """What a backup holds.

    `ledger` is "sqlite", then the ledger is among the files, or "postgresql", then it is not and
    is to be dumped beside. `links` were found and not followed.
    """

    format: int
    version: str
    created_at: str
    region: str
    ledger: str
    files: dict[str, Stored]
    folders: tuple[str, ...]
    links: tuple[str, ...]


def back_up(workspace: Workspace, target: Path, *, now: datetime,
            patience_s: float = PATIENCE_S) -> Manifest:
    """Write configuration, inputs, models, ledger and published tree into one tar file.

    No tick runs meanwhile: the workspace is held, and the ledger copied by SQLite's own backup. The
    file appears under its name when it is whole and on the disk; only its owner may read it.

    Raises
    ------
    ConfigError
        The workspace has no readable configuration, or `target` exists or lies in it.
    BusyError
        A tick has not ended within `patience_s`.
    StoreError
        The ledger is damaged, or a file cannot be read or written.
    """
    config = read_config(workspace.config_file)
    if target.exists() or target.resolve().is_relative_to(workspace.root.resolve()):
        raise ConfigError("no place for a backup", where=str(target),
                          expected="a new file outside the workspace",
                          remedy="choose another name: a backup is never overwritten")
    kind = "sqlite" if config.ledger.url == "sqlite" else "postgresql"
    with only_writer(workspace, wait_s=patience_s), _refusals(target), \
            tempfile.TemporaryDirectory(dir=target.parent, prefix=".dwlim-backup-") as folder, \
            _appearing(target) as stream:
        found = _contents(workspace.root)
        if kind == "sqlite":
            found.files[_LEDGER] = _copy_ledger(workspace.root / _LEDGER, Path(folder))
        return _write_tar(stream, found, lambda files: Manifest(
            FORMAT, __version__, now.isoformat(), config.region.name, kind, files, found.folders,
            found.links))


def restore(source: Path, workspace: Workspace) -> Manifest:
    """Make the workspace that a backup was made of, in an empty folder.

    Every file is compared with its digest before the first one is moved into place; the
    configuration comes last, so that what is half restored is no workspace.

    Raises
    ------
    ConfigError
        The folder is not empty.
    MalformedInputError
        The file is no backup, is cut off, altered, or of a newer format.
    StoreError
        A file cannot be read or written.
    """
    root = workspace.root
    with _refusals(source):
        if any(not path.name.endswith(TEMPORARY) for path in root.glob("*")):
            raise ConfigError("the folder is not empty", where=str(root),
                              remedy="restore into an empty or a new folder")
        for leftover in root.glob(f".*{TEMPORARY}"):
            shutil.rmtree(leftover)
        root.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=root, prefix=".restore-", suffix=TEMPORARY))
        try:
            manifest = _read_tar(source, aside)
            for name, stored in manifest.files.items():
                os.utime(aside / name, ns=(stored.mtime_ns, stored.mtime_ns))
            last = workspace.config_file.name
            for path in sorted(aside.iterdir(), key=lambda one: (one.name == last, one.name)):
                path.replace(root / path.name)
        finally:
            shutil.rmtree(aside)
        sync_folder(root)
    return manifest


@contextmanager
def _refusals(where: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError("backup or restore has failed", where=error.filename or str(where),
                         got=error.strerror or repr(error),
                         remedy="check free space and permissions") from error


@contextmanager
def _appearing(target: Path) -> Iterator[IO[bytes]]:
    """A private file that gets its name once it is written and on the disk."""
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.",
                                             suffix=TEMPORARY)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def _copy_ledger(path: Path, folder: Path) -> Path:
    """A consistent copy, in one file, of a database that others may be writing to."""
    copy = folder / path.name
    try:
        with closing(sqlite3.connect(copy)) as to:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as of:
                of.backup(to)
            (verdict,) = to.execute("PRAGMA integrity_check").fetchone()
            to.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        verdict = str(error)
    if verdict != "ok":
        raise StoreError("the ledger cannot be copied", where=str(path), got=verdict,
                         remedy="see dwlim status; restore an earlier backup if it is damaged")
    return copy


@dataclass(frozen=True)
class _Found:
    """Contents of a workspace: file by path in it, all folders, links."""

    files: dict[str, Path]
    folders: tuple[str, ...]
    links: tuple[str, ...]


def _contents(root: Path) -> _Found:
    files, folders, links = {}, [], []
    for place, names, file_names in os.walk(root):
        for name in [*names, *file_names]:
            path = Path(place) / name
            inside = path.relative_to(root).as_posix()
            if path.is_symlink():
                links.append(inside)
            elif inside in _LEFT_OUT:
                names.remove(name)
            elif path.is_dir():
                folders.append(inside)
            elif path.is_file() and not _passing(inside):
                files[inside] = path
    return _Found(files, tuple(sorted(folders)), tuple(sorted(links)))


def _passing(inside: str) -> bool:
    """Half-written files, locks, and the ledger itself, of which a copy is taken."""
    name = inside.rpartition("/")[2]
    return ((name.startswith(".") and name.endswith(TEMPORARY))
            or (inside.startswith("state/") and inside.endswith(".lock"))
            or inside in (_LEDGER, f"{_LEDGER}-wal", f"{_LEDGER}-shm"))


class _Digesting(io.RawIOBase):
    """A file that is read once, its digest made on the way."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self.digest = stream, hashlib.sha256()

    def read(self, n_bytes: int = -1) -> bytes:
        """The next bytes."""
        chunk = self._stream.read(n_bytes)
        self.digest.update(chunk)
        return chunk


def _write_tar(stream: IO[bytes], found: _Found,
               manifest_of: Callable[[dict[str, Stored]], Manifest]) -> Manifest:
    """Every file, then the manifest."""
    stored = {}
    with (tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive,
          progress("backup", len(found.files)) as advance):
        for name, path in sorted(found.files.items()):
            with path.open("rb") as content:
                status, read = os.fstat(content.fileno()), _Digesting(content)
                info = tarfile.TarInfo(_FILES + name)
                info.size, info.mtime = status.st_size, status.st_mtime_ns // 10**9
                archive.addfile(info, read)
            stored[name] = Stored(read.digest.hexdigest(), status.st_size, status.st_mtime_ns)
            advance(name)
        manifest = manifest_of(stored)
        content_of = json.dumps(asdict(manifest), indent=1).encode()
        info = tarfile.TarInfo(_MANIFEST)
        info.size = len(content_of)
        archive.addfile(info, io.BytesIO(content_of))
    return manifest


def _read_tar(source: Path, aside: Path) -> Manifest:
    """Unpack into a folder, and compare with the manifest."""
    digests: dict[str, str] = {}
    manifest = None
    try:
        with source.open("rb") as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                if content is None or manifest is not None:
                    raise _no_backup(source, f"{member.name}: not a plain file of a backup")
                if member.name == _MANIFEST:
                    manifest = _parse(source, content.read())
                else:
                    digests[member.name] = _unpack(source, member.name, content, aside)
    except (tarfile.TarError, EOFError) as error:
        raise _no_backup(source, str(error)) from error
    if manifest is None:
        raise _no_backup(source, "its end is missing")
    wanted = {_FILES + name: stored.sha256 for name, stored in manifest.files.items()}
    altered = sorted(name for name in wanted.keys() | digests.keys()
                     if wanted.get(name) != digests.get(name))
    if altered:
        raise _no_backup(source, f"{len(altered)} files differ from their digest: {altered[0]}")
    for name in manifest.folders:
        _inside(source, name, aside).mkdir(parents=True, exist_ok=True)
    return manifest


def _unpack(source: Path, name: str, content: IO[bytes], aside: Path) -> str:
    """Write one file; returns its digest."""
    target = _inside(source, name.removeprefix(_FILES), aside)
    if not name.startswith(_FILES) or target.exists():
        raise _no_backup(source, f"{name}: not a file of a backup, or there twice")
    target.parent.mkdir(parents=True, exist_ok=True)
    read = _Digesting(content)
    with target.open("wb") as stream:
        shutil.copyfileobj(read, stream, _CHUNK_BYTES)
    return read.digest.hexdigest()


def _inside(source: Path, name: str, aside: Path) -> Path:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or "\0" in name or ".." in parts:
        raise _no_backup(source, f"{name!r} leads out of the workspace")
    return aside.joinpath(*parts)


def _parse(source: Path, content: bytes) -> Manifest:
    try:
        manifest = TypeAdapter(Manifest).validate_json(content)
    except ValidationError as error:
        raise _no_backup(source, f"its manifest: {error.errors(include_url=False)[0]}") from error
    if manifest.format != FORMAT:
        raise _no_backup(source, f"format {manifest.format} of version {manifest.version}")
    return manifest


def _no_backup(source: Path, got: str) -> MalformedInputError:
    return MalformedInputError("not a whole backup", where=str(source), got=got,
                               expected=f"a file of format {FORMAT} made by dwlim backup",
                               remedy="nothing was restored; take another backup")
