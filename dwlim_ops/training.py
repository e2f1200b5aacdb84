"""Training of a region's station LSTMs, from the archive to a bundle."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops import __version__
from dwlim_ops.config import Training
from dwlim_ops.contracts import FORCING_FLAGS
from dwlim_ops.errors import ConfigError
from dwlim_ops.features.scaler import Scaler, fit_scaler
from dwlim_ops.features.sequences import components
from dwlim_ops.geometry import KM_PER_DEGREE, distance_deg
from dwlim_ops.reconcile import Known
from dwlim_ops.region import RegionGeometry
from dwlim_ops.simulate.bundle import Bundle
from dwlim_ops.simulate.controls import ControlSelection, select_controls
from dwlim_ops.simulate.error_covariance import FittedErrors, fit_error_covariance
from dwlim_ops.simulate.lstm import Float32, StationLstms, run_weighted
from dwlim_ops.simulate.manifest import (
    Controls,
    Interpolation,
    Manifest,
    Span,
    StationErrorTable,
    StationNoise,
)
from dwlim_ops.simulate.runs import days_of_runs, runs_of, training_sequences
from dwlim_ops.simulate.train import train
from dwlim_ops.simulate.unseen_errors import StationErrors, station_errors
from dwlim_ops.simulation import run_rule, station_weights
from dwlim_ops.state.provenance import fingerprint

_log = logging.getLogger(__name__)

Array = NDArray[np.float64]
Days = NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)
#: Names, longitude and latitude.
Stations = tuple[NDArray[np.str_], Array, Array]
MINIMUM_TEST_DAYS = 60


@dataclass(frozen=True, eq=False)
class Material:
    """Aligned days for training: displacement and its formal error (D, S), rows of the forcing,
    spans, cells."""

    time: NDArray[np.datetime64]
    forcing_row: NDArray[np.intp]
    up_mm: Array
    up_sigma_mm: Array
    cell_of_station: NDArray[np.intp]
    spans: dict[str, Days]


def gather(known: Known, geometry: RegionGeometry, settings: Training) -> Material:
    """Every `stride_days`-th day of the three spans that has forcing and a full record.

    Raises
    ------
    ConfigError
        No forcing, or a span without a single usable day.
    """
    forcing, checked = known.forcing, known.checked
    if forcing is None:
        raise ConfigError("training needs weather", where="[sources.weather]",
                          remedy="configure a weather source; a region without one is GNSS-only")
    absent = FORCING_FLAGS["temperature_absent"] | FORCING_FLAGS["pressure_absent"]
    present = ((forcing["flag"].values & absent) == 0).all(axis=1)
    record_days = run_rule(settings.features).record_days(forcing["time"].values)
    present &= np.arange(present.size) >= record_days - 1
    common, forcing_row, row = np.intersect1d(
        forcing["time"].values[present], checked["time"].values, return_indices=True)
    forcing_row = np.flatnonzero(present)[forcing_row]
    ordinal = common.astype("datetime64[D]").astype(int)
    spans = {name: (common >= np.datetime64(span.first)) & (common <= np.datetime64(span.last))
             for name, span in (("training", settings.training),
                                ("validation", settings.validation), ("test", settings.test))}
    kept = (ordinal % settings.stride_days == 0) & np.any(list(spans.values()), axis=0)
    for name, days in spans.items():
        if not (days & kept).any():
            raise ConfigError("no usable day", where=f"[training] span {name}",
                              got=f"forcing from {common[0]} to {common[-1]}" if common.size else
                              "no day with forcing and displacement")
    up = np.where(checked["flag"].values == 0, checked["up_mm"].values, np.nan)[row[kept]]
    places = checked["longitude_deg"].values, checked["latitude_deg"].values
    return Material(common[kept], forcing_row[kept], up,
                    checked["up_sigma_mm"].values[row[kept]], geometry.cell_of(*places),
                    {name: days[kept] for name, days in spans.items()})


def train_bundle(known: Known, geometry: RegionGeometry, settings: Training, *, name: str,
                 region: str, progress: Callable[[str, int, int], None]) -> Bundle:
    """Train on one span, stop on the second, score on the third at stations left out.

    The networks of a station never enter the simulation at that station when it is scored, and
    the third span is used for scores only.
    """
    material = gather(known, geometry, settings)
    checked = known.checked
    stations = (checked["station"].values, checked["longitude_deg"].values,
                checked["latitude_deg"].values)
    read = _read(known, material, settings, progress)
    selection = _controls(known, material, settings)
    controls = selection.index
    _log.info("%d control stations of %d", controls.size, stations[0].size)
    trained = train(
        read.sequences[:, read.column[controls]], read.on_all_days(material.up_mm[:, controls]),
        training=read.on_all_days(material.spans["training"]),
        validation=read.on_all_days(material.spans["validation"]),
        settings=settings.networks,
        progress=lambda done, total: progress("training", done, total))
    virtual = _at_stations(trained.lstms, read, stations=stations, controls=controls,
                           geometry=geometry, settings=settings)
    good = checked["exclusion"].values == ""
    fitted = _fitted_errors(material, virtual, stations, good, material.spans["test"])
    errors = station_errors(material.up_mm, virtual, tested=material.spans["test"],
                            minimum_days=MINIMUM_TEST_DAYS)
    known_sequences = read.sequences[read.at[material.spans["test"]][0] // read.chunk_days][:8]
    manifest = _manifest(
        known, settings, (region, name), read.scaler, stations=stations, controls=controls,
        errors=errors, fitted=fitted,
        best_validation=np.nanmin(trained.history.validation_loss, axis=0))
    arrays = {name: value for name, value in vars(read.scaler).items()
              if name != "kind"}
    return Bundle(manifest, trained.lstms, arrays, np.ascontiguousarray(known_sequences))


@dataclass(frozen=True, eq=False)
class _Read:
    """What the networks read in R runs of K days, and where the days of `Material` are in them.

    `scaler` of all cells; `sequences` (R, n, L, F) of the n cells that hold a station; `column`
    (S,) of each station among the n; `at` (D,) of each day among the R K days of the runs.
    """

    scaler: Scaler
    sequences: Float32
    column: NDArray[np.intp]
    at: NDArray[np.int64]
    chunk_days: int

    def on_all_days(self, values: NDArray[T]) -> NDArray[T]:
        """Of D days to R K days: absent displacement (NaN) and no span (False) on the others."""
        absent = np.nan if values.dtype.kind == "f" else False
        shape = len(self.sequences) * self.chunk_days, *values.shape[1:]
        spread = np.full(shape, absent, values.dtype)
        spread[self.at] = values
        return spread


def _read(known: Known, material: Material, settings: Training,
          progress: Callable[[str, int, int], None]) -> _Read:
    forcing = known.forcing
    assert forcing is not None  # noqa: S101  gather() refuses its absence
    temperature, pressure = forcing["temperature_k"].values, forcing["pressure_pa"].values
    first, last = np.datetime64(settings.training.first), np.datetime64(settings.training.last)
    seen = (forcing["time"].values >= first) & (forcing["time"].values <= last)
    scaler = fit_scaler(temperature[seen], pressure[seen], kind=settings.scaler)
    cells = np.unique(material.cell_of_station)
    normalised = scaler.subset(cells).normalise(temperature[:, cells], pressure[:, cells])
    decompose = partial(components, feature_set=settings.features)
    rule = run_rule(settings.features)
    runs = runs_of(forcing["time"].values, material.forcing_row, rule)
    parts = []
    for number, one in enumerate(runs, start=1):
        parts.append(training_sequences(*normalised, (one,), decompose))
        progress("features", number, len(runs))
    return _Read(scaler, np.concatenate(parts), np.searchsorted(cells, material.cell_of_station),
                 days_of_runs(material.forcing_row, runs), rule.chunk_days)


def _controls(known: Known, material: Material, settings: Training) -> ControlSelection:
    forcing = known.forcing
    assert forcing is not None  # noqa: S101
    at_stations = {name: forcing[name].values[material.forcing_row][:, material.cell_of_station]
                   for name in ("temperature_k", "pressure_pa")}
    selection = select_controls(
        np.where(known.checked["exclusion"].values == "", material.up_mm, np.nan),
        at_stations["temperature_k"], at_stations["pressure_pa"],
        training=material.spans["training"], minimum_correlation=settings.minimum_correlation,
        minimum_days=settings.minimum_days)
    validated = np.isfinite(material.up_mm[material.spans["validation"]]).sum(axis=0)
    index = selection.index[validated[selection.index] > 0]
    if index.size < 2:
        raise ConfigError(
            "fewer than two control stations", where="[training] minimum_correlation",
            expected=f"|correlation| above {settings.minimum_correlation} at some stations",
            got=f"largest {np.nanmax(np.abs(selection.correlation_temperature)):.2f}",
            remedy="lower minimum_correlation or minimum_days")
    return ControlSelection(index, selection.correlation_temperature,
                            selection.correlation_pressure, selection.reason)


def _at_stations(lstms: StationLstms, read: _Read, *, stations: Stations,
                 controls: NDArray[np.intp], geometry: RegionGeometry, settings: Training) -> Array:
    """Simulated displacement at every station, its own cell's controls left out, (D, S)."""
    _, longitude, latitude = stations
    weights = station_weights(
        (longitude[controls], latitude[controls]), (longitude, latitude), geometry,
        power=settings.idw_power, n_controls=settings.n_controls)
    by_run = [run_weighted(lstms, sequences[read.column].swapaxes(0, 1), weights)[0]
              [:, -read.chunk_days:].mean(axis=0) for sequences in read.sequences]
    return np.concatenate(by_run)[read.at]


