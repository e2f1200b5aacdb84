"""Thresholds of the quality control of GNSS displacement."""

from dataclasses import dataclass
from typing import Literal

Screening = Literal["none", "remark", "exclude"]


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
    neighbour_maximum_km : float
        Largest distance of a neighbour, km.
    n_neighbours, minimum_neighbours : int
        Nearest neighbours with a value that count on a day, and at least.
    step_mode : {"none", "given", "detect"}
        Correct no steps, the given ones, or the given and the detected ones.
    step_minimum_days, fast_step_mm
        Values, and least change of their median, mm, by which a large step is seen at once; see
        `dwlim_ops.qc.steps.find_steps`.
    step_window_days, minimum_step_mm
        The same for smaller steps, seen later.
    step_significance : float
        Least ratio of the change to its scatter in the station's past.
    step_level_days : int
        Values after a step that decide its size. Until they exist the values after the step are
        flagged `near_step`; then they are used at the level before the step.
    near_step_days : int
        Days flagged on each side of a step.
    trend : {"none", "linear"}
        Whether the linear trend of the years before the newest day's is removed.
    minimum_days, minimum_span_days : int
        Least number of used days, and of days from the first to the last.
    maximum_scatter_mm : float
        Largest robust scatter about the running median, mm.
    maximum_typical_sigma_mm : float
        Largest median formal error, mm.
    maximum_distance_deg : float
        Largest distance from the region, degrees.
    phase_screening, thermal_screening, drift_screening : {"none", "remark", "exclude"}
        Whether the test is made, and whether it only leaves a remark.
    phase_limit_mm, phase_minimum_mm
        A station whose annual term, projected on the phase of its neighbours', is below minus the
        first, mm, moves against them, if theirs is at least the second; see
        `dwlim_ops.qc.comparison.reversed_phase`.
    thermal_limit_mm, thermal_correlation
        Least annual term of the residual to the neighbours in phase with local temperature, mm,
        and least correlation of both; see `dwlim_ops.qc.comparison.thermal_residual`.
    drift_limit_mm, drift_significance
        Largest departure of the residual to the neighbours from its past, mm and in units of its
        past scatter; see `dwlim_ops.qc.comparison.drifting`.
    """

    minimum_reference_days: int = 365
    maximum_sigma_mm: float = 20.0
    outlier_sigma: float = 3.0
    outlier_window_days: int = 61
    outlier_floor_mm: float = 5.0
    outlier_run_days: int = 3
    neighbour_maximum_km: float = 2000.0
    n_neighbours: int = 8
    minimum_neighbours: int = 3
    step_mode: Literal["none", "given", "detect"] = "given"
    step_minimum_days: int = 5
    fast_step_mm: float = 11.0
    step_window_days: int = 30
    minimum_step_mm: float = 10.0
    step_significance: float = 4.5
    step_level_days: int = 30
    near_step_days: int = 3
    trend: Literal["none", "linear"] = "none"
    minimum_days: int = 365
    minimum_span_days: int = 548
    maximum_scatter_mm: float = 8.0
    maximum_typical_sigma_mm: float = 8.0
    maximum_distance_deg: float = 2.0
    phase_screening: Screening = "exclude"
    phase_limit_mm: float = 1.0
    phase_minimum_mm: float = 0.5
    thermal_screening: Screening = "remark"
    thermal_limit_mm: float = 2.5
    thermal_correlation: float = 0.5
    drift_screening: Screening = "exclude"
    drift_limit_mm: float = 10.0
    drift_significance: float = 5.0
