"""Daily means centred on the GNSS day, which runs from 00 to 24 UTC."""

from typing import Final

import numpy as np
import xarray as xr

from dwlim_ops.errors import MalformedInputError

_HOURS: Final = 24
_HOUR: Final = np.timedelta64(1, "h")
_DAY: Final = np.timedelta64(1, "D")


def daily_means(grid: xr.Dataset, *, where: str, step_hours: int | None = None) -> xr.Dataset:
    """Mean of each whole day by the trapezoid rule over 00, 00 + step, ..., 24 UTC.

    The plain mean of 00..23 is centred at 11:30, and that of 00..21 at 10:30: both shift the
    daily cycle and the trend of a front into the mean.

    Parameters
    ----------
    grid : xarray.Dataset
        Instantaneous values on `time`, ascending.
    where : str
        Name of the file, for messages.
    step_hours : int, optional
        Hours between instants; without it the smallest step in the file.

    Returns
    -------
    xarray.Dataset
        `time` is the day (00:00). Only days with all their 24 / step + 1 instants; where one of
        them is NaN, the mean is NaN. May hold no day at all.

    Raises
    ------
    MalformedInputError
        The smallest step does not divide the day, or there is but one time.
    """
    time = grid["time"].values
    step = step_hours if step_hours is not None else _smallest_step_hours(time, where)
    offsets = np.arange(0, _HOURS + step, step) * _HOUR
    weight = np.full(offsets.size, step / _HOURS)
    weight[[0, -1]] /= 2.0
    days = np.unique(time.astype("datetime64[D]")).astype("datetime64[ns]")
    rows = np.searchsorted(time, days[:, None] + offsets)
    found = time[np.minimum(rows, time.size - 1)] == days[:, None] + offsets
    whole = found.all(axis=1)
    fields = {
        name: (field.dims, _means(field.values, rows[whole], weight), field.attrs)
        for name, field in grid.data_vars.items()
    }
    axes = {name: grid[name] for name in ("lat", "lon") if name in grid.coords}
    return xr.Dataset(fields, {"time": days[whole], **axes})


def _smallest_step_hours(time: np.ndarray, where: str) -> int:
    steps = np.diff(time)
    hours = float(steps.min() / _HOUR) if steps.size else 0.0
    if hours not in {1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0}:
        raise MalformedInputError(
            "instants do not divide the day", where=where,
            expected="steps of 1, 2, 3, 4, 6, 8 or 12 hours from 00 UTC",
            got=f"smallest step {hours:g} h",
            remedy="if the file holds daily means, say so in the source's settings")
    return int(hours)


def _means(values: np.ndarray, rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    means = np.empty((len(rows), *values.shape[1:]))
    for day, instants in enumerate(rows):
        means[day] = np.tensordot(weight, values[instants].astype(float), axes=1)
    return means
