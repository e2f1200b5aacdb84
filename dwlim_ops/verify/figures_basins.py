"""Figures of basins: series beside GRACE and rain, scores as heat maps, wavelet coherence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator, ScalarFormatter
from numpy.typing import NDArray

from dwlim_ops.verify.coherence import Coherence
from dwlim_ops.verify.drawing import INK, PALE, SOFT, date_axis, panels, plain
from dwlim_ops.verify.figures_storage import daily_series, grace_dots

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class BasinSeries:
    """One estimate's basin means and their errors, mm, (n_days, n_basins)."""

    days: Days
    twsa_mm: Array
    sigma_mm: Array


def basins_beside_grace(series: Mapping[str, BasinSeries], names: Sequence[str], middle: Days,
                        grace_mm: Array) -> Figure:
    """Each estimate and GRACE per basin, (n_months, n_basins), about their means."""
    figure, every = panels(len(names))
    for column, (axes, name) in enumerate(zip(every, names, strict=True)):
        plain(axes, name)
        for method, one in series.items():
            daily_series(axes, one.days, _centred(one.twsa_mm[:, column]), one.sigma_mm[:, column]
                         if method == "dwlim_st" else None, method)
        known = np.isfinite(grace_mm[:, column])
        grace_dots(axes, middle[known], _centred(grace_mm[known, column]))
        axes.set_ylabel("mm of water")
        date_axis(axes)
    _shared_legend(figure, every[0])
    return figure


def _centred(values: Array) -> Array:
    centred: Array = values - np.nanmean(values) if np.isfinite(values).any() else values
    return centred


def _shared_legend(figure: Figure, *axes: Any) -> None:
    handles, labels = [], []
    for one in axes:
        more_handles, more_labels = one.get_legend_handles_labels()
        handles += more_handles
        labels += more_labels
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8.5)


def storage_and_rain(series: BasinSeries, method: str, names: Sequence[str], months: Days,
                     rain_mm: Array) -> Figure:
    """Storage as a line, monthly rain as bars, (n_months, n_basins), NaN where unknown.

    All basins share the scale of storage; each has its own of rain, on the right.
    """
    figure, every = panels(len(names))
    size = 1.05 * float(np.nanmax(np.abs(series.twsa_mm)))
    for column, (axes, name) in enumerate(zip(every, names, strict=True)):
        plain(axes, name)
        daily_series(axes, series.days, series.twsa_mm[:, column], series.sigma_mm[:, column],
                     method)
        axes.set_ylim(-size, size)
        axes.set_ylabel("storage, mm")
        rain: Any = axes.twinx()
        rain.bar(months + 15, np.nan_to_num(rain_mm[:, column]), width=24, color="#56b4e9",
                 alpha=0.75, lw=0, label="rain of the month, mm (right scale)")
        most = float(np.nanmax(rain_mm[:, column], initial=1.0))
        rain.set_ylim(0, 2.4 * most)
        rain.set_yticks(MaxNLocator(2).tick_values(0, most)[:3])
        rain.set_ylabel("rain, mm", color=SOFT, y=0.2)
        rain.spines["top"].set_visible(False)
        axes.set_zorder(rain.get_zorder() + 1)
        axes.patch.set_visible(False)
        axes.set_xlim(series.days[0], series.days[-1] + 1)
        date_axis(axes)
        if column == 0:
            first_rain = rain
    _shared_legend(figure, every[0], first_rain)
    return figure


@dataclass(frozen=True, eq=False)
class HeatMap:
    """One score of every basin and estimate, (n_basins, n_estimates); `best` is a colour's end."""

    title: str
    values: Array
    decimals: int
    kind: str


_COLOURS: Final[dict[str, tuple[str, Normalize]]] = {
    "correlation": ("PuOr", Normalize(-1, 1)),
    "efficiency": ("PuOr", TwoSlopeNorm(0.0, -1.0, 1.0)),
}


