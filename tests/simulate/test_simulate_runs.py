"""The features that training, replay and serving read are the same bits."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.errors import ConfigError, ContractError
from dwlim_ops.features.sequences import FeatureSet, components
from dwlim_ops.simulate.lstm import State, StationLstms, run, simulate
from dwlim_ops.simulate.runs import (
    RunRule,
    days_of_runs,
    run_features,
    runs_of,
    training_sequences,
)

N_DAYS, N_SERIES = 260, 4
CAUSAL = FeatureSet(kind="causal", n_components=5, window_days=90, sequence_days=7)
MEEMD = replace(CAUSAL, kind="meemd", n_noise_pairs=2, n_sifts=4, seed=2)
BOTH_KINDS = pytest.mark.parametrize("feature_set", [MEEMD, CAUSAL], ids=["meemd", "causal"])
CHUNKS, WINDOWS = RunRule(20, 35, 90), RunRule(1, 7, 90)
TIME = np.datetime64("2015-03-01") + np.arange(N_DAYS)
NOISE = np.random.default_rng(1).standard_normal((2, N_DAYS, N_SERIES))
TEMPERATURE = np.cos(2 * np.pi * np.arange(N_DAYS) / 365.25)[:, None] + 0.5 * NOISE[0]
PRESSURE = 0.2 * NOISE[1].cumsum(axis=0)


def decompose(feature_set):
    return partial(components, feature_set=feature_set)


def features_at(day, rule, feature_set, *, first=0, series=slice(None)):
    """What is read on the newest day of a record of its own, that begins on day `first`."""
    record = [values[first:day + 1, series] for values in (TEMPERATURE, PRESSURE)]
    (newest,) = runs_of(TIME[first:day + 1], [day - first], rule)
    return run_features(*record, newest, decompose(feature_set))


@BOTH_KINDS
def test_windows_of_training_are_those_of_replay_and_serving(feature_set):
    rows = np.arange(100, 250, 30)
    runs = runs_of(TIME, rows, WINDOWS)
    at_training = training_sequences(TEMPERATURE, PRESSURE, runs, decompose(feature_set))
    assert at_training.shape == (rows.size, N_SERIES, 7, 10)
    assert at_training.dtype == np.float32
    for number, day in enumerate(rows.tolist()):
        windows = np.stack([values[day - 89:day + 1].T for values in (TEMPERATURE, PRESSURE)])
        newest = components(windows, feature_set)[..., -7:].astype(np.float32)
        for column in range(N_SERIES):
            both = np.concatenate([newest[0, column], newest[1, column]])
            assert np.array_equal(at_training[number, column], both.T)
        served = features_at(day, WINDOWS, feature_set, first=day - 95, series=slice(1, 3))
        assert np.array_equal(served.swapaxes(0, 1), at_training[number, 1:3])


@settings(derandomize=True, deadline=None, max_examples=10)
@given(st.integers(115, N_DAYS - 1), st.integers(0, 5), st.integers(0, N_SERIES - 1))
def test_chunks_of_training_are_those_of_replay_and_serving(day, first, series):
    runs = runs_of(TIME, np.arange(115, N_DAYS), CHUNKS)
    at_training = training_sequences(TEMPERATURE, PRESSURE, runs, decompose(CAUSAL))
    served = features_at(day, CHUNKS, CAUSAL, first=first, series=slice(series, series + 1))
    (at,) = days_of_runs([day], runs)
    number, within = divmod(at, CHUNKS.chunk_days)
    n_read = CHUNKS.warm_up_days + within + 1
    assert served.shape == (n_read, 1, 10)
    assert np.array_equal(served[:, 0], at_training[number, series, :n_read])


def test_what_is_simulated_on_a_day_is_the_same_at_training_replay_and_serving():
    def draw(*shape):
        return random.uniform(-0.5, 0.5, shape).astype(np.float32)

    random = np.random.default_rng(3)
    lstms = StationLstms(draw(2, 3, 16, 10), draw(2, 3, 16, 4), draw(2, 3, 16), draw(2, 3, 4),
                         draw(2, 3), draw(2), 4 + draw(2))
    runs = runs_of(TIME, np.arange(115, N_DAYS), CHUNKS)
    sequences = training_sequences(TEMPERATURE, PRESSURE, runs, decompose(CAUSAL))
    state = State.zero(lstms, N_SERIES)
    for day in range(runs[2].first, runs[2].stop):
        within = CHUNKS.warm_up_days + day - runs[2].first
        at_training = simulate(lstms, sequences[2][:, :within + 1])
        features = features_at(day, CHUNKS, CAUSAL, first=day % 7)
        cold, _ = run(lstms, features)
        newest = features[within:] if day > runs[2].first else features
        warm, state = run(lstms, newest, state)
        assert np.array_equal(cold[:, :, -1], at_training)
        assert np.array_equal(warm[:, :, -1], at_training)


def test_nothing_before_the_fixed_day_and_after_the_newest_matters():
    (newest,) = runs_of(TIME, [200], CHUNKS)
    expected = run_features(TEMPERATURE, PRESSURE, newest, decompose(CAUSAL))
    assert newest.first <= 200 < newest.stop == newest.first + 20
    assert newest.first - newest.record_start == 89
    assert newest.first - newest.read_start == 15
    assert (TIME[newest.first] - np.datetime64("1970-01-01")).astype(int) % 20 == 0
    blind = [values.copy() for values in (TEMPERATURE, PRESSURE)]
    for values in blind:
        values[:newest.record_start] = np.nan
        values[newest.stop:] = np.nan
    assert np.array_equal(run_features(*blind, newest, decompose(CAUSAL)), expected)


def test_the_days_of_runs_are_in_the_order_of_training():
    rows = np.arange(130, 190)
    runs = runs_of(TIME, rows, CHUNKS)
    order = np.concatenate([np.arange(one.first, one.stop) for one in runs])
    assert np.array_equal(order[days_of_runs(rows, runs)], rows)
    assert runs[0].first <= 130
    assert runs[-1].stop > 189


def test_a_chunk_that_ends_after_the_record_is_padded():
    runs = runs_of(TIME, [N_DAYS - 1], CHUNKS)
    assert runs[0].stop > N_DAYS
    padded = training_sequences(TEMPERATURE, PRESSURE, runs, decompose(CAUSAL))
    n_read = N_DAYS - runs[0].read_start
    assert padded.shape == (1, N_SERIES, CHUNKS.sequence_days, 10)
    assert (padded[:, :, n_read:] == 0).all()
    assert (padded[:, :, n_read - 1] != 0).any()


def test_what_cannot_be_served_is_refused():
    with pytest.raises(ContractError, match=r"begins too late.*got 2015-03-01"):
        runs_of(TIME, [70], CHUNKS)
    with pytest.raises(ContractError, match="got 2015-03-04 after 2015-03-02"):
        runs_of(np.delete(TIME, 2), [200], CHUNKS)
    with pytest.raises(ConfigError, match="impossible sizes"):
        RunRule(20, 10, 90)
    with pytest.raises(ConfigError, match="impossible sizes"):
        RunRule(1, 91, 90)
