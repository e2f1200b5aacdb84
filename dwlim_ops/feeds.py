"""The configured inputs: which streams each has, and how they become one dataset."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from dwlim_ops.archive.archive import Merge
from dwlim_ops.config import Config
from dwlim_ops.contracts import Source
from dwlim_ops.errors import ConfigError
from dwlim_ops.region import RegionGeometry
from dwlim_ops.regions import region_folder
from dwlim_ops.services import Services, cells_of
from dwlim_ops.sources.folder import FolderGnss, FolderLoading, FolderWeather
from dwlim_ops.sources.folder_grids import FolderGrids
from dwlim_ops.sources.folder_loading import FolderLoadingGrids, FolderLoadingStations
from dwlim_ops.sources.merge import (
    STREAM,
    merge_gnss,
    merge_grace,
    merge_gridded_weather,
    merge_loading,
    merge_weather,
    of_stream,
)
from dwlim_ops.sources.ngl_steps import newest_list
from dwlim_ops.sources.sample import SampleGnss, SampleWeather
from dwlim_ops.sources.splice import splice_rapid
from dwlim_ops.sources.wide_pressure import WidePressure

#: Of the rapid solutions the provider keeps so many days; 9 of 60 days were missing at station
#: P090 of the Nevada Geodetic Laboratory on 2026-09-26.
RAPID_WINDOW_DAYS, RAPID_ABSENT_SHARE = 60, 9 / 60
#: Rapid solutions are moved to the level of the final ones in steps that are far below their noise.
OFFSET_STEP_MM = 0.1
PREVIEW_WINDOW_DAYS, ERA5T_WINDOW_DAYS = 10, 100

ByStream = Mapping[str, xr.Dataset]


@dataclass(frozen=True)
class Feed:
    """One input: its streams from the weakest to the best, and how granules become one dataset.

    `quantities` are the variables whose streams decide the tier of a day.
    """

    sources: tuple[Source, ...]
    merge: Merge
    quantities: tuple[str, ...]

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams, from the weakest to the best."""
        return tuple(source.stream for source in self.sources)

    def combine(self, by_stream: ByStream) -> xr.Dataset | None:
        """One dataset of all streams: a value of a better stream wins; None without any."""
        there = [stream for stream in self.streams if stream in by_stream]
        if not there:
            return None
        if there == ["rapid", "final"]:
            return _spliced(by_stream)
        return self.merge([of_stream(by_stream[stream], self.streams.index(stream))
                           for stream in there])


def _spliced(by_stream: ByStream) -> xr.Dataset:
    """Final solutions, then rapid ones on their level; streams 1 and 0."""
    spliced, _ = splice_rapid(by_stream["final"], by_stream["rapid"], step_mm=OFFSET_STEP_MM)
    final = spliced["stream"] == 0
    return spliced.drop_vars("stream").assign({f"up_mm{STREAM}": final.astype(np.uint16)})


def build_feeds(config: Config, root: Path, services: Services,
                geometry: Callable[[], RegionGeometry]) -> dict[str, Feed]:
    """The inputs that a configuration names; relative paths start at `root`."""
    sources = config.sources
    gnss = services.gnss() if sources.gnss.kind == "ngl" else _gnss(config, root)
    feeds = {"gnss": Feed(gnss, merge_gnss, ("up_mm",))}
    if sources.gnss.kind == "ngl":
        feeds["steps"] = Feed((services.steps(),), newest_list, ())
    weather, loading = sources.weather, sources.loading
    if weather is not None and weather.kind == "services":
        feeds["weather"] = _gridded(services.weather(geometry()))
    elif weather is not None and weather.kind == "grids" and weather.folder is not None:
        latency = weather.latency_days or None
        feeds["weather"] = _gridded((FolderGrids(
            root / weather.folder, cells=cells_of(geometry()), holding=weather.holding,
            latency_days=latency),))
    elif weather is not None:
        feeds["weather"] = Feed(_weather(config, root), merge_weather,
                                ("temperature_k", "pressure_pa"))
    if loading is not None:
        of_service = loading.kind == "esmgfz"
        feeds["loading"] = Feed(services.loading() if of_service else (_loading(config, root),),
                                merge_loading, ("ntal_up_mm",))
        if of_service and loading.own_fallback:
            feeds["wide_pressure"] = Feed(
                (WidePressure(services.clients("ecmwf_open")[0]),), merge_gridded_weather, ())
    if sources.grace is not None:
        feeds["grace"] = Feed(services.mascons(geometry()), merge_grace, ())
    return feeds


def _gridded(sources: tuple[Source, ...]) -> Feed:
    return Feed(sources, merge_gridded_weather, ("temperature_k", "pressure_pa"))


def _loading(config: Config, root: Path) -> Source:
    loading, sites = config.sources.loading, config.sources.gnss.sites
    if loading is None or loading.folder is None or sites is None:
        raise ConfigError("key is missing", where="sources.gnss.sites", expected="the places of "
                          "the stations, to which loading belongs")
    folder, places, latency_days = root / loading.folder, root / sites, loading.latency_days
    if loading.kind == "grids":
        return FolderLoadingGrids(
            folder, sites_file=places, variables=dict(loading.variables),
            step_hours=loading.step_hours, latency_days=latency_days)
    if loading.kind == "stations":
        return FolderLoadingStations(folder, sites_file=places, unit=loading.unit,
                                     step_hours=loading.step_hours, latency_days=latency_days)
    return FolderLoading(folder, sites_file=places, latency_days=latency_days)


def _gnss(config: Config, root: Path) -> tuple[Source, ...]:
    gnss = config.sources.gnss
    if gnss.kind == "folder" and gnss.folder is not None and gnss.sites is not None:
        folder = partial(FolderGnss, sites_file=root / gnss.sites, format_name=gnss.format,
                         unit=gnss.unit)
        final = folder(root / gnss.folder, latency_days=gnss.latency_days)
        if gnss.rapid_folder is None:
            return (final,)
        return (folder(root / gnss.rapid_folder, latency_days=gnss.rapid_latency_days,
                       stream="rapid"), final)
    sample = partial(SampleGnss, region_folder(config.region.name))
    final_solutions = sample(gnss.latency_days)
    if gnss.rapid_latency_days is None:
        return (final_solutions,)
    return (sample(gnss.rapid_latency_days, stream="rapid", window_days=RAPID_WINDOW_DAYS,
                   absent_share=RAPID_ABSENT_SHARE), final_solutions)


def _weather(config: Config, root: Path) -> tuple[Source, ...]:
    weather = config.sources.weather
    if weather is None:
        return ()
    if weather.kind == "folder" and weather.folder is not None and weather.sites is not None:
        return (FolderWeather(
            root / weather.folder, sites_file=root / weather.sites,
            temperature_unit=weather.temperature_unit, pressure_unit=weather.pressure_unit,
            latency_days=weather.latency_days),)
    sample = partial(SampleWeather, region_folder(config.region.name))
    streams: list[Source] = []
    if weather.preview_latency_days is not None:
        streams.append(sample(weather.preview_latency_days, stream="preview",
                              window_days=PREVIEW_WINDOW_DAYS))
    if weather.era5t_latency_days is not None:
        streams.append(sample(weather.era5t_latency_days, stream="era5t",
                              window_days=ERA5T_WINDOW_DAYS))
    return (*streams, sample(weather.latency_days))
