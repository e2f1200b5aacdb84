"""What a process holds open for one workspace: configuration, geometry, archive, networks."""

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import cached_property
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.archive.archive import Archive
from dwlim_ops.archive.cache import Cache
from dwlim_ops.archive.parsed import ParsedFiles
from dwlim_ops.archive.raw import RawStore
from dwlim_ops.config import Config, read_config
from dwlim_ops.errors import BundleError
from dwlim_ops.feeds import Feed, build_feeds
from dwlim_ops.geometry import KM_PER_DEGREE, cell_area_km2
from dwlim_ops.invert.daily import Inversion, prepare, project
from dwlim_ops.invert.design import design_matrix
from dwlim_ops.invert.modes import SpatialModes, noise_modes, spatial_modes
from dwlim_ops.invert.smoothness import Smoothness
from dwlim_ops.invert.spacetime import SpaceTimeModel, SpaceTimeSettings
from dwlim_ops.invert.tuning import choose_beta
from dwlim_ops.region import RegionGeometry, load_region
from dwlim_ops.regions import region_folder
from dwlim_ops.services import Services
from dwlim_ops.settings import NOT_OF_PRODUCTS, settings_content
from dwlim_ops.simulate.bundle import read_bundle
from dwlim_ops.simulate.store import CURRENT, resolve
from dwlim_ops.simulation import CellSimulator, bind
from dwlim_ops.sources.formats.steps import read_steps
from dwlim_ops.sources.grace import read_grace
from dwlim_ops.space_time import SpaceTimeRun, usable_up_mm
from dwlim_ops.state.ledger import Ledger
from dwlim_ops.state.provenance import code_fingerprint, fingerprint
from dwlim_ops.verify.grace import MonthlyBasins, grace_of_basins
from dwlim_ops.workspace import Workspace

_log = logging.getLogger(__name__)

Array = NDArray[np.float64]

#: Eq. (10) of the paper, with unit sigma.
PAPER_BETA = 0.01
#: What is kept on disk of the modes of a network.
MODES = ("loading", "water", "prior_variance", "seen", "basins", "basin_prior_variance", "noise")


def built_in_models() -> Path:
    """The model store that comes with the code."""
    packaged = Path(str(resources.files("dwlim_ops"))) / "models_store"
    return packaged if packaged.is_dir() else packaged.parent.parent / "models_store"


