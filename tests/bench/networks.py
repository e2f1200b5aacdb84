"""The station LSTMs, stacked, against a loop over `torch.nn.LSTM`."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dwlim_ops.simulate.lstm import StationLstms, run_weighted, simulate
from dwlim_ops.simulate.train import TrainingSettings, train
from tests.bench.measure import Row, Timing, gemm_share, timed

Float32 = NDArray[np.float32]

N_SEEDS, SEQUENCE_DAYS, N_FEATURES, HIDDEN = 5, 30, 20, 8
N_TRAINING, N_VALIDATION = 450, 50
N_CONTROLS, N_CELLS = 42, 689
CHUNK_DAYS, WARM_UP_DAYS = 120, 120
N_RECORD_DAYS, N_MEASURED_DAYS = 3653, 365


def _step_operations(hidden: int = HIDDEN) -> float:
    """Multiplications and additions of one network, one sequence, one day, forward."""
    return 2.0 * 4 * hidden * (N_FEATURES + 1 + hidden)


class _Plain(nn.Module):
    """One network the usual way."""

    def __init__(self, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.lstm = nn.LSTM(N_FEATURES, hidden, batch_first=True)
        self.output = nn.Linear(hidden, 1)

    def forward(self, sequences: Tensor) -> Tensor:
        return self.days(sequences)[:, -1]

    def days(self, sequences: Tensor) -> Tensor:
        states, _ = self.lstm(sequences)
        every: Tensor = self.output(states)
        return every[..., 0]


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


def training_runs_row(*, n_controls: int, n_seeds: int, hidden: int, n_days: int) -> Row:
    """One epoch on every day of a record, in chunks after a warm-up, validation included."""
    n_chunks, length = -(-n_days // CHUNK_DAYS) + 3, WARM_UP_DAYS + CHUNK_DAYS
    random = np.random.default_rng(0)
    sequences = random.normal(size=(n_chunks, n_controls, length, N_FEATURES)).astype(np.float32)
    up_mm = random.normal(size=(n_chunks * CHUNK_DAYS, n_controls))
    training = np.arange(len(up_mm)) < n_days
    settings = TrainingSettings(hidden_size=hidden, n_seeds=n_seeds, max_epochs=1, batch_size=8)
    torch.set_num_threads(1)
    ours, _ = timed(lambda: train(sequences, up_mm, training=training, validation=~training,
                                  settings=settings))
    windows = torch.from_numpy(random.normal(
        size=(N_TRAINING + N_VALIDATION, SEQUENCE_DAYS, N_FEATURES)).astype(np.float32))
    target, network = torch.randn(len(windows)), _Plain(hidden)
    _plain_epoch(network, windows, target, 64)
    plain, _ = timed(lambda: _plain_epoch(network, windows, target, 64), repeats=3)
    step = 3 * _step_operations(hidden)
    operations = step * n_chunks * length * n_controls * n_seeds
    return Row(f"training, an epoch of {n_controls} controls x {n_seeds} seeds, {n_days} days in "
               f"chunks of {CHUNK_DAYS} after {WARM_UP_DAYS}, H = {hidden}", ours,
               plain.times(n_controls * n_seeds * n_days / N_TRAINING),
               f"`torch.nn.LSTM` in a loop on a window of {SEQUENCE_DAYS} days for every day; one "
               f"network and {N_TRAINING} days measured and scaled; one thread",
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


def _plain_serving(lstms: StationLstms, features: Float32, n_networks: int) -> Timing:
    """All networks over all days (T, n, F) in a loop; some measured and scaled."""
    batch = torch.from_numpy(np.ascontiguousarray(features.swapaxes(0, 1)))
    networks = [_as_plain(lstms, number, number % N_SEEDS) for number in range(n_networks)]
    with torch.inference_mode():
        networks[0].days(batch[:, :30])
        plain, _ = timed(lambda: [each.days(batch).numpy() for each in networks])
    return plain.times(lstms.n_controls * N_SEEDS / n_networks)


def serving_rows() -> list[Row]:
    """Newest day from windows and from a warm state; 365 days and ten years in one run."""
    random = np.random.default_rng(1)
    lstms = _random_networks(N_CONTROLS)
    features = random.normal(size=(N_MEASURED_DAYS, N_CELLS, N_FEATURES)).astype(np.float32)
    weights = random.random((N_CONTROLS, N_CELLS))
    torch.set_num_threads(1)
    year, (_, warm) = timed(lambda: run_weighted(lstms, features, weights))
    newest, _ = timed(lambda: run_weighted(lstms, features[:1], weights, warm), repeats=5)

    def ten_years() -> None:
        state = None
        for first in range(0, N_RECORD_DAYS, N_MEASURED_DAYS):
            part = features[:N_RECORD_DAYS - first]
            state = run_weighted(lstms, part, weights, state)[1]

    record, _ = timed(ten_years)
    plain = _plain_serving(lstms, features, 6)
    per_day = _step_operations() * N_CONTROLS * N_SEEDS * N_CELLS
    size = f"{N_CONTROLS} controls x 5 seeds, {N_CELLS} cells"
    scaled = "`torch.nn.LSTM` in a loop, one pass over {}; 6 networks measured and scaled"
    return [
        serving_row(),
        Row(f"serving the newest day from a warm state, {size}", newest,
            plain.times(SEQUENCE_DAYS / N_MEASURED_DAYS), scaled.format("30 days"),
            gemm_share(per_day, newest, np.float32)),
        Row(f"serving 365 days in one run, {size}", year, plain, scaled.format("365 days"),
            gemm_share(per_day * N_MEASURED_DAYS, year, np.float32)),
        Row(f"serving ten years in one run, {size}", record,
            plain.times(N_RECORD_DAYS / N_MEASURED_DAYS), scaled.format("365 days, ten times"),
            gemm_share(per_day * N_RECORD_DAYS, record, np.float32))]


def serving_row() -> Row:
    n_controls, n_cells, n_plain = N_CONTROLS, N_CELLS, 6
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
    return Row("serving the newest day from its window of 30 days, 42 controls x 5 seeds, "
               "689 cells", ours,
               plain.times(n_controls * N_SEEDS / n_plain),
               f"`torch.nn.LSTM` in a loop, {n_plain} networks measured and scaled; one thread; "
               f"difference {difference:.1e}",
               gemm_share(operations, ours, np.float32))
