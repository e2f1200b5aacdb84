"""Thresholds of the quality control of GNSS displacement."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class GnssQcSettings:
    """Thresholds of `check_gnss`.

    Parameters
    ----------
    minimum_reference_days : int
        With fewer used days in the reference period, the station's record before the newest
        day's year is its reference, or at least its first so many days.
    maximum_sigma_mm : float
        Largest formal error of a day, mm.
    outlier_sigma, outlier_window_days, outlier_floor_mm, outlier_run_days
        See `dwlim_ops.qc.outliers.find_outliers`; robust sigmas, days, mm, days.
    step_mode : {"none", "given", "detect"}
        Correct no steps, the given ones, or the given and the detected ones.
    step_window_days, step_significance, minimum_step_mm, step_minimum_days
        See `dwlim_ops.qc.steps.detect_steps`; values, ratio, mm, values.
    near_step_days : int
        Days flagged on each side of a step.
    trend : {"none", "linear"}
        Whether the fitted linear trend is removed.
    minimum_days, minimum_span_days : int
        Least number of used days, and of days from the first to the last.
    maximum_scatter_mm : float
        Largest robust scatter about the running median, mm.
    maximum_typical_sigma_mm : float
        Largest median formal error, mm.
    maximum_distance_deg : float
        Largest distance from the region, degrees.
    """

    minimum_reference_days: int = 365
    maximum_sigma_mm: float = 20.0
    outlier_sigma: float = 3.0
    outlier_window_days: int = 61
    outlier_floor_mm: float = 5.0
    outlier_run_days: int = 3
    step_mode: Literal["none", "given", "detect"] = "given"
    step_window_days: int = 30
    step_significance: float = 5.0
    minimum_step_mm: float = 10.0
    step_minimum_days: int = 5
    near_step_days: int = 3
    trend: Literal["none", "linear"] = "none"
    minimum_days: int = 365
    minimum_span_days: int = 548
    maximum_scatter_mm: float = 8.0
    maximum_typical_sigma_mm: float = 8.0
    maximum_distance_deg: float = 2.0