class Session:
    """Opens a workspace; everything heavy is built at first use and kept."""

    def __init__(self, workspace: Workspace, *, settings_root: Path | None = None) -> None:
        self.workspace = workspace
        self.settings_root = settings_root or workspace.root
        self.config: Config = read_config(self.settings_root / workspace.config_file.name)
        workspace.state.mkdir(parents=True, exist_ok=True)
        present = self.config if settings_root is None else read_config(workspace.config_file)
        ledger, self._store = present.ledger, present.models.store
        url = workspace.ledger_url if ledger.url == "sqlite" else ledger.url
        self.ledger = Ledger(url, lock_timeout_s=ledger.lock_timeout_s)
        self.archive = Archive(RawStore(workspace.raw), self.ledger,
                               ParsedFiles(Cache(workspace.cache / "parsed")))
        self.cache = Cache(workspace.cache)
        self.bundle_refusal = ""
        self._bundle_name = self.config.models.bundle
        self._inversions: dict[str, tuple[Inversion, Inversion]] = {}
        self._space_time: tuple[xr.Dataset, SpaceTimeRun] | None = None

    def close(self) -> None:
        """Close the ledger and every connection."""
        self.ledger.close()
        if "services" in self.__dict__:
            self.services.close()

    @cached_property
    def geometry(self) -> RegionGeometry:
        """Grid, cells and basins."""
        return load_region(self.config.region, self.settings_root)

    @cached_property
    def feeds(self) -> dict[str, Feed]:
        """The configured inputs by name, each with its streams."""
        return build_feeds(self.config, self.settings_root, self.services,
                           lambda: self.geometry)

    @cached_property
    def services(self) -> Services:
        """The outside services, with the addresses and secrets of the environment."""
        return Services(self.config, self.settings_root, self.workspace.root / "store" / "fixed",
                        os.environ, Path.home(), self.ledger.memory("sources"))

    @property
    def first_issue_delay_days(self) -> int:
        """Days after which a day's displacement first comes in."""
        gnss = self.config.sources.gnss
        return math.ceil(gnss.latency_days if gnss.rapid_latency_days is None
                         else min(gnss.latency_days, gnss.rapid_latency_days))

    @property
    def final_wait_days(self) -> int:
        """Days from a day's first displacement to its final one."""
        return math.ceil(self.config.sources.gnss.latency_days) - self.first_issue_delay_days

    @cached_property
    def given_steps(self) -> tuple[tuple[date, str], ...]:
        """Known steps of the stations, from the table `date,station` of the configuration."""
        path = self.config.sources.gnss.steps
        return () if path is None else read_steps(self.settings_root / path)

    @property
    def model_store(self) -> Path:
        """The configured model store, or the one that comes with the code."""
        store = self._store
        return built_in_models() if store is None else self.workspace.root / store

    @cached_property
    def simulator(self) -> CellSimulator | None:
        """The station LSTMs bound to the region's cells; None: the region runs GNSS-only.

        A bundle that is damaged or does not serve is reported (`bundle_refusal`) and counts as
        absent.
        """
        name, store = self._bundle_name, self.model_store
        region = self.config.region.name
        has_none = name == CURRENT and not (store / region).is_dir()
        if not name or "weather" not in self.feeds or has_none:
            return None
        try:
            folder = resolve(store, region, name)
            return bind(read_bundle(folder), self.geometry, region=region, bundle_id=folder.name)
        except BundleError as error:
            self.bundle_refusal = str(error)
            _log.error("GNSS-only, the bundle is refused: %s", error)
            return None

    @contextmanager
    def serving(self, name: str) -> Iterator[None]:
        """For a while another bundle of the store serves, by role or id."""
        kept = self._bundle_name
        try:
            self._serve(name)
            yield
        finally:
            self._serve(kept)

    def _serve(self, name: str) -> None:
        self._bundle_name = name
        self._inversions = {}
        self.__dict__.pop("simulator", None)

    @property
    def bundle_id(self) -> str:
        """Identifier of the serving bundle, empty without one."""
        return self.simulator.bundle_id if self.simulator is not None else ""

    @cached_property
    def grace(self) -> MonthlyBasins | None:
        """Monthly GRACE means of the basins, of the sample or of the services; for comparison."""
        region = self.config.region
        if "grace" in self.feeds:
            data = self._mascons()
            if data is None:
                return None
        elif self.config.sources.gnss.kind == "sample":
            data = read_grace(region_folder(region.name) / "grace.nc")
        else:
            return None
        return grace_of_basins(data, self.geometry.grid, self.geometry.basins,
                               reference=(region.reference_start, region.reference_end))

    def _mascons(self) -> xr.Dataset | None:
        """All mascons that were ever received, the mean of both centres."""
        feed, now = self.feeds["grace"], self.ledger.newest_wall_time()
        if now is None:
            return None
        by_stream = {source.stream: self.archive.read(source, feed.merge, as_of=now)
                     for source in feed.sources}
        return feed.combine({name: data for name, data in by_stream.items() if data is not None})

    def inversion(self, stations: xr.Dataset) -> Inversion:
        """Inversion for these stations followed by every simulated cell; kept while they last."""
        return self._inversions_of(stations)[0]

    def basin_inversion(self, stations: xr.Dataset) -> Inversion:
        """The same for the means over basins."""
        return self._inversions_of(stations)[1]

    def _inversions_of(self, stations: xr.Dataset) -> tuple[Inversion, Inversion]:
        places = [stations[name].values for name in ("longitude_deg", "latitude_deg")]
        key = fingerprint(*places)
        if key not in self._inversions:
            _log.info("preparing the inversion for %d stations", places[0].size)
            grid = self.geometry.grid
            cells = self.geometry.cells if self.simulator is not None else (np.zeros(0),) * 2
            longitude, latitude = (np.concatenate(pair) for pair in zip(places, cells, strict=True))
            design = design_matrix(longitude, latitude, grid, frame=self.config.sources.gnss.frame)
            cells_of_grid = prepare(design, Smoothness(grid.domain), self._cell_area_km2)
            of_basins = project(cells_of_grid, self.geometry.basins.weight)
            self._inversions = {key: (cells_of_grid, of_basins)}
        return self._inversions[key]

    def space_time(self, checked: xr.Dataset) -> SpaceTimeRun:
        """The space-time filter over a record; kept while the record is the same."""
        if self._space_time is None or self._space_time[0] is not checked:
            settings = self.config.space_time
            model, basins = self.space_time_model(checked, settings)
            seed = fingerprint("space-time", vars(settings), model.modes.loading, self.code)
            run = SpaceTimeRun(
                model, basins, checked["time"].values.astype("datetime64[D]"),
                usable_up_mm(checked), checked["up_sigma_mm"].values, seed,
                Cache(self.workspace.cache / "filter"))
            self._space_time = checked, run
        return self._space_time[1]

    def space_time_model(self, stations: xr.Dataset, settings: SpaceTimeSettings
                         ) -> tuple[SpaceTimeModel, SpatialModes]:
        """The filter of a network, and the modes of the basins.

        The modes are kept on disk: they change with network, region, lengths and code only.
        """
        places = [stations[name].values for name in ("longitude_deg", "latitude_deg")]
        lengths = settings.correlation_length_km, settings.noise_correlation_length_km
        key = fingerprint("modes", *places, lengths, self.configuration, self.code)
        kept = self.cache.get(key)
        if kept is None:
            longitude, latitude = places
            kept = dict(zip(MODES, self._make_modes(longitude, latitude, *lengths), strict=True))
            self.cache.put(key, kept)
        of_cells, of_basins = (SpatialModes(kept["loading"], *rest) for rest in (
            (kept["water"], kept["prior_variance"], kept["seen"], self._cell_area_km2),
            (kept["basins"], kept["basin_prior_variance"], None, None)))
        return SpaceTimeModel(of_cells, kept["noise"], settings), of_basins

    def _make_modes(self, longitude_deg: Array, latitude_deg: Array, length_km: float,
                    noise_length_km: float) -> tuple[Array, ...]:
        grid, frame = self.geometry.grid, self.config.sources.gnss.frame
        spacing_km = (grid.spacing_deg * KM_PER_DEGREE
                      * math.sqrt(math.cos(math.radians(float(grid.cells[1].mean())))))
        design = design_matrix(longitude_deg, latitude_deg, grid, frame=frame)
        water, noise = (prepare(design, Smoothness(grid.domain, (spacing_km / length)**2),
                                self._cell_area_km2) for length in (length_km, noise_length_km))
        cells, basins = spatial_modes(water, grid.land,
                                      project(water, self.geometry.basins.weight))
        assert cells.seen is not None  # noqa: S101  modes of cells have it
        return (cells.loading, cells.water, cells.prior_variance, cells.seen, basins.water,
                basins.prior_variance, noise_modes(noise))

    @property
    def _cell_area_km2(self) -> Array:
        grid = self.geometry.grid
        return cell_area_km2(grid.cells[1], grid.spacing_deg)

    def station_sigma_mm(self, checked: xr.Dataset) -> Array:
        """Errors that the inversion gives to the stations, (time, station)."""
        formal: Array = checked["up_sigma_mm"].values
        kind = self.config.inversion.sigma
        if kind == "formal":
            return formal
        if kind == "unit":
            return np.ones_like(formal)
        region = self.config.region
        inside = checked.sel(time=slice(str(region.reference_start), str(region.reference_end)))
        values = np.where(inside["flag"].values == 0, inside["up_mm"].values, np.nan)
        deviation = pd.DataFrame(values).std().to_numpy()
        return np.broadcast_to(np.where(np.isfinite(deviation), deviation, np.nanmedian(deviation)),
                               formal.shape)

    def beta(self, inversion: Inversion, up_mm: Array, sigma_mm: Array) -> float:
        """Weight of the smoothness for the data of one day, as configured."""
        wanted = self.config.inversion.beta
        if wanted == "paper":
            return PAPER_BETA
        if wanted in ("abic", "gcv"):
            return choose_beta(inversion, up_mm[None], sigma_mm, method=wanted).beta
        return float(wanted)

    @cached_property
    def code(self) -> str:
        """Fingerprint of the code."""
        return code_fingerprint()

    @cached_property
    def configuration(self) -> str:
        """Fingerprint of everything in the configuration that a product depends on."""
        content = self.config.model_dump(
            mode="json", exclude=NOT_OF_PRODUCTS)
        outline = (self.settings_root / self.config.region.outline).read_text()
        basins = (self.settings_root / self.config.region.basins).read_text()
        return fingerprint(content, outline, basins)

    @cached_property
    def settings_sha256(self) -> str:
        """The configuration and the small files that it names, kept in the raw store."""
        return self.archive.store.put(settings_content(self.config, self.settings_root))
