"""Figures of the alert hindcast: reliability of the probabilities, alerts beside the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from dwlim_ops.verify.alert_scores import ReliabilityCurve, Spell
from dwlim_ops.verify.drawing import INK, METHODS, PALE, SOFT, date_axis, plain

Array = NDArray[np.float64]

#: Okabe and Ito's vermilion and blue; droughts also lie below the line and wet spells above it.
COLOURS: Final = {"drought": "#d55e00", "wet": "#0072b2"}


@dataclass(frozen=True, eq=False)
class Reliability:
    """One hazard: its curve, (K,), the bars about the diagonal, (2, K), and how often it occurs."""

    curve: ReliabilityCurve
    bars: Array
    base_rate: float


@dataclass(frozen=True, eq=False)
class BasinTimeLine:
    """A basin's standardised anomaly as it was told and as it truly was, (T,), and what was said.

    `alerts` and `events` are by hazard.
    """

    name: str
    told: Array
    true: Array
    alerts: Mapping[str, Sequence[Spell]]
    events: Mapping[str, Sequence[Spell]]


def reliability_diagrams(hazards: Mapping[str, Reliability], edges: Array) -> Figure:
    """Forecast probability against frequency, one panel a hazard, and how often it was forecast."""
    figure = Figure(figsize=(9.6, 5.4), layout="constrained")
    grid: Any = figure.subplots(2, len(hazards), squeeze=False, sharex=True,
                                height_ratios=[3.2, 1.0])
    for column, (name, one) in enumerate(hazards.items()):
        axes, below = grid[0, column], grid[1, column]
        plain(axes, name)
        axes.plot([0, 1], [0, 1], color=SOFT, lw=0.9, label="perfect reliability")
        axes.axhline(one.base_rate, color=SOFT, lw=0.8, ls=":", label="frequency of the event")
        shown = one.curve.count > 0
        middle = one.curve.mean_probability[shown]
        axes.vlines(middle, *one.bars[:, shown], color=PALE, lw=7,
                    label="90 % of reliable forecasts")
        axes.plot(middle, one.curve.frequency[shown], color=COLOURS[name], marker="o", ms=5,
                  lw=1.6, label="observed")
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.set_ylabel("observed frequency" if column == 0 else "")
        plain(below)
        below.bar(0.5 * (edges[1:] + edges[:-1]), one.curve.count, width=0.9 * np.diff(edges),
                  color=COLOURS[name])
        below.set_yscale("log")
        below.yaxis.set_minor_formatter(NullFormatter())
        below.set_ylabel("basin-days" if column == 0 else "")
        below.set_xlabel("forecast probability")
        if column == 0:
            axes.legend(loc="upper left", frameon=False, fontsize=8.5)
    return figure


def alert_time_lines(days: NDArray[np.datetime64], basins: Sequence[BasinTimeLine], *,
                     second_first: np.datetime64) -> Figure:
    """Alerts as colour, true events as outlined bars, one panel a basin; droughts below.

    A dashed line marks where training years end and test years begin, or the reverse.
    """
    figure = Figure(figsize=(9.6, 1.55 * len(basins) + 0.9), layout="constrained")
    every: Any = figure.subplots(len(basins), 1, squeeze=False, sharex=True)[:, 0]
    for axes, one in zip(every, basins, strict=True):
        plain(axes, one.name)
        axes.axhline(0.0, color=SOFT, lw=0.6)
        axes.plot(days, one.true, color=INK, lw=0.7, label="truth")
        axes.plot(days, one.told, color=METHODS["dwlim_st newest day"].colour, lw=0.9,
                  label="newest day")
        for hazard, sign in (("drought", -1), ("wet", 1)):
            axes.broken_barh(_bars(days, one.alerts[hazard]), _height(4.0 * sign, 0.75),
                             facecolor=COLOURS[hazard], label=f"{hazard} alert")
            axes.broken_barh(_bars(days, one.events[hazard]), _height(5.0 * sign, 0.75),
                             facecolor="white", edgecolor=INK, lw=0.8, hatch="////",
                             label="event in the truth" if sign > 0 else None)
        axes.axvline(second_first, color=SOFT, lw=0.9, ls="--")
        axes.set_ylim(-5.8, 5.8)
        axes.set_yticks([-2, 0, 2])
        axes.set_xlim(days[0], days[-1])
        date_axis(axes)
    handles, labels = every[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=8.5)
    return figure


def _height(middle: float, height: float) -> tuple[float, float]:
    return middle - 0.5 * height, height


def _bars(days: NDArray[np.datetime64], found: Sequence[Spell]) -> list[tuple[Any, Any]]:
    """Beginning and length of each spell in the axis' units, days."""
    start = days.astype("datetime64[D]").astype(float)
    return [(start[one.first], one.last - one.first + 1.0) for one in found]
