"""Which stations and values the inversion may use, and why not."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.qc.comparison import Comparison, drifting, reversed_phase, thermal_residual
from dwlim_ops.qc.settings import GnssQcSettings, Screening

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Words = NDArray[np.str_]


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


def settled_days(used: Mask, day: Array, minimum_days: int) -> Mask:
    """Used days before the newest day's year, or at least the first so many, (time, station).

    What is decided by these days does not change within a year.

    Parameters
    ----------
    used : ndarray of bool (time, station)
    day : ndarray (time,)
        Days since 1970-01-01.
    minimum_days : int
    """
    if not day.size:
        return used.copy()
    year = day.astype("datetime64[D]").astype("datetime64[Y]")
    settled: Mask = used & ((year < year[-1])[:, None] | (np.cumsum(used, axis=0) <= minimum_days))
    return settled


def screen_stations(
    used: Mask, settled: Mask, up_sigma_mm: Array, scatter_mm: Array, *,
    region_distance_deg: Array | None, settings: GnssQcSettings,
) -> Words:
    """Reason for which each station is not used on its own account, (station,); else empty.

    Parameters
    ----------
    used : ndarray of bool (time, station)
        Values without a flag, one row per day.
    settled : ndarray of bool (time, station)
        Those of `settled_days`, by which the formal errors are judged.
    up_sigma_mm : ndarray (time, station)
        Formal errors, mm.
    scatter_mm : ndarray (station,)
        Robust scatter about the running median on the settled days, mm.
    region_distance_deg : ndarray (station,), optional
        Distance from the region, degrees.
    settings : GnssQcSettings
        Limits.
    """
    n_days = used.sum(axis=0)
    span = np.where(n_days > 0, _last_row(used) + _last_row(used[::-1]) + 2 - used.shape[0], 0)
    distance = np.zeros(n_days.size) if region_distance_deg is None else region_distance_deg
    reasons = []
    for i in range(n_days.size):
        formal = up_sigma_mm[settled[:, i], i]
        typical = float(np.median(formal)) if formal.size else np.nan
        tests = (
            (distance[i] > settings.maximum_distance_deg,
             f"{distance[i]:.1f} deg from the region"),
            (typical > settings.maximum_typical_sigma_mm, f"formal error {typical:.1f} mm"),
            (n_days[i] < settings.minimum_days, f"only {n_days[i]} usable days"),
            (span[i] < settings.minimum_span_days, f"record of only {span[i]} days"),
            (scatter_mm[i] > settings.maximum_scatter_mm, f"scatter {scatter_mm[i]:.1f} mm"),
        )
        reasons.append(next((reason for failed, reason in tests if failed), ""))
    return np.array(reasons, dtype=np.str_)


@dataclass(frozen=True, eq=False)
class NetworkScreening:
    """What the comparison with the neighbours says.

    Parameters
    ----------
    exclusion, remark : ndarray of str (station,)
        Why a station is not used; what else was found, or found and only remarked.
    drifts : ndarray of bool (time, station)
        Days left out because the station had drifted.
    account : str
        Which tests were made, and why not the others.
    """

    exclusion: Words
    remark: Words
    drifts: Mask
    account: str


def screen_network(comparison: Comparison, within: Mask, temperature_k: Array | None,
                   settings: GnssQcSettings) -> NetworkScreening:
    """Compare every station with its neighbours.

    Parameters
    ----------
    comparison : Comparison
        Of used values, stations that are excluded on their own account being absent.
    within : ndarray of bool (time, station)
        Days that define the reference of each station.
    temperature_k : ndarray (time, station), optional
        At the stations, K. Without it the thermal test is not made, which `account` says.
    settings : GnssQcSettings
    """
    n_stations = within.shape[1]
    exclusion, remark = [""] * n_stations, [""] * n_stations
    drifts, account = np.zeros(within.shape, dtype=bool), []

    def note(name: str, mode: Screening, found: list[str]) -> None:
        account.append(name)
        for station, reason in enumerate(found):
            target = exclusion if mode == "exclude" else remark
            target[station] = "; ".join(filter(None, (target[station], reason)))

    if settings.phase_screening != "none":
        note("phase", settings.phase_screening, reversed_phase(
            comparison, limit_mm=settings.phase_limit_mm, minimum_mm=settings.phase_minimum_mm))
    if settings.thermal_screening != "none" and temperature_k is None:
        account.append("thermal not made: no temperature at the stations")
    elif settings.thermal_screening != "none" and temperature_k is not None:
        note("thermal", settings.thermal_screening, thermal_residual(
            comparison, temperature_k, limit_mm=settings.thermal_limit_mm,
            least_correlation=settings.thermal_correlation))
    if settings.drift_screening != "none":
        found, remarks = drifting(comparison, within, limit_mm=settings.drift_limit_mm,
                                  significance=settings.drift_significance)
        note("drift", "remark", remarks)
        if settings.drift_screening == "exclude":
            drifts = found
    return NetworkScreening(np.array(exclusion, dtype=np.str_), np.array(remark, dtype=np.str_),
                            drifts, ", ".join(account))


def _last_row(used: Mask) -> NDArray[np.int64]:
    row = np.arange(used.shape[0], dtype=np.int64)[:, None]
    return np.where(used, row, -1).max(axis=0, initial=-1)
