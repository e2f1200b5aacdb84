"""Training on all days of a run: sequence to sequence."""

import dataclasses

import numpy as np
import pytest
import torch

from dwlim_ops.errors import ContractError
from dwlim_ops.simulate.lstm import run
from dwlim_ops.simulate.train import TrainingSettings, train

N_RUNS, N_CONTROLS, LENGTH, CHUNK = 30, 2, 24, 16
SETTINGS = TrainingSettings(hidden_size=6, n_seeds=2, learning_rate=3e-2, max_epochs=25,
                            patience=25, batch_size=4)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def storage():
    """Displacement that remembers rain: a leaky sum; the warm-up is in the feature, too."""
    random = np.random.default_rng(0)
    rain = random.normal(size=(N_RUNS, N_CONTROLS, LENGTH, 3)).astype(np.float32)
    store = np.zeros((N_RUNS, N_CONTROLS, LENGTH))
    for day in range(LENGTH):
        store[..., day] = 0.8 * store[..., day - 1] * (day > 0) - rain[..., day, 1]
    up_mm = store[..., -CHUNK:].swapaxes(1, 2).reshape(-1, N_CONTROLS)
    up_mm += 5 + random.normal(0, 0.3, up_mm.shape)
    up_mm[random.random(up_mm.shape) < 0.2] = np.nan
    training = np.arange(N_RUNS * CHUNK) < 22 * CHUNK + 5
    return rain, up_mm, training, ~training


@pytest.fixture(scope="module")
def learned(storage):
    sequences, up_mm, training, validation = storage
    return train(sequences, up_mm, training=training, validation=validation, settings=SETTINGS)


def test_learns_storage_and_is_scored_as_it_is_served(storage, learned):
    sequences, up_mm, _, validation = storage
    for control in range(N_CONTROLS):
        served, _ = run(learned.lstms, sequences[:, control].swapaxes(0, 1))
        by_day = served[control][:, -CHUNK:].swapaxes(1, 2).reshape(2, -1)[:, validation]
        observed = up_mm[validation, control]
        has = np.isfinite(observed)
        for seed in range(2):
            assert np.corrcoef(by_day[seed, has], observed[has])[0, 1] > 0.9
            best = learned.history.best_epoch[control, seed]
            np.testing.assert_allclose(
                learned.history.validation_loss[best, control, seed]
                * learned.lstms.target_scale_mm[control] ** 2,
                np.mean((by_day[seed, has] - observed[has]) ** 2), rtol=1e-4)


def test_twice_gives_the_same_bytes(storage):
    sequences, up_mm, training, validation = storage
    short = dataclasses.replace(SETTINGS, max_epochs=2)
    first, second = (train(sequences, up_mm, training=training, validation=validation,
                           settings=short).lstms.arrays() for _ in range(2))
    for name, array in first.items():
        assert array.tobytes() == second[name].tobytes()


def test_days_without_target_of_neither_span_and_after_the_last_do_not_matter(storage):
    sequences, up_mm, training, validation = storage
    validation = validation & (np.arange(up_mm.shape[0]) < (N_RUNS - 1) * CHUNK + 7)
    short = dataclasses.replace(SETTINGS, max_epochs=2)
    expected = train(sequences, up_mm, training=training, validation=validation, settings=short)
    changed_up, changed = up_mm.copy(), sequences.copy()
    changed_up[~(training | validation)] = 1e6
    changed[-1, :, LENGTH - CHUNK + 7:] = 1e3
    got = train(changed, changed_up, training=training, validation=validation, settings=short)
    for name, array in expected.lstms.arrays().items():
        assert np.array_equal(array, got.lstms.arrays()[name]), name
    assert np.array_equal(expected.history.validation_loss, got.history.validation_loss)


def test_one_long_chunk_is_as_many_windows_when_nothing_is_shared(storage):
    """With one day wanted of each, chunk and window are the same training."""
    sequences, up_mm, _, _ = storage
    last = np.arange(N_RUNS * CHUNK) % CHUNK == CHUNK - 1
    training = np.arange(N_RUNS * CHUNK) < 22 * CHUNK
    short = dataclasses.replace(SETTINGS, max_epochs=3)
    chunks = train(sequences, up_mm, training=training & last, validation=~training & last,
                   settings=short)
    windows = train(sequences, up_mm[last], training=training[last], validation=~training[last],
                    settings=short)
    np.testing.assert_allclose(chunks.lstms.inputs, windows.lstms.inputs, atol=1e-6)
    np.testing.assert_allclose(chunks.history.training_loss, windows.history.training_loss,
                               rtol=1e-5)


def test_days_that_are_no_whole_number_of_chunks_are_refused(storage):
    sequences, up_mm, training, validation = storage
    with pytest.raises(ContractError, match="shapes disagree"):
        train(sequences, up_mm[:-1], training=training[:-1], validation=validation[:-1],
              settings=SETTINGS)
    with pytest.raises(ContractError, match="shapes disagree"):
        train(sequences[:, :, -CHUNK + 1:], up_mm, training=training, validation=validation,
              settings=SETTINGS)
