"""The station LSTMs, stacked, against a loop over `torch.nn.LSTM`."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dwlim_ops.simulate.lstm import StationLstms, simulate
from dwlim_ops.simulate.train import TrainingSettings, train
from tests.bench.measure import Row, gemm_share, timed

Float32 = NDArray[np.float32]

N_SEEDS, SEQUENCE_DAYS, N_FEATURES, HIDDEN = 5, 30, 20, 8
N_TRAINING, N_VALIDATION = 450, 50


def _step_operations() -> float:
    """Multiplications and additions of one network, one sequence, one day, forward."""
    return 2.0 * 4 * HIDDEN * (N_FEATURES + 1 + HIDDEN)


class _Plain(nn.Module):
    """One network the usual way."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(N_FEATURES, HIDDEN, batch_first=True)
        self.output = nn.Linear(HIDDEN, 1)

    def forward(self, sequences: Tensor) -> Tensor:
        states, _ = self.lstm(sequences)
        last: Tensor = self.output(states[:, -1])
        return last[:, 0]


def _plain_epoch(network: _Plain, sequences: Tensor, target: Tensor, batch_size: int) -> float:
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for days in torch.randperm(N_TRAINING).split(batch_size):
        loss = ((network(sequences[days]) - target[days]) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        error = (network(sequences[N_TRAINING:]) - target[N_TRAINING:]) ** 2
    return float(error.mean())


def training_row() -> Row:
    """One epoch of all networks, its validation and all preparations included."""
    n_controls, n_days, n_plain = 40, N_TRAINING + N_VALIDATION, 4
    random = np.random.default_rng(0)
    shape = n_days, n_controls, SEQUENCE_DAYS, N_FEATURES
    sequences = random.normal(size=shape).astype(np.float32)
    up_mm = random.normal(size=(n_days, n_controls))
    training = np.arange(n_days) < N_TRAINING
    settings = TrainingSettings(hidden_size=HIDDEN, n_seeds=N_SEEDS, max_epochs=1)
    torch.set_num_threads(1)
    ours, _ = timed(lambda: train(sequences, up_mm, training=training, validation=~training,
                                  settings=settings), repeats=3)
    one, target = torch.from_numpy(sequences[:, 0].copy()), torch.from_numpy(up_mm[:, 0]).float()
    networks = [_Plain() for _ in range(n_plain)]
    _plain_epoch(_Plain(), one, target, settings.batch_size)
    plain, _ = timed(lambda: [
        _plain_epoch(each, one, target, settings.batch_size) for each in networks], repeats=3)
    per_step = N_TRAINING * (2 * _step_operations() + 2.0 * 4 * HIDDEN * HIDDEN)
    steps = SEQUENCE_DAYS * n_controls * N_SEEDS
    operations = (per_step + N_VALIDATION * _step_operations()) * steps
    return Row("training, an epoch of 40 controls x 5 seeds, 450 days of 30 x 20, H = 8", ours,
               plain.times(n_controls * N_SEEDS / n_plain),
               f"`torch.nn.LSTM` in a loop, {n_plain} networks measured and scaled; one thread",
               gemm_share(operations, ours, np.float32))


def _random_networks(n_controls: int) -> StationLstms:
    random = np.random.default_rng(0)

    def draw(*shape: int) -> Float32:
        return random.uniform(-0.4, 0.4, (n_controls, N_SEEDS, *shape)).astype(np.float32)

    return StationLstms(
        draw(4 * HIDDEN, N_FEATURES), draw(4 * HIDDEN, HIDDEN), draw(4 * HIDDEN), draw(HIDDEN),
        draw(), np.zeros(n_controls, np.float32), np.ones(n_controls, np.float32))


def _as_plain(lstms: StationLstms, control: int, seed: int) -> _Plain:
    def of(name: str) -> Tensor:
        array: Any = getattr(lstms, name)[control, seed]
        return torch.tensor(array)

    network = _Plain()
    network.load_state_dict({
        "lstm.weight_ih_l0": of("inputs"), "lstm.weight_hh_l0": of("recurrent"),
        "lstm.bias_ih_l0": of("bias"), "lstm.bias_hh_l0": torch.zeros(4 * HIDDEN),
        "output.weight": of("output")[None], "output.bias": of("output_bias")[None]})
    return network


def serving_row() -> Row:
    n_controls, n_cells, n_plain = 42, 689, 6
    lstms = _random_networks(n_controls)
    sequences = np.random.default_rng(1).normal(
        size=(n_cells, SEQUENCE_DAYS, N_FEATURES)).astype(np.float32)
    torch.set_num_threads(1)
    ours, up_mm = timed(lambda: simulate(lstms, sequences), repeats=5)
    pairs = [(number, number % N_SEEDS) for number in range(n_plain)]
    networks = [_as_plain(lstms, *pair) for pair in pairs]
    batch = torch.from_numpy(sequences)
    with torch.inference_mode():
        plain, answers = timed(lambda: [each(batch).numpy() for each in networks], repeats=5)
    difference = max(float(np.abs(up_mm[pair] - answer).max())
                     for pair, answer in zip(pairs, answers, strict=True))
    operations = _step_operations() * SEQUENCE_DAYS * n_controls * N_SEEDS * n_cells
    return Row("serving the newest day, 42 controls x 5 seeds, 689 cells x 30 days", ours,
               plain.times(n_controls * N_SEEDS / n_plain),
               f"`torch.nn.LSTM` in a loop, {n_plain} networks measured and scaled; one thread; "
               f"difference {difference:.1e}",
               gemm_share(operations, ours, np.float32))
