"""Space-time inversion: Kalman filter and smoother in data space.

The water storage is a sum of random processes in time, each with the same spatial covariance P:

    x(t) = f(t) + s(t) + sum_k [c_k(t) cos(k w t) + s_k(t) sin(k w t)],    k = 1, 2

f and s are Ornstein-Uhlenbeck processes (weeks, months), the annual and semi-annual amplitudes
change over a decade. What stations see of it has the covariance S = G P G'. With the eigenvectors
of S as coordinates ("modes") the state needs as many numbers per process as the network resolves,
not as many as there are cells, and x follows from the modes: E[x] = P G' S^-1 E[G x]. A station's
displacement of day t is

    d = G x + regional noise + common mode + offset, slow noise, annual of the station + white

so that not all that stations say is water. The regional noise looks like a load but lasts days only
(errors of orbits and troposphere); the common mode is what all say alike for a few days (frame).
What all say alike over months cannot be told from water of the size of the region, and counts as
water. Every component is a scalar autoregression, so the prediction is elementwise; a day costs one
update of rank m.

Rauch, Tung and Striebel (1965), AIAA J. 3; de Jong (1989), JASA 84 (the smoother that inverts no
covariance); Whittle (1954) for the covariance with a correlation length.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from dwlim_ops.errors import ContractError
from dwlim_ops.invert.modes import SpatialModes

Array = NDArray[np.float64]

#: Length of the year of the annual terms, and the time over which their amplitudes change, days.
YEAR_DAYS: Final = 365.25
AMPLITUDE_DAYS: Final = 3650.0
#: An offset is a process that hardly changes within any record.
OFFSET_DAYS: Final = 1e7


@dataclass(frozen=True, kw_only=True)
class SpaceTimeSettings:
    """Hyper-parameters: standard deviations, time constants (1/e), correlation length.

    Parameters
    ----------
    correlation_length_km, noise_correlation_length_km : float
        Of the water storage and of the regional noise: Whittle's covariance (d / l) K_1(d / l).
    fast_sigma_mm, fast_days, slow_sigma_mm, slow_days : float
        Water that comes and goes within weeks, and within months to years, mm of water.
    annual_sigma_mm, semiannual_sigma_mm : float
        Amplitudes of the seasonal water, mm of water.
    station_offset_sigma_mm, station_annual_sigma_mm : float
        Level and annual term (thermal, draconitic) of one station alone, mm of displacement.
    station_slow_sigma_mm, station_slow_days : float
        Coloured noise of one station alone.
    regional_noise_sigma_mm, regional_noise_days : float
        Noise that neighbours share as if it were a load, mm of displacement.
    common_mode_sigma_mm, common_mode_days : float
        What all stations of the network share alike, mm of displacement.
    white_sigma_mm, formal_error_factor : float
        White noise beside the formal error, and the factor on the latter.
    smoothing_days : int
        Days after the end of a month that the smoother uses for the days of the month.
    """

    correlation_length_km: float = 600.0
    noise_correlation_length_km: float = 250.0
    fast_sigma_mm: float = 38.0
    fast_days: float = 22.0
    slow_sigma_mm: float = 59.0
    slow_days: float = 235.0
    annual_sigma_mm: float = 51.0
    semiannual_sigma_mm: float = 21.0
    station_offset_sigma_mm: float = 0.5
    station_annual_sigma_mm: float = 0.66
    station_slow_sigma_mm: float = 1.5
    station_slow_days: float = 300.0
    regional_noise_sigma_mm: float = 1.6
    regional_noise_days: float = 0.86
    common_mode_sigma_mm: float = 1.0
    common_mode_days: float = 2.0
    white_sigma_mm: float = 1.0
    formal_error_factor: float = 0.87
    smoothing_days: int = 30

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ContractError("not positive", where=f"space-time setting {name}",
                                    expected="a positive number", got=repr(value))


@dataclass(frozen=True)
class _Process:
    """Scalar autoregressions of one kind: standard deviation, time constant, annual harmonic.

    A `harmonic` of +k multiplies cos(k w t), of -k sin(k w t), 0 nothing.
    """

    sigma: float
    days: float
    harmonic: int = 0

    def factor(self, day: int) -> float:
        """What the process is multiplied with on a day (days since 1970)."""
        angle = 2.0 * np.pi * abs(self.harmonic) * day / YEAR_DAYS
        return float(np.cos(angle) if self.harmonic >= 0 else np.sin(angle))


@dataclass(frozen=True, eq=False)
class State:
    """What is known after a day (days since 1970): mean (n,) and covariance (n, n)."""

    day: int
    mean: Array
    covariance: Array


@dataclass(frozen=True, eq=False)
class Signal:
    """What stations share on a day: r modes of the water, mm for a load of unit variance, q of the
    regional noise, mm, and last the common mode, mm; mean (r + q + 1,), covariance."""

    mean: Array
    covariance: Array
    n_modes: int

    @property
    def water(self) -> tuple[Array, Array]:
        """Mean (r,) and covariance (r, r) of the modes of the water."""
        return self.mean[:self.n_modes], self.covariance[:self.n_modes, :self.n_modes]


@dataclass(frozen=True)
class Innovation:
    """How a day's data agree with their prediction: number of data, normalised innovation
    squared (its expectation is `n_data`), log-likelihood."""

    n_data: int
    nis: float
    log_likelihood: float


@dataclass(frozen=True, eq=False)
class DayResult:
    """Signal of a day, and how its data agreed with their prediction."""

    signal: Signal
    innovation: Innovation


@dataclass(frozen=True, eq=False)
class Update:
    """What the smoother needs of one day: the gain K (n, k), S^-1 v (k,), S^-1 (k, k), the
    observed stations, and read-out of the filtered state, C a and C P, C P C'."""

    day: int
    observed: NDArray[np.intp]
    gain: Array
    weighted: Array
    information: Array
    filtered: DayResult
    read_covariance: Array


