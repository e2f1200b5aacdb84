import dataclasses

import numpy as np
import pytest
import torch

from dwlim_ops.errors import ContractError
from dwlim_ops.simulate.lstm import simulate
from dwlim_ops.simulate.train import TrainingSettings, train

SETTINGS = TrainingSettings(hidden_size=8, n_seeds=2, learning_rate=2e-2, max_epochs=15,
                            patience=15, batch_size=32)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def lagged_response(n_controls=3, n_days=500, length=8, seed=0):
    """Displacement = minus a running sum of one feature, plus another two days before."""
    random = np.random.default_rng(seed)
    series = random.normal(size=(n_days + length, n_controls, 4)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(series, length, axis=0)[1:]
    sequences = np.ascontiguousarray(windows.transpose(0, 1, 3, 2))
    response = -1.5 * sequences[:, :, -5:, 0].sum(axis=2) + 2.0 * sequences[:, :, -3, 1]
    up_mm = 10 + response + random.normal(0, 0.5, response.shape)
    up_mm[random.random(up_mm.shape) < 0.2] = np.nan
    training = np.arange(n_days) < 350
    return sequences, up_mm, training, ~training


@pytest.fixture(scope="module")
def learned():
    sequences, up_mm, training, validation = lagged_response()
    done: list[tuple[int, int]] = []
    trained = train(sequences, up_mm, training=training, validation=validation,
                    settings=SETTINGS, progress=lambda *at: done.append(at))
    return sequences, up_mm, training, validation, trained, done


def test_learns_a_known_lagged_response(learned):
    sequences, up_mm, training, validation, trained, done = learned
    for control in range(3):
        simulated = simulate(trained.lstms, sequences[validation, control])[control]
        observed = up_mm[validation, control]
        has = np.isfinite(observed)
        for seed in range(2):
            assert np.corrcoef(simulated[seed, has], observed[has])[0, 1] > 0.8
        error = np.mean((simulated[0, has] - observed[has]) ** 2)
        best = trained.history.best_epoch[control, 0]
        scale = trained.lstms.target_scale_mm[control]
        np.testing.assert_allclose(
            trained.history.validation_loss[best, control, 0] * scale**2, error, rtol=1e-4)
    np.testing.assert_allclose(trained.lstms.target_mean_mm, np.nanmean(up_mm[training], axis=0),
                               rtol=1e-6)
    np.testing.assert_allclose(trained.lstms.target_scale_mm, np.nanstd(up_mm[training], axis=0),
                               rtol=1e-6)
    assert done[-1] == (15, 15)


def test_twice_gives_the_same_bytes(learned):
    sequences, up_mm, training, validation, _, _ = learned
    short = dataclasses.replace(SETTINGS, max_epochs=3)
    first, second = (train(sequences, up_mm, training=training, validation=validation,
                           settings=short) for _ in range(2))
    for name, array in first.lstms.arrays().items():
        assert array.tobytes() == second.lstms.arrays()[name].tobytes()
    assert not np.array_equal(first.lstms.inputs[:, 0], first.lstms.inputs[:, 1])


def test_a_network_does_not_see_other_stations_nor_days_that_are_not_its_own(learned):
    sequences, up_mm, training, validation, _, _ = learned
    short = dataclasses.replace(SETTINGS, max_epochs=3)
    training = training & (np.arange(500) > 20)
    whole = train(sequences, up_mm, training=training, validation=validation, settings=short)
    changed_up, changed_sequences = up_mm.copy(), sequences.copy()
    changed_up[:21] = 1e6
    changed_sequences[np.isnan(up_mm)] = 1e6
    changed_up[:, 2] = np.random.default_rng(9).normal(size=500)
    alone = train(changed_sequences[:, [2, 0]], changed_up[:, [2, 0]],
                  training=training, validation=validation, settings=short)
    np.testing.assert_allclose(alone.lstms.inputs[1], whole.lstms.inputs[0], atol=2e-5)


def test_keeps_the_best_epoch_and_stops_each_network_on_its_own():
    sequences, up_mm, _, _ = lagged_response(6, 120, 4)
    training = np.arange(120) < 40
    up_mm[:, 1:] = np.random.default_rng(1).normal(size=(120, 5))
    history = train(sequences, up_mm, training=training, validation=~training,
                    settings=dataclasses.replace(SETTINGS, max_epochs=40, patience=1)).history
    assert history.best_epoch[1:].max() < history.best_epoch[0].min()
    for control in range(6):
        for seed in range(2):
            losses = history.validation_loss[:, control, seed]
            best = history.best_epoch[control, seed]
            assert np.nanargmin(losses) == best
            assert np.isfinite(losses).sum() == min(best + 1 + 1, 40)


@pytest.mark.parametrize(("spoil", "message"), [
    (lambda s, u, t, v: (s, np.where(v[:, None], np.nan, u), t, v), "no usable validation day"),
    (lambda s, u, t, v: (s, u, t, v | t), "used twice"),
    (lambda s, u, t, v: (s[:, :2], u, t, v), "shapes disagree"),
    (lambda s, u, t, v: (s, np.ones_like(u), t, v), "does not vary"),
])
def test_refuses_what_cannot_be_trained(spoil, message):
    sequences, up_mm, training, validation = spoil(*lagged_response(3, 60, 4)[:2],
                                                   np.arange(60) < 40, np.arange(60) >= 40)
    with pytest.raises(ContractError, match=message):
        train(sequences, up_mm, training=training, validation=validation, settings=SETTINGS)


def test_divergence_is_reported():
    sequences, up_mm, _, _ = lagged_response(1, 60, 4)
    with pytest.raises(ContractError, match="diverged"):
        train(sequences, up_mm, training=np.arange(60) < 40, validation=np.arange(60) >= 40,
              settings=dataclasses.replace(SETTINGS, learning_rate=np.inf))
