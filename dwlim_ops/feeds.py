"""The configured inputs: which streams each has, and how they become one dataset."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import xarray as xr

from dwlim_ops.archive.archive import Merge
from dwlim_ops.config import Config
from dwlim_ops.contracts import Source
from dwlim_ops.regions import region_folder
from dwlim_ops.sources.folder import FolderGnss, FolderLoading, FolderWeather
from dwlim_ops.sources.merge import merge_gnss, merge_loading, merge_weather, of_stream
from dwlim_ops.sources.sample import SampleGnss, SampleWeather

#: Of the rapid solutions the provider keeps so many days; 9 of 60 days were missing at station
#: P090 of the Nevada Geodetic Laboratory on 2026-09-26.
RAPID_WINDOW_DAYS, RAPID_ABSENT_SHARE = 60, 9 / 60
PREVIEW_WINDOW_DAYS, ERA5T_WINDOW_DAYS = 10, 100


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

    def combine(self, by_stream: Mapping[str, xr.Dataset]) -> xr.Dataset | None:
        """One dataset of all streams: a value of a better stream wins; None without any."""
        parts = [of_stream(by_stream[stream], number)
                 for number, stream in enumerate(self.streams) if stream in by_stream]
        return self.merge(parts) if parts else None


def build_feeds(config: Config, root: Path) -> dict[str, Feed]:
    """The inputs that a configuration names; relative paths start at `root`."""
    feeds = {"gnss": Feed(_gnss(config, root), merge_gnss, ("up_mm",))}
    weather, loading, sites = config.sources.weather, config.sources.loading, (
        config.sources.gnss.sites)
    if weather is not None:
        feeds["weather"] = Feed(_weather(config, root), merge_weather,
                                ("temperature_k", "pressure_pa"))
    if loading is not None and sites is not None:
        source = FolderLoading(root / loading.folder, sites_file=root / sites,
                               latency_days=loading.latency_days)
        feeds["loading"] = Feed((source,), merge_loading, ("ntal_up_mm",))
    return feeds


def _gnss(config: Config, root: Path) -> tuple[Source, ...]:
    gnss = config.sources.gnss
    if gnss.kind == "folder" and gnss.folder is not None and gnss.sites is not None:
        folder = partial(FolderGnss, sites_file=root / gnss.sites, unit=gnss.unit)
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
