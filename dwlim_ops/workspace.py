"""Where things lie in a workspace, and how files in it are replaced."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from dwlim_ops.errors import BusyError, StoreError

#: Ending of a file that is being written.
TEMPORARY: Final = ".part"


@dataclass(frozen=True)
class Workspace:
    """The folders of one workspace; see the README for the drawing."""

    root: Path

    @property
    def config_file(self) -> Path:
        """The one configuration file."""
        return self.root / "dwlim.toml"

    @property
    def raw(self) -> Path:
        """Immutable granules, as received."""
        return self.root / "store" / "raw"

    @property
    def cache(self) -> Path:
        """Results that can be computed again."""
        return self.root / "store" / "cache"

    @property
    def state(self) -> Path:
        """The ledger, the scheduler's own database, the locks."""
        return self.root / "state"

    @property
    def staging(self) -> Path:
        """Products that are whole but not published yet; on the same disk as the published tree."""
        return self.root / "store" / "staging"

    @property
    def ledger_url(self) -> str:
        """SQLAlchemy URL of the ledger, if no other is configured."""
        return f"sqlite:///{self.state / 'ledger.db'}"

    @property
    def published(self) -> Path:
        """The only folder that consumers read."""
        return self.root / "published"


@contextmanager
def only_writer(workspace: Workspace, *, name: str = "writer", wait_s: float = 0.0
                ) -> Iterator[None]:
    """Hold the workspace for one process; the system lets go of it if the process dies.

    Parameters
    ----------
    name : str
        "writer" for whoever changes the workspace, "daemon" for `dwlim up`.
    wait_s : float
        How long to wait for another process to end.

    Raises
    ------
    BusyError
        Another process holds it.
    StoreError
        The lock cannot be taken for another reason.
    """
    path = workspace.state / f"{name}.lock"
    try:
        workspace.state.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, timeout=wait_s)
        lock.acquire()
    except Timeout as error:
        raise BusyError(
            "another process works on this workspace", where=str(workspace.root),
            expected="one writer at a time", got=f"held by process {_holder(path)}",
            remedy="wait until it has ended") from error
    except OSError as error:
        raise StoreError(
            "the workspace cannot be written", where=str(path), got=repr(error),
            remedy="check free space and permissions of the workspace") from error
    try:
        path.write_text(str(os.getpid()))
        yield
    finally:
        lock.release()


def is_held(workspace: Workspace, *, name: str = "writer") -> bool:
    """Another process, or this one, holds the workspace."""
    path = workspace.state / f"{name}.lock"
    if not path.exists():
        return False
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except (Timeout, OSError):
        return True
    lock.release()
    return False


def _holder(path: Path) -> str:
    try:
        return path.read_text().strip() or "unknown"
    except OSError:
        return "unknown"


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace `path` by `content` so that a reader sees the old file or the new one, whole.

    With `durable` it is on the disk when the call returns.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.",
                                             suffix=TEMPORARY)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> int:
    """Remove what killed processes left half-written below a folder; returns how many files."""
    leftovers = list(folder.rglob(f".*{TEMPORARY}"))
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)
