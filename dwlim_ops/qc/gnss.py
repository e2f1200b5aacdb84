"""Quality control of GNSS displacement: flags, steps, trend, reference period, screening.

Nothing is deleted. Every decision uses all days of the dataset it is given, and no other: the
caller decides what is visible as of a date.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.contracts import GNSS, GNSS_CHECKED, GNSS_FLAGS, check
from dwlim_ops.qc.comparison import Comparison
from dwlim_ops.qc.neighbours import Neighbours, find_neighbours
from dwlim_ops.qc.outliers import find_outliers
from dwlim_ops.qc.robust import robust_scatter
from dwlim_ops.qc.screening import (
    NetworkScreening,
    screen_network,
    screen_stations,
    settled_days,
)
from dwlim_ops.qc.settings import GnssQcSettings
from dwlim_ops.qc.steps import find_steps
from dwlim_ops.qc.trajectory import Trajectory, fit_trajectory

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Flags = NDArray[np.uint8]
Step = tuple[date, str]

Period = tuple[date, date]

ONE_DAY = np.timedelta64(1, "D")


def check_gnss(series: xr.Dataset, settings: GnssQcSettings, *, reference: Period,
               given_steps: Iterable[Step] = (), region_distance_deg: Array | None = None,
               temperature_k: xr.DataArray | None = None) -> xr.Dataset:
    """Flag, correct for steps and trend, refer to the reference period, and screen.

    Within a year new days change neither levels nor flags of earlier days, except those withheld
    around a step that is found since, or because a station's record has become long enough.

    Parameters
    ----------
    series : Dataset
        Contract `GNSS`; an optional variable `flag` (time, station), bits of `GNSS_FLAGS`, is
        taken over. Days may be missing from `time`.
    settings : GnssQcSettings
        Thresholds.
    reference : (date, date)
        First and last day of the reference period; displacement is relative to its mean. A
        station with fewer than `minimum_reference_days` in it is relative to its record before
        the newest day's year, or at least to its first so many days.
    given_steps : iterable of (day, station)
        Known steps, the day being the first after the step; stations not in `series` are ignored.
    region_distance_deg : ndarray (station,), optional
        Distance of each station from the region, degrees.
    temperature_k : DataArray (time, station), optional
        Daily mean temperature at the stations, K, for the thermal test.

    Returns
    -------
    Dataset
        Contract `GNSS_CHECKED`, on every day from the first to the newest, with `remark`
        (station,) for what the screening found at stations that are used, and an attribute
        `screening` that tells which tests were made. Values stay in `up_mm` whatever their flag,
        except those beyond the contract's range, which become absent. Values after a step carry
        `near_step` until `step_level_days` of them have decided its size, and for good between
        two steps that are closer to each other; after that they are used. Days on which a station
        had drifted carry `station_excluded`.
    """
    series = _on_every_day(check(series, GNSS, where="check_gnss"))
    day = (series["time"].values - np.datetime64(0, "D")) / ONE_DAY
    up, sigma = series["up_mm"].values.astype(float), series["up_sigma_mm"].values.astype(float)
    flag = _simple_flags(up, sigma, settings.maximum_sigma_mm) | _input_flags(series)
    neighbours = find_neighbours(
        series["longitude_deg"].values, series["latitude_deg"].values,
        maximum_km=settings.neighbour_maximum_km, n_nearest=settings.n_neighbours,
        minimum=settings.minimum_neighbours)
    corrected = _correct_steps(up, flag, neighbours, _given_rows(series, given_steps), settings)
    if settings.trend == "linear":
        corrected -= _trends(corrected, sigma, flag == 0, day, settings.minimum_reference_days)
    references = _references(corrected, sigma, flag == 0, day, reference=reference,
                             minimum_days=settings.minimum_reference_days)
    smooth = np.column_stack([r.smooth(day) for r in references]) if references else corrected
    outlier, residual = find_outliers(
        np.where(flag == 0, corrected - smooth, np.nan),
        window_days=settings.outlier_window_days, n_sigma=settings.outlier_sigma,
        floor_mm=settings.outlier_floor_mm, run_days=settings.outlier_run_days)
    flag[outlier] |= GNSS_FLAGS["outlier"]
    for station, of_station in enumerate(references):
        corrected[:, station] -= of_station.level_mm(corrected[:, station], flag[:, station] == 0)
    impossible = np.abs(corrected) > GNSS_CHECKED.variables["up_mm"].maximum
    corrected[impossible] = np.nan
    flag[impossible] |= GNSS_FLAGS["absent"]
    settled = settled_days(flag == 0, day, settings.minimum_reference_days)
    scatter = robust_scatter(np.where(settled, residual, np.nan))
    exclusion = screen_stations(flag == 0, settled, sigma, scatter, settings=settings,
                                region_distance_deg=region_distance_deg)
    flag[:, exclusion != ""] |= GNSS_FLAGS["station_excluded"]
    own = np.where(flag == 0, corrected, np.nan)
    found = screen_network(
        Comparison.between(day, own, neighbours.median(own)),
        np.column_stack([r.within for r in references]) if references else settled,
        _aligned(temperature_k, series), settings)
    flag[found.drifts & (flag == 0)] |= GNSS_FLAGS["station_excluded"]
    flag[:, found.exclusion != ""] |= GNSS_FLAGS["station_excluded"]
    return check(_assemble(
        series, corrected, flag, scatter_mm=scatter, found=found,
        exclusion=np.where(exclusion != "", exclusion, found.exclusion)),
        GNSS_CHECKED, where="check_gnss")


def _on_every_day(series: xr.Dataset) -> xr.Dataset:
    time = series["time"].values.astype("datetime64[D]")
    days = np.arange(time[0], time[-1] + ONE_DAY) if time.size else time
    fill = {"flag": np.uint8(0)} if "flag" in series else {}
    variables = [name for name in ("up_mm", "up_sigma_mm", "flag") if name in series]
    return series[variables].assign_coords(time=time.astype("datetime64[ns]")).reindex(
        time=days.astype("datetime64[ns]"), fill_value={"up_mm": np.nan, "up_sigma_mm": np.nan,
                                                        **fill})


def _simple_flags(up: Array, sigma: Array, maximum_sigma_mm: float) -> Flags:
    flag = np.where(np.isfinite(up), 0, GNSS_FLAGS["absent"]).astype(np.uint8)
    fine = (sigma > 0) & (sigma <= maximum_sigma_mm)
    flag[np.isfinite(up) & ~fine] |= GNSS_FLAGS["formal_sigma_too_large"]
    return flag


def _input_flags(series: xr.Dataset) -> Flags:
    if "flag" not in series:
        return np.zeros((series.sizes["time"], series.sizes["station"]), dtype=np.uint8)
    return series["flag"].values.astype(np.uint8)


def _aligned(temperature_k: xr.DataArray | None, series: xr.Dataset) -> Array | None:
    if temperature_k is None:
        return None
    at_stations = temperature_k.transpose("time", "station").reindex(
        time=series["time"].values, station=series["station"].values)
    return at_stations.values.astype(float)


def _given_rows(series: xr.Dataset, given_steps: Iterable[Step]) -> list[NDArray[np.intp]]:
    known: list[set[int]] = [set() for _ in range(series.sizes["station"])]
    place = {name: i for i, name in enumerate(series["station"].values.tolist())}
    for when, name in given_steps:
        row = int(np.searchsorted(series["time"].values, np.datetime64(when, "D")))
        if name in place and 0 < row < series.sizes["time"]:
            known[place[name]].add(row)
    return [np.array(sorted(rows), dtype=np.intp) for rows in known]


def _correct_steps(up: Array, flag: Flags, neighbours: Neighbours,
                   given_rows: list[NDArray[np.intp]], settings: GnssQcSettings) -> Array:
    """Displacement on the level of the first segment; flags `near_step` in place."""
    corrected = up.copy()
    if settings.step_mode == "none":
        return corrected
    found = find_steps(np.where(flag == 0, up, np.nan), neighbours, given_rows, settings)
    n_days = up.shape[0]
    for station, steps in enumerate(found):
        corrected[:, station] -= steps.offset_mm(n_days)
        flag[steps.withheld(n_days, settings.near_step_days), station] |= GNSS_FLAGS["near_step"]
    return corrected


def _trends(up_mm: Array, sigma_mm: Array, used: Mask, day: Array, minimum_days: int) -> Array:
    """Linear trend of the settled days, (time, station)."""
    settled = settled_days(used, day, minimum_days)
    trends = np.zeros(up_mm.shape)
    for station, days in enumerate(settled.T):
        trends[:, station] = fit_trajectory(
            day[days], up_mm[days, station], sigma_mm[days, station]).trend(day)
    return trends


@dataclass(frozen=True, eq=False)
class _Reference:
    """The days that define a station's level, and the trajectory fitted to them."""

    day: Array
    within: Mask
    start: float
    end: float
    model: Trajectory

    def smooth(self, day: Array) -> Array:
        """Trend and seasonal terms, mm, without the level."""
        return self.model.trend(day) + self.model.seasonal(day)

    def level_mm(self, up_mm: Array, used: Mask) -> float:
        """Mean over all days of the span; the model stands in for the days without a value, so
        that a gap in one season does not shift the level.
        """
        kept = self.within & used
        if not kept.any():
            return 0.0
        expected = self.smooth(np.arange(self.start, self.end + 1.0)).mean()
        return float(expected + (up_mm[kept] - self.smooth(self.day[kept])).mean())


