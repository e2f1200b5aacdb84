"""What the figures of the report share: colours, the look of a map, axes of days."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from numpy.typing import NDArray

Array = NDArray[np.float64]

INK: Final = "#20262b"
SOFT: Final = "#6b747c"
PALE: Final = "#e3e7ea"
SEA: Final = "#eef2f5"


@dataclass(frozen=True)
class Style:
    """How one estimate looks in every figure; Okabe and Ito's colours."""

    label: str
    colour: str
    marker: str


#: The estimates, and what they are compared with, in the order in which they are shown.
METHODS: Final = {
    "tragnss": Style("GNSS only (tragnss)", "#d55e00", "o"),
    "dwlim": Style("GNSS and simulated cells (dwlim)", "#0072b2", "s"),
    "dwlim_st": Style("space-time, smoothed (dwlim_st)", "#009e73", "D"),
    "dwlim_st newest day": Style("space-time, newest day", "#cc79a7", "^"),
    "GRACE": Style("GRACE", INK, "x"),
}


@dataclass(frozen=True, eq=False)
class Setting:
    """What a map shows beside its data: coast lines (n, 2), borders of basins (n, 2, 2), all as
    longitude and latitude, and the bounds west, south, east, north.
    """

    coast: Sequence[Array]
    borders: Array
    bounds: tuple[float, float, float, float]

    @property
    def stretch(self) -> float:
        """Length of a degree of latitude in that of longitude, at the middle."""
        return 1.0 / float(np.cos(np.radians((self.bounds[1] + self.bounds[3]) / 2)))

    @property
    def height_of_width(self) -> float:
        """Height of the map divided by its width."""
        west, south, east, north = self.bounds
        return (north - south + 2) * self.stretch / (east - west + 2)


@dataclass(frozen=True, eq=False)
class Field:
    """Values on a regular grid, (lat, lon), NaN where there is no land."""

    longitude_deg: Array
    latitude_deg: Array
    values: Array


def draw_setting(axes: Axes, setting: Setting) -> None:
    """Coast, basins and extent; no ticks."""
    west, south, east, north = setting.bounds
    axes.set_aspect(setting.stretch)
    axes.set_xlim(west - 1, east + 1)
    axes.set_ylim(south - 1, north + 1)
    axes.set_facecolor(SEA)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.add_collection(LineCollection(list(setting.borders), colors=SOFT, linewidths=0.4,
                                       zorder=3))
    axes.add_collection(LineCollection(list(setting.coast), colors=INK, linewidths=0.8, zorder=4))


def draw_field(axes: Axes, field: Field, setting: Setting, **look: Any) -> Any:
    """The field under coast and basins; `look` goes to pcolormesh, which is returned."""
    drawn = axes.pcolormesh(field.longitude_deg, field.latitude_deg,
                            np.ma.masked_invalid(field.values), shading="nearest", zorder=1,
                            rasterized=True, **look)
    draw_setting(axes, setting)
    return drawn


def maps(setting: Setting, n_maps: int, *, columns: int, bottom: float = 0.75
         ) -> tuple[Figure, list[Axes]]:
    """A figure of equal maps, room for a colour bar of the figure's width below."""
    columns = min(columns, n_maps)
    lines = -(-n_maps // columns)
    width = 9.6 / columns
    height = lines * (width * setting.height_of_width + 0.32) + bottom
    figure = Figure(figsize=(9.6, height))
    grid = figure.add_gridspec(lines, columns, left=0.01, right=0.99, top=1 - 0.3 / height,
                               bottom=bottom / height, hspace=0.16, wspace=0.03)
    return figure, [figure.add_subplot(grid[n // columns, n % columns]) for n in range(n_maps)]


def colour_bar(figure: Figure, drawn: Any, label: str, *, left: float = 0.25, width: float = 0.5,
               extend: str = "max") -> None:
    """A bar under the maps, at a given share of the figure's width."""
    height = figure.get_size_inches()[1]
    axes = figure.add_axes((left, 0.45 / height, width, 0.13 / height))
    bar: Any = figure.colorbar(drawn, cax=axes, orientation="horizontal", extend=extend)
    bar.set_label(label, fontsize=9)
    bar.outline.set_linewidth(0.5)


def date_axis(axes: Axes) -> None:
    """Few, short dates."""
    locator = AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))


def plain(axes: Axes, title: str = "") -> None:
    """No box, light lines across, a title on the left."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=PALE, lw=0.6)
    axes.set_axisbelow(True)
    if title:
        axes.set_title(title, loc="left", fontsize=9.5, fontweight="bold")


def panels(n_panels: int, *, columns: int = 2, width: float = 9.6, panel_height: float = 1.9,
           sharey: bool = False) -> tuple[Figure, list[Axes]]:
    """Panels of equal size on one axis of days."""
    columns = min(columns, n_panels)
    lines = -(-n_panels // columns)
    figure = Figure(figsize=(width, lines * panel_height + 0.5), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=sharey)
    every = grid.ravel().tolist()
    for axes in every[n_panels:]:
        axes.set_visible(False)
    for axes in every[max(n_panels - columns, 0):n_panels]:
        axes.tick_params(labelbottom=True)
    return figure, every[:n_panels]


def limit(values: Sequence[Array], share: float = 0.98) -> float:
    """A limit that so large a share of the finite values of each array keeps, never zero."""
    sizes = [np.abs(one[np.isfinite(one)]) for one in values]
    return max((float(np.quantile(one, share)) for one in sizes if one.size and one.any()),
               default=1.0)