def _fitted_errors(material: Material, virtual_mm: Array, stations: Stations,
                   good: NDArray[np.bool_], days: Days) -> FittedErrors:
    """Covariance of the simulation's errors at the stations that are used, on some days."""
    _, longitude, latitude = stations
    return fit_error_covariance(
        np.where(good, material.up_mm, np.nan)[days], virtual_mm[days], material.up_sigma_mm[days],
        distance_deg(longitude, latitude, longitude, latitude) * KM_PER_DEGREE)


def _manifest(known: Known, settings: Training, title: tuple[str, str], scaler: Scaler, *,
              stations: Stations, controls: NDArray[np.intp],
              errors: StationErrors, fitted: FittedErrors, best_validation: Array) -> Manifest:
    names, longitude, latitude = stations

    def columns(index: NDArray[np.intp]) -> dict[str, Any]:
        return {"station": tuple(names[index].tolist()),
                "longitude_deg": tuple(longitude[index].tolist()),
                "latitude_deg": tuple(latitude[index].tolist())}

    scored = np.flatnonzero(np.isfinite(errors.rmse_mm))
    quartiles = {
        f"{name}_{label}": float(np.percentile(getattr(errors, name)[scored], share))
        for name in ("pcc", "nse", "rmse_mm")
        for label, share in (("quartile1", 25), ("median", 50), ("quartile3", 75))}
    forcing = known.forcing
    assert forcing is not None  # noqa: S101
    return Manifest(
        region=title[0], name=title[1], code_version=__version__,
        sequence_days=settings.features.sequence_days, scaler_kind=scaler.kind,
        feature_names=settings.features.names, feature_set=settings.features.to_dict(),
        training=Span(first=settings.training.first, last=settings.training.last),
        validation=Span(first=settings.validation.first, last=settings.validation.last),
        test=Span(first=settings.test.first, last=settings.test.last),
        training_settings=settings.networks,
        interpolation=Interpolation(power=settings.idw_power, n_controls=settings.n_controls),
        scores={"n_stations": float(scored.size), "n_controls": float(controls.size), **quartiles,
                "mean_best_validation_loss": float(best_validation.mean())},
        data_sha256={"displacement": fingerprint(*_arrays(known.checked, "up_mm", "flag")),
                     "forcing": fingerprint(*_arrays(forcing, "temperature_k", "pressure_pa"))},
        controls=Controls(**columns(controls)),
        station_errors=StationErrorTable(
            **columns(scored), rmse_mm=tuple(errors.rmse_mm[scored].tolist()),
            pcc=tuple(errors.pcc[scored].tolist()), nse=tuple(errors.nse[scored].tolist())),
        error_covariance=fitted.covariance,
        station_noise=StationNoise(**columns(np.arange(names.size)),
                                   sigma_mm=tuple(fitted.noise_sigma_mm.tolist())))


def _arrays(dataset: xr.Dataset, *names: str) -> list[NDArray[np.generic]]:
    return [dataset[name].values for name in names]
