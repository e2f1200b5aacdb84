"""What the modules of the command line share: the workspace's session, the clock, the screen."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from dwlim_ops.errors import ConfigError
from dwlim_ops.workspace import Workspace, only_writer

if TYPE_CHECKING:
    from dwlim_ops.session import Session

WorkspaceArgument = Annotated[Path, typer.Argument(metavar="WS", help="Folder of the workspace.")]
EXIT_USAGE: Final = 2
EXIT_DEGRADED: Final = 3
EXIT_FAILED: Final = 4

#: Standard output.
out: Final = Console()


@contextmanager
def open_session(root_folder: Path, *, writes: bool = True) -> Iterator["Session"]:
    """The session of a workspace, which it alone may write to unless it only reads."""
    from dwlim_ops.config import read_config
    from dwlim_ops.session import Session
    from flows.runtime import configure_prefect, give_memory_back, single_threaded

    workspace = Workspace(root_folder)
    configure_prefect(workspace.root)
    single_threaded()
    give_memory_back()
    read_config(workspace.config_file)
    with only_writer(workspace) if writes else nullcontext():
        session = Session(workspace)
        try:
            yield session
        finally:
            session.close()


def clock() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


def read_time(text: str) -> datetime:
    """The moment that `--as-of` names; without a zone it is UTC.

    Raises
    ------
    ConfigError
        Not ISO 8601.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError("not a time", where="--as-of", got=text,
                          expected="ISO 8601, e.g. 2017-06-20T18:00:00Z") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
