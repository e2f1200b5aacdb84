"""The networks of all control stations as one value, and what they simulate.

A network reads a sequence of days from a state of zero (`simulate`), or goes on from the state in
which an earlier run left it (`run`): a record gives the same bytes in one run and day by day.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.errors import ContractError

if TYPE_CHECKING:
    import torch

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

#: Series are run in batches of exactly this size, the last one padded, so that the rounding
#: of a series does not depend on how many others are asked for.
BATCH: Final = 128
CONTROLS_AT_ONCE: Final = 8
#: Days of one batch whose displacement is held before it is handed on.
DAYS_AT_ONCE: Final = 64

#: The arrays of `StationLstms` that are learned.
WEIGHTS: Final = ("inputs", "recurrent", "bias", "output", "output_bias")


@dataclass(frozen=True)
class StationLstms:
    """One LSTM per control station and seed; all have the same size.

    With C controls, S seeds, H hidden units and F features. Gates are ordered input, forget, cell,
    output. The network predicts displacement normalised by `target_mean_mm` and
    `target_scale_mm`, the mean and standard deviation of the control's training days.
    """

    inputs: Float32
    recurrent: Float32
    bias: Float32
    output: Float32
    output_bias: Float32
    target_mean_mm: Float32
    target_scale_mm: Float32

    def __post_init__(self) -> None:
        if self.output.ndim != 3 or self.inputs.ndim != 4:
            raise ContractError(
                "wrong number of dimensions", where="StationLstms",
                expected="inputs (C, S, 4H, F) and output (C, S, H)",
                got=f"{self.inputs.shape} and {self.output.shape}",
            )
        for name, shape in self._shapes().items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != np.float32:
                raise ContractError(
                    "wrong shape or type", where=f"StationLstms.{name}",
                    expected=f"float32 {shape}", got=f"{array.dtype} {array.shape}",
                )

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        networks, gates = (self.n_controls, self.n_seeds), 4 * self.hidden_size
        return {
            "inputs": (*networks, gates, self.n_features),
            "recurrent": (*networks, gates, self.hidden_size),
            "bias": (*networks, gates),
            "output": (*networks, self.hidden_size),
            "output_bias": networks,
            "target_mean_mm": (self.n_controls,),
            "target_scale_mm": (self.n_controls,),
        }

    @property
    def n_controls(self) -> int:
        """Number of control stations."""
        return self.output.shape[0]

    @property
    def n_seeds(self) -> int:
        """Number of networks per control station."""
        return self.output.shape[1]

    @property
    def hidden_size(self) -> int:
        """Number of hidden units of a network."""
        return self.output.shape[2]

    @property
    def n_features(self) -> int:
        """Number of features read per day."""
        return self.inputs.shape[3]

    def arrays(self) -> dict[str, Float32]:
        """All arrays by field name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class State:
    """What every network remembers of every series, (C, S, H, n_series)."""

    hidden: Float32
    cell: Float32

    def __post_init__(self) -> None:
        for name in ("hidden", "cell"):
            array = getattr(self, name)
            if array.shape != self.hidden.shape or array.ndim != 4 or array.dtype != np.float32:
                raise ContractError(
                    "wrong shape or type", where=f"State.{name}",
                    got=f"{array.dtype} {array.shape}",
                    expected="float32 (controls, seeds, hidden units, series), both alike")

    @classmethod
    def zero(cls, lstms: StationLstms, n_series: int) -> "State":
        """The state before the first day of a record."""
        shape = (*lstms.output.shape, n_series)
        return cls(np.zeros(shape, np.float32), np.zeros(shape, np.float32))


def simulate(lstms: StationLstms, sequences: Float32) -> Float32:
    """Displacement that every network predicts for the last day of every sequence.

    Each sequence is read from a state of zero. The result for a sequence is the same bit for bit
    whatever other sequences are asked for in the same call (on one machine with one number of
    threads), and that of `run` on its days.

    Parameters
    ----------
    lstms : StationLstms
    sequences : array (B, L, F)
        Features of L days, the day simulated last. A sequence with NaN gives NaN.

    Returns
    -------
    array (C, S, B)
        Vertical displacement, mm.

    Raises
    ------
    ContractError
        The sequences do not have the networks' number of features.
    """
    if sequences.ndim != 3:
        raise ContractError("wrong shape", where="simulate: sequences", got=str(sequences.shape),
                            expected=f"(sequence, day, {lstms.n_features} features)")
    up_mm = np.empty((lstms.n_controls, lstms.n_seeds, len(sequences)), np.float32)
    state = State.zero(lstms, len(sequences))
    for controls, series, part_mm in _march(lstms, sequences.swapaxes(0, 1), state, n_last=1):
        up_mm[controls, :, series] = part_mm[:, :, 0]
    return up_mm


def run(
    lstms: StationLstms, features: Float32, state: State | None = None
) -> tuple[Float32, State]:
    """Displacement that every network predicts for every day of every series.

    The record may be cut anywhere, the state handed from part to part: the result is the same bit
    for bit, also for any choice of series (on one machine with one number of threads).

    Parameters
    ----------
    lstms : StationLstms
    features : array (T, n_series, F)
        Consecutive days.
    state : State, optional
        As after the day before; zero if not given.

    Returns
    -------
    array (C, S, T, n_series)
        Vertical displacement, mm.
    State
        After the last day.

    Raises
    ------
    ContractError
        Features or state do not fit the networks, or a feature is not finite: the networks would
        never forget it.
    """
    n_days, n_series = features.shape[:2]
    up_mm = np.empty((lstms.n_controls, lstms.n_seeds, n_days, n_series), np.float32)
    state = _begin(lstms, features, state)
    for first in range(0, n_days, DAYS_AT_ONCE):
        days = slice(first, min(first + DAYS_AT_ONCE, n_days))
        for controls, series, part_mm in _march(lstms, features[days], state):
            up_mm[controls, :, days, series] = part_mm
    return up_mm, state


