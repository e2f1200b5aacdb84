"""One station's series of any GNSS format, brought to millimetres and to one range."""

import datetime
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.contracts import GNSS
from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.checks import (
    MM_PER,
    Days,
    Place,
    Unit,
    refuse_bad_displacement,
    refuse_wrong_unit,
)
from dwlim_ops.sources.formats.duplicates import keep_smallest_sigma
from dwlim_ops.sources.formats.up import UpSeries

Array = NDArray[np.float64]

LARGEST_MM: Final = GNSS.variables["up_mm"].maximum
LARGEST_SIGMA_MM: Final = GNSS.variables["up_sigma_mm"].maximum
_WILD_SHARE: Final = 0.01
_LAST_ROWS: Final = 3
_LEAST_SIGMA_MM: Final = 0.02
_SMALLEST_SIGMA_MM: Final = 1e-3


@dataclass(frozen=True)
class StationSeries(UpSeries):
    """A series and what the file tells about its station.

    Parameters
    ----------
    taken_off_m : float
        Whole metres that were taken off the file's values: the metre nearest to their median. So
        absolute heights, and series whose own reference is far away, lie within the range of the
        contract `GNSS`, and a value's number depends on its own row only, up to whole metres.
    station : str
        Four-character identifier, empty where the file does not tell.
    longitude_deg, latitude_deg : float
        Place, longitude in [-180, 180); NaN where the file does not tell.
    height_m : float
        Ellipsoidal height at which `up_mm` is zero; NaN where the file does not tell.
    antenna_changes : tuple of datetime.date
        Days on which the antenna height differs from that of the row before.
    n_left_out : int
        Rows without a usable value: sigma above 1 m, or a single value more than 1 m away.
    """

    taken_off_m: float
    station: str = ""
    longitude_deg: float = np.nan
    latitude_deg: float = np.nan
    height_m: float = np.nan
    antenna_changes: tuple[datetime.date, ...] = ()
    n_left_out: int = 0


def make_series(
    day: Days, up: Array, sigma: Array, *, unit: Unit, place: Place, where: str,
    reference_height_m: float = np.nan, station: str = "", longitude_deg: float = np.nan,
    latitude_deg: float = np.nan, antenna_changes: tuple[datetime.date, ...] = (),
) -> StationSeries:
    """Series of one station from the columns of its rows, in any order.

    A row whose sigma exceeds 1 m measures nothing and is left out. So is a value more than 1 m
    from the median, as long as these are one in a hundred and not the last three rows. Of a
    repeated day the row with the smallest sigma stays; where the rows differed, `duplicated` is
    set.

    Parameters
    ----------
    day, up, sigma : numpy.ndarray
        One entry per row.
    unit : {"mm", "cm", "m"}
        Unit of `up` and `sigma`.
    place : callable
        File and line of a row, for messages.
    where : str
        Name of the file, for messages.
    reference_height_m : float, optional
        Ellipsoidal height at which the file's `up` is zero (zero for absolute heights).
    station, longitude_deg, latitude_deg, antenna_changes
        As in `StationSeries`.

    Raises
    ------
    MalformedInputError
        A sigma below a thousandth of a millimetre, no usable row, values of another unit, or a
        station that leaves the range of +-1 m about its median.
    """
    up_mm, sigma_mm = up * MM_PER[unit], sigma * MM_PER[unit]
    _refuse_wrong_sigma_unit(sigma_mm, unit, where)
    possible_mm = np.where(sigma_mm < _SMALLEST_SIGMA_MM, 0.0, sigma_mm.clip(max=LARGEST_SIGMA_MM))
    refuse_bad_displacement(np.zeros(up.size), possible_mm, place=place)
    usable = np.flatnonzero(sigma_mm <= LARGEST_SIGMA_MM)
    if usable.size == 0:
        raise _no_row(where, up.size)
    kept, duplicated = keep_smallest_sigma(
        day[usable].astype(np.int64), up_mm[usable], sigma_mm[usable])
    row = usable[kept]
    refuse_wrong_unit(day[row], up_mm[row], unit, where=where)
    taken_off_m = float(np.rint(np.median(up_mm[row]) / 1000.0)) + 0.0
    moved_mm = np.round(up_mm[row] - 1000.0 * taken_off_m, 6)
    near = np.abs(moved_mm) <= LARGEST_MM
    _refuse_departure(near, moved_mm, row, place)
    row, moved_mm = row[near], moved_mm[near]
    return StationSeries(
        day[row], moved_mm, np.round(sigma_mm[row], 6), duplicated[near], taken_off_m, station,
        longitude_deg, latitude_deg, reference_height_m + taken_off_m, antenna_changes,
        up.size - usable.size + int((~near).sum()),
    )


def _refuse_wrong_sigma_unit(sigma_mm: Array, unit: Unit, where: str) -> None:
    """Even a file of one row shows metres that were declared millimetres, and the reverse."""
    typical_mm = float(np.median(sigma_mm)) if sigma_mm.size else np.nan
    if 0.0 < typical_mm < _LEAST_SIGMA_MM or typical_mm > LARGEST_SIGMA_MM:
        likely = "m" if typical_mm < _LEAST_SIGMA_MM else "mm"
        other_unit = likely != unit
        raise MalformedInputError(
            f"values look like {likely}, not {unit}" if other_unit else "not a GNSS series",
            where=where,
            expected=f"a median sigma of {_LEAST_SIGMA_MM:g} to {LARGEST_SIGMA_MM:g} mm",
            got=f"{typical_mm:.3g} mm when read as {unit}",
            remedy=f'set unit = "{likely}" for this source' if other_unit else "check the file",
        )


def _refuse_departure(near: NDArray[np.bool_], up_mm: Array, row: NDArray[np.intp],
                      place: Place) -> None:
    far = np.flatnonzero(~near)
    if far.size == 0:
        return
    if far.size > max(1.0, _WILD_SHARE * near.size) or not near[-_LAST_ROWS:].any():
        first = int(far[0])
        raise MalformedInputError(
            "the station leaves the range of one metre about its median", where=place(row[first]),
            expected=f"within {LARGEST_MM:g} mm",
            got=f"{up_mm[first]:.1f} mm, and {far.size} such rows",
            remedy="a moved or sinking station: cut its record and serve the part that is used",
        )


def _no_row(where: str, n_rows: int) -> MalformedInputError:
    return MalformedInputError(
        "no usable row", where=where, expected=f"a sigma below {LARGEST_SIGMA_MM:g} mm",
        got=f"{n_rows} rows without one", remedy="wait for the next file, or drop the station",
    )
