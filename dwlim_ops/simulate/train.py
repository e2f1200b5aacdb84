"""Training of all networks of a region: every control station, every seed.

A sequence is read from a state of zero and scored on its last days: on one day if each day is
served from a window of its own, on many if a run is (see `dwlim_ops.simulate.runs`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.errors import ContractError
from dwlim_ops.simulate.lstm import WEIGHTS, Float32, StationLstms

if TYPE_CHECKING:
    import torch

Days = NDArray[np.bool_]

#: Sequences, of all controls, read in one computation: fits the processor's cache.
SEQUENCES_AT_ONCE: Final = 512
#: Fewest controls trained in one computation: the calls of torch cost, too.
LEAST_CONTROLS_AT_ONCE: Final = 8


@dataclass(frozen=True)
class TrainingSettings:
    """How the networks are trained; stored in the bundle.

    `patience` is the number of epochs without a better validation error after which a network
    stops; it keeps the weights of its best epoch. `batch_size` counts sequences. `weight_decay`
    is decoupled (AdamW).
    """

    hidden_size: int = 16
    n_seeds: int = 5
    learning_rate: float = 3e-3
    max_epochs: int = 40
    patience: int = 8
    batch_size: int = 64
    weight_decay: float = 1e-2
    seed: int = 0


@dataclass(frozen=True)
class History:
    """Mean squared error in units of the target's variance, (n_epochs, C, S); NaN once stopped.

    `best_epoch` (C, S) is the epoch whose weights were kept.
    """

    training_loss: NDArray[np.float64]
    validation_loss: NDArray[np.float64]
    best_epoch: NDArray[np.int64]


@dataclass(frozen=True)
class Trained:
    """Trained networks and how they came about."""

    lstms: StationLstms
    history: History


@dataclass(frozen=True)
class _Samples:
    """Sequences of some controls: features (n, C, L, F), target and weight (C, K, n)."""

    sequences: "torch.Tensor"
    target: "torch.Tensor"
    weight: "torch.Tensor"

    def batch(self, rows: "torch.Tensor | slice") -> tuple["torch.Tensor", ...]:
        """Sequences (L, C, F, B), target and weight (C, 1, K, B) of some sequences."""
        sequences = self.sequences[rows].permute(2, 1, 3, 0).contiguous()
        return sequences, self.target[:, None, :, rows], self.weight[:, None, :, rows]


def train(
    sequences: Float32,
    up_mm: NDArray[np.floating],
    *,
    training: Days,
    validation: Days,
    settings: TrainingSettings,
    progress: Callable[[int, int], None] | None = None,
) -> Trained:
    """Train one network per control and seed to give the displacement of a sequence's last days.

    Mean squared error, Adam, early stopping per network on the validation days. A network depends
    on its own station alone: adding or removing another control does not change it (up to
    rounding), so leaving a station out needs no new training.

    Parameters
    ----------
    sequences : array (D / K, C, L, F)
        Features at each control; a sequence with NaN is not used.
    up_mm : array (D, C)
        Observed displacement of the last K <= L days of each sequence, sequence by sequence; NaN
        where absent. With K = 1 each day has a window of its own.
    training, validation : array (D,) of bool
        Disjoint days. A sequence may hold days of both.
    settings : TrainingSettings
    progress : callable, optional
        Called after each epoch of each group of controls with the number done and the largest
        possible number.

    Returns
    -------
    Trained

    Raises
    ------
    ContractError
        Shapes or days disagree, a control has no usable day or does not move, or a network
        diverged.

    Notes
    -----
    The same arguments give the same bytes on one machine with one number of torch threads.
    One thread is as fast as two, and much faster when other work wants the second core.
    """
    usable = _usable(sequences, up_mm, training, validation)
    mean_mm, scale_mm = _target_scaling(up_mm, usable & training[:, None])
    target = np.where(usable, (up_mm - mean_mm) / scale_mm, 0.0).astype(np.float32)
    n_controls = up_mm.shape[1]
    at_once = max(LEAST_CONTROLS_AT_ONCE, SEQUENCES_AT_ONCE // settings.batch_size)
    groups = [slice(first, min(first + at_once, n_controls))
              for first in range(0, n_controls, at_once)]
    trained = []
    for number, controls in enumerate(groups):
        samples = [_samples(sequences, target, usable, days, controls)
                   for days in (training, validation)]

        def report(epoch: int, before: int = number) -> None:
            if progress is not None:
                progress(before * settings.max_epochs + epoch, len(groups) * settings.max_epochs)

        trained.append(_train_group(samples[0], samples[1], settings, report))
    weights = {name: np.concatenate([group[0][name] for group in trained]) for name in WEIGHTS}
    history = _join_histories([group[1] for group in trained])
    lstms = StationLstms(**weights, target_mean_mm=mean_mm.astype(np.float32),
                         target_scale_mm=scale_mm.astype(np.float32))
    return Trained(lstms, history)


def _usable(
    sequences: Float32, up_mm: NDArray[np.floating], training: Days, validation: Days
) -> NDArray[np.bool_]:
    n_days, n_controls = up_mm.shape
    n_last = n_days // max(len(sequences), 1)
    if (sequences.ndim != 4 or sequences.shape[1] != n_controls
            or not n_last * len(sequences) == n_days > 0 or n_last > sequences.shape[2]):
        raise ContractError(
            "shapes disagree", where="train", got=f"sequences {sequences.shape}",
            expected=f"(sequence, control, step, feature) for {up_mm.shape} days and controls")
    if (training & validation).any():
        raise ContractError("days are used twice", where="train: validation",
                            expected="no day of training")
    complete = np.isfinite(sequences).all(axis=(2, 3)).repeat(n_last, axis=0)
    usable: NDArray[np.bool_] = np.isfinite(up_mm) & complete
    for name, days in (("training", training), ("validation", validation)):
        empty = ~usable[days].any(axis=0)
        if empty.any():
            raise ContractError(
                f"no usable {name} day", where=f"train: controls {np.nonzero(empty)[0].tolist()}",
                expected="displacement and complete features on some days",
                remedy="select controls with data in both spans",
            )
    return usable


def _target_scaling(
    up_mm: NDArray[np.floating], used: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    kept = np.where(used, up_mm, np.nan).astype(np.float64)
    mean, scale = np.nanmean(kept, axis=0), np.nanstd(kept, axis=0)
    if (scale == 0).any():
        raise ContractError("displacement does not vary", expected="a standard deviation above 0",
                            where=f"train: controls {np.nonzero(scale == 0)[0].tolist()}")
    return mean, scale


def _samples(
    sequences: Float32, target: Float32, usable: NDArray[np.bool_], days: Days, controls: slice
) -> _Samples:
    import torch

    of_sequence = days.reshape(len(sequences), -1)
    rows = of_sequence.any(axis=1)
    picked = np.nan_to_num(sequences[rows, controls].astype(np.float32))

    def by_control(values: NDArray[np.generic]) -> "torch.Tensor":
        of_rows = values[:, controls].reshape(*of_sequence.shape, -1)[rows]
        return torch.from_numpy(np.ascontiguousarray(of_rows.T, np.float32))

    return _Samples(torch.from_numpy(picked), by_control(target),
                    by_control(usable & days[:, None]))


def _initial_weights(
    n_controls: int, n_features: int, settings: TrainingSettings
) -> dict[str, "torch.Tensor"]:
    """Uniform in +-1/sqrt(H), forget bias raised by one; a seed starts alike at every control."""
    import torch

    hidden = settings.hidden_size
    shapes = {"inputs": (4 * hidden, n_features), "recurrent": (4 * hidden, hidden),
              "bias": (4 * hidden,), "output": (hidden,)}
    weights = {name: np.empty((settings.n_seeds, *shape), np.float32)
               for name, shape in shapes.items()}
    for seed in range(settings.n_seeds):
        random = np.random.default_rng([settings.seed, seed])
        for name, shape in shapes.items():
            weights[name][seed] = random.uniform(-1.0, 1.0, shape) / np.sqrt(hidden)
    weights["bias"][:, hidden:2 * hidden] += 1.0
    weights["output_bias"] = np.zeros(settings.n_seeds, np.float32)
    return {name: torch.from_numpy(np.repeat(array[None], n_controls, axis=0)).requires_grad_()
            for name, array in weights.items()}


def _train_group(
    training: _Samples, validation: _Samples, settings: TrainingSettings,
    report: Callable[[int], None],
) -> tuple[dict[str, Float32], History]:
    import torch

    n_sequences, n_controls, _, n_features = training.sequences.shape
    weights = _initial_weights(n_controls, n_features, settings)
    best = {name: tensor.detach().clone() for name, tensor in weights.items()}
    best_loss = torch.full((n_controls, settings.n_seeds), torch.inf)
    best_epoch = torch.full((n_controls, settings.n_seeds), -1)
    running = torch.ones_like(best_epoch, dtype=torch.bool)
    optimiser = torch.optim.AdamW(weights.values(), lr=settings.learning_rate,
                                  weight_decay=settings.weight_decay)
    shuffle = np.random.default_rng(settings.seed)
    losses: list[tuple[torch.Tensor, torch.Tensor]] = []
    for epoch in range(settings.max_epochs):
        order = torch.from_numpy(shuffle.permutation(n_sequences))
        training_loss = _one_epoch(training, weights, optimiser, order.split(settings.batch_size))
        validation_loss = _mean_squared_error(validation, weights, settings.batch_size)
        losses.append((training_loss.where(running, torch.nan),
                       validation_loss.where(running, torch.nan)))
        better = running & (validation_loss < best_loss)
        best_loss = torch.where(better, validation_loss, best_loss)
        best_epoch = torch.where(better, epoch, best_epoch)
        for name, tensor in weights.items():
            best[name][better] = tensor.detach()[better]
        running = running & (epoch - best_epoch < settings.patience)
        report(epoch + 1)
        if not running.any():
            break
    training_losses, validation_losses = (
        torch.stack(part).double().numpy() for part in zip(*losses, strict=True))
    history = History(training_losses, validation_losses, best_epoch.numpy())
    return {name: tensor.numpy() for name, tensor in best.items()}, history


def _one_epoch(
    samples: _Samples, weights: dict[str, "torch.Tensor"], optimiser: "torch.optim.Optimizer",
    batches: tuple["torch.Tensor", ...],
) -> "torch.Tensor":
    """One pass over the sequences; mean squared error of every network before each step, (C, S)."""
    import torch

    from dwlim_ops.simulate.stacked import forward

    total, count = torch.zeros(weights["output_bias"].shape), torch.tensor(0.0)
    for rows in batches:
        sequences, target, weight = samples.batch(rows)
        simulated = forward(sequences, **weights, n_last=target.shape[2])
        squares = ((simulated - target) ** 2 * weight).sum(dim=(2, 3))
        n_used = weight.sum(dim=(2, 3))
        optimiser.zero_grad()
        (squares / n_used.clamp(min=1.0)).sum().backward()
        optimiser.step()
        total, count = total + squares.detach(), count + n_used
    return total / count


def _mean_squared_error(
    samples: _Samples, weights: dict[str, "torch.Tensor"], batch_size: int
) -> "torch.Tensor":
    import torch

    from dwlim_ops.simulate.stacked import forward

    total = torch.zeros(weights["output_bias"].shape)
    with torch.no_grad():
        for first in range(0, len(samples.sequences), batch_size):
            sequences, target, weight = samples.batch(slice(first, first + batch_size))
            simulated = forward(sequences, **weights, n_last=target.shape[2])
            total = total + ((simulated - target) ** 2 * weight).sum(dim=(2, 3))
        return total / samples.weight.sum(dim=(1, 2))[:, None]


def _join_histories(parts: list[History]) -> History:
    n_epochs = max(len(part.training_loss) for part in parts)

    def joined(losses: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.concatenate([
            np.pad(loss, ((0, n_epochs - len(loss)), (0, 0), (0, 0)), constant_values=np.nan)
            for loss in losses], axis=1)

    best_epoch = np.concatenate([part.best_epoch for part in parts])
    diverged = (best_epoch < 0).any(axis=1)
    if diverged.any():
        raise ContractError(
            "training diverged", where=f"train: controls {np.nonzero(diverged)[0].tolist()}",
            expected="a finite validation error", remedy="lower settings.learning_rate",
        )
    return History(joined([part.training_loss for part in parts]),
                   joined([part.validation_loss for part in parts]), best_epoch)