def _references(up_mm: Array, sigma_mm: Array, used: Mask, day: Array, *, reference: Period,
                minimum_days: int) -> list[_Reference]:
    first, last = (float((np.datetime64(d, "D") - np.datetime64(0, "D")) / ONE_DAY)
                   for d in reference)
    settled = settled_days(used, day, minimum_days)
    references = []
    for station, of_station in enumerate(used.T):
        within, start, end = of_station & (day >= first) & (day <= last), first, last
        if within.sum() < minimum_days and of_station.any():
            within = settled[:, station]
            start, end = (float(limit) for limit in day[within][[0, -1]])
        model = fit_trajectory(day[within], up_mm[within, station], sigma_mm[within, station])
        references.append(_Reference(day, within, start, end, model))
    return references


def _assemble(series: xr.Dataset, up_mm: Array, flag: Flags, *, exclusion: NDArray[np.str_],
              scatter_mm: Array, found: NetworkScreening) -> xr.Dataset:
    both = ("time", "station")
    return xr.Dataset(
        {
            "up_mm": (both, up_mm),
            "up_sigma_mm": (both, series["up_sigma_mm"].values.astype(float)),
            "flag": (both, flag),
            "exclusion": ("station", exclusion),
            "remark": ("station", found.remark),
            "scatter_mm": ("station", scatter_mm),
        },
        coords=series.coords, attrs={"screening": found.account},
    )
