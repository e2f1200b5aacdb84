"""The outside services of a region as sources: one client an address, shared by its sources."""

import logging
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from dwlim_ops import __version__
from dwlim_ops.config import Config
from dwlim_ops.contracts import Memory, Source
from dwlim_ops.errors import ConfigError, MalformedInputError, SourceError
from dwlim_ops.region import RegionGeometry
from dwlim_ops.sources.cds_jobs import CdsJobs
from dwlim_ops.sources.ecmwf_open import EcmwfOpen
from dwlim_ops.sources.endpoints import endpoint_table, read_netrc, read_private
from dwlim_ops.sources.era5 import Era5, area_of, fetch_orography
from dwlim_ops.sources.esmgfz import EsmgfzAnalysis, EsmgfzForecast, EsmgfzGrids
from dwlim_ops.sources.formats.grids.regrid import Cells, Regridder, cell_means
from dwlim_ops.sources.formats.grids.weather import Orography, read_orography
from dwlim_ops.sources.formats.sites import Sites, parse_sites
from dwlim_ops.sources.gldas import Gldas
from dwlim_ops.sources.http import Client, Endpoint
from dwlim_ops.sources.mascons import CsrMascons, JplMascons
from dwlim_ops.sources.ngl import NglFinal, NglRapid
from dwlim_ops.sources.ngl_steps import NglSteps
from dwlim_ops.sources.ramadda import Layout
from dwlim_ops.workspace import write_atomically

_log = logging.getLogger(__name__)

USER_AGENT: Final = "dwlim-ops/{version} ({contact})"