def run_weighted(
    lstms: StationLstms, features: Float32, weights: Float64, state: State | None = None
) -> tuple[Float64, State]:
    """As `run`, averaged over the controls on the way: eq. (8) of the DWLIM paper.

    The displacement of single controls is never held for more than `DAYS_AT_ONCE` days of
    `BATCH` series.

    Parameters
    ----------
    lstms, features, state
        As in `run`.
    weights : array (C, n_series)
        Of each control at each series, from `interpolate.idw_weights`.

    Returns
    -------
    array (S, T, n_series)
        Weighted sum of the displacement of the controls, mm.
    State
        After the last day.
    """
    n_days, n_series = features.shape[:2]
    if weights.shape != (lstms.n_controls, n_series):
        raise ContractError("wrong shape", where="run_weighted: weights", got=str(weights.shape),
                            expected=f"{(lstms.n_controls, n_series)}")
    up_mm = np.zeros((lstms.n_seeds, n_days, n_series))
    state = _begin(lstms, features, state)
    for first in range(0, n_days, DAYS_AT_ONCE):
        days = slice(first, min(first + DAYS_AT_ONCE, n_days))
        for controls, series, part_mm in _march(lstms, features[days], state):
            for of_control, weight in zip(part_mm, weights[controls, series], strict=True):
                up_mm[:, days, series] += of_control * weight
    return up_mm, state


def _begin(lstms: StationLstms, features: Float32, state: State | None) -> State:
    """A state of its own for a run, which overwrites it."""
    if not np.isfinite(features).all():
        bad = np.argwhere(~np.isfinite(features))[0]
        raise ContractError("feature is not finite", where=f"run: day {bad[0]}, series {bad[1]}",
                            expected="no gap", remedy="fill the gap, or begin after it")
    if state is None:
        return State.zero(lstms, features.shape[1])
    expected = (*lstms.output.shape, features.shape[1])
    if state.hidden.shape != expected:
        raise ContractError("wrong shape", where="run: state", got=str(state.hidden.shape),
                            expected=str(expected))
    return State(state.hidden.copy(), state.cell.copy())


def _march(
    lstms: StationLstms, features: Float32, state: State, *, n_last: int | None = None
) -> Iterator[tuple[slice, slice, Float32]]:
    """Displacement of the last K of T days by controls and series, (part of C, S, K, part of n).

    Overwrites `state`.
    """
    import torch

    from dwlim_ops.simulate.stacked import march

    if features.ndim != 3 or features.shape[2] != lstms.n_features:
        raise ContractError("wrong shape", where="LSTM: features", got=str(features.shape),
                            expected=f"(..., {lstms.n_features} features)")
    n_days, n_series, n_features = features.shape
    groups = [(slice(first, first + CONTROLS_AT_ONCE), _as_seeds_of_one(lstms, first))
              for first in range(0, lstms.n_controls, CONTROLS_AT_ONCE)]
    batch = torch.zeros(n_days, 1, n_features + 1, BATCH)
    batch[:, :, -1] = 1.0
    for start in range(0, n_series, BATCH):
        series = slice(start, min(start + BATCH, n_series))
        n_part = series.stop - start
        batch[:, 0, :-1, :n_part] = torch.from_numpy(
            np.ascontiguousarray(features[:, series].transpose(0, 2, 1), np.float32))
        for controls, weights in groups:
            held = [torch.zeros(weights["output"].shape[1], lstms.hidden_size, BATCH)
                    for _ in range(2)]
            for tensor, kept in zip(held, (state.hidden, state.cell), strict=True):
                tensor[..., :n_part] = torch.from_numpy(kept[controls, ..., series]).flatten(0, 1)
            with torch.inference_mode():
                out, *held = march(batch, *held, **weights, n_last=n_last or n_days)
            for tensor, kept in zip(held, (state.hidden, state.cell), strict=True):
                part = kept[controls, ..., series]
                part[...] = tensor[..., :n_part].numpy().reshape(part.shape)
            normalised = out[0, ..., :n_part].numpy().reshape(-1, lstms.n_seeds, len(out[0, 0]),
                                                               n_part)
            yield controls, series, _in_mm(lstms, normalised, controls)


def _in_mm(lstms: StationLstms, normalised: Float32, controls: slice) -> Float32:
    up_mm: Float32 = (normalised * lstms.target_scale_mm[controls, None, None, None]
                      + lstms.target_mean_mm[controls, None, None, None])
    return up_mm


def _as_seeds_of_one(lstms: StationLstms, first: int) -> "dict[str, torch.Tensor]":
    """Weights of some controls, laid out as seeds of one: at serving all read the same cells."""
    import torch

    return {name: torch.tensor(getattr(lstms, name)[first:first + CONTROLS_AT_ONCE])
            .flatten(0, 1)[None] for name in WEIGHTS}
