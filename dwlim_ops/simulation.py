"""From the forcing of the cells to simulated displacement: features, networks, interpolation."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.contracts import FORCING_FLAGS
from dwlim_ops.errors import BundleError, ConfigError
from dwlim_ops.features.scaler import Scaler
from dwlim_ops.features.sequences import FeatureSet, components
from dwlim_ops.geometry import KM_PER_DEGREE, distance_deg
from dwlim_ops.region import RegionGeometry
from dwlim_ops.simulate.bundle import Bundle, check_serves
from dwlim_ops.simulate.error_covariance import Observations, as_observations
from dwlim_ops.simulate.interpolate import idw_weights
from dwlim_ops.simulate.lstm import Float32, run, run_weighted
from dwlim_ops.simulate.manifest import Manifest
from dwlim_ops.simulate.runs import RunRule, run_features, runs_of
from dwlim_ops.simulate.unseen_errors import cell_sigma_mm

Array = NDArray[np.float64]

#: Share of the days of the record behind a day that must have been observed.
MINIMUM_PRESENT_SHARE = 0.85

#: Correlation length and scatter of the errors' logarithm between stations, for bundles that
#: declare no error covariance.
ERROR_LENGTH_KM = 500.0
ERROR_NOISE_RATIO = 1.0

#: Stations that are so near to each other are one.
SAME_STATION_DEG = 1e-3


@dataclass(frozen=True, eq=False)
class Simulated:
    """Displacement of every cell and its spread over the seeds, mm, (n_days, n_cells).

    `sigma_mm` (n_cells,) is its error as measured at unseen stations in unseen years.
    """

    up_mm: Array
    spread_mm: Array
    sigma_mm: Array


@dataclass(frozen=True, eq=False)
class _Read:
    """What the networks read in one run, (n_days, n_cells, n_features), through the newest day
    wanted; positions of the wanted days in the request, and in the chunk."""

    features: Float32
    at: NDArray[np.intp]
    day: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class CellSimulator:
    """A bundle bound to the cells of a region."""

    bundle_id: str
    bundle: Bundle
    geometry: RegionGeometry
    features: FeatureSet
    scaler: Scaler
    weights: Array
    sigma_mm: Array

    @property
    def rule(self) -> RunRule:
        """How long the runs are that serve a day."""
        return run_rule(self.features)

    def usable_rows(self, forcing: xr.Dataset) -> NDArray[np.bool_]:
        """Days that can be simulated, shape (time,).

        The day itself has temperature and pressure, and so have most days of the record that its
        run reads up to then; the others of the record are at their climatology.
        """
        absent = FORCING_FLAGS["temperature_absent"] | FORCING_FLAGS["pressure_absent"]
        present = ((forcing["flag"].values & absent) == 0).all(axis=1)
        needed = self.rule.record_days(forcing["time"].values)
        start = np.arange(present.size) + 1 - needed
        n_before = np.concatenate([[0], present.cumsum()])
        n_present = n_before[1:] - n_before[np.maximum(start, 0)]
        usable: NDArray[np.bool_] = (
            present & (start >= 0) & (n_present >= MINIMUM_PRESENT_SHARE * needed))
        return usable

    def rows_of_run(self, forcing: xr.Dataset, row: int) -> NDArray[np.intp]:
        """Usable days, as far as they are known, that are served by one run with a given day."""
        (of_row,) = runs_of(forcing["time"].values, [row], self.rule)
        return of_row.first + np.flatnonzero(self.usable_rows(forcing)[of_row.first:of_row.stop])

    def _read(self, forcing: xr.Dataset, rows: Sequence[int], cells: NDArray[np.intp] | slice
              ) -> Iterator[_Read]:
        scaler = self.scaler if isinstance(cells, slice) else self.scaler.subset(cells)
        normalised = scaler.normalise(
            forcing["temperature_k"].values[:, cells], forcing["pressure_pa"].values[:, cells])
        decompose = partial(components, feature_set=self.features)
        wanted = np.asarray(rows, dtype=np.intp)
        for one in runs_of(forcing["time"].values, wanted, self.rule):
            at = np.flatnonzero((wanted >= one.first) & (wanted < one.stop))
            day = wanted[at] - one.first
            features = run_features(*normalised, one, decompose)
            yield _Read(features[:self.rule.warm_up_days + day.max() + 1], at, day)

    def newest_features(self, forcing: xr.Dataset, rows: Sequence[int], cells: NDArray[np.intp]
                        ) -> Float32:
        """Features that the networks read for some days, the newest that all of them have.

        Returns
        -------
        array (len(rows), n_cells, warm_up_days + 1, n_features)
        """
        n_days = self.rule.warm_up_days + 1
        newest = np.empty((len(rows), cells.size, n_days, len(self.features.names)), np.float32)
        for read in self._read(forcing, rows, cells):
            for row, day in zip(read.at, read.day, strict=True):
                newest[row] = read.features[day:day + n_days].swapaxes(0, 1)
        return newest

    def networks(self, forcing: xr.Dataset, rows: Sequence[int], cells: NDArray[np.intp] | slice,
                 progress: Callable[[int, int], None] = lambda *_: None) -> Float32:
        """Displacement by every network, mm, (n_controls, n_seeds, len(rows), n_cells).

        `progress` is told the number of days done and of all.
        """
        lstms, warm_up_days = self.bundle.lstms, self.rule.warm_up_days
        n_cells, n_done = self.sigma_mm[cells].size, 0
        up_mm = np.empty((lstms.n_controls, lstms.n_seeds, len(rows), n_cells), np.float32)
        for read in self._read(forcing, rows, cells):
            _, state = run(lstms, read.features[:warm_up_days])
            by_day, _ = run(lstms, read.features[warm_up_days:], state)
            up_mm[:, :, read.at] = by_day[:, :, read.day]
            n_done += read.at.size
            progress(n_done, len(rows))
        return up_mm

    def simulate(self, forcing: xr.Dataset, rows: Sequence[int]) -> Simulated:
        """Displacement of all cells on some days (rows of `forcing` that are usable).

        A day gives the same bits alone and among others, and whatever is known of later days.
        """
        lstms, warm_up_days = self.bundle.lstms, self.rule.warm_up_days
        up_mm, spread_mm = np.empty((2, len(rows), self.sigma_mm.size))
        for read in self._read(forcing, rows, slice(None)):
            _, state = run_weighted(lstms, read.features[:warm_up_days], self.weights)
            by_seed, _ = run_weighted(lstms, read.features[warm_up_days:], self.weights, state)
            up_mm[read.at] = by_seed.mean(axis=0)[read.day]
            spread_mm[read.at] = by_seed.std(axis=0)[read.day]
        errors = self.bundle.manifest.error_covariance
        gain = 1.0 if errors is None else errors.gain
        return Simulated(gain * up_mm, gain * spread_mm, self.sigma_mm)

    def error_covariance_mm2(self, cells: NDArray[np.intp] | NDArray[np.bool_]) -> Array:
        """Covariance C of the errors of `simulate` between some cells, mm2, (n, n).

        A bundle that declares none has independent errors.
        """
        return self._covariance_mm2[cells][:, cells]

    @cached_property
    def _covariance_mm2(self) -> Array:
        errors, cells = self.bundle.manifest.error_covariance, self.geometry.cells
        if errors is None:
            return np.diag(self.sigma_mm**2)
        return errors.between(distance_deg(*cells, *cells) * KM_PER_DEGREE)

    def as_observations(self, up_mm: Array, cells: NDArray[np.intp] | NDArray[np.bool_]
                        ) -> Observations:
        """Simulated displacement of some cells as an inversion with a prior may take it.

        `up_mm` (n_days, n) is that of `simulate` on the cells; see
        `error_covariance.as_observations` for why it does not enter as it is. A bundle that
        declares no error covariance leaves it as it is.
        """
        errors = self.bundle.manifest.error_covariance
        return as_observations(up_mm, self.error_covariance_mm2(cells),
                               1.0 if errors is None else errors.explained_share)


def run_rule(features: FeatureSet) -> RunRule:
    """The runs that a feature set declares."""
    return RunRule(features.chunk_days, features.sequence_days, features.window_days)


def station_weights(controls: tuple[Array, Array], stations: tuple[Array, Array],
                    geometry: RegionGeometry, *, power: float, n_controls: int) -> Array:
    """Eq. (8) for places of stations, the controls of their own cell left out.

    Both places are longitude and latitude; the result is (n_controls, n_stations).
    """
    own = geometry.cell_of(*controls)[:, None] == geometry.cell_of(*stations)[None, :]
    return idw_weights(distance_deg(*controls, *stations), power=power, n_controls=n_controls,
                       excluded=own)


def control_weights(bundle_controls: tuple[Array, Array], geometry: RegionGeometry, *,
                    power: float, n_controls: int) -> Array:
    """Eq. (8) for every cell, a control left out of its own cell; (n_controls, n_cells)."""
    longitude, latitude = bundle_controls
    own = geometry.holding_cell(longitude, latitude)[:, None] == np.arange(geometry.cells[0].size)
    return idw_weights(distance_deg(longitude, latitude, *geometry.cells), power=power,
                       n_controls=n_controls, excluded=own)


def bind(bundle: Bundle, geometry: RegionGeometry, *, region: str, bundle_id: str
         ) -> CellSimulator:
    """Prepare a bundle for the cells of a region.

    Raises
    ------
    BundleError
        The bundle was made for another region, other features or other cells.
    """
    manifest = bundle.manifest
    try:
        features = FeatureSet.from_dict(manifest.feature_set)
    except ConfigError as error:
        raise BundleError(error.what, where=f"bundle {region}/{manifest.name}: {error.where}",
                          expected=error.expected, got=error.got,
                          remedy="install the version that trained it") from error
    check_serves(bundle, region=region, feature_names=features.names)
    arrays = {name: values.astype(np.float64) for name, values in bundle.scaler.items()}
    scaler = Scaler(manifest.scaler_kind, **arrays)
    n_cells, n_scaled = geometry.cells[0].size, scaler.temperature_mean_k.size
    if n_scaled not in (1, n_cells):
        raise BundleError(
            "made for other cells", where=f"bundle {region}/{manifest.name}",
            expected=f"{n_cells} cells of the region", got=f"{n_scaled} in the scaler",
            remedy="train again after a change of outline or cell_deg")
    controls = np.array(manifest.controls.longitude_deg), np.array(manifest.controls.latitude_deg)
    weights = control_weights(controls, geometry, power=manifest.interpolation.power,
                              n_controls=manifest.interpolation.n_controls)
    return CellSimulator(bundle_id, bundle, geometry, features, scaler, weights,
                         _cell_sigma_mm(manifest, geometry))


def _cell_sigma_mm(manifest: Manifest, geometry: RegionGeometry) -> Array:
    """Error of every cell's simulated displacement, (n_cells,)."""
    if manifest.error_covariance is not None:
        return np.full(geometry.cells[0].size, np.sqrt(manifest.error_covariance.variance_mm2))
    errors = manifest.station_errors
    at = np.array(errors.longitude_deg), np.array(errors.latitude_deg)
    return cell_sigma_mm(
        np.array(errors.rmse_mm), distance_deg(*at, *at) * KM_PER_DEGREE,
        distance_deg(*at, *geometry.cells) * KM_PER_DEGREE,
        length_km=ERROR_LENGTH_KM, noise_ratio=ERROR_NOISE_RATIO)
