"""The map of one day: the water storage anomaly, its class for the season, its uncertainty."""

from collections.abc import Sequence
from datetime import date
from textwrap import wrap
from typing import Any, Final

import numpy as np
import shapely
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.colors import BoundaryNorm, Colormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from dwlim_ops.contracts import CATEGORIES, CATEGORY_BOUNDS_PERCENT
from dwlim_ops.geometry import Basins, Grid
from dwlim_ops.products.contents import METHODS, Array
from dwlim_ops.products.daily import QUALITY_FLAGS, DayProduct, station_used
from dwlim_ops.products.figures import DPI, INK, SOFT, round_step, styled, to_png

SEA: Final = "#eef2f5"
N_STEPS: Final = 6
_MARGIN_DEG: Final = 1.0


def day_map(product: DayProduct, grid: Grid, outline: BaseGeometry, basins: Basins) -> bytes:
    """PNG of the day: anomaly with stations on the left, one standard deviation on the right.

    Between them, where there is a climatology, the class of the percentile for the time of year.
    Cells of low resolution are paled and hatched. The limits are round numbers that 2 % of the
    cells exceed.
    """
    with styled():
        root = product.root
        has_classes = "twsa_percentile" in root
        figure, (left, *middle, right) = _layout(outline, n_small=1 + has_classes)
        low = (root["quality_flag"].values[0] & QUALITY_FLAGS["low_resolution"]) > 0
        borders = basin_borders(grid, basins)
        _draw_anomaly(figure, left, root)
        _draw_sigma(figure, right, root)
        for axes in middle:
            _draw_classes(figure, axes, root)
        for axes in (left, *middle, right):
            _draw_setting(axes, root, low, outline, borders)
        _draw_stations(left, product.stations)
        _draw_words(figure, left, product)
        _draw_facts(figure, left, (*middle, right)[0], product)
        _draw_legend(figure, left, hatched=bool(low.any()))
        return to_png(figure)


def basin_borders(grid: Grid, basins: Basins) -> Array:
    """Edges between cells of different basins, shape (n_edges, 2, 2) as (lon, lat) of the ends."""
    owner_of_cell = np.where(basins.weight.max(axis=0) > 0, basins.weight.argmax(axis=0), -1)
    owner = grid.on_grid(owner_of_cell.astype(float), fill=-1.0)
    half = grid.spacing_deg / 2
    lon, lat = grid.longitude_deg, grid.latitude_deg
    east, west = owner[:, 1:], owner[:, :-1]
    row, column = np.nonzero((east != west) & (east >= 0) & (west >= 0))
    x, y = lon[column] + half, lat[row]
    upright = np.stack([np.stack([x, y - half], -1), np.stack([x, y + half], -1)], 1)
    north, south = owner[1:], owner[:-1]
    row, column = np.nonzero((north != south) & (north >= 0) & (south >= 0))
    x, y = lon[column], lat[row] + half
    level = np.stack([np.stack([x - half, y], -1), np.stack([x + half, y], -1)], 1)
    return np.concatenate([upright, level])


def _layout(outline: BaseGeometry, *, n_small: int) -> tuple[Figure, tuple[Axes, ...]]:
    """A figure with one large map and some small ones on its right."""
    west, south, east, north = outline.bounds
    stretch = 1.0 / np.cos(np.radians((south + north) / 2))
    shape = (north - south + 2 * _MARGIN_DEG) * stretch / (east - west + 2 * _MARGIN_DEG)
    width, top, bottom, gap = 7.2, 0.95, 1.25, 0.35
    height = float(np.clip(width * shape, 3.5, 9.0))
    small = width * 0.72
    figure = Figure(figsize=(width + gap + n_small * (small + gap) + gap, height + top + bottom),
                    dpi=DPI)
    across, up = figure.get_size_inches()
    wide = [width, *[small] * n_small]
    maps = tuple(figure.add_axes(((gap + sum(wide[:at]) + at * gap) / across, bottom / up,
                                  one / across, height / up)) for at, one in enumerate(wide))
    for axes in maps:
        axes.set_aspect(stretch, anchor="S")
        axes.set_xlim(west - _MARGIN_DEG, east + _MARGIN_DEG)
        axes.set_ylim(south - _MARGIN_DEG, north + _MARGIN_DEG)
        axes.set_facecolor(SEA)
        axes.set_xticks([])
        axes.set_yticks([])
    return figure, maps


