"""Features as of a day: the same function of the same trailing window everywhere.

Training, replay and serving all call `as_of_sequences`. A decomposition of the full record knows
the future of every training day, which the record that is served does not hold.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dwlim_ops.errors import ConfigError
from dwlim_ops.features.causal import causal_bank
from dwlim_ops.features.emd import MIN_SAMPLES, Engine
from dwlim_ops.features.meemd import meemd

Array = NDArray[np.float64]
Kind = Literal["meemd", "causal"]


@dataclass(frozen=True)
class FeatureSet:
    """What a model reads of temperature and pressure, as of a day.

    Attributes
    ----------
    kind : {"meemd", "causal"}
        Decomposition of the trailing window; the settings from `n_noise_pairs` on are of "meemd".
    n_components : int
        Per variable: the normalised series itself, then its components, fastest first.
    window_days : int
        Trailing record that is decomposed as of the day.
    sequence_days : int
        Newest days of it that the model reads.
    """

    kind: Kind = "meemd"
    n_components: int = 10
    window_days: int = 730
    sequence_days: int = 30
    n_noise_pairs: int = 10
    noise_ratio: float = 0.2
    entropy_threshold: float = 0.6
    n_sifts: int = 10
    seed: int = 0
    engine: Engine = "compiled"

    def __post_init__(self) -> None:
        for name, allowed in (("kind", get_args(Kind)), ("engine", get_args(Engine))):
            if getattr(self, name) not in allowed:
                raise ConfigError(
                    "unknown value", where=f"feature set: {name}", expected=f"one of {allowed}",
                    got=repr(getattr(self, name)),
                )
        if self.n_components < 3 or not 1 <= self.sequence_days <= self.window_days >= MIN_SAMPLES:
            raise ConfigError(
                "impossible sizes", where="feature set",
                expected=f"n_components >= 3, 1 <= sequence_days <= window_days >= {MIN_SAMPLES}",
                got=f"{self.n_components}, {self.sequence_days}, {self.window_days}",
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in their order."""
        parts = ["original", *(f"component_{k}" for k in range(1, self.n_components))]
        return tuple(f"{variable}_{part}" for variable in ("temperature", "pressure")
                     for part in parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a bundle or a configuration file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "FeatureSet":
        """Feature set from plain values; absent ones take their defaults.

        Raises
        ------
        ConfigError
            A key is unknown or a value impossible.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigError(
                "unknown key", where="feature set", expected=f"keys among {sorted(known)}",
                got=str(unknown), remedy="remove it, or use the version that wrote it",
            )
        return cls(**values)


def components(windows: Array, feature_set: FeatureSet) -> Array:
    """Each window itself and its decomposition, (..., n_days) to (..., n_components, n_days)."""
    if feature_set.kind == "causal":
        parts = causal_bank(
            windows, time_constants_days=[2.0**k for k in range(1, feature_set.n_components - 1)]
        )
    else:
        parts = meemd(
            windows,
            n_components=feature_set.n_components - 1,
            n_noise_pairs=feature_set.n_noise_pairs,
            noise_ratio=feature_set.noise_ratio,
            entropy_threshold=feature_set.entropy_threshold,
            n_sifts=feature_set.n_sifts,
            seed=feature_set.seed,
            engine=feature_set.engine,
        )
    return np.concatenate([windows[..., None, :], parts], axis=-2)


def as_of_sequences(
    temperature: Array,
    pressure: Array,
    ends: ArrayLike,
    feature_set: FeatureSet,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Newest days of every component, computed as of each end from its trailing window alone.

    Parameters
    ----------
    temperature, pressure : array, shape (n_days, n_series)
        Normalised, without gaps in the windows.
    ends : array_like of int, shape (n_ends,)
        Index of the newest day of each sequence.
    feature_set : FeatureSet
    progress : callable, optional
        Called with the number of ends done and of all after each.

    Returns
    -------
    array, shape (n_ends, n_series, sequence_days, 2 * n_components)
        Last axis as `feature_set.names`.

    Raises
    ------
    ValueError
        The variables differ in shape, an end lies outside the record or has less than
        `window_days` behind it, or a window has a gap.
    """
    if temperature.shape != pressure.shape:
        raise ValueError(
            "as_of_sequences: the variables differ in shape; expected the same, "
            f"got {temperature.shape} and {pressure.shape}"
        )
    days = _checked_ends(ends, temperature.shape[0], feature_set.window_days)
    n_series, n_days = temperature.shape[1], feature_set.sequence_days
    out = np.empty((days.size, n_series, n_days, 2 * feature_set.n_components), np.float32)
    for number, end in enumerate(days):
        window = slice(end - feature_set.window_days + 1, end + 1)
        both = np.stack([temperature[window].T, pressure[window].T])
        newest = components(both, feature_set)[..., -n_days:]
        out[number] = np.moveaxis(newest, 0, 1).reshape(n_series, -1, n_days).swapaxes(1, 2)
        if progress is not None:
            progress(number + 1, days.size)
    return out


def newest_revision(
    series: Array, ends: Sequence[int] | NDArray[np.int64], feature_set: FeatureSet, *,
    lag_days: int,
) -> Array:
    """How much the newest day's components change once `lag_days` more days are known.

    RMS over ends and series of the component of day t as of t minus that as of t + lag, from
    windows that start on the same day; in units of the component's standard deviation.

    Parameters
    ----------
    series : array, shape (n_days, n_series)
    ends : sequence of int
        Days t, each with `window_days` of record behind and `lag_days` ahead.
    feature_set : FeatureSet
    lag_days : int
        At least 1.

    Returns
    -------
    array, shape (n_components,)
        The first, the series itself, is zero; so is a component that is zero throughout.

    Raises
    ------
    ValueError
        An end without enough record behind or ahead, or a window with a gap.
    """
    days = _checked_ends(ends, series.shape[0] - lag_days, feature_set.window_days)
    squares, variances = [], []
    for end in days:
        start = end - feature_set.window_days + 1
        as_of = components(np.ascontiguousarray(series[start : end + 1].T), feature_set)
        later = components(
            np.ascontiguousarray(series[start : end + lag_days + 1].T), feature_set
        )
        squares.append((as_of[..., -1] - later[..., feature_set.window_days - 1]) ** 2)
        variances.append(later.var(axis=-1))
    square, variance = np.mean(squares, axis=(0, 1)), np.mean(variances, axis=(0, 1))
    return np.sqrt(np.divide(square, variance, out=np.zeros_like(square), where=variance > 0))


def _checked_ends(ends: ArrayLike, n_days: int, window_days: int) -> NDArray[np.int64]:
    days = np.asarray(ends, dtype=np.int64).reshape(-1)
    bad = days[(days < window_days - 1) | (days >= n_days)]
    if bad.size:
        raise ValueError(
            f"as-of features: a day has too little record; expected days {window_days - 1} to "
            f"{n_days - 1} (window of {window_days} days), got {bad[0]}"
        )
    return days
