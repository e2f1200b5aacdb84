"""Which days one run of the networks serves, and the record that it reads.

Time is cut into chunks of K days, the same everywhere: chunk k begins k K days after 1970-01-01.
The networks begin with a state of zero a warm-up before a chunk and go through it day by day; the
features of all days that they read are made from a record that begins `window_days` before (the
chunk's first day included). So what is simulated on a day depends on weather up to that day and on
nothing before a fixed day, at training, replay and serving alike, and a record that begins
earlier, ends later or is read in parts gives the same bits. With K = 1 each day has a window of
its own, as features need that a later sample changes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dwlim_ops.errors import ConfigError, ContractError

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]
Decompose = Callable[[Array], Array]


@dataclass(frozen=True)
class RunRule:
    """How long runs are.

    Attributes
    ----------
    chunk_days : int
        Days served from one run, K.
    sequence_days : int
        Days that the networks read for the last day of a chunk, L; the warm-up is L - K.
    window_days : int
        Record behind the first day of a chunk, that day included, from which features are made.
    """

    chunk_days: int
    sequence_days: int
    window_days: int

    def __post_init__(self) -> None:
        if not 1 <= self.chunk_days <= self.sequence_days < self.window_days + self.chunk_days:
            raise ConfigError(
                "impossible sizes", where="runs",
                expected="1 <= chunk_days <= sequence_days < window_days + chunk_days",
                got=f"{self.chunk_days}, {self.sequence_days}, {self.window_days}")

    @property
    def warm_up_days(self) -> int:
        """Days read before the first that is served."""
        return self.sequence_days - self.chunk_days

    def record_days(self, time: NDArray[np.datetime64]) -> NDArray[np.int64]:
        """Days from the beginning of the record that serves a day to the day, both included.

        Examples
        --------
        >>> RunRule(10, 15, 30).record_days(np.array(["1970-01-01", "1970-01-06"], "M8[D]"))
        array([30, 35])
        """
        days: NDArray[np.int64] = time.astype("datetime64[D]").astype(np.int64)
        return self.window_days + days % self.chunk_days


@dataclass(frozen=True)
class Run:
    """Rows of a daily record: where features begin, where the networks, and the days served.

    The chunk may end after the record.
    """

    record_start: int
    read_start: int
    first: int
    stop: int


def runs_of(time: NDArray[np.datetime64], rows: ArrayLike, rule: RunRule) -> tuple[Run, ...]:
    """The runs that serve some days, oldest first.

    Parameters
    ----------
    time : array (T,)
        Consecutive days of the record.
    rows : array_like of int
        The wanted days.
    rule : RunRule

    Raises
    ------
    ContractError
        A day of the record is missing, or the record begins too late for a wanted day.

    Examples
    --------
    >>> days = np.arange("2020-01-01", "2020-03-01", dtype="datetime64[D]")
    >>> [(run.record_start, run.first) for run in runs_of(days, [40, 41, 59], RunRule(10, 15, 30))]
    [(9, 38), (29, 58)]
    """
    ordinal = time.astype("datetime64[D]").astype(np.int64)
    wanted = np.unique(np.asarray(rows, dtype=np.int64))
    if ordinal.size and (np.diff(ordinal) != 1).any():
        gap = int(np.flatnonzero(np.diff(ordinal) != 1)[0])
        raise ContractError("day is missing or repeated", where="runs: record",
                            expected="consecutive days", got=f"{time[gap + 1]} after {time[gap]}")
    first = np.unique((ordinal[wanted] // rule.chunk_days) * rule.chunk_days) - ordinal[:1]
    runs = tuple(Run(int(at) - rule.window_days + 1, int(at) - rule.warm_up_days, int(at),
                     int(at) + rule.chunk_days) for at in first)
    if runs and runs[0].record_start < 0:
        raise ContractError(
            "record begins too late", where="runs", got=f"{time[0]} as its first day",
            expected=f"{-runs[0].record_start} days before, for {time[wanted[0]]}",
            remedy="serve later days, or take in older weather")
    return runs


def run_features(temperature: Array, pressure: Array, run: Run, decompose: Decompose) -> Float32:
    """Features of the days that the networks read in a run, as far as the record goes.

    Parameters
    ----------
    temperature, pressure : array (T, n_series)
        Normalised, from the record that `runs_of` was given; no gap in the run.
    run : Run
    decompose : callable
        (..., n_days) to (..., n_components, n_days), such as `features.sequences.components`; if
        the chunk is longer than a day, a value may not depend on later days.

    Returns
    -------
    array (n_days, n_series, 2 * n_components)
        At most `sequence_days`.
    """
    record = slice(run.record_start, run.stop)
    parts = decompose(np.stack([temperature[record].T, pressure[record].T]))
    read = np.moveaxis(parts[..., run.read_start - run.record_start:], (3, 1), (0, 1))
    return np.ascontiguousarray(read.reshape(*read.shape[:2], -1), dtype=np.float32)


def training_sequences(
    temperature: Array, pressure: Array, runs: tuple[Run, ...], decompose: Decompose
) -> Float32:
    """`run_features` of all runs for `train.train`, (n_runs, n_series, L, F).

    Days after the record are zero; they have no target and no later day.
    """
    sequences = []
    for run in runs:
        features = run_features(temperature, pressure, run, decompose).swapaxes(0, 1)
        n_absent = run.stop - run.read_start - features.shape[1]
        sequences.append(np.pad(features, ((0, 0), (0, n_absent), (0, 0))))
    return np.stack(sequences)


def days_of_runs(rows: ArrayLike, runs: tuple[Run, ...]) -> NDArray[np.int64]:
    """Position of each row among the days of all runs, chunk after chunk, as `train` has them.

    Every row must be served by one of the runs.
    """
    wanted = np.asarray(rows, dtype=np.int64)
    first = np.array([run.first for run in runs])
    number = np.searchsorted(first, wanted, side="right") - 1
    return number * (runs[0].stop - runs[0].first) + wanted - first[number]
