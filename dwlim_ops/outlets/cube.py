"""The cube of the whole record, brought up to date with the ledger."""

from datetime import date, datetime

import xarray as xr

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.publish.cube import FOLDER, update
from dwlim_ops.publish.cube_layout import Issue
from dwlim_ops.session import Session
from dwlim_ops.state.records import ProductRecord


def refresh(session: Session, newest: dict[date, ProductRecord], *,
            as_of: datetime) -> list[str]:  # noqa: ARG001  the record alone decides
    """Put the newest revision of every day into the cube, in one commit.

    Returns what could not be done, in words.

    Raises
    ------
    StoreError
        The cube cannot be written.
    """
    settings = session.config.cube
    if not settings.enabled:
        return []
    published = session.workspace.published

    def load(issue: Issue) -> xr.Dataset:
        """The grid alone: the tables of displacements would take as long again."""
        path = published / newest[issue.day].path
        try:
            return xr.load_dataset(path, engine="netcdf4")
        except (OSError, ValueError) as error:
            raise MalformedInputError(
                "not a product file", where=str(path), got=repr(error),
                remedy=f"dwlim reproduce --restore {session.workspace.root} {issue.product_id}",
            ) from error

    issues = {day: Issue(day, one.product_id, one.tier, one.revision, one.sha256)
              for day, one in newest.items()}
    return update(settings, published / FOLDER, issues, load, region=session.config.region.name)
