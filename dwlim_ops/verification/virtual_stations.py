"""How well displacement is known where there is no station: each station left out in turn."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.errors import ConfigError
from dwlim_ops.geometry import KM_PER_DEGREE, distance_deg
from dwlim_ops.kriging import leave_one_out
from dwlim_ops.reconcile import Known
from dwlim_ops.region import RegionGeometry
from dwlim_ops.session import Session
from dwlim_ops.simulate.error_covariance import FittedErrors, fit_error_covariance
from dwlim_ops.simulate.manifest import Interpolation
from dwlim_ops.simulation import station_weights
from dwlim_ops.verify.virtual_stations import (
    MethodScores,
    VirtualStationTable,
    interval_scale,
    score_method,
)

Array = NDArray[np.float64]
Days = NDArray[np.bool_]
Progress = Callable[[str, int, int], None]

#: Powers and numbers of controls (0: all) of which the validation years choose.
POWERS: Final = (0.5, 1.0, 2.0, 3.0)
NUMBERS: Final = (0, 3, 5, 10, 20)
PAPER: Final = Interpolation()
MINIMUM_DAYS: Final = 20


@dataclass(frozen=True, eq=False)
class LeftOutStations:
    """What stations observed, and what each network of a bundle says at their cells.

    `networks_mm` (n_controls, n_days, n_stations) is the mean over the seeds; places are longitude
    and latitude; `spans` marks the days by "training", "validation", "test" and "unseen", the last
    being all that are neither trained nor stopped on.
    """

    time: NDArray[np.datetime64]
    observed_mm: Array
    formal_sigma_mm: Array
    networks_mm: NDArray[np.float32]
    controls: tuple[Array, Array]
    stations: tuple[Array, Array]
    spans: dict[str, Days]
    geometry: RegionGeometry
    interpolation: Interpolation

    @property
    def distance_km(self) -> Array:
        """Between the stations."""
        distance: Array = distance_deg(*self.stations, *self.stations) * KM_PER_DEGREE
        return distance

    def simulated_mm(self, interpolation: Interpolation) -> Array:
        """Every station without the networks of its own cell, (n_days, n_stations)."""
        weights = station_weights(self.controls, self.stations, self.geometry,
                                  power=interpolation.power, n_controls=interpolation.n_controls)
        simulated: Array = np.einsum("cds,cs->ds", self.networks_mm, weights)
        return simulated

    def fitted(self, simulated_mm: Array, days: Days, *, gain: float | None = None) -> FittedErrors:
        """Covariance of the errors on some days; see `fit_error_covariance`."""
        return fit_error_covariance(self.observed_mm[days], simulated_mm[days],
                                    self.formal_sigma_mm[days], self.distance_km, gain=gain)


def left_out_stations(session: Session, known: Known, role: str, *, stride_days: int,
                      progress: Progress) -> LeftOutStations:
    """Run the networks of a bundle of the model store at all stations, every so many days.

    Raises
    ------
    ConfigError
        No weather, or the bundle does not serve.
    """
    with session.serving(role):
        simulator, forcing, checked = session.simulator, known.forcing, known.checked
        if simulator is None or forcing is None:
            raise ConfigError("nothing simulates", where=f"bundle {role}", expected="a bundle that "
                              "serves the region, and weather", got=session.bundle_refusal)
        rows = np.flatnonzero(simulator.usable_rows(forcing)
                              & np.isin(forcing["time"].values, checked["time"].values))
        time = forcing["time"].values[rows].astype("datetime64[D]")
        kept = time.astype(int) % stride_days == 0
        rows, time = rows[kept], time[kept]
        places = checked["longitude_deg"].values, checked["latitude_deg"].values
        cells, column = np.unique(session.geometry.cell_of(*places), return_inverse=True)
        networks = simulator.networks(
            forcing, rows.tolist(), cells,
            lambda done, total: progress(f"left out, {role}", done, total))
        manifest = simulator.bundle.manifest
    good = (checked["flag"].values == 0) & (checked["exclusion"].values == "")
    in_checked = [known.row(day) for day in time.tolist()]
    spans = {name: (time >= np.datetime64(span.first)) & (time <= np.datetime64(span.last))
             for name, span in (("training", manifest.training),
                                ("validation", manifest.validation), ("test", manifest.test))}
    spans["unseen"] = ~(spans["training"] | spans["validation"])
    return LeftOutStations(
        time, np.where(good, checked["up_mm"].values, np.nan)[in_checked],
        checked["up_sigma_mm"].values[in_checked], networks.mean(axis=1)[..., column],
        (np.array(manifest.controls.longitude_deg), np.array(manifest.controls.latitude_deg)),
        places, spans, session.geometry, manifest.interpolation)


def measured_errors(session: Session, known: Known, role: str, *, stride_days: int,
                    progress: Progress) -> FittedErrors:
    """What `dwlim train` would write into the bundle as its error covariance, from the archive."""
    left_out = left_out_stations(session, known, role, stride_days=stride_days, progress=progress)
    return left_out.fitted(left_out.simulated_mm(left_out.interpolation), left_out.spans["test"])


def virtual_station_report(session: Session, known: Known, role: str, *, stride_days: int,
                           progress: Progress) -> VirtualStationTable:
    """Four ways to know the displacement at a station that is left out, in years unseen.

    Everything is learned on training and validation days, see `verify.virtual_stations`.

    Raises
    ------
    ConfigError
        No weather, the bundle does not serve, or no day is unseen.
    """
    left_out = left_out_stations(session, known, role, stride_days=stride_days, progress=progress)
    unseen = left_out.time[left_out.spans["unseen"]]
    if not unseen.size:
        raise ConfigError("no day is unseen", where=f"bundle {role}", got=str(left_out.time[-1]),
                          expected="displacement and weather outside training and validation")
    tuned = tune(left_out)
    own = left_out.interpolation
    ways = (("IDW of LSTMs (paper)", PAPER, 1.0, False),
            ("IDW of LSTMs, tuned", tuned, 1.0, False),
            ("kriging of same-day GNSS", None, 0.0, True),
            ("LSTMs + Gaussian process", own, None, True))
    methods, parameters = [], {}
    for name, interpolation, gain, same_day in ways:
        label = name if interpolation is None else f"{name}, {_words(interpolation)}"
        scores, fitted = _one_method(left_out, label, interpolation, gain=gain, same_day=same_day)
        methods.append(scores)
        if same_day:
            parameters[label] = _parameters(fitted)
    with session.serving(role):
        bundle_id = session.bundle_id
    return VirtualStationTable(role, bundle_id, unseen[0].item(), unseen[-1].item(), unseen.size,
                               stride_days, tuple(methods), parameters)


def tune(left_out: LeftOutStations) -> Interpolation:
    """Power and number of controls with the least error at stations left out, validation days."""
    days = left_out.spans["validation"]
    tried = [Interpolation(power=power, n_controls=number)
             for power, number in product(POWERS, NUMBERS)]
    errors = [float(np.nanmean((left_out.observed_mm - left_out.simulated_mm(one))[days]**2))
              for one in tried]
    return tried[int(np.argmin(errors))]


def _parameters(fitted: FittedErrors) -> dict[str, float]:
    learned = asdict(fitted.covariance)
    if fitted.covariance.gain == 0.0:
        learned["explained_share"] = np.nan
    return {**learned, "median_noise_sigma_mm": float(np.median(fitted.noise_sigma_mm))}


def _words(interpolation: Interpolation) -> str:
    near = f"{interpolation.n_controls} nearest" if interpolation.n_controls else "all"
    return f"p = {interpolation.power:g}, {near}"


def _one_method(left_out: LeftOutStations, label: str, interpolation: Interpolation | None, *,
                gain: float | None, same_day: bool) -> tuple[MethodScores, FittedErrors]:
    """Scores on unseen days, and what was learned on the others.

    Without `same_day` a station is predicted by the simulation alone.
    """
    observed, unseen = left_out.observed_mm, left_out.spans["unseen"]
    simulated = (np.zeros_like(observed) if interpolation is None
                 else left_out.simulated_mm(interpolation))
    fitted = left_out.fitted(simulated, ~unseen, gain=gain)
    covariance, noise = fitted.covariance, fitted.noise_sigma_mm
    mean = covariance.gain * simulated
    if same_day:
        total = covariance.between(left_out.distance_km) + np.diag(noise**2)
        correction, variance = leave_one_out(observed - mean, total)
        mean, sigma = mean + correction, np.sqrt(variance)
    else:
        sigma = np.broadcast_to(np.sqrt(covariance.variance_mm2 + noise**2), mean.shape)
    scale = interval_scale(observed[~unseen], mean[~unseen], sigma[~unseen])
    return score_method(label, observed[unseen], mean[unseen], sigma[unseen], scale=scale,
                        minimum_days=MINIMUM_DAYS), fitted