@dataclass
class Services:
    """Builds the sources that a configuration names.

    Parameters
    ----------
    config : Config
    root : pathlib.Path
        Folder at which relative paths of the configuration start.
    kept : pathlib.Path
        Folder for what is fetched once and never changes, such as the height of a model's ground.
    environment : mapping of str to str
        Addresses and secrets, see `sources.endpoints`.
    home : pathlib.Path
        Where `.netrc` and `.ecmwfdatastoresrc` lie.
    memory : Memory
        What sources must not forget.
    """

    config: Config
    root: Path
    kept: Path
    environment: Mapping[str, str] = field(repr=False)
    home: Path
    memory: Memory
    _clients: dict[str, tuple[Client, ...]] = field(default_factory=dict)

    @cached_property
    def endpoints(self) -> dict[str, tuple[Endpoint, ...]]:
        """Every service, the best address first."""
        return endpoint_table(
            self.config.endpoints, self.environment, read_netrc(self.home / ".netrc"),
            datastores_file=read_private(self.home / ".ecmwfdatastoresrc"))

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the services that the region asks."""
        sources = self.config.sources
        loading, weather = sources.loading, sources.weather
        of_service = loading is not None and loading.kind == "esmgfz"
        names: list[str] = ["ngl"] if sources.gnss.kind == "ngl" else []
        if weather is not None and weather.kind == "services":
            dap4 = weather.gldas_access == "dap4"
            names += ["cds", "cmr", "opendap" if dap4 else "gesdisc", "ecmwf_open"]
        if of_service:
            names += ["esmgfz", *(["ecmwf_open"] if loading and loading.own_fallback else [])]
        if sources.grace is not None:
            names += ["csr", "cmr", "podaac"]
        return tuple(dict.fromkeys(names))

    def clients(self, name: str) -> tuple[Client, ...]:
        """Clients of all addresses of a service."""
        if name not in self._clients:
            self._clients[name] = tuple(self.open(endpoint) for endpoint in self.endpoints[name])
        return self._clients[name]

    def open(self, endpoint: Endpoint) -> Client:
        """A client of one address."""
        http = self.config.http
        agent = USER_AGENT.format(version=__version__, contact=http.contact or "no contact given")
        return Client(endpoint, user_agent=agent, proxies=dict(http.proxies),
                      ca_file=self._ca_file)

    @property
    def _ca_file(self) -> Path | None:
        file = self.config.http.ca_file
        return None if file is None else self.root / file

    def close(self) -> None:
        """Close every connection."""
        for clients in self._clients.values():
            for client in clients:
                client.close()

    @cached_property
    def stations(self) -> Sites:
        """The wanted stations with their places."""
        path = self.config.sources.gnss.sites
        if path is None:
            raise ConfigError("the list of stations is not given", where="sources.gnss.sites",
                              expected="a CSV station,longitude,latitude")
        return parse_sites((self.root / path).read_bytes(), kind="station", where=str(path))

    def gnss(self) -> tuple[Source, ...]:
        """Rapid and final solutions of the Nevada Geodetic Laboratory."""
        client, names = self.clients("ngl")[0], self.stations.name.tolist()
        accepted = self.config.sources.gnss.accepted
        return (NglRapid(client, memory=self.memory, stations=names, accepted=accepted),
                NglFinal(client, memory=self.memory, stations=names, accepted=accepted))

    def steps(self) -> NglSteps:
        """Possible steps of the wanted stations, by the Nevada Geodetic Laboratory."""
        return NglSteps(self.clients("ngl")[0], stations=self.stations.name.tolist(),
                        earthquake_magnitude=self.config.sources.gnss.earthquake_magnitude)

    def weather(self, geometry: RegionGeometry) -> tuple[Source, ...]:
        """ECMWF open data, ERA5T, ERA5, GLDAS early product and GLDAS, weakest first."""
        settings = self.config.sources.weather
        first_day = None if settings is None else settings.first_day
        if settings is None or first_day is None:
            raise ConfigError("key is missing", where="sources.weather.first_day",
                              expected="a date: nothing before it is asked for")
        cds = self.clients("cds")[0]
        jobs = CdsJobs(cds, self.memory, patience_s=settings.job_patience_s,
                       proxies=dict(self.config.http.proxies), ca_file=self._ca_file)
        cells, orography = self._cells(geometry, jobs)
        data = self.clients("opendap" if settings.gldas_access == "dap4" else "gesdisc")[0]
        cmr = self.clients("cmr")[0]
        return (
            EcmwfOpen(self.clients("ecmwf_open")[0], cells=cells, orography=orography),
            *(Era5(cds, jobs, self.memory, stream=stream, cells=cells, first_day=first_day,
                   orography=orography) for stream in ("era5t", "era5")),
            *(Gldas(cmr, data, stream=stream, cells=cells, first_day=first_day,
                    access=settings.gldas_access) for stream in ("gldas_ep", "gldas_da")))

    def loading(self) -> tuple[Source, ...]:
        """Forecast and analysis of GFZ Potsdam at the stations."""
        settings = self.config.sources.loading
        if settings is None or settings.first_day is None or settings.frame == "ce":
            raise ConfigError("key is missing or cannot be served", where="sources.loading",
                              expected="first_day, and frame 'cf' or 'cm'")
        hosts, layout = self.clients("esmgfz"), Layout(frame=settings.frame)
        if settings.access == "grids":
            first_year = settings.first_day.year
            return (EsmgfzGrids(hosts, self.stations, stream="forecast", first_year=first_year,
                                layout=layout),
                    EsmgfzGrids(hosts, self.stations, stream="analysis", first_year=first_year,
                                layout=layout))
        return (EsmgfzForecast(hosts, self.stations, layout=layout),
                EsmgfzAnalysis(hosts, self.stations, first_day=settings.first_day, layout=layout))

    def mascons(self, geometry: RegionGeometry) -> tuple[Source, ...]:
        """Monthly mascons of CSR and JPL, for comparison only."""
        north, west, south, east = cells_of(geometry).bounds_deg
        bounds = (west, south, east, north)
        return (CsrMascons(self.clients("csr")[0], bounds_deg=bounds),
                JplMascons(self.clients("cmr")[0], self.clients("podaac")[0], bounds_deg=bounds))

    def _cells(self, geometry: RegionGeometry, jobs: CdsJobs) -> tuple[Cells, Orography | None]:
        """The region's cells with their mean height, where the model's ground is known."""
        flat = cells_of(geometry)
        place = zlib.crc32(repr(area_of(flat)).encode())
        path = self.kept / f"{self.config.region.name}_era5_orography_{place:08x}.grib"
        if not path.exists():
            try:
                content = fetch_orography(jobs, flat)
                read_orography(content, where=path.name)
            except (SourceError, MalformedInputError) as error:
                _log.warning("pressure stays at the height of the model's ground: %s", error)
                return flat, None
            write_atomically(path, content)
        orography = read_orography(path.read_bytes(), where=path.name)
        shares = Regridder(flat).weights(orography.grid, where=path.name)
        height_m = cell_means(orography.grid["height_m"].values[None], shares)[0]
        return Cells(flat.longitude_deg, flat.latitude_deg, flat.cell_deg, height_m), orography


def cells_of(geometry: RegionGeometry) -> Cells:
    """The region's cells at sea level."""
    longitude, latitude = geometry.cells
    return Cells(longitude, latitude, geometry.cell_grid.spacing_deg, np.zeros(longitude.size))
