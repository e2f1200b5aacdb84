"""The basins' recent past: one small panel each."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from dwlim_ops.contracts import BasinRow
from dwlim_ops.geometry import Basins
from dwlim_ops.products.contents import METHODS, Array
from dwlim_ops.products.figures import DPI, INK, SOFT, styled, to_png

#: Okabe and Ito: told apart by all kinds of colour vision.
COLOURS: Final = {"tragnss": "#d55e00", "dwlim": "#0072b2", "dwlim_st": "#009e73"}
#: Half width of the interval that holds 90 % of a normal distribution.
BAND: Final = 1.645
_LABELS: Final = {"tragnss": "GNSS only (tragnss)", "dwlim": "GNSS and simulated cells (dwlim)",
                  "dwlim_st": "the same, space-time filter (dwlim_st)"}
_WIDTH, _HEIGHT, _TOP, _BOTTOM = 3.5, 1.85, 0.95, 0.72

Months = tuple[NDArray[np.datetime64], Array]


def basin_plot(
    rows: Iterable[BasinRow],
    basins: Basins,
    *,
    region_title: str,
    end_day: date,
    n_days: int = 400,
    grace: Mapping[str, Months] | None = None,
) -> bytes:
    """PNG of the last days of every basin, at most `n_days`: each estimate with its 90 % band.

    Parameters
    ----------
    grace : mapping of basin to (days, values in mm), optional
        Monthly values for comparison, drawn as dots.
    """
    rows = list(rows)
    oldest = min((row.day for row in rows), default=end_day) - timedelta(days=1)
    start_day = max(end_day - timedelta(days=n_days - 1), min(oldest, end_day - timedelta(days=9)))
    series = _series(rows, start_day, end_day)
    shown = _within(grace or {}, start_day, end_day)
    methods = [m for m in METHODS if any(m in of_basin for of_basin in series.values())]
    with styled():
        figure, panels = _layout(len(basins.identifier))
        for axes, key, name in zip(panels, basins.identifier, basins.name, strict=True):
            for method in methods:
                if method in series.get(key, {}):
                    _draw_series(axes, method, start_day, *series[key][method])
            if key in shown:
                axes.plot(*shown[key], "o", ms=3.2, color=INK, mec="white", mew=0.4, zorder=5)
            _finish(axes, name, start_day, end_day)
        _draw_words(figure, region_title, end_day, methods, with_grace=bool(shown))
        return to_png(figure)


def _series(
    rows: Iterable[BasinRow], start_day: date, end_day: date
) -> dict[str, dict[str, tuple[Array, Array]]]:
    n_days = (end_day - start_day).days + 1
    series: dict[str, dict[str, tuple[Array, Array]]] = {}
    for row in rows:
        if start_day <= row.day <= end_day:
            values = series.setdefault(row.basin, {}).setdefault(
                row.method, (np.full(n_days, np.nan), np.full(n_days, np.nan)))
            values[0][(row.day - start_day).days] = row.twsa_mm
            values[1][(row.day - start_day).days] = row.sigma_mm
    return series


def _within(grace: Mapping[str, Months], start_day: date, end_day: date) -> dict[str, Months]:
    """Months between the two days; basins without any are left out."""
    kept = {}
    for basin, (days, values_mm) in grace.items():
        inside = (days >= np.datetime64(start_day)) & (days <= np.datetime64(end_day))
        if inside.any():
            kept[basin] = (days[inside], values_mm[inside])
    return kept


def _layout(n_panels: int) -> tuple[Figure, list[Axes]]:
    columns = min(n_panels, 3 if n_panels <= 9 else 4)
    lines = -(-n_panels // columns)
    across, up = columns * _WIDTH, lines * _HEIGHT + _TOP + _BOTTOM
    figure = Figure(figsize=(max(across, 2 * _WIDTH), up), dpi=DPI)
    grid = figure.add_gridspec(
        lines, columns, left=0.5 / across, right=1 - 0.2 / across, bottom=_BOTTOM / up,
        top=1 - _TOP / up, wspace=0.17, hspace=0.42)
    return figure, [figure.add_subplot(grid[n // columns, n % columns]) for n in range(n_panels)]


def _draw_series(
    axes: Axes, method: str, start_day: date, twsa_mm: Array, sigma_mm: Array
) -> None:
    days = np.datetime64(start_day) + np.arange(twsa_mm.size)
    colour = COLOURS[method]
    axes.fill_between(days, twsa_mm - BAND * sigma_mm, twsa_mm + BAND * sigma_mm, color=colour,
                      alpha=0.18, lw=0, zorder=2)
    axes.plot(days, twsa_mm, "o-", ms=1.4, mew=0.0, color=colour, lw=1.2, zorder=3)


def _finish(axes: Axes, name: str, start_day: date, end_day: date) -> None:
    axes.axhline(0.0, color=SOFT, lw=0.6, zorder=1)
    axes.set_title(name, loc="left", fontsize=9.5, fontweight="bold", pad=3)
    axes.set_xlim(date2num(start_day), date2num(end_day) + 3.0)
    locator = AutoDateLocator(minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=2.5)
    axes.grid(axis="y", color="#e3e7ea", lw=0.5)
    axes.set_axisbelow(True)
    axes.locator_params(axis="y", nbins=4)


def _draw_words(
    figure: Figure, region_title: str, end_day: date, methods: list[str], *, with_grace: bool
) -> None:
    across, up = figure.get_size_inches()
    figure.text(0.15 / across, 1 - 0.32 / up, f"Basin water storage anomaly, {region_title}, "
                f"to {end_day.day} {end_day:%B %Y}", fontsize=13, fontweight="bold")
    handles = [Line2D([], [], color=COLOURS[m], lw=2, label=_LABELS[m]) for m in methods]
    if with_grace:
        handles.append(Line2D([], [], ls="", marker="o", ms=4, color=INK, label="GRACE, monthly"))
    figure.text(0.15 / across, 1 - 0.55 / up, "mm of water, basin mean; band: 90 % interval",
                fontsize=9, color=SOFT)
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.0, 0.0), frameon=False,
                  ncols=len(handles) or 1, fontsize=8.5, handlelength=1.4)
