"""Figures of stations: their records, how well left-out ones are predicted, examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dwlim_ops.verify.drawing import (
    INK,
    METHODS,
    SOFT,
    Setting,
    colour_bar,
    date_axis,
    draw_setting,
    limit,
    maps,
    panels,
    plain,
)

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class Stations:
    """Names and places of stations, (n_stations,), and which of them the inversion ever uses."""

    name: tuple[str, ...]
    longitude_deg: Array
    latitude_deg: Array
    used: NDArray[np.bool_]


def station_records(stations: Stations, months: Days, share_of_month: Array, setting: Setting
                    ) -> Figure:
    """Share of usable days of each month, (n_months, n_stations), and where the stations are.

    Stations from north to south.
    """
    order = np.argsort(-stations.latitude_deg)
    height = max(3.4, 0.9 + 0.028 * order.size)
    figure = Figure(figsize=(9.6, height), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
    drawn = left.pcolormesh(months, np.arange(order.size), share_of_month[:, order].T,
                            shading="nearest", cmap="Blues", vmin=0, vmax=1, rasterized=True)
    left.invert_yaxis()
    left.set_ylabel("stations, from north to south")
    left.set_title("Records", loc="left", fontsize=9.5, fontweight="bold")
    date_axis(left)
    bar = figure.colorbar(drawn, ax=left, orientation="horizontal", shrink=0.6, aspect=30)
    bar.set_label("share of the month's days that are used")
    draw_setting(right, setting)
    right.set_title("Stations and basins", loc="left", fontsize=9.5, fontweight="bold")
    used = stations.used
    right.scatter(stations.longitude_deg[used], stations.latitude_deg[used], s=14, color="#0072b2",
                  edgecolors="white", linewidths=0.5, zorder=6, label=f"used ({used.sum()})")
    right.scatter(stations.longitude_deg[~used], stations.latitude_deg[~used], s=20, marker="x",
                  color=INK, linewidths=1, zorder=6, label=f"never used ({(~used).sum()})")
    right.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2, frameon=False, fontsize=8)
    return figure


def left_out_maps(stations: Stations, rmse_mm: Mapping[str, Array], pcc: Mapping[str, Array],
                  setting: Setting) -> Figure:
    """Error and correlation at each left-out station, (n_stations,), one column an estimate.

    The same colours mean the same in every column.
    """
    figure, axes = maps(setting, 2 * len(rmse_mm), columns=len(rmse_mm), bottom=0.85)
    top = limit(list(rmse_mm.values()), 0.95)
    for number, method in enumerate(rmse_mm):
        upper, lower = axes[number], axes[number + len(rmse_mm)]
        looks: tuple[dict[str, Any], ...] = ({"cmap": "viridis_r", "vmin": 0, "vmax": top},
                                             {"cmap": "PuOr", "vmin": -1, "vmax": 1})
        for one, values, look in zip((upper, lower), (rmse_mm, pcc), looks, strict=True):
            draw_setting(one, setting)
            known = np.isfinite(values[method])
            drawn = one.scatter(stations.longitude_deg[known], stations.latitude_deg[known], s=20,
                                c=values[method][known], edgecolors=INK, linewidths=0.4, zorder=6,
                                **look)
            if number == 0:
                first = values is rmse_mm
                colour_bar(figure, drawn, "RMSE, mm (upper row)" if first else
                           "correlation (lower row)", left=0.08 if first else 0.56, width=0.36,
                           extend="max" if first else "neither")
        upper.set_title(METHODS[method].label, loc="left", fontsize=9)
    return figure


@dataclass(frozen=True, eq=False)
class Example:
    """One station: what was observed and what its weather alone gives, mm, (n_days,).

    `band_mm` is the half width of the 90 % interval.
    """

    title: str
    days: Days
    observed_mm: Array
    simulated_mm: Array
    band_mm: Array


def simulated_examples(examples: Sequence[Example], stations: Stations, cells: tuple[Array, Array],
                       holds_station: NDArray[np.bool_], setting: Setting) -> Figure:
    """Cells with and without a station on a map; displacement of some stations, left out."""
    figure = Figure(figsize=(9.6, 1.0 + 1.55 * max(len(examples), 2)), layout="constrained")
    sides: Any = figure.subfigures(1, 2, width_ratios=[0.85, 1])
    left, right = sides
    place = left.subplots()
    draw_setting(place, setting)
    for chosen, colour, label in ((~holds_station, "#e69f00", "simulated"),
                                  (holds_station, "#56b4e9", "with a station")):
        place.scatter(cells[0][chosen], cells[1][chosen], s=5, marker="s", color=colour,
                      linewidths=0, zorder=2, label=f"cells {label} ({chosen.sum()})")
    place.scatter(stations.longitude_deg, stations.latitude_deg, s=6, color=INK, linewidths=0,
                  zorder=6, label="stations")
    place.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2, frameon=False, fontsize=8)
    shown = np.atleast_1d(right.subplots(max(len(examples), 1), 1, sharex=True))
    for axes, one in zip(shown, examples, strict=False):
        plain(axes, one.title)
        axes.plot(one.days, one.observed_mm, ".", ms=2.5, color=SOFT, label="observed")
        axes.fill_between(one.days, one.simulated_mm - one.band_mm, one.simulated_mm + one.band_mm,
                          color="#0072b2", alpha=0.15, lw=0, label="90 % interval")
        axes.plot(one.days, one.simulated_mm, color="#0072b2", lw=1.3, label="simulated")
        axes.set_ylabel("mm")
        date_axis(axes)
    right.legend(*shown[0].get_legend_handles_labels(), loc="outside lower center", ncols=3,
                 frameon=False, fontsize=8)
    return figure


def mean_displacement(days: Days, observed_mm: Array,
                      predicted: Mapping[str, tuple[Days, Array]]) -> Figure:
    """Mean over the stations of what was observed and what each estimate predicts, (n_days,)."""
    figure, (axes,) = panels(1, panel_height=2.4)
    plain(axes)
    axes.plot(days, observed_mm, color=INK, lw=1.4, label="observed")
    for method, (own_days, values) in predicted.items():
        axes.plot(own_days, values, color=METHODS[method].colour, lw=1.1,
                  marker="." if own_days.size < days.size / 2 else "", label=METHODS[method].label)
    axes.set_ylabel("mm, up")
    date_axis(axes)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8.5)
    return figure


def loading_amplitudes(stations: Stations, ntal_mm: Array, ntol_mm: Array, setting: Setting
                       ) -> Figure:
    """Annual amplitude of atmospheric and oceanic loading at the stations, mm, (n_stations,)."""
    figure, axes = maps(setting, 2, columns=2)
    top = limit([ntal_mm, ntol_mm], 1.0)
    for one, values, name in zip(axes, (ntal_mm, ntol_mm), ("NTAL", "NTOL"), strict=True):
        draw_setting(one, setting)
        drawn = one.scatter(stations.longitude_deg, stations.latitude_deg, s=26, c=values, vmin=0,
                            vmax=top, cmap="viridis", edgecolors=INK, linewidths=0.4, zorder=6)
        one.set_title(f"{name}, mean {np.nanmean(values):.2f} mm", loc="left", fontsize=9.5,
                      fontweight="bold")
    colour_bar(figure, drawn, "annual amplitude of vertical displacement, mm", extend="neither")
    return figure
