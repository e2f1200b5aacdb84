"""A small made-up region as files: a known water load, and the displacement it causes.

The truth comes from the forward model (`design_matrix`), the weather goes with the load. Everything
is drawn from fixed seeds, so that two calls give the same bytes.
"""

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import tomli_w
from numpy.typing import NDArray
from shapely.geometry import Polygon, mapping

from dwlim_ops import reconcile
from dwlim_ops.geometry import Grid, make_grid
from dwlim_ops.invert.design import design_matrix
from dwlim_ops.publish.cube import content_sha256
from dwlim_ops.session import Session
from dwlim_ops.telemetry.progress import progress
from dwlim_ops.tick import TickReport, begin, finish, make_day, observe_and_plan
from dwlim_ops.workspace import Workspace

Array = NDArray[np.float64]

REGION = "toyland"
OUTLINE = Polygon([(10, 40), (22, 40), (22, 47), (19, 50), (10, 50)])
GRID_DEG, CELL_DEG, WIDEN_DEG = 0.5, 2.0, 1.0
#: West, south, east, north of each basin; edges fall on edges of the grid.
BASINS = {"7": ("West River", (10, 40, 15, 50)), "12": ("North Plain", (15, 45, 22, 50)),
          "100": ("South Plain", (15, 40, 22, 45))}
FIRST, LAST = date(2015, 1, 1), date(2016, 12, 31)
REFERENCE = (date(2015, 1, 1), date(2015, 12, 31))
LATENCY_DAYS = 2
N_STATIONS, N_SITES = 30, 12

