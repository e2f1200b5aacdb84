"""Which stations and values the inversion may use, and why not."""

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.qc.settings import GnssQcSettings

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def usable(checked: xr.Dataset) -> NDArray[np.bool_]:
    """Values without any flag, shape (time, station)."""
    mask: Mask = checked["flag"].values == 0
    return mask


def days_since_last_value(checked: xr.Dataset) -> NDArray[np.int64]:
    """Days from each station's last usable value to the newest day, (station,); -1 if none.

    A station that stopped is not excluded for it: its past values remain good.
    """
    last = _last_row(usable(checked))
    return np.where(last >= 0, checked.sizes["time"] - 1 - last, -1)


def screen_stations(
    used: Mask, up_sigma_mm: Array, scatter_mm: Array, region_distance_deg: Array | None,
    settings: GnssQcSettings,
) -> NDArray[np.str_]:
    """Reason for which each station is not used, (station,); empty if it is used.

    Parameters
    ----------
    used : ndarray of bool (time, station)
        Values without a flag, one row per day.
    up_sigma_mm : ndarray (time, station)
        Formal errors, mm.
    scatter_mm : ndarray (station,)
        Robust scatter about the running median, mm.
    region_distance_deg : ndarray (station,), optional
        Distance from the region, degrees.
    settings : GnssQcSettings
        Limits.
    """
    n_days = used.sum(axis=0)
    span = np.where(n_days > 0, _last_row(used) + _last_row(used[::-1]) + 2 - used.shape[0], 0)
    typical = pd.DataFrame(np.where(up_sigma_mm > 0, up_sigma_mm, np.nan)).median().to_numpy()
    distance = np.zeros(n_days.size) if region_distance_deg is None else region_distance_deg
    reasons = []
    for i in range(n_days.size):
        tests = (
            (distance[i] > settings.maximum_distance_deg,
             f"{distance[i]:.1f} deg from the region"),
            (typical[i] > settings.maximum_typical_sigma_mm,
             f"formal error {typical[i]:.1f} mm"),
            (n_days[i] < settings.minimum_days, f"only {n_days[i]} usable days"),
            (span[i] < settings.minimum_span_days, f"record of only {span[i]} days"),
            (scatter_mm[i] > settings.maximum_scatter_mm, f"scatter {scatter_mm[i]:.1f} mm"),
        )
        reasons.append(next((reason for failed, reason in tests if failed), ""))
    return np.array(reasons, dtype=np.str_)


def _last_row(used: Mask) -> NDArray[np.int64]:
    row = np.arange(used.shape[0], dtype=np.int64)[:, None]
    return np.where(used, row, -1).max(axis=0, initial=-1)