@dataclass(frozen=True, eq=False)
class _Filtered:
    """One update: root of S = H P H' + R, root^-1 H P (k, n), root^-1 v (k,)."""

    state: State
    innovation: Innovation
    observed: NDArray[np.intp]
    root: Array
    whitened: Array
    scaled: Array


@dataclass(frozen=True, eq=False)
class SpaceTimeModel:
    """The filter of one network.

    Attributes
    ----------
    modes : SpatialModes
        Of m stations, r modes.
    noise_loading : ndarray (m, q)
        From `noise_modes`: what the regional noise does to the stations.
    settings : SpaceTimeSettings
    """

    modes: SpatialModes
    noise_loading: Array
    settings: SpaceTimeSettings

    @cached_property
    def _water(self) -> tuple[_Process, ...]:
        s = self.settings
        return (_Process(s.fast_sigma_mm, s.fast_days), _Process(s.slow_sigma_mm, s.slow_days),
                *(_Process(sigma, AMPLITUDE_DAYS, harmonic)
                  for harmonic, sigma in ((1, s.annual_sigma_mm), (-1, s.annual_sigma_mm),
                                          (2, s.semiannual_sigma_mm), (-2, s.semiannual_sigma_mm))))

    @cached_property
    def _station(self) -> tuple[_Process, ...]:
        s = self.settings
        return (_Process(s.station_offset_sigma_mm, OFFSET_DAYS),
                _Process(s.station_slow_sigma_mm, s.station_slow_days),
                _Process(s.station_annual_sigma_mm, AMPLITUDE_DAYS, 1),
                _Process(s.station_annual_sigma_mm, AMPLITUDE_DAYS, -1))

    @cached_property
    def _variance(self) -> Array:
        return self._spread(lambda process: process.sigma**2)

    @cached_property
    def _time_constant(self) -> Array:
        return self._spread(lambda process: process.days)

    def _spread(self, of: Callable[[_Process], float]) -> Array:
        """A number of each process for each element of the state."""
        (n_stations, n_modes), s = self.modes.loading.shape, self.settings
        regional = _Process(s.regional_noise_sigma_mm, s.regional_noise_days)
        common = _Process(s.common_mode_sigma_mm, s.common_mode_days)
        return np.concatenate([np.repeat([of(p) for p in processes], n) for processes, n in (
            (self._water, n_modes), ((regional,), self.noise_loading.shape[1]),
            (self._station, n_stations), ((common,), 1))])

    def initial(self, day: int) -> State:
        """The prior, on the day before the first (days since 1970)."""
        return State(day, np.zeros(self._variance.size), np.diag(self._variance))

    def prior_variance(self, day: int) -> float:
        """Variance of the water of a unit cell on a day before any data, mm^2."""
        return float(sum((p.sigma * p.factor(day))**2 for p in self._water))

    def shared_noise_covariance(self) -> Array:
        """What stations have in common on one day and is no water, (m, m), mm^2."""
        regional, common = self.settings.regional_noise_sigma_mm, self.settings.common_mode_sigma_mm
        covariance: Array = regional**2 * self.noise_loading @ self.noise_loading.T + common**2
        return covariance

    def noise_variance(self, sigma_mm: Array) -> Array:
        """Variance of what a station has for itself alone, shape of `sigma_mm`, mm^2."""
        coloured = sum(p.sigma**2 for p in self._station if p.harmonic >= 0)
        return self._white_variance(sigma_mm) + coloured

    def _white_variance(self, sigma_mm: Array) -> Array:
        variance: Array = (self.settings.white_sigma_mm**2
                           + (self.settings.formal_error_factor * sigma_mm)**2)
        return variance

    def step(self, state: State, day: int, up_mm: Array, sigma_mm: Array
             ) -> tuple[State, Innovation]:
        """Filter one more day: `up_mm`, `sigma_mm` (m,), NaN where absent."""
        filtered = self._update(self._predict(state, day), up_mm, sigma_mm)
        return filtered.state, filtered.innovation

    def forward(self, state: State, day: int, up_mm: Array, sigma_mm: Array
                ) -> tuple[State, Update]:
        """The same step, with what `backward` needs of it."""
        filtered = self._update(self._predict(state, day), up_mm, sigma_mm)
        root, observed = filtered.root, filtered.observed
        inverse_root = linalg.solve_triangular(root, np.eye(observed.size), lower=True,
                                               check_finite=False)
        after = filtered.state
        read = self._read(after.covariance, day)
        return after, Update(
            day, observed, filtered.whitened.T @ inverse_root, inverse_root.T @ filtered.scaled,
            inverse_root.T @ inverse_root, DayResult(self._signal(after, read),
                                                     filtered.innovation), read)

    def signal(self, state: State) -> Signal:
        """What stations share, from a filtered state."""
        return self._signal(state, self._read(state.covariance, state.day))

    def _signal(self, state: State, read: Array) -> Signal:
        return Signal(self._read(state.mean[:, None], state.day)[:, 0],
                      self._read(np.ascontiguousarray(read.T), state.day),
                      self.modes.loading.shape[1])

    def _predict(self, state: State, day: int) -> State:
        decay = np.exp(-(day - state.day) / self._time_constant)
        covariance = state.covariance * decay
        covariance *= decay[:, None]
        covariance.flat[::decay.size + 1] += self._variance * (1.0 - decay**2)
        return State(day, state.mean * decay, covariance)

    @cached_property
    def _regional(self) -> slice:
        first = len(self._water) * self.modes.loading.shape[1]
        return slice(first, first + self.noise_loading.shape[1])

    def _read(self, columns: Array, day: int) -> Array:
        """C times (n, k): modes of the water summed over its processes, of the regional noise, and
        the common mode."""
        n_modes = self.modes.loading.shape[1]
        water = sum(process.factor(day) * columns[at * n_modes:(at + 1) * n_modes]
                    for at, process in enumerate(self._water))
        return np.vstack([water, columns[self._regional], columns[-1:]])

    def _observe(self, columns: Array, day: int, observed: NDArray[np.intp]) -> Array:
        """H times (n, k) for the observed stations."""
        seen = self.at_stations(self._read(columns, day), observed)
        for rows, factor in self._station_rows(day, observed):
            seen += factor * columns[rows]
        return seen

    def at_stations(self, signal: Array, stations: NDArray[np.intp] | NDArray[np.bool_]) -> Array:
        """Displacement of some stations by signals (r + q + 1, k), mm, (n_stations, k)."""
        n_modes = self.modes.loading.shape[1]
        displacement: Array = (self.modes.loading[stations] @ signal[:n_modes]
                               + self.noise_loading[stations] @ signal[n_modes:-1] + signal[-1])
        return displacement

    def _scatter(self, rows: Array, day: int, observed: NDArray[np.intp]) -> Array:
        """H' times (k, j)."""
        n_modes = self.modes.loading.shape[1]
        out = np.zeros((self._variance.size, rows.shape[1]))
        on_modes = self.modes.loading[observed].T @ rows
        for at, process in enumerate(self._water):
            out[at * n_modes:(at + 1) * n_modes] = process.factor(day) * on_modes
        out[self._regional] = self.noise_loading[observed].T @ rows
        for place, factor in self._station_rows(day, observed):
            out[place] = factor * rows
        out[-1] = rows.sum(axis=0)
        return out

    def _station_rows(self, day: int, observed: NDArray[np.intp]
                      ) -> list[tuple[NDArray[np.intp], float]]:
        n_stations, first = self.modes.loading.shape[0], self._regional.stop
        return [(first + at * n_stations + observed, process.factor(day))
                for at, process in enumerate(self._station)]

    def _update(self, predicted: State, up_mm: Array, sigma_mm: Array) -> "_Filtered":
        day, observed = predicted.day, np.flatnonzero(np.isfinite(up_mm))
        seen = self._observe(predicted.covariance, day, observed)
        spread = self._observe(np.ascontiguousarray(seen.T), day, observed)
        spread.flat[::observed.size + 1] += self._white_variance(sigma_mm[observed])
        root = linalg.cholesky(spread, lower=True, check_finite=False)
        misfit = up_mm[observed] - self._observe(predicted.mean[:, None], day, observed)[:, 0]
        both = linalg.solve_triangular(root, np.column_stack([seen, misfit]), lower=True,
                                       check_finite=False)
        whitened, scaled = both[:, :-1], both[:, -1]
        state = State(day, predicted.mean + whitened.T @ scaled,
                      predicted.covariance - whitened.T @ whitened)
        nis = float(scaled @ scaled)
        innovation = Innovation(observed.size, nis, -0.5 * (
            nis + observed.size * np.log(2.0 * np.pi)) - float(np.log(np.diag(root)).sum()))
        return _Filtered(state, innovation, observed, root, whitened, scaled)

    def backward(self, updates: Sequence[Update], n_wanted: int) -> list[DayResult]:
        """Signals of the first `n_wanted` days, each from the data of all days and those before.

        Parameters
        ----------
        updates : sequence of Update
            Of consecutive days, ascending, from `forward`.
        """
        n_states = self._variance.size
        adjoint, information = np.zeros(n_states), np.zeros((n_states, n_states))
        smoothed: list[DayResult] = []
        following = updates[-1].day
        for number in reversed(range(len(updates))):
            update = updates[number]
            decay = np.exp(-(following - update.day) / self._time_constant)
            adjoint *= decay
            information *= decay
            information *= decay[:, None]
            if number < n_wanted:
                smoothed.append(self._smoothed(update, adjoint, information))
            self._back(update, adjoint, information)
            following = update.day
        return smoothed[::-1]

    def _smoothed(self, update: Update, adjoint: Array, information: Array) -> DayResult:
        read, filtered = update.read_covariance, update.filtered.signal
        return DayResult(
            Signal(filtered.mean + read @ adjoint,
                   filtered.covariance - read @ information @ read.T, filtered.n_modes),
            update.filtered.innovation)

    def _back(self, update: Update, adjoint: Array, information: Array) -> None:
        """Take the adjoint and its covariance to before the update of a day (de Jong 1989)."""
        day, observed, gain = update.day, update.observed, update.gain
        through = information @ gain
        centre = gain.T @ through + update.information
        spread = self._scatter(through.T - 0.5 * centre @ self._scatter(
            np.eye(observed.size), day, observed).T, day, observed)
        back = self._scatter((update.weighted - gain.T @ adjoint)[:, None], day, observed)[:, 0]
        adjoint += back
        information -= spread
        information -= spread.T
