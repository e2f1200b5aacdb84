"""The commands `dwlim backup` and `dwlim restore`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dwlim_ops.cli.common import WorkspaceArgument, clock, out
from dwlim_ops.workspace import Workspace

if TYPE_CHECKING:
    from dwlim_ops.backup import Manifest


def backup(
    workspace: WorkspaceArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Tar file to write.")],
) -> None:
    """Write all of a workspace that cannot be computed again into one file.

    Waits for the tick that runs; the daemon need not be stopped.
    Example: dwlim backup demo demo-backup.tar
    """
    from dwlim_ops.backup import back_up

    _tell("written", file, back_up(Workspace(workspace), file.absolute(), now=clock()))


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File that dwlim backup wrote.")],
    workspace: WorkspaceArgument,
) -> None:
    """Make the workspace of a backup again, in an empty folder.

    Example: dwlim restore demo-backup.tar demo2
    """
    from dwlim_ops.backup import restore as restore_backup

    _tell("restored", workspace, restore_backup(file, Workspace(workspace)))


def _tell(done: str, place: Path, manifest: "Manifest") -> None:
    n_bytes = sum(stored.n_bytes for stored in manifest.files.values())
    lines = [f"{done}: {place}, {len(manifest.files)} files, {n_bytes / 2**20:.1f} MiB, region "
             f"{manifest.region}, backup of {manifest.created_at}"]
    if manifest.ledger == "postgresql":
        lines.append("The ledger is not in it: it lies in PostgreSQL; use pg_dump, pg_restore")
    lines += [f"left out, a link: {name}" for name in manifest.links]
    for line in lines:
        out.print(line, highlight=False, markup=False, soft_wrap=True)