#: A tick at this moment sees `DAY` as the newest day, and everything that the files hold.
DAY = LAST
AS_OF = datetime(2017, 1, 2, 18, tzinfo=UTC)
#: A tick at this moment sees `EARLY_DAY` as the newest day.
EARLY_DAY = date(2016, 12, 18)
EARLY = datetime(2016, 12, 20, 18, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class Truth:
    """Water load and what it makes, by day; stations and sites with their places.

    `load_mm` (day, cell) is on the cells of `grid`; `up_mm` (day, station) has no noise.
    """

    day: NDArray[np.datetime64]
    grid: Grid
    load_mm: Array
    station: tuple[str, ...]
    station_place: Array
    up_mm: Array
    site: tuple[str, ...]
    site_place: Array
    temperature_k: Array
    pressure_pa: Array

    def basin_means_mm(self) -> Array:
        """Area means over land of the load less its mean over the reference period, (day, basin).

        In the order of `BASINS`.
        """
        longitude, latitude = self.grid.cells
        first, last = (np.datetime64(day) for day in REFERENCE)
        inside = (self.day >= first) & (self.day <= last)
        anomaly = self.load_mm - self.load_mm[inside].mean(axis=0)
        columns = []
        for _, (west, south, east, north) in BASINS.values():
            within = ((longitude > west) & (longitude < east)
                      & (latitude > south) & (latitude < north))
            weight = (within * np.cos(np.radians(latitude))
                      * self.grid.land_fraction[self.grid.domain])
            columns.append(anomaly @ weight / weight.sum())
        return np.stack(columns, axis=1)

    def row(self, day: date) -> int:
        """Index of a day."""
        return int((np.datetime64(day) - self.day[0]) / np.timedelta64(1, "D"))


@lru_cache(maxsize=1)
def truth() -> Truth:
    """The one truth of the tests."""
    random = np.random.default_rng(20150101)
    day = np.arange(FIRST, np.datetime64(LAST) + 1, dtype="datetime64[D]")
    grid = make_grid(OUTLINE, GRID_DEG, WIDEN_DEG)
    weather_of_patterns = _red_noise(random, day.size, 4)
    stations, sites = _scatter(random, N_STATIONS), _scatter(random, N_SITES)
    since_march = (day - np.datetime64("2015-03-01")).astype(float)[:, None]
    seasonal = np.cos(2 * np.pi * since_march / 365.25)

    def synoptic(longitude: Array, latitude: Array) -> Array:
        return weather_of_patterns @ _patterns(longitude, latitude)

    longitude, latitude = grid.cells
    load = 60.0 * seasonal * (0.6 + 0.08 * (latitude - 40.0)) + 30.0 * synoptic(longitude, latitude)
    up = load @ design_matrix(*stations.T, grid, frame="cf").T
    at_sites = synoptic(*sites.T)
    noise = random.standard_normal((2, *at_sites.shape))
    return Truth(
        day, grid, load, tuple(f"S{number:03d}" for number in range(N_STATIONS)), stations, up,
        tuple(f"Site {number}" for number in range(N_SITES)), sites,
        temperature_k=284.0 - 10.0 * seasonal - 2.5 * at_sites + 0.3 * noise[0],
        pressure_pa=100_000.0 + 200.0 * seasonal - 500.0 * at_sites + 30.0 * noise[1])


def _red_noise(random: np.random.Generator, n_days: int, n_series: int) -> Array:
    white = random.standard_normal((n_days, n_series))
    series = np.zeros_like(white)
    series[0] = white[0]
    for row in range(1, n_days):
        series[row] = 0.97 * series[row - 1] + np.sqrt(1 - 0.97**2) * white[row]
    return series


def _patterns(longitude: Array, latitude: Array) -> Array:
    """Four smooth patterns, (4, n)."""
    u, v = np.pi * (longitude - 10.0) / 12.0, np.pi * (latitude - 40.0) / 10.0
    return np.stack([np.ones_like(u), np.cos(u), np.cos(v), np.cos(u) * np.cos(v)]) / 2.0


def _scatter(random: np.random.Generator, number: int) -> Array:
    """Places inside the outline, (number, 2)."""
    candidates = np.column_stack([random.uniform(10.2, 21.8, 200), random.uniform(40.2, 49.8, 200)])
    inside = candidates[shapely.contains_xy(OUTLINE, *candidates.T)]
    return inside[:number].round(4)


def configuration() -> dict[str, Any]:
    """Content of `dwlim.toml` as plain values, for a test to change."""
    return {
        "region": {
            "name": REGION, "title": "Toyland", "outline": "region/outline.geojson",
            "basins": "region/basins.csv", "grid_deg": GRID_DEG, "cell_deg": CELL_DEG,
            "widen_deg": WIDEN_DEG, "reference_start": REFERENCE[0], "reference_end": REFERENCE[1]},
        "sources": {
            "gnss": {"kind": "folder", "folder": "inbox/gnss", "sites": "region/stations.csv",
                     "latency_days": LATENCY_DAYS, "already_removed": ["ntal", "ntol", "trend"]},
            "weather": {"kind": "folder", "folder": "inbox/weather", "latency_days": LATENCY_DAYS,
                        "sites": "region/weather_sites.csv"}},
        "qc": {"step_mode": "none", "minimum_reference_days": 300},
        "forcing": {"minimum_reference_days": 300},
        "models": {"store": "models"},
        "inversion": {"beta": 0.05},
        "products": {"map_days": 0},
        "schedule": {"horizon_days": 2},
        "training": {"small": training_settings()},
    }


def training_settings() -> dict[str, Any]:
    """A table of `[training]` that takes about a second."""
    return {
        "features": {"kind": "causal", "n_components": 4, "window_days": 200, "sequence_days": 5},
        "training": {"first": date(2015, 8, 1), "last": date(2016, 3, 31)},
        "validation": {"first": date(2016, 4, 1), "last": date(2016, 5, 31)},
        "test": {"first": date(2016, 6, 1), "last": date(2016, 12, 10)},
        "stride_days": 3, "minimum_correlation": 0.97, "minimum_days": 60,
        "networks": {"hidden_size": 4, "n_seeds": 2, "max_epochs": 5, "learning_rate": 0.03},
    }


def build_workspace(root: Path, *, content: Mapping[str, Any] | None = None,
                    noise_mm: float = 0.3) -> Workspace:
    """Write a workspace: configuration, region and inbox with all files of both sources."""
    for folder in ("region", "inbox/gnss", "inbox/weather"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    write_config(root, content or configuration())
    for name, text in region_files().items():
        (root / "region" / name).write_text(text)
    for name, text in station_files(noise_mm).items():
        (root / "inbox/gnss" / name).write_text(text)
    for name, text in weather_files().items():
        (root / "inbox/weather" / name).write_text(text)
    return Workspace(root)


def write_config(root: Path, content: Mapping[str, Any]) -> None:
    """Replace `dwlim.toml`."""
    (root / "dwlim.toml").write_text(tomli_w.dumps(content))


@lru_cache(maxsize=1)
def region_files() -> dict[str, str]:
    """Outline, basins as GeoJSON and as a table of cells, places of stations and sites."""
    known = truth()
    features = [{"type": "Feature", "properties": {"basin": key, "name": name},
                 "geometry": mapping(shapely.box(*box))} for key, (name, box) in BASINS.items()]
    cells = [f"{lon},{lat},{key},{name}" for key, (name, box) in BASINS.items()
             for lon in np.arange(box[0] + 0.25, box[2], 0.5)
             for lat in np.arange(box[1] + 0.25, box[3], 0.5)]
    outline = {"type": "Feature", "properties": {}, "geometry": mapping(OUTLINE)}
    return {
        "outline.geojson": json.dumps({"type": "FeatureCollection", "features": [outline]}),
        "basins.geojson": json.dumps({"type": "FeatureCollection", "features": features}),
        "basins.csv": "\n".join(["lon,lat,basin,name", *cells, ""]),
        "stations.csv": _places("station", known.station, known.station_place),
        "weather_sites.csv": _places("site", known.site, known.site_place),
    }


def _places(kind: str, names: tuple[str, ...], places: Array) -> str:
    rows = [f"{name},{lon:.4f},{lat:.4f}" for name, (lon, lat) in zip(names, places, strict=True)]
    return "\n".join([f"{kind},longitude,latitude", *rows, ""])


@lru_cache(maxsize=4)
def station_files(noise_mm: float) -> dict[str, str]:
    """`ssss.up` for every station; with noise also a gap of twenty days and days left out."""
    known, random = truth(), np.random.default_rng(7)
    noise = noise_mm * random.standard_normal(known.up_mm.shape)
    left_out = (random.uniform(size=noise.shape) < 0.02) & (noise_mm > 0)
    left_out[-60:] = False
    files = {}
    for column, name in enumerate(known.station):
        if noise_mm > 0 and column % 10 == 3:
            left_out[400:420, column] = True
        up = known.up_mm[:, column] + noise[:, column]
        rows = [f"{str(day).replace('-', '')} {value:.4f} 1.0000"
                for day, value, gone in zip(known.day, up, left_out[:, column], strict=True)
                if not gone]
        files[f"{name.lower()}.up"] = "\n".join([*rows, ""])
    return files


@lru_cache(maxsize=1)
def weather_files() -> dict[str, str]:
    """One table a year."""
    known = truth()
    files = {}
    for year in ("2015", "2016"):
        rows = [f"{day},{site},{known.temperature_k[row, column]:.2f},"
                f"{known.pressure_pa[row, column]:.1f}"
                for row, day in enumerate(known.day.astype(str)) if day.startswith(year)
                for column, site in enumerate(known.site)]
        files[f"{year}.csv"] = "\n".join(["date,site,temperature_k,pressure_pa", *rows, ""])
    return files


def loading_series(days: NDArray[np.datetime64], n_stations: int) -> tuple[Array, Array]:
    """Made-up atmospheric and ocean loading, mm, (day, station) each, three decimals."""
    phase = np.arange(days.size)[:, None] / 9.0 + np.arange(n_stations)
    return (4.0 * np.sin(phase)).round(3), (0.4 * np.cos(1.7 * phase)).round(3)


def edit(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Replace the lines of a file."""
    path.write_text("\n".join([*change(path.read_text().splitlines()), ""]))


def run_tick(session: Session, as_of: datetime = AS_OF, *, now: datetime | None = None,
             first: date | None = None, last: date | None = None) -> TickReport:
    """What `flows.daily.daily` does, without a server."""
    now, remarks = begin(session, now or max(as_of, AS_OF))
    reports = [report for name in session.feeds
               for report in reconcile.ingest(session, name, as_of=as_of, retrieved_at=now)]
    known, planned = observe_and_plan(session, as_of, first=first, last=last)
    hindered = {}
    if known is not None:
        with progress("days", len(planned)) as advance:
            for day in planned:
                hindered[day.day] = make_day(session, known, day)
                advance(str(day.day))
    return finish(session, as_of, known, now=now, reports=reports, hindered=hindered,
                  remarks=remarks)


def published_files(workspace: Workspace) -> dict[str, bytes]:
    """Every file that consumers see, by its path; of the cube a digest of what it holds.

    The names in the cube are drawn at random by Icechunk.
    """
    published = workspace.published
    files = {path.relative_to(published).as_posix(): path.read_bytes()
             for path in sorted(published.rglob("*")) if path.is_file()}
    cube = {name for name in files if name.startswith("cube/")}
    held = {"cube": content_sha256(published / "cube").encode()} if cube else {}
    return {name: content for name, content in files.items() if name not in cube} | held


def tomllib_of(workspace: Workspace) -> dict[str, Any]:
    """Content of a workspace's `dwlim.toml`."""
    return tomllib.loads(workspace.config_file.read_text())
