"""A synthetic Earth for a region, and the workspace that runs on it.

Truth and inversion share the Earth model, not the grid: the load lies on cells of half the
inversion's spacing, reaches as far as the region's surroundings do (beyond the inversion's domain)
and is zero on the sea.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import tomli_w
import xarray as xr
from numpy.typing import NDArray
from scipy.sparse import csr_array

from dwlim_ops.config import Config, parse_config, read_config
from dwlim_ops.errors import ConfigError
from dwlim_ops.geometry import Grid, cell_area_km2, make_grid, read_outline
from dwlim_ops.invert.design import design_matrix
from dwlim_ops.qc.trajectory import harmonics
from dwlim_ops.region import RegionGeometry, load_region
from dwlim_ops.scaffold import FOLDERS, region_file
from dwlim_ops.sources.formats.sites import Sites, parse_sites
from dwlim_ops.synthetic.earth import Earth, Stations, make_earth
from dwlim_ops.synthetic.files import (
    loading_files,
    sites_file,
    station_files,
    steps_file,
    weather_datasets,
)
from dwlim_ops.synthetic.nature import make_nature
from dwlim_ops.synthetic.settings import EarthSettings
from dwlim_ops.workspace import Workspace, write_atomically

Array = NDArray[np.float64]
#: Longitude and latitude of places to the values of patterns there, (n_patterns, n_places).
Patterns = Callable[[Array, Array], Array]

FRAME: Final = "cf"
FIRST_YEAR: Final = 2011
LATENCY_DAYS: Final = 2
#: Land beyond the outline, for regions that are no island; beside the region's file.
SURROUNDINGS: Final = "surroundings.geojson"
CELLS_PER_BLOCK: Final = 20_000
HEIGHT_M: Final = 100.0
LICENCE: Final = "Made up: no value of this product comes from an observation"


@dataclass(frozen=True)
class Spans:
    """Years of a synthetic record: networks are trained on the first, scored on the last."""

    first: date
    training_last: date
    validation_last: date
    last: date

    @property
    def test_first(self) -> date:
        """First day that nothing was learnt from."""
        return self.validation_last + timedelta(days=1)

    @property
    def as_of(self) -> datetime:
        """When every day of the record is out."""
        return datetime.combine(self.last + timedelta(days=LATENCY_DAYS + 1),
                                datetime.min.time(), UTC)


def spans_of(n_years: int) -> Spans:
    """The last year, of six years or more the last two, for scores; the year before to stop at.

    Raises
    ------
    ConfigError
        Fewer than four years.
    """
    if n_years < 4:
        raise ConfigError("too short a record", where="--years", got=str(n_years),
                          expected="4 or more: two to train, one to stop at, one to score")
    end = FIRST_YEAR + n_years
    n_test = 2 if n_years >= 6 else 1
    return Spans(date(FIRST_YEAR, 1, 1), date(end - n_test - 2, 12, 31),
                 date(end - n_test - 1, 12, 31), date(end - 1, 12, 31))


@dataclass(frozen=True, eq=False)
class World:
    """A synthetic Earth and the geometry in which it is looked at.

    `content` is that of `dwlim.toml`; `fine` carries the true load; `share` (n_cells, n_fine)
    averages it over the cells of the inversion's domain; `response_mm` (n_patterns, n_stations) is
    the displacement by each pattern of the water.
    """

    content: dict[str, Any]
    geometry: RegionGeometry
    spans: Spans
    fine: Grid
    share: csr_array
    earth: Earth
    response_mm: Array

    @cached_property
    def config(self) -> Config:
        """The workspace's configuration."""
        return parse_config(self.content, where="synthetic Earth")

    @cached_property
    def water_patterns(self) -> Array:
        """Patterns of the water on the cells of the inversion, (n_patterns, n_cells)."""
        return self.on_cells(self.earth.nature.water_patterns)

    def on_cells(self, patterns: Patterns) -> Array:
        """Patterns (a function of places) averaged over the inversion's cells."""
        parts: list[Array] = [self.share[:, block] @ patterns(lon, lat).T
                              for block, lon, lat in _blocks(self.fine)]
        return np.ascontiguousarray(np.sum(parts, axis=0).T)

    def cells_mm(self, days: list[date]) -> Array:
        """True anomaly of the cells, (n_days, n_cells), as a perfect product would have it."""
        return self.anomaly[self.rows(days)] @ self.water_patterns

    def basins_mm(self, days: list[date]) -> Array:
        """The same for the means over basins, (n_days, n_basins)."""
        return self.anomaly[self.rows(days)] @ self.geometry.basins.mean(self.water_patterns)

    def rows(self, days: list[date]) -> NDArray[np.intp]:
        """Index of days in the arrays of the Earth."""
        since = np.array(days, dtype="datetime64[D]") - self.earth.nature.time[0]
        return since.astype(np.intp)

    @cached_property
    def anomaly(self) -> Array:
        """Series of the patterns relative to the reference period, without what the quality
        control takes from displacement as a trend.
        """
        time, series = self.earth.nature.time, self.earth.nature.water_series_mm
        if self.config.qc.trend == "linear":
            series = without_trend(time, series)
        region = self.config.region
        inside = ((time >= np.datetime64(region.reference_start))
                  & (time <= np.datetime64(region.reference_end)))
        return series - series[inside].mean(axis=0)


