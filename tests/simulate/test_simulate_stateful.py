"""A record gives the same bits in one run, in parts and day by day, whatever runs beside it."""

import io
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.errors import ContractError
from dwlim_ops.simulate.lstm import (
    BATCH,
    DAYS_AT_ONCE,
    State,
    StationLstms,
    run,
    run_weighted,
    simulate,
)

N_DAYS, N_SERIES = 2 * DAYS_AT_ONCE + 9, BATCH + 7
N_CONTROLS, N_SEEDS, HIDDEN, N_FEATURES = 9, 2, 8, 5


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def draw(seed, *shape):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, shape).astype(np.float32)


NETWORKS = N_CONTROLS, N_SEEDS
LSTMS = StationLstms(
    draw(0, *NETWORKS, 4 * HIDDEN, N_FEATURES), draw(1, *NETWORKS, 4 * HIDDEN, HIDDEN),
    draw(2, *NETWORKS, 4 * HIDDEN), draw(3, *NETWORKS, HIDDEN), draw(4, *NETWORKS),
    3 * draw(5, N_CONTROLS), 4 + draw(6, N_CONTROLS))
FEATURES = 4 * draw(7, N_DAYS, N_SERIES, N_FEATURES)
WEIGHTS = np.random.default_rng(8).random((N_CONTROLS, N_SERIES))


@pytest.fixture(scope="module")
def whole():
    return run(LSTMS, FEATURES)


def same(state, other):
    return (np.array_equal(state.hidden, other.hidden) and np.array_equal(state.cell, other.cell))


def test_agrees_with_torch_nn_lstm(whole):
    for control, seed, series in ((0, 0, 0), (8, 1, N_SERIES - 1)):
        at = control, seed
        plain = torch.nn.LSTM(N_FEATURES, HIDDEN)
        plain.load_state_dict({
            "weight_ih_l0": torch.tensor(LSTMS.inputs[at]),
            "weight_hh_l0": torch.tensor(LSTMS.recurrent[at]),
            "bias_ih_l0": torch.tensor(LSTMS.bias[at]), "bias_hh_l0": torch.zeros(4 * HIDDEN)})
        with torch.no_grad():
            states, (hidden, cell) = plain(torch.tensor(FEATURES[:, series]))
        normalised = states.numpy() @ LSTMS.output[at] + LSTMS.output_bias[at]
        np.testing.assert_allclose(
            whole[0][at][:, series],
            normalised * LSTMS.target_scale_mm[control] + LSTMS.target_mean_mm[control], atol=3e-6)
        np.testing.assert_allclose(whole[1].hidden[at][:, series], hidden[0].numpy(), atol=1e-6)
        np.testing.assert_allclose(whole[1].cell[at][:, series], cell[0].numpy(), atol=1e-6)


@settings(derandomize=True, deadline=None, max_examples=6)
@given(st.lists(st.integers(1, N_DAYS - 1), max_size=4, unique=True), st.data())
def test_cut_anywhere_and_for_any_series_gives_the_same_bits(whole, cuts, data):
    series = np.array(data.draw(st.lists(st.integers(0, N_SERIES - 1), min_size=1, max_size=40)))
    state, parts = None, []
    for first, stop in itertools.pairwise([0, *sorted(cuts), N_DAYS]):
        up_mm, state = run(LSTMS, FEATURES[first:stop, series], state)
        parts.append(up_mm)
    assert np.array_equal(np.concatenate(parts, axis=2), whole[0][..., series])
    assert same(state, State(whole[1].hidden[..., series], whole[1].cell[..., series]))


def test_day_by_day_gives_the_same_bits_and_so_does_a_state_from_disk(whole):
    _, state = run(LSTMS, FEATURES[:50])
    for day in range(50, 60):
        file = io.BytesIO()
        np.savez(file, hidden=state.hidden, cell=state.cell)
        with np.load(io.BytesIO(file.getvalue())) as kept:
            before = State(kept["hidden"], kept["cell"])
        up_mm, state = run(LSTMS, FEATURES[day:day + 1], before)
        assert np.array_equal(up_mm[:, :, 0], whole[0][:, :, day])
    assert same(before, run(LSTMS, FEATURES[:59])[1])


def test_a_window_is_a_run_from_zero(whole):
    sequences = FEATURES[:30].swapaxes(0, 1)
    assert np.array_equal(simulate(LSTMS, sequences), whole[0][:, :, 29])


def test_weighted_on_the_way_is_weighted_afterwards(whole):
    by_seed = np.zeros((N_SEEDS, N_DAYS, N_SERIES))
    for network, weight in zip(whole[0], WEIGHTS, strict=True):
        by_seed += network * weight
    got, state = run_weighted(LSTMS, FEATURES, WEIGHTS)
    assert np.array_equal(got, by_seed)
    assert same(state, whole[1])
    _, middle = run_weighted(LSTMS, FEATURES[:71], WEIGHTS)
    assert np.array_equal(run_weighted(LSTMS, FEATURES[71:], WEIGHTS, middle)[0], by_seed[:, 71:])


def test_no_day_and_no_series_change_nothing(whole):
    up_mm, state = run(LSTMS, FEATURES[:0], whole[1])
    assert up_mm.shape == (N_CONTROLS, N_SEEDS, 0, N_SERIES)
    assert same(state, whole[1])
    assert run(LSTMS, FEATURES[:, :0])[0].shape == (N_CONTROLS, N_SEEDS, N_DAYS, 0)


def test_a_gap_and_what_does_not_fit_are_refused(whole):
    holed = FEATURES.copy()
    holed[3, 5, 1] = np.nan
    with pytest.raises(ContractError, match="day 3, series 5"):
        run(LSTMS, holed)
    with pytest.raises(ContractError, match="5 features"):
        run(LSTMS, FEATURES[..., :4])
    with pytest.raises(ContractError, match="run: state"):
        run(LSTMS, FEATURES[:, :4], whole[1])
    with pytest.raises(ContractError, match="weights"):
        run_weighted(LSTMS, FEATURES, WEIGHTS[:, 1:])
    with pytest.raises(ContractError, match=r"State\.cell"):
        State(whole[1].hidden, whole[1].cell[..., 1:])
