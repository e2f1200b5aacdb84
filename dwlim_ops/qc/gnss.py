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
from dwlim_ops.qc.outliers import find_outliers, robust_scatter_mm
from dwlim_ops.qc.screening import screen_stations
from dwlim_ops.qc.settings import GnssQcSettings
from dwlim_ops.qc.steps import cut_segments, detect_steps
from dwlim_ops.qc.trajectory import Trajectory, fit_trajectory

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Flags = NDArray[np.uint8]
Step = tuple[date, str]

Period = tuple[date, date]

ONE_DAY = np.timedelta64(1, "D")


def check_gnss(series: xr.Dataset, settings: GnssQcSettings, *, reference: Period,
               given_steps: Iterable[Step] = (),
               region_distance_deg: Array | None = None) -> xr.Dataset:
    """Flag, correct for steps and trend, and refer every series to the reference period.

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
        the newest day's year, or at least to its first so many days. Within a year new days
        therefore do not change any level (unless a trend is removed).
    given_steps : iterable of (day, station)
        Known steps, the day being the first after the step; stations not in `series` are ignored.
    region_distance_deg : ndarray (station,), optional
        Distance of each station from the region, degrees.

    Returns
    -------
    Dataset
        Contract `GNSS_CHECKED`, on every day from the first to the newest. Values stay in
        `up_mm` whatever their flag, except those beyond the contract's range, which become
        absent. Values after a step that is too recent to be measured, or
        between two steps too close to each other, carry `near_step`.
    """
    series = _on_every_day(check(series, GNSS, where="check_gnss"))
    day = (series["time"].values - np.datetime64(0, "D")) / ONE_DAY
    up, sigma = series["up_mm"].values.astype(float), series["up_sigma_mm"].values.astype(float)
    flag = _simple_flags(up, sigma, settings.maximum_sigma_mm) | _input_flags(series)
    good = flag == 0
    step_rows = _find_steps(series, np.where(good, up, np.nan), settings, given_steps)
    corrected, fits = _correct_steps(up, sigma, flag, day, step_rows=step_rows, settings=settings)
    if settings.trend == "linear":
        corrected -= np.column_stack([fit.trend(day) for fit in fits]) if fits else 0.0
    references = [
        _reference_of(corrected[:, station], sigma[:, station], flag[:, station] == 0, day,
                      reference=reference, minimum_days=settings.minimum_reference_days)
        for station in range(corrected.shape[1])]
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
    scatter = robust_scatter_mm(np.where(flag == 0, residual, np.nan))
    exclusion = screen_stations(flag == 0, sigma, scatter, region_distance_deg, settings)
    flag[:, exclusion != ""] |= GNSS_FLAGS["station_excluded"]
    return check(_assemble(series, corrected, flag, exclusion, scatter), GNSS_CHECKED,
                 where="check_gnss")


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


def _find_steps(series: xr.Dataset, up_mm: Array, settings: GnssQcSettings,
                given_steps: Iterable[Step]) -> list[NDArray[np.intp]]:
    known: list[set[int]] = [set() for _ in range(series.sizes["station"])]
    if settings.step_mode != "none":
        place = {name: i for i, name in enumerate(series["station"].values.tolist())}
        for when, name in given_steps:
            row = int(np.searchsorted(series["time"].values, np.datetime64(when, "D")))
            if name in place and 0 < row < up_mm.shape[0]:
                known[place[name]].add(row)
    if settings.step_mode == "detect":
        detected = detect_steps(
            up_mm, window_days=settings.step_window_days,
            significance=settings.step_significance, minimum_step_mm=settings.minimum_step_mm,
            minimum_values=settings.step_minimum_days)
        for rows, new in zip(known, detected, strict=True):
            before = np.array(sorted(rows))
            rows.update(int(row) for row in new
                        if not (np.abs(before - row) < settings.step_window_days).any())
    return [np.array(sorted(rows), dtype=np.intp) for rows in known]


def _correct_steps(up: Array, sigma: Array, flag: Flags, day: Array, *,
                   step_rows: list[NDArray[np.intp]], settings: GnssQcSettings
                   ) -> tuple[Array, list[Trajectory]]:
    """Displacement on the level of the first segment; flags `near_step` in place."""
    corrected = up.copy()
    fits = []
    for station, rows in enumerate(step_rows):
        good = flag[:, station] == 0
        segments = cut_segments(good, rows, settings.step_minimum_days)
        near = _near(rows, day.size, settings.near_step_days) | (segments.index < 0)
        flag[near, station] |= GNSS_FLAGS["near_step"]
        used = good & (segments.index >= 0)
        fit = fit_trajectory(day[used], up[used, station], sigma[used, station],
                             segments.index[used], segments.n_segments)
        corrected[:, station] -= fit.level_mm[np.maximum(segments.index, 0)] - fit.level_mm[0]
        fits.append(fit)
    return corrected, fits


def _near(rows: NDArray[np.intp], n_days: int, reach_days: int) -> Mask:
    near = np.zeros(n_days, dtype=bool)
    for row in rows:
        near[max(row - reach_days, 0): row + reach_days] = True
    return near


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


def _start_of_year(day: float) -> float:
    year = np.datetime64(int(day), "D").astype("datetime64[Y]")
    return float((year.astype("datetime64[D]") - np.datetime64(0, "D")) / ONE_DAY)


def _reference_of(up_mm: Array, sigma_mm: Array, used: Mask, day: Array, *, reference: Period,
                  minimum_days: int) -> _Reference:
    start, end = (float((np.datetime64(d, "D") - np.datetime64(0, "D")) / ONE_DAY)
                  for d in reference)
    within = used & (day >= start) & (day <= end)
    if within.sum() < minimum_days and used.any():
        within = used & ((day < _start_of_year(day[-1])) | (np.cumsum(used) <= minimum_days))
        start, end = (float(limit) for limit in day[within][[0, -1]])
    model = fit_trajectory(day[within], up_mm[within], sigma_mm[within],
                           np.zeros(within.sum(), dtype=np.intp), 1)
    return _Reference(day, within, start, end, model)


def _assemble(series: xr.Dataset, up_mm: Array, flag: Flags, exclusion: NDArray[np.str_],
              scatter_mm: Array) -> xr.Dataset:
    both = ("time", "station")
    return xr.Dataset(
        {
            "up_mm": (both, up_mm),
            "up_sigma_mm": (both, series["up_sigma_mm"].values.astype(float)),
            "flag": (both, flag),
            "exclusion": ("station", exclusion),
            "scatter_mm": ("station", scatter_mm),
        },
        coords=series.coords,
    )
