"""Where things lie in a workspace, and how files in it are replaced."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from dwlim_ops.errors import StoreError


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
    def state(self) -> Path:
        """The ledger, the scheduler's own database, the lock."""
        return self.root / "state"

    @property
    def ledger_url(self) -> str:
        """SQLAlchemy URL of the ledger."""
        return f"sqlite:///{self.state / 'ledger.db'}"

    @property
    def published(self) -> Path:
        """The only folder that consumers read."""
        return self.root / "published"


@contextmanager
def only_writer(workspace: Workspace) -> Iterator[None]:
    """Hold the workspace for one writing process; the system lets go of it if the process dies.

    Raises
    ------
    StoreError
        Another process holds it.
    """
    workspace.state.mkdir(parents=True, exist_ok=True)
    lock = FileLock(workspace.state / "writer.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise StoreError(
            "another process works on this workspace", where=str(workspace.root),
            expected="one writer at a time", remedy="wait until it has ended") from error
    try:
        yield
    finally:
        lock.release()


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content` so that a reader sees the old file or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
