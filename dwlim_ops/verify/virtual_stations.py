"""Scores of displacement predicted where a station was left out, with its interval."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.verify.scores import nse, pcc, rmse

Array = NDArray[np.float64]

#: The interval of this probability is so many standard deviations to either side.
PROBABILITY: Final = 0.9
STANDARD_DEVIATIONS: Final = 1.6448536269514722


@dataclass(frozen=True, eq=False)
class MethodScores:
    """One method at stations left out, on days that nothing was learned from.

    `rmse_mm`, `pcc` and `nse` are by station, (n_stations,), NaN without a score; the others are
    over all values: how many, their RMSE, the share inside the 90 % interval, the mean half width
    of the interval, and the factor on its standard deviation that was learned beforehand.
    """

    label: str
    rmse_mm: Array
    pcc: Array
    nse: Array
    n_values: int
    pooled_rmse_mm: float
    coverage: float
    half_width_mm: float
    interval_scale: float


@dataclass(frozen=True, eq=False)
class VirtualStationTable:
    """The methods side by side, and the parameters that they learned.

    `first` and `last` are the scored days' limits, of which `n_days` count; `parameters` names the
    values of each method's covariance, NaN where one has no meaning.
    """

    role: str
    bundle_id: str
    first: date
    last: date
    n_days: int
    stride_days: int
    methods: tuple[MethodScores, ...]
    parameters: Mapping[str, Mapping[str, float]]


def interval_scale(observed_mm: Array, predicted_mm: Array, sigma_mm: Array) -> float:
    """Factor on sigma with which 90 % of the values lie inside the 90 % interval; 1 without any."""
    ratio = np.abs(observed_mm - predicted_mm) / sigma_mm
    ratio = ratio[np.isfinite(ratio)]
    return float(np.quantile(ratio, PROBABILITY)) / STANDARD_DEVIATIONS if ratio.size else 1.0


def score_method(label: str, observed_mm: Array, predicted_mm: Array, sigma_mm: Array, *,
                 scale: float, minimum_days: int) -> MethodScores:
    """Score predictions of the values at stations left out.

    Parameters
    ----------
    observed_mm, predicted_mm, sigma_mm : array (n_days, n_stations)
        NaN where absent. Sigma is that of observed minus predicted, the station's own noise
        included.
    scale : float
        From `interval_scale` on other days.
    minimum_days : int
        Fewest days for the scores of a station.
    """
    both = np.isfinite(observed_mm) & np.isfinite(predicted_mm)
    observed = np.where(both, observed_mm, np.nan)
    columns = [(predicted_mm[:, s], observed[:, s]) if both[:, s].sum() >= minimum_days else None
               for s in range(observed.shape[1])]

    def by_station(score: Callable[[Array, Array], float]) -> Array:
        return np.array([math.nan if pair is None else score(*pair) for pair in columns])

    half_width = STANDARD_DEVIATIONS * scale * sigma_mm[both]
    error = np.abs(observed_mm[both] - predicted_mm[both])
    n_values = int(both.sum())
    return MethodScores(
        label, by_station(rmse), by_station(pcc), by_station(nse), n_values,
        rmse(predicted_mm[both], observed_mm[both]),
        float((error <= half_width).mean()) if n_values else math.nan,
        float(half_width.mean()) if n_values else math.nan, scale)


def to_markdown(table: VirtualStationTable) -> str:
    """The table in words, for a report."""
    which = "every day" if table.stride_days == 1 else f"one day in {table.stride_days}"
    lines = [
        f"### Virtual stations, bundle `{table.role}` ({table.bundle_id})", "",
        f"{table.n_days} days from {table.first} to {table.last} ({which}), none trained or "
        "stopped on. Each station is predicted without its own data of the day and without the "
        "networks of its cell; its noise is in the scores. Median and quartiles over the stations; "
        "RMSE of all values; share of all values inside the 90 % interval, its mean half width, "
        "and the factor on its sigma. Covariances, noise of the stations, gain and factor come "
        "from training and validation years, the tuned interpolation from validation years.", "",
        "| method | stations | RMSE mm | PCC | NSE | all: RMSE mm | inside 90 % | half width mm | "
        "factor |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_row(scores) for scores in table.methods), "",
    ]
    if table.parameters:
        names = list(next(iter(table.parameters.values())))
        lines += [
            f"| learned | {' | '.join(names)} |", "|---|" + "---|" * len(names),
            *(f"| {label} | {' | '.join(_number(values[name], 2) for name in names)} |"
              for label, values in table.parameters.items()), ""]
    return "\n".join(lines)


def _row(scores: MethodScores) -> str:
    n_stations = int(np.isfinite(scores.rmse_mm).sum())
    inside = "-" if not scores.n_values else f"{100 * scores.coverage:.1f} %"
    return (f"| {scores.label} | {n_stations} | {_quartiles(scores.rmse_mm)} | "
            f"{_quartiles(scores.pcc)} | {_quartiles(scores.nse)} | "
            f"{_number(scores.pooled_rmse_mm, 2)} | {inside} | "
            f"{_number(scores.half_width_mm, 1)} | {scores.interval_scale:.2f} |")


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if math.isfinite(value) else "-"


def _quartiles(values: Sequence[float] | Array) -> str:
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return "-"
    low, middle, high = np.percentile(finite, [25, 50, 75])
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]"
