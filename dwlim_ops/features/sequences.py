"""Features as of a day: the same function of the same trailing record everywhere.

A decomposition of the full record knows the future of every training day, which the record that
is served does not hold. Which record serves a day is said in `dwlim_ops.simulate.runs`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dwlim_ops.errors import ConfigError
from dwlim_ops.features.causal import causal_bank
from dwlim_ops.features.emd import MIN_SAMPLES, Engine
from dwlim_ops.features.extension import MIN_DAYS, extend
from dwlim_ops.features.meemd import N_SIFTS, meemd

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
        Trailing record that is decomposed as of the day, or as of the first day of its chunk.
    sequence_days : int
        Newest days that the model reads for the last day of a chunk.
    chunk_days : int
        Days served from one run of the model; more than one for "causal" features only, as later
        samples change the others.
    extension_days : int
        Forecast put behind the record before it is decomposed (`extend`), and cut off after; 0
        decomposes the record as it is.
    """

    kind: Kind = "meemd"
    n_components: int = 10
    window_days: int = 730
    sequence_days: int = 30
    chunk_days: int = 1
    n_noise_pairs: int = 10
    noise_ratio: float = 0.2
    entropy_threshold: float = 0.6
    n_sifts: int = N_SIFTS
    seed: int = 0
    engine: Engine = "compiled"
    extension_days: int = 0

    def __post_init__(self) -> None:
        for name, allowed in (("kind", get_args(Kind)), ("engine", get_args(Engine))):
            if getattr(self, name) not in allowed:
                raise ConfigError(
                    "unknown value", where=f"feature set: {name}", expected=f"one of {allowed}",
                    got=repr(getattr(self, name)),
                )
        longest = self.window_days + self.chunk_days - 1
        if (self.n_components < 3 or self.window_days < MIN_SAMPLES
                or not 1 <= self.chunk_days <= self.sequence_days <= longest):
            raise ConfigError(
                "impossible sizes", where="feature set",
                expected=f"n_components >= 3, window_days >= {MIN_SAMPLES}, "
                         "1 <= chunk_days <= sequence_days < window_days + chunk_days",
                got=f"{self.n_components}, {self.window_days}, {self.chunk_days}, "
                    f"{self.sequence_days}",
            )
        if self.chunk_days > 1 and self.kind != "causal":
            raise ConfigError(
                "features change after their day", where="feature set: chunk_days",
                expected="1 (a later sample changes a MEEMD component)",
                got=str(self.chunk_days), remedy='set kind = "causal" or chunk_days = 1')
        if self.extension_days < 0 or (self.extension_days and self.window_days < MIN_DAYS):
            raise ConfigError(
                "impossible extension", where="feature set",
                expected=f"extension_days >= 0, and window_days >= {MIN_DAYS} with an extension",
                got=f"{self.extension_days}, {self.window_days}")

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
            extend(windows, n_ahead=feature_set.extension_days),
            n_components=feature_set.n_components - 1,
            n_noise_pairs=feature_set.n_noise_pairs,
            noise_ratio=feature_set.noise_ratio,
            entropy_threshold=feature_set.entropy_threshold,
            n_sifts=feature_set.n_sifts,
            seed=feature_set.seed,
            engine=feature_set.engine,
        )[..., : windows.shape[-1]]
    return np.concatenate([windows[..., None, :], parts], axis=-2)


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