def without_trend(time: NDArray[np.datetime64], series: Array) -> Array:
    """Series (n_days, n) less the trend of the years before the last day's.

    The trend is fitted beside a level, annual and semi-annual terms, as the quality control does.
    """
    day = time.astype("datetime64[D]").astype(float)
    design = np.column_stack([np.ones_like(day), day - day.mean(), harmonics(day)])
    before = time < time[-1].astype("datetime64[Y]")
    coefficient = np.linalg.lstsq(design[before], series[before], rcond=None)[0]
    detrended: Array = series - design[:, 1:2] * coefficient[1]
    return detrended


def make_world(region: str, *, n_years: int, settings: EarthSettings, quick: bool,
               thermal: bool = False) -> World:
    """Draw the synthetic Earth of a built-in region, or of the region of a TOML file.

    Parameters
    ----------
    region : str
    n_years : int
        Length of the record from 2011.
    settings : EarthSettings
    quick : bool
        Fewer networks in the configuration.
    thermal : bool
        Monuments expand in the observed series.
    """
    source = region_file(region)
    given, spans = read_config(source), spans_of(n_years)
    geometry = load_region(given.region, source.parent)
    surroundings = source.parent / SURROUNDINGS
    outline = read_outline(surroundings) if surroundings.is_file() else geometry.outline
    fine = make_grid(outline, geometry.grid.spacing_deg / 2.0, 0.0)
    time = np.arange(np.datetime64(spans.first), np.datetime64(spans.last) + 1)
    area = cell_area_km2(fine.cells[1], fine.spacing_deg)
    struck = np.random.default_rng([settings.seed, 30]).choice(
        area.size, size=min(area.size, 20_000), p=area / area.sum())
    nature = make_nature(time, (fine.cells[0][struck], fine.cells[1][struck]), area.sum() / 1e6,
                         settings)
    stations = _stations(given, source.parent)
    place = stations.longitude_deg, stations.latitude_deg
    response = displacement(nature.water_patterns, fine, place)
    coarse = make_grid(outline, geometry.cell_grid.spacing_deg, 0.0)
    earth = make_earth(
        nature, stations, water_response_mm=response,
        pressure_pa=nature.weather(*coarse.cells)[1],
        pressure_response=design_matrix(*place, coarse, frame=FRAME), thermal=thermal)
    return World(configuration(given, spans, quick=quick), geometry, spans, fine,
                 _share(fine, geometry.grid), earth, response)


def _stations(config: Config, folder: Path) -> Stations:
    path = config.sources.gnss.sites
    if path is not None:
        sites = parse_sites((folder / path).read_bytes(), kind="station", where=str(path))
    else:
        with xr.open_dataset(folder / "gnss.nc") as sample:
            sites = Sites(*(sample[name].values for name in (
                "station", "longitude_deg", "latitude_deg", "height_m")))
    height = np.where(np.isfinite(sites.height_m), sites.height_m, HEIGHT_M)
    return Stations(tuple(sites.name.tolist()), sites.longitude_deg, sites.latitude_deg, height)


def displacement(patterns: Patterns, fine: Grid, place: tuple[Array, Array]) -> Array:
    """Up displacement at places by patterns of load, mm per mm, (n_patterns, n_places)."""
    design = design_matrix(*place, fine, frame=FRAME)
    parts: list[Array] = [patterns(lon, lat) @ design[:, block].T
                          for block, lon, lat in _blocks(fine)]
    return np.sum(parts, axis=0)


def _blocks(grid: Grid) -> Iterator[tuple[slice, Array, Array]]:
    longitude, latitude = grid.cells
    for start in range(0, longitude.size, CELLS_PER_BLOCK):
        block = slice(start, start + CELLS_PER_BLOCK)
        yield block, longitude[block], latitude[block]


def _share(fine: Grid, grid: Grid) -> csr_array:
    """Share of each coarse cell's area that each fine cell covers, (n_cells, n_fine)."""
    longitude, latitude = fine.cells
    number = np.full(grid.domain.shape, -1)
    number[grid.domain] = np.arange(int(grid.domain.sum()))
    rows, columns = (np.floor((place - axis[0]) / grid.spacing_deg + 0.5).astype(int)
                     for place, axis in ((latitude, grid.latitude_deg),
                                         (longitude, grid.longitude_deg)))
    inside = ((rows >= 0) & (rows < grid.latitude_deg.size)
              & (columns >= 0) & (columns < grid.longitude_deg.size))
    owner = np.full(longitude.size, -1)
    owner[inside] = number[rows[inside], columns[inside]]
    held = np.flatnonzero(owner >= 0)
    area = cell_area_km2(latitude[held], fine.spacing_deg)
    whole = cell_area_km2(grid.cells[1], grid.spacing_deg)
    return csr_array((area / whole[owner[held]], (owner[held], held)),
                     shape=(whole.size, longitude.size))


