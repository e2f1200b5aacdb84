"""`basins/precipitation/<id>.json`: rain beside the water, where the region has gauges."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Final

import numpy as np

from dwlim_ops.publish import tree
from dwlim_ops.rain import daily_rain
from dwlim_ops.session import Session
from dwlim_ops.state.records import ProductRecord

FOLDER: Final = "basins/precipitation"


def path_of(basin: str) -> str:
    """Place of a basin's precipitation."""
    return f"{FOLDER}/{Path(tree.basin_path(basin)).name}"


def refresh(session: Session, newest: dict[date, ProductRecord], *,
            as_of: datetime) -> list[str]:  # noqa: ARG001  the published days alone decide
    """Write the rain of the days from the first to the newest published one; no remark comes of it.

    Raises
    ------
    StoreError
        The published tree cannot be written.
    """
    published, basins = session.workspace.published, session.geometry.basins.identifier
    if not newest or all(_span(published / path_of(basin)) == (str(min(newest)), str(max(newest)))
                         for basin in basins):
        return []
    found = daily_rain(session, min(newest), max(newest))
    if found is None:
        return []
    days, rain_mm = found
    for basin, values in zip(basins, rain_mm.T, strict=True):
        known = np.isfinite(values)
        tree.replace(published, path_of(basin), (json.dumps({
            "first": str(min(newest)), "last": str(max(newest)),
            "date": np.datetime_as_string(days[known], unit="D").tolist(),
            "precipitation_mm": values[known].round(1).tolist()}) + "\n").encode())
    return []


def _span(path: Path) -> tuple[str, str] | None:
    """First and last day that a file was made for."""
    try:
        content = json.loads(path.read_text("utf-8"))
        return content["first"], content["last"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
