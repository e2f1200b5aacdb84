"""Figures of the method: its flow chart, and what its networks read."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from numpy.typing import NDArray

from dwlim_ops.verify.drawing import INK, SOFT, date_axis

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]

_DATA, _STEP, _RESULT = "#dbe9f4", "#f4f1de", "#d8efe3"
_WIDTH, _HEIGHT = 2.55, 0.78


@dataclass(frozen=True)
class _Box:
    x: float
    y: float
    head: str
    words: str
    colour: str


_BOXES: Final = {
    "gnss": _Box(0, 6, "Station displacement", "daily, vertical", _DATA),
    "loading": _Box(3, 6, "Loading models", "NTAL, NTOL", _DATA),
    "weather": _Box(6, 6, "Weather of the cells", "temperature, pressure", _DATA),
    "correct": _Box(1.5, 4.8, "Correct", "each loading subtracted once", _STEP),
    "qc": _Box(1.5, 3.6, "Check", "outliers, steps, trend, screening", _STEP),
    "features": _Box(6, 4.8, "Features", "MEEMD or causal bank, as of the day", _STEP),
    "simulate": _Box(6, 3.6, "Simulate", "station LSTMs; cells between them", _STEP),
    "tragnss": _Box(0, 2.2, "tragnss", "stations, each day alone", _STEP),
    "dwlim": _Box(6, 2.2, "dwlim", "stations and simulated cells", _STEP),
    "dwlim_st": _Box(3, 2.2, "dwlim_st", "filter and smoother over days", _STEP),
    "twsa": _Box(3, 0.9, "Water storage anomaly", "cells, basins, errors, resolution", _RESULT),
}
_ARROWS: Final = (
    ("gnss", "correct"), ("loading", "correct"), ("correct", "qc"), ("weather", "features"),
    ("features", "simulate"), ("qc", "simulate"), ("qc", "tragnss"), ("qc", "dwlim"),
    ("qc", "dwlim_st"), ("simulate", "dwlim"), ("tragnss", "twsa"),
    ("dwlim", "twsa"), ("dwlim_st", "twsa"))


def flow_chart() -> Figure:
    """From the data to the three estimates."""
    figure = Figure(figsize=(9.6, 6.2))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(-1.45, 7.45)
    axes.set_ylim(0.35, 6.55)
    axes.axis("off")
    for start, end in _ARROWS:
        _arrow(axes, _BOXES[start], _BOXES[end])
    for box in _BOXES.values():
        axes.add_patch(FancyBboxPatch(
            (box.x - _WIDTH / 2, box.y - _HEIGHT / 2), _WIDTH, _HEIGHT, facecolor=box.colour,
            boxstyle="round,pad=0,rounding_size=0.1", edgecolor=SOFT, linewidth=0.8, zorder=3))
        axes.text(box.x, box.y + 0.13, box.head, ha="center", va="center", fontsize=10.5,
                  fontweight="bold", zorder=4)
        axes.text(box.x, box.y - 0.16, box.words, ha="center", va="center", fontsize=8.2, zorder=4)
    return figure


def _arrow(axes: Axes, start: _Box, end: _Box) -> None:
    level = start.y == end.y
    side = np.sign(end.x - start.x)
    tail = (start.x + side * _WIDTH / 2 if level else start.x, start.y if level
            else start.y - _HEIGHT / 2)
    head = (end.x - side * _WIDTH / 2 if level else end.x + 0.35 * np.sign(start.x - end.x),
            end.y if level else end.y + _HEIGHT / 2)
    axes.annotate("", xy=head, xytext=tail, zorder=2, arrowprops={
        "arrowstyle": "-|>", "color": INK, "linewidth": 1.0, "shrinkA": 0, "shrinkB": 1})


@dataclass(frozen=True, eq=False)
class Decomposition:
    """The series itself, then its components, fastest first, (n_components, n_days)."""

    title: str
    days: Days
    components: Array


def decompositions(columns: tuple[Decomposition, ...]) -> Figure:
    """One column a variable, one row a component; every row has its own scale."""
    n_rows = columns[0].components.shape[0]
    figure = Figure(figsize=(9.6, 0.72 * n_rows + 0.6), layout="constrained")
    grid = figure.subplots(n_rows, len(columns), sharex=True, squeeze=False)
    for place, column in zip(grid.T, columns, strict=True):
        place[0].set_title(column.title, loc="left", fontsize=9.5, fontweight="bold")
        for number, (axes, values) in enumerate(zip(place, column.components, strict=True)):
            axes.plot(column.days, values, color="#0072b2" if number else INK, lw=0.8)
            axes.set_ylabel(str(number) if number else "series", rotation=0, ha="right",
                            va="center", fontsize=8)
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize=7)
            axes.locator_params(axis="y", nbins=3)
        date_axis(place[-1])
    return figure
