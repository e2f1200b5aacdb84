"""Figures of water storage over the region: amplitudes of every estimate, the mean series."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dwlim_ops.verify.drawing import (
    INK,
    METHODS,
    PALE,
    Field,
    Setting,
    colour_bar,
    date_axis,
    draw_field,
    limit,
    maps,
    panels,
    plain,
)
from dwlim_ops.verify.scores import NINETY_PERCENT

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]


def amplitude_maps(fields: Mapping[str, Field], setting: Setting) -> Figure:
    """Annual amplitude of each estimate and of what it is compared with, mm of water.

    One colour scale for all; its end is what 98 % of the cells of any map keep.
    """
    figure, axes = maps(setting, len(fields), columns=3 if len(fields) > 4 else 2)
    top = limit([field.values for field in fields.values()])
    for one, (name, field) in zip(axes, fields.items(), strict=True):
        drawn = draw_field(one, field, setting, cmap="viridis", vmin=0.0, vmax=top)
        one.set_title(METHODS[name].label, loc="left", fontsize=9.5, fontweight="bold")
    colour_bar(figure, drawn, "annual amplitude, mm of water")
    return figure


#: Days whose mean is drawn for estimates that take each day alone.
RUNNING_DAYS: Final = 31


def daily_series(axes: Axes, days: Days, values_mm: Array, sigma_mm: Array | None, name: str
                 ) -> None:
    """One estimate over time, broken where more than a month is absent, with its 90 % interval.

    Estimates that take each day alone are drawn as thin days and a thick mean of `RUNNING_DAYS`.
    """
    style = METHODS[name]
    shown = pd.Series(values_mm, pd.DatetimeIndex(days))
    line: dict[str, Any] = {"color": style.colour, "label": style.label}
    if name in ("tragnss", "dwlim"):
        axes.plot(*_broken(shown), color=style.colour, lw=0.4, alpha=0.3, zorder=1)
        mean = shown.rolling(f"{RUNNING_DAYS}D", center=True).mean()
        axes.plot(*_broken(mean), lw=1.4, zorder=3, **line)
    else:
        newest = name.endswith("newest day")
        axes.plot(*_broken(shown), lw=0.7 if newest else 1.5, zorder=2.5 if newest else 3.5, **line)
    if sigma_mm is not None:
        band = NINETY_PERCENT * pd.Series(sigma_mm, shown.index)
        axes.fill_between(_broken(shown)[0], _broken(shown - band)[1], _broken(shown + band)[1],
                          color=style.colour, alpha=0.15, lw=0, zorder=2)


def _broken(series: "pd.Series[float]") -> tuple[Days, Array]:
    """Days and values with a NaN wherever more than a month is absent."""
    days, values = series.index.to_numpy().astype("datetime64[D]"), series.to_numpy()
    cut = np.flatnonzero(np.diff(days) > np.timedelta64(RUNNING_DAYS, "D")) + 1
    return np.insert(days, cut, days[cut] - 1), np.insert(values, cut, np.nan)


def grace_dots(axes: Axes, middle: Days, twsa_mm: Array) -> None:
    """GRACE's monthly values as dots on a thin line that breaks where months are absent."""
    style = METHODS["GRACE"]
    cut = np.flatnonzero(np.diff(middle) > np.timedelta64(45, "D")) + 1
    axes.plot(np.insert(middle, cut, middle[cut] - 1), np.insert(twsa_mm, cut, np.nan), "o-",
              ms=2.6, lw=0.6, color=style.colour, mew=0, label=style.label, zorder=4)


def mean_series(days: Mapping[str, Days], mean_mm: Mapping[str, Array], middle: Days,
                grace_mm: Array) -> Figure:
    """Mean over the region, daily and from GRACE, mm of water about each mean of the months shown.
    """
    figure, (axes,) = panels(1, panel_height=2.9)
    plain(axes)
    axes.axhline(0, color=PALE, lw=0.8)
    for method, values in mean_mm.items():
        daily_series(axes, days[method], values - np.nanmean(values), None, method)
    known = np.isfinite(grace_mm)
    grace_dots(axes, middle[known], grace_mm[known] - grace_mm[known].mean())
    axes.set_ylabel("mm of water", color=INK)
    date_axis(axes)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8.5)
    return figure
