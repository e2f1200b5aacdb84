"""The forecast behind a record: what it says, and what it does for the newest day."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from dwlim_ops.errors import ConfigError
from dwlim_ops.features.extension import DAYS_PER_YEAR, extend, forecast
from dwlim_ops.features.meemd import meemd
from dwlim_ops.features.sequences import FeatureSet, components, newest_revision

PLAIN = FeatureSet(n_components=6, window_days=400, sequence_days=7, n_noise_pairs=4, n_sifts=4)
EXTENDED = replace(PLAIN, extension_days=60)


def red(n_samples: int, seed: int, memory: float = 0.8) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(n_samples)
    return lfilter([1.0], [1.0, -memory], noise)


def weather(n_samples: int, seed: int) -> np.ndarray:
    phase = 2.0 * np.pi * np.arange(n_samples) / DAYS_PER_YEAR
    return 4.0 * np.cos(phase + seed) + np.sin(2.0 * phase) + red(n_samples, seed)


def test_cycles_and_constants_go_on() -> None:
    phase = 2.0 * np.pi * np.arange(900) / DAYS_PER_YEAR
    x = np.stack([280.0 + 9.0 * np.cos(phase - 1.0) - 2.0 * np.sin(2.0 * phase),
                  np.full(900, 3.5), np.zeros(900)])
    np.testing.assert_allclose(extend(x[:, :730], n_ahead=170), x, atol=1e-9)


def test_the_residual_decays_as_its_memory_says() -> None:
    memory = 0.9
    x = red(20_000, 1, memory)
    x[-1] = 8.0
    expected = forecast(x, 300)
    np.testing.assert_allclose(expected[:30], 8.0 * memory ** np.arange(1, 31), atol=0.6)
    assert np.abs(expected[-50:]).max() < 1e-6
    np.testing.assert_array_equal(forecast(np.zeros(400), 3), np.zeros(3))


def test_a_forecast_is_better_than_the_mean_year() -> None:
    errors = []
    for seed in range(30):
        x = weather(760, seed)
        seasonal = 4.0 * np.cos(2.0 * np.pi * np.arange(760) / DAYS_PER_YEAR + seed)
        seasonal += np.sin(4.0 * np.pi * np.arange(760) / DAYS_PER_YEAR)
        ahead = extend(x[:730], n_ahead=30)[730:]
        errors.append([ahead[:3] - x[730:733], seasonal[730:733] - x[730:733]])
    by_forecast, by_truth = np.sqrt((np.array(errors) ** 2).mean(axis=(0, 2)))
    assert by_forecast < 0.9 * by_truth


@settings(max_examples=15, derandomize=True, deadline=None)
@given(
    seed=st.integers(0, 2**31), n_days=st.integers(365, 800), n_ahead=st.integers(0, 100),
    power=st.integers(-20, 20),
)
def test_the_record_is_kept_and_bits_do_not_depend_on_the_batch(
    seed: int, n_days: int, n_ahead: int, power: int
) -> None:
    x = np.stack([weather(n_days, seed % 1000 + k) for k in range(3)])
    extended = extend(x, n_ahead=n_ahead)
    assert extended.shape == (3, n_days + n_ahead)
    np.testing.assert_array_equal(extended[:, :n_days], x)
    np.testing.assert_array_equal(extend(x[1], n_ahead=n_ahead), extended[1])
    np.testing.assert_array_equal(extend(2.0**power * x, n_ahead=n_ahead), 2.0**power * extended)
    assert np.abs(extended[:, n_days:]).max(initial=0.0) < 2.0 * np.abs(x).max()


@pytest.mark.parametrize(
    ("x", "n_ahead", "message"),
    [
        (np.zeros(364), 10, "at least 365 days"),
        (np.zeros(400), -1, "n_ahead >= 0"),
        (np.full(400, np.nan), 10, "not finite"),
    ],
)
def test_unusable_records_are_refused(x: np.ndarray, n_ahead: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        extend(x, n_ahead=n_ahead)


def test_components_are_those_of_the_extended_record_cut_to_it() -> None:
    x = np.stack([weather(400, seed) for seed in (1, 2)])
    got = components(x, EXTENDED)
    assert got.shape == (2, 6, 400)
    np.testing.assert_array_equal(got[:, 0], x)
    np.testing.assert_allclose(got[:, 1:].sum(axis=1), x, atol=1e-12)
    behind = meemd(extend(x, n_ahead=60), n_components=5, n_noise_pairs=4, n_sifts=4)
    np.testing.assert_array_equal(got[:, 1:], behind[..., :400])
    np.testing.assert_array_equal(components(x[1], EXTENDED), got[1])


def test_an_extension_lessens_the_revision_of_the_newest_day() -> None:
    series = np.stack([weather(900, seed) for seed in range(6)], axis=1)
    plain, extended = (
        newest_revision(series, range(450, 850, 40), features, lag_days=30)
        for features in (PLAIN, EXTENDED))
    assert plain[1:4].mean() > 0.7
    assert extended[1:4].mean() < 0.9 * plain[1:4].mean()


def test_an_impossible_extension_is_refused_and_an_old_feature_set_has_none() -> None:
    with pytest.raises(ConfigError, match="impossible extension"):
        replace(PLAIN, extension_days=-1)
    with pytest.raises(ConfigError, match="impossible extension"):
        replace(PLAIN, window_days=364, extension_days=1)
    written = PLAIN.to_dict()
    del written["extension_days"]
    assert FeatureSet.from_dict(written) == PLAIN
