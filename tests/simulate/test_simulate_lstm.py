import numpy as np
import pytest
import torch

from dwlim_ops.errors import ContractError
from dwlim_ops.simulate.lstm import BATCH, StationLstms, simulate
from dwlim_ops.simulate.stacked import LastStates, forward


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def random_lstms(n_controls=11, n_seeds=2, hidden=8, n_features=5, seed=0) -> StationLstms:
    random = np.random.default_rng(seed)

    def draw(*shape):
        return random.uniform(-0.5, 0.5, shape).astype(np.float32)

    networks = (n_controls, n_seeds)
    return StationLstms(
        draw(*networks, 4 * hidden, n_features), draw(*networks, 4 * hidden, hidden),
        draw(*networks, 4 * hidden), draw(*networks, hidden), draw(*networks),
        3 * draw(n_controls), 4 + draw(n_controls))


def random_sequences(n=10, n_days=12, n_features=5, seed=1):
    return np.random.default_rng(seed).normal(size=(n, n_days, n_features)).astype(np.float32)


def test_agrees_with_torch_nn_lstm():
    lstms, sequences = random_lstms(), 3 * random_sequences()
    got = simulate(lstms, sequences)
    assert got.shape == (11, 2, 10)
    assert got.dtype == np.float32
    for control in (0, 9, 10):
        for seed in range(2):
            at = control, seed
            reference = torch.nn.LSTM(5, 8, batch_first=True)
            reference.load_state_dict({
                "weight_ih_l0": torch.tensor(lstms.inputs[at]),
                "weight_hh_l0": torch.tensor(lstms.recurrent[at]),
                "bias_ih_l0": torch.tensor(lstms.bias[at]),
                "bias_hh_l0": torch.zeros(32)})
            with torch.no_grad():
                last = reference(torch.tensor(sequences))[0][:, -1].numpy()
            normalised = last @ lstms.output[at] + lstms.output_bias[at]
            expected = normalised * lstms.target_scale_mm[control] + lstms.target_mean_mm[control]
            np.testing.assert_allclose(got[at], expected, rtol=1e-6, atol=1e-6)


def test_gradient_is_that_of_finite_differences():
    random = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    inputs, recurrent = draw(2, 2, 8, 3).requires_grad_(), draw(2, 2, 8, 2).requires_grad_()
    sequences = draw(3, 2, 3, 2)
    for n_last in (1, 2):
        assert torch.autograd.gradcheck(
            lambda a, b, n_last=n_last: LastStates.apply(sequences, a, b, n_last),
            (inputs, recurrent))


def test_gradient_of_many_days_is_that_of_torch_nn_lstm():
    random = torch.Generator().manual_seed(1)

    def draw(*shape):
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    hidden, n_features, n_days, n_last, batch = 3, 4, 11, 6, 5
    weights = {name: draw(2, 2, *shape).requires_grad_() for name, shape in (
        ("inputs", (4 * hidden, n_features)), ("recurrent", (4 * hidden, hidden)),
        ("bias", (4 * hidden,)), ("output", (hidden,)), ("output_bias", ()))}
    sequences, target = draw(n_days, 2, n_features, batch), draw(2, 1, n_last, batch)
    used = (torch.rand(2, 1, n_last, batch, generator=random) < 0.7).double()
    (((forward(sequences, **weights, n_last=n_last) - target) ** 2) * used).sum().backward()
    for control in range(2):
        for seed in range(2):
            of = {name: tensor[control, seed].detach() for name, tensor in weights.items()}
            plain = torch.nn.LSTM(n_features, hidden).double()
            plain.load_state_dict({
                "weight_ih_l0": of["inputs"], "weight_hh_l0": of["recurrent"],
                "bias_ih_l0": of["bias"], "bias_hh_l0": torch.zeros(4 * hidden).double()})
            states = plain(sequences[:, control].transpose(1, 2))[0][-n_last:]
            simulated = states @ of["output"] + of["output_bias"]
            (((simulated - target[control, 0]) ** 2) * used[control, 0]).sum().backward()
            for name, reference in (("inputs", plain.weight_ih_l0), ("bias", plain.bias_ih_l0),
                                    ("recurrent", plain.weight_hh_l0)):
                torch.testing.assert_close(weights[name].grad[control, seed], reference.grad,
                                           rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("part", [slice(0, 1), slice(5, 6), slice(3, BATCH + 5), slice(77, 200)])
def test_a_sequence_gives_the_same_bytes_whatever_stands_beside_it(part):
    lstms, sequences = random_lstms(9, 3, 16, 20), random_sequences(2 * BATCH + 20, 10, 20)
    whole = simulate(lstms, sequences)
    assert simulate(lstms, sequences).tobytes() == whole.tobytes()
    np.testing.assert_array_equal(simulate(lstms, sequences[part]), whole[:, :, part])


def test_a_gap_in_a_sequence_gives_nan_there_alone():
    lstms, sequences = random_lstms(), random_sequences()
    whole = simulate(lstms, sequences)
    sequences[4, 2, 1] = np.nan
    got = simulate(lstms, sequences)
    assert np.isnan(got[:, :, 4]).all()
    np.testing.assert_array_equal(np.delete(got, 4, axis=2), np.delete(whole, 4, axis=2))


def test_no_sequence_gives_no_displacement():
    assert simulate(random_lstms(), random_sequences(0)).shape == (11, 2, 0)


def test_wrong_shapes_are_refused():
    lstms = random_lstms()
    with pytest.raises(ContractError, match="5 features"):
        simulate(lstms, random_sequences(n_features=4))
    arrays = lstms.arrays()
    with pytest.raises(ContractError, match=r"StationLstms\.bias"):
        StationLstms(**{**arrays, "bias": arrays["bias"][:, :, :-1]})
    with pytest.raises(ContractError, match="float32"):
        StationLstms(**{**arrays, "output": arrays["output"].astype(np.float64)})
    with pytest.raises(ContractError, match="number of dimensions"):
        StationLstms(**{**arrays, "inputs": arrays["inputs"][0]})