def configuration(given: Config, spans: Spans, *, quick: bool) -> dict[str, Any]:
    """Content of `dwlim.toml` for the synthetic Earth of a region."""
    content = given.model_dump(mode="json", exclude_unset=True)
    region = content["region"]
    region |= {
        "name": f"synthetic_{region['name']}", "title": f"{region['title']}, synthetic Earth",
        "outline": f"region/{Path(region['outline']).name}",
        "basins": f"region/{Path(region['basins']).name}", "synthetic": True,
        "reference_start": spans.first, "reference_end": spans.training_last,
        "licence": LICENCE, "citations": []}
    content["sources"] = {
        "gnss": {"kind": "folder", "folder": "inbox/gnss", "format": "tenv3", "frame": FRAME,
                 "sites": "region/stations.csv", "steps": "region/steps.csv",
                 "latency_days": LATENCY_DAYS},
        "weather": {"kind": "grids", "folder": "inbox/weather", "holding": "daily_means",
                    "latency_days": LATENCY_DAYS},
        "loading": {"kind": "folder", "folder": "inbox/loading", "frame": FRAME,
                    "latency_days": LATENCY_DAYS}}
    content["qc"] = {"step_mode": "given", "trend": "linear"}
    content["models"] = {"store": "models"}
    content["training"] = {"causal": _training(spans, quick=quick)}
    return content


def _training(spans: Spans, *, quick: bool) -> dict[str, Any]:
    window_days, stride = (180, 5) if quick else (365, 4)
    first = spans.first + timedelta(days=window_days)
    networks = {"hidden_size": 8, "weight_decay": 0.1} | (
        {"n_seeds": 1, "max_epochs": 10} if quick else {})
    return {
        "features": {"kind": "causal", "window_days": window_days, "sequence_days": 30},
        "training": {"first": first, "last": spans.training_last},
        "validation": {"first": spans.training_last + timedelta(days=1),
                       "last": spans.validation_last},
        "test": {"first": spans.test_first, "last": spans.last},
        "stride_days": stride, "minimum_correlation": 0.2,
        "minimum_days": (spans.training_last - first).days // (2 * stride),
        "networks": networks, "idw_power": 2.0}


def write_workspace(root: Path, region: str, world: World) -> Workspace:
    """Write a workspace with all files of a synthetic Earth in its inbox.

    Raises
    ------
    ConfigError
        There is a workspace already.
    """
    workspace = Workspace(root)
    if workspace.config_file.exists():
        raise ConfigError("the workspace exists already", where=str(workspace.config_file),
                          remedy="choose another folder, or remove this one")
    for name in (*FOLDERS, "inbox/gnss", "inbox/weather", "inbox/loading", "truth"):
        (root / name).mkdir(parents=True, exist_ok=True)
    source = region_file(region)
    given, made, earth = read_config(source).region, world.config.region, world.earth
    for path, kept in ((given.outline, made.outline), (given.basins, made.basins)):
        write_atomically(root / kept, (source.parent / path).read_bytes(), durable=False)
    texts = [("region/stations.csv", sites_file(earth.stations)),
             ("region/steps.csv", steps_file(earth)), ("truth/basins.csv", _truth_csv(world)),
             *((f"inbox/gnss/{name}", text) for name, text in station_files(earth)),
             *((f"inbox/loading/{name}", text) for name, text in loading_files(earth))]
    for name, text in texts:
        write_atomically(root / name, text.encode(), durable=False)
    cells = world.geometry.cell_grid
    for name, dataset in weather_datasets(earth, _axis(cells.longitude_deg, cells.spacing_deg),
                                          _axis(cells.latitude_deg, cells.spacing_deg)):
        dataset.to_netcdf(root / "inbox/weather" / name, engine="netcdf4", encoding={
            field: {"zlib": True, "complevel": 1} for field in dataset.data_vars})
    write_atomically(workspace.config_file, tomli_w.dumps(world.content).encode())
    return workspace


def _axis(centres: Array, spacing_deg: float) -> Array:
    """Centres without a gap."""
    number = round((centres[-1] - centres[0]) / spacing_deg) + 1
    axis: Array = centres[0] + spacing_deg * np.arange(number)
    return axis


def _truth_csv(world: World) -> str:
    time = world.earth.nature.time
    basins = world.basins_mm(time.tolist())
    rows = [f"{day},{basin},{value:.3f}" for day, values in zip(time, basins, strict=True)
            for basin, value in zip(world.geometry.basins.identifier, values, strict=True)]
    return "\n".join(["date,basin,twsa_mm", *rows, ""])