def score_heat_maps(heat_maps: Sequence[HeatMap], basins: Sequence[str], estimates: Sequence[str]
                    ) -> Figure:
    """Three scores a line; every number is written into its field."""
    lines = -(-len(heat_maps) // 3)
    figure = Figure(figsize=(9.6, lines * (0.42 * len(basins) + 1.75)), layout="constrained")
    grid = figure.subplots(lines, 3, squeeze=False)
    for number, (axes, one) in enumerate(zip(grid.ravel(), heat_maps, strict=False)):
        cmap, norm = _COLOURS.get(one.kind, (
            "viridis_r", Normalize(0, float(np.nanmax(one.values, initial=1.0)))))
        image = axes.imshow(one.values, aspect="auto", cmap=cmap, norm=norm)
        axes.set_title(one.title, loc="left", fontsize=9.5, fontweight="bold")
        axes.set_xticks(range(len(estimates)), estimates, rotation=35, ha="right", fontsize=7.5)
        axes.set_yticks(range(len(basins)), basins if number % 3 == 0 else [""] * len(basins))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        for (row, column), value in np.ndenumerate(one.values):
            dark = np.dot(image.to_rgba(value)[:3], (0.299, 0.587, 0.114)) < 0.55
            axes.text(column, row, f"{value:.{one.decimals}f}" if np.isfinite(value) else "-",
                      ha="center", va="center", fontsize=8, color="white" if dark else INK)
    return figure


def coherence_panels(found: Mapping[str, Coherence | None]) -> Figure:
    """Squared coherence by month and period, one panel a basin; paled where it is not trusted."""
    figure, every = panels(len(found), panel_height=2.2)
    for axes, (name, one) in zip(every, found.items(), strict=True):
        axes.set_title(name, loc="left", fontsize=9.5, fontweight="bold")
        if one is None:
            axes.text(0.5, 0.5, "too few months", transform=axes.transAxes, ha="center")
            continue
        drawn = axes.pcolormesh(one.month.astype("datetime64[D]") + 14, one.period_months,
                                one.squared, shading="nearest", cmap="viridis", vmin=0, vmax=1,
                                rasterized=True)
        _finish_coherence(axes, one)
    if any(one is not None for one in found.values()):
        bar = figure.colorbar(drawn, ax=every, shrink=0.5, aspect=30)
        bar.set_label("squared coherence")
    return figure


def _finish_coherence(axes: Any, one: Coherence) -> None:
    days = one.month.astype("datetime64[D]") + 14
    axes.set_yscale("log", base=2)
    longest = one.period_months[one.trusted.any(axis=1)]
    axes.set_ylim(1.15 * longest[-1] if longest.size else one.period_months[-1],
                  one.period_months[0])
    axes.set_yticks([3, 6, 12, 24])
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("period, months")
    if not one.trusted.all():
        axes.contourf(days, one.period_months, (~one.trusted).astype(float), levels=[0.5, 1.5],
                      colors=["white"], alpha=0.65)
    level = np.where(np.isfinite(one.significant), one.significant, np.inf)[:, None]
    above = (one.squared >= level) & one.trusted
    if above.any() and not above.all():
        axes.contour(days, one.period_months, above.astype(float), levels=[0.5], colors=INK,
                     linewidths=0.9)
    rows = [int(np.abs(one.period_months - months).argmin()) for months in (4, 6, 12)]
    columns = np.arange(2, days.size, max(days.size // 14, 1))
    row, column = (index.ravel() for index in np.meshgrid(rows, columns, indexing="ij"))
    shown = above[row, column]
    angle = np.radians(one.phase_deg[row, column][shown])
    axes.quiver(days[column][shown], one.period_months[row][shown], np.cos(angle), np.sin(angle),
                color="white", scale=26, width=0.005, headwidth=4, pivot="mid", zorder=5,
                edgecolor=INK, linewidth=0.3)
    axes.axhline(12, color=PALE, lw=0.5, ls=":")
    date_axis(axes)

