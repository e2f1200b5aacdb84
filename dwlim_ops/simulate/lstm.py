"""The networks of all control stations as one value, and what they simulate."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.errors import ContractError

if TYPE_CHECKING:
    import torch

Float32 = NDArray[np.float32]

#: Sequences are run in batches of exactly this size, the last one padded, so that the rounding
#: of a sequence does not depend on how many others are asked for.
BATCH: Final = 128
CONTROLS_AT_ONCE: Final = 8

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


def simulate(lstms: StationLstms, sequences: Float32) -> Float32:
    """Displacement that every network predicts for the last day of every sequence.

    The result for a sequence is the same bit for bit whatever other sequences are asked for in
    the same call (on one machine with one number of threads).

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
    import torch

    from dwlim_ops.simulate.stacked import forward

    if sequences.ndim != 3 or sequences.shape[2] != lstms.n_features:
        raise ContractError("wrong shape", where="simulate: sequences", got=str(sequences.shape),
                            expected=f"(sequence, day, {lstms.n_features} features)")
    n_sequences, n_days, n_features = sequences.shape
    normalised = np.empty((lstms.n_controls, lstms.n_seeds, n_sequences), np.float32)
    groups = [(slice(first, first + CONTROLS_AT_ONCE), _as_seeds_of_one(lstms, first))
              for first in range(0, lstms.n_controls, CONTROLS_AT_ONCE)]
    batch = torch.zeros(n_days, 1, n_features, BATCH)
    with torch.inference_mode():
        for start in range(0, n_sequences, BATCH):
            part = sequences[start:start + BATCH]
            batch[..., :len(part)] = torch.from_numpy(
                np.ascontiguousarray(part.transpose(1, 2, 0), np.float32))[:, None]
            for controls, weights in groups:
                out = forward(batch, **weights)[0, :, :len(part)].numpy()
                normalised[controls, :, start:start + BATCH] = out.reshape(
                    -1, lstms.n_seeds, len(part))
    displacement_mm: Float32 = (normalised * lstms.target_scale_mm[:, None, None]
                                + lstms.target_mean_mm[:, None, None])
    return displacement_mm


def _as_seeds_of_one(lstms: StationLstms, first: int) -> "dict[str, torch.Tensor]":
    """Weights of some controls, laid out as seeds of one: at serving all read the same cells."""
    import torch

    return {name: torch.tensor(getattr(lstms, name)[first:first + CONTROLS_AT_ONCE])
            .flatten(0, 1)[None] for name in WEIGHTS}
