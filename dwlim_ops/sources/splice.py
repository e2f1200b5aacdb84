"""Rapid solutions continued from final ones: their offset is measured on the common days."""

from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.sources.merge import merge_gnss

Array = NDArray[np.float64]

#: Values of the variable `stream`.
STREAMS: Final = {"final": 0, "rapid": 1, "absent": 255}
_NORMAL: Final = 1.4826


def splice_rapid(
    final: xr.Dataset, rapid: xr.Dataset, *, minimum_common_days: int = 7, step_mm: float = 0.0
) -> tuple[xr.Dataset, xr.Dataset]:
    """Append the rapid values after a station's last final day, moved onto the final level.

    The two come from different orbits and may be counted from different whole metres, so the
    offset of a station is median(final - rapid) over the days that both have. A station with
    fewer common days than `minimum_common_days` keeps its final values only: a rapid value on an
    unknown level would look like water. A station without any final value has its rapid ones
    as they are, since there is no level to be wrong about.

    Parameters
    ----------
    final, rapid : xarray.Dataset
        Of contract `GNSS`.
    minimum_common_days : int, optional
    step_mm : float, optional
        The offset is rounded to a multiple of it, so that one more common day does not move every
        rapid day by some micrometres; 0 for none.

    Returns
    -------
    spliced : xarray.Dataset
        Of contract `GNSS`, every day from the first to the last; final values are those that came
        in. Besides, `stream` (time, station): see `STREAMS`.
    offsets : xarray.Dataset
        Per station of either dataset: `offset_mm` that was added (NaN where there are too few
        common days), `n_common_days`, and `scatter_mm`, 1.4826 median |final - rapid - offset|.
    """
    stations = np.unique(np.concatenate([final["station"].values, rapid["station"].values]))
    old = _aligned(final, stations)
    new = _aligned(rapid, stations)
    common = np.intersect1d(old["time"].values, new["time"].values)
    difference = old.sel(time=common).values - new.sel(time=common).values
    n_common = np.isfinite(difference).sum(axis=0)
    known = n_common >= max(minimum_common_days, 1)
    offset = np.where(known, _median(difference), np.nan)
    if step_mm > 0:
        offset = np.round(offset / step_mm) * step_mm
    scatter = np.where(known, _NORMAL * _median(np.abs(difference - offset)), np.nan)
    has_final = np.isfinite(old.values).any(axis=0)
    added = np.where(has_final, offset, 0.0)
    after = new["time"].values[:, None] > _last_day(old)[None, :]
    column = np.searchsorted(stations, rapid["station"].values)
    used = (after & np.isfinite(added))[:, column]
    moved = rapid.assign(
        up_mm=(rapid["up_mm"] + added[column]).where(used),
        up_sigma_mm=rapid["up_sigma_mm"].where(used))
    spliced = merge_gnss([moved, final])
    offsets = xr.Dataset(
        {"offset_mm": ("station", offset), "n_common_days": ("station", n_common),
         "scatter_mm": ("station", scatter)}, {"station": stations})
    return spliced.assign(stream=(("time", "station"), _streams(spliced, old))), offsets


def _aligned(dataset: xr.Dataset, stations: NDArray[np.str_]) -> xr.DataArray:
    return dataset["up_mm"].reset_coords(drop=True).reindex(station=stations)


def _median(values: Array) -> Array:
    """Median of each column without its NaN; NaN where nothing is left."""
    there = np.isfinite(values).any(axis=0)
    result = np.full(values.shape[1], np.nan)
    result[there] = np.nanmedian(values[:, there], axis=0)
    return result


def _last_day(values: xr.DataArray) -> NDArray[np.datetime64]:
    """Day of each column's last value; the beginning of time where there is none."""
    present = np.isfinite(values.values)
    day = values["time"].values.astype("datetime64[ns]")
    last = np.full(present.shape[1], np.datetime64("1900-01-01", "ns"))
    there = present.any(axis=0)
    if there.any():
        row = present.shape[0] - 1 - present[::-1, there].argmax(axis=0)
        last[there] = day[row]
    return last


def _streams(spliced: xr.Dataset, final: xr.DataArray) -> NDArray[np.uint8]:
    from_final = np.isfinite(final.reindex(time=spliced["time"]).values)
    from_rapid = np.isfinite(spliced["up_mm"].values) & ~from_final
    number = np.full(from_final.shape, STREAMS["absent"], dtype=np.uint8)
    number[from_final], number[from_rapid] = STREAMS["final"], STREAMS["rapid"]
    return number
