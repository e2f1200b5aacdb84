"""Taylor diagram: correlation, spread and centred error of many series in one plane.

Taylor (2001), Summarizing multiple aspects of model performance in a single diagram, Journal of
Geophysical Research 106, 7183-7192. A series at angle arccos(R) and radius s, the standard
deviation in that of the observations, lies sqrt(s^2 + 1 - 2 s R), its centred root-mean-square
error, from the observations at angle 0 and radius 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.projections.polar import PolarAxes
from numpy.typing import NDArray

from dwlim_ops.verify.drawing import INK, METHODS, SOFT

Array = NDArray[np.float64]

_CORRELATIONS: Final = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99])


@dataclass(frozen=True, eq=False)
class TaylorPoints:
    """Correlation with the observations and spread in theirs, (n,); NaN is left out."""

    correlation: Array
    spread: Array

    @property
    def centred_error(self) -> Array:
        """Centred root-mean-square error in the observations' standard deviation (law of cosines).
        """
        error: Array = np.sqrt(self.spread**2 + 1.0 - 2.0 * self.spread * self.correlation)
        return error

    @property
    def median(self) -> tuple[float, float]:
        """Median correlation and spread."""
        known = np.isfinite(self.correlation) & np.isfinite(self.spread)
        if not known.any():
            return float("nan"), float("nan")
        return float(np.median(self.correlation[known])), float(np.median(self.spread[known]))


def taylor_diagram(points: Mapping[str, TaylorPoints]) -> Figure:
    """One dot a station, one large mark for the medians of each estimate.

    Negative correlations open the diagram to a half circle.
    """
    lowest = min((np.nanmin(one.correlation, initial=0.0) for one in points.values()), default=0.0)
    spreads = [one.spread[np.isfinite(one.spread)] for one in points.values()]
    furthest = max((float(np.quantile(s, 0.99)) for s in spreads if s.size), default=1.0)
    half = bool(lowest < 0)
    figure = Figure(figsize=(8.4, 5.2) if half else (6.4, 6.2))
    # The box of a half circle is square, and its lower quarter stays empty below the figure.
    axes: Any = figure.add_axes((0.11, -0.195, 0.78, 1.26) if half else (0.1, 0.12, 0.8, 0.68),
                                projection="polar")
    _frame(axes, half=half, radius=max(1.5, 1.1 * furthest))
    for method, one in points.items():
        style = METHODS[method]
        angle = np.arccos(np.clip(one.correlation, -1, 1))
        axes.plot(angle, one.spread, ls="", marker=style.marker, ms=3, mew=0, alpha=0.35,
                  color=style.colour, zorder=3)
        correlation, spread = one.median
        axes.plot([np.arccos(correlation)], [spread], ls="", marker=style.marker, ms=11,
                  color=style.colour, mec="white", mew=1.2, zorder=5, label=style.label)
    figure.text(0.5, 0.02, "standard deviation in that of the observations; dashed: centred error",
                ha="center", fontsize=9)
    figure.legend(loc="upper center", ncols=2, frameon=False, fontsize=8.5)
    return figure


def _frame(axes: PolarAxes, *, half: bool, radius: float) -> None:
    ticks = np.concatenate([-_CORRELATIONS[:0:-1], _CORRELATIONS]) if half else _CORRELATIONS
    axes.set_thetalim(0.0, np.pi if half else np.pi / 2)
    axes.set_ylim(0.0, radius)
    axes.set_thetagrids(np.degrees(np.arccos(ticks)), [f"{tick:g}" for tick in ticks])
    axes.grid(color="#e3e7ea", lw=0.6)
    theta, distance = np.meshgrid(np.linspace(0, np.pi, 181), np.linspace(0, radius, 101))
    error = np.sqrt(distance**2 + 1 - 2 * distance * np.cos(theta))
    lines = axes.contour(theta, distance, error, levels=np.arange(0.5, 2 * radius, 0.5),
                         colors=SOFT, linewidths=0.6, linestyles="dashed", zorder=1)
    axes.clabel(lines, fmt="%g", fontsize=7, inline=True)
    axes.plot(np.linspace(0, np.pi, 181), np.ones(181), color=INK, lw=0.8, zorder=2)
    axes.plot([0.0], [1.0], marker="*", ms=13, color=INK, clip_on=False, ls="", zorder=6,
              label="observations")
    axes.text(np.pi / 2 if half else np.pi / 4, radius * (1.12 if half else 1.15), "correlation",
              ha="center", va="bottom" if half else "center", fontsize=9,
              rotation=0 if half else -45)