def _draw_field(
    axes: Axes, root: xr.Dataset, values: Array, cmap: Colormap, norm: BoundaryNorm
) -> QuadMesh:
    edges = [np.append(root[f"{c}_bnds"].values[:, 0], root[f"{c}_bnds"].values[-1, 1])
             for c in ("lon", "lat")]
    return axes.pcolormesh(*edges, np.ma.masked_invalid(values[0]), cmap=cmap,
                           norm=norm, zorder=1, rasterized=True)


def _draw_anomaly(figure: Figure, axes: Axes, root: xr.Dataset) -> None:
    step = round_step(_size(root["twsa"].values), N_STEPS)
    levels = step * np.arange(-N_STEPS, N_STEPS + 1)
    cmap = colormaps["BrBG"]
    mesh = _draw_field(axes, root, root["twsa"].values, cmap,
                       BoundaryNorm(levels, cmap.N, extend="both"))
    _colour_bar(figure, axes, mesh, ticks=levels[::2],
                label="less water   \N{LEFTWARDS ARROW}   mm from the mean   "
                      "\N{RIGHTWARDS ARROW}   more water")


def _draw_classes(figure: Figure, axes: Axes, root: xr.Dataset) -> None:
    percentile = root["twsa_percentile"].values.astype(float)
    classes = np.where(np.isfinite(percentile), np.searchsorted(
        CATEGORY_BOUNDS_PERCENT, percentile, side="right"), np.nan)
    number = np.arange(len(CATEGORIES))
    cmap = colormaps["BrBG"].resampled(number.size)
    mesh = _draw_field(axes, root, classes, cmap, BoundaryNorm(np.append(number, number.size) - 0.5,
                                                               cmap.N))
    _colour_bar(figure, axes, mesh, ticks=number, names=CATEGORIES,
                label="drier   \N{LEFTWARDS ARROW}   than usual for the day of the year   "
                      "\N{RIGHTWARDS ARROW}   wetter")
    period = str(root.attrs["climatology_period"]).replace("/", " to ")
    axes.set_title(f"Class, against {period}", loc="left", fontsize=10.5, color=INK)


def _draw_sigma(figure: Figure, axes: Axes, root: xr.Dataset) -> None:
    step = round_step(_size(root["twsa_sigma"].values), N_STEPS)
    levels = step * np.arange(N_STEPS + 1)
    cmap = colormaps["Purples"]
    mesh = _draw_field(axes, root, root["twsa_sigma"].values, cmap,
                       BoundaryNorm(levels, cmap.N, extend="max"))
    _colour_bar(figure, axes, mesh, ticks=levels, label="mm of water, one standard deviation")
    axes.set_title("Uncertainty", loc="left", fontsize=10.5, color=INK)


def _size(values: Array) -> float:
    finite = np.abs(values[np.isfinite(values)])
    # Just above, because a value on the last level is drawn as beyond it.
    return 1.001 * float(np.percentile(finite, 98)) if finite.size else 0.0


def _colour_bar(
    figure: Figure, axes: Axes, mesh: QuadMesh, *, ticks: NDArray[Any], label: str,
    names: Sequence[str] | None = None,
) -> None:
    axes.apply_aspect()
    place, up = axes.get_position(), figure.get_size_inches()[1]
    inset = 0.12 * place.width
    bar = figure.add_axes(
        (place.x0 + inset, place.y0 - 0.33 / up, place.width - 2 * inset, 0.14 / up))
    drawn: Any = figure.colorbar(mesh, cax=bar, orientation="horizontal", ticks=ticks)
    drawn.set_label(label, fontsize=9)
    if names is not None:
        drawn.set_ticklabels(names)
    drawn.outline.set_linewidth(0.5)
    drawn.ax.tick_params(length=2)


def _draw_setting(
    axes: Axes, root: xr.Dataset, low: NDArray[np.bool_], outline: BaseGeometry, borders: Array
) -> None:
    if low.any():
        lon, lat = root["lon"].values, root["lat"].values
        axes.contourf(lon, lat, low.astype(float), levels=[0.5, 1.5], colors=["white"], alpha=0.4,
                      zorder=2)
        hatch = axes.contourf(lon, lat, low.astype(float), levels=[0.5, 1.5], colors="none",
                              hatches=["////"], zorder=3)
        hatch.set(edgecolor=SOFT, linewidth=0.0)
    axes.add_collection(LineCollection(list(borders), colors=SOFT, linewidths=0.5, zorder=4))
    rings = shapely.get_parts(shapely.boundary(outline))
    coast = [shapely.get_coordinates(ring) for ring in rings]
    axes.add_collection(LineCollection(coast, colors=INK, linewidths=0.9, zorder=5))


def _draw_stations(axes: Axes, stations: xr.Dataset) -> None:
    lon, lat = stations["longitude"].values, stations["latitude"].values
    used = station_used(stations)
    axes.scatter(lon[used], lat[used], s=13, color=INK, edgecolors="white", linewidths=0.6,
                 zorder=7)
    axes.scatter(lon[~used], lat[~used], s=15, marker="x", color=INK, linewidths=0.9, zorder=6)


def _draw_words(figure: Figure, left: Axes, product: DayProduct) -> None:
    attributes = product.root.attrs
    day = date.fromisoformat(str(attributes["time_coverage_start"])[:10])
    up = figure.get_size_inches()[1]
    start = left.get_position().x0
    figure.text(start, 1 - 0.38 / up, f"Water storage anomaly, {attributes['region_title']}, "
                f"{day.day} {day:%B %Y}", fontsize=15, fontweight="bold")
    method = str(attributes["published_method"])
    issued = str(attributes["as_of"]).replace("T", " ")[:16]
    period = str(attributes["reference_period"]).replace("/", " to ")
    figure.text(start, 1 - 0.66 / up, f"{METHODS[method]} ({method})  ·  tier "
                f"{attributes['tier']}, revision {attributes['revision']}, as of {issued} UTC  ·  "
                f"relative to {period}", fontsize=9, color=SOFT)


def _draw_facts(figure: Figure, left: Axes, right: Axes, product: DayProduct) -> None:
    attributes, land = product.root.attrs, np.isfinite(product.root["twsa"].values)
    low = product.root["quality_flag"].values[land] & QUALITY_FLAGS["low_resolution"]
    n_simulated = product.simulated_cells.sizes["cell"]
    ages = zip(str(attributes["input_streams"]).split(", "),
               np.atleast_1d(attributes["input_age_days"]), strict=True)
    inputs = "Newest data: " + ", ".join(f"{name} {age:.1f} days old" for name, age in ages)
    lines = [
        f"Stations used: {int(station_used(product.stations).sum())} "
        f"of {product.stations.sizes['station']}",
        f"Simulated cells: {n_simulated or 'none today'}",
        f"Land of low resolution: {np.mean(low > 0) if low.size else 1.0:.0%}",
        *wrap(inputs, 72, max_lines=2, placeholder=" ..."),
    ]
    figure.text(right.get_position().x0, left.get_position().y1, "\n".join(lines), fontsize=9,
                va="top", linespacing=1.45)


def _draw_legend(figure: Figure, left: Axes, *, hatched: bool) -> None:
    start = left.get_position().x0
    handles: list[Any] = [
        Line2D([], [], marker="o", ls="", color=INK, markeredgecolor="white", label="station used"),
        Line2D([], [], marker="x", ls="", color=INK, ms=4.5, label="not used today"),
        Line2D([], [], color=SOFT, lw=0.7, label="basin"),
    ]
    if hatched:
        handles.append(Patch(facecolor="white", edgecolor=SOFT, hatch="////", lw=0.0,
                             label="low resolution: mostly smoothing"))
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(start, 0.0), ncols=4,
                  frameon=False, fontsize=8.5, handletextpad=0.4, columnspacing=1.6,
                  borderaxespad=0.3)
