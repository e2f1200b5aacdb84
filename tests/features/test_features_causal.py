"""The causal bank: what comes later never changes it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.features.causal import TIME_CONSTANTS_DAYS, causal_bank


@settings(max_examples=20, derandomize=True, deadline=None)
@given(seed=st.integers(0, 2**31), n_days=st.integers(17, 200), known=st.integers(16, 199))
def test_bands_sum_to_the_series_and_ignore_the_future(seed: int, n_days: int, known: int) -> None:
    x = np.random.default_rng(seed).standard_normal((2, n_days)).cumsum(axis=1)
    bands = causal_bank(x)
    assert bands.shape == (2, 9, n_days)
    np.testing.assert_allclose(bands.sum(axis=1), x, atol=1e-12)
    known = min(known, n_days)
    np.testing.assert_array_equal(causal_bank(x[:, :known]), bands[..., :known])
    np.testing.assert_array_equal(causal_bank(x[1]), bands[1])


def test_averages_follow_the_recursion() -> None:
    x = np.random.default_rng(1).standard_normal(40)
    tau = 5.0
    average = [x[0]]
    for value in x[1:]:
        average.append(average[-1] + (1.0 - np.exp(-1.0 / tau)) * (value - average[-1]))
    fast, slow = causal_bank(x, time_constants_days=[tau])
    np.testing.assert_allclose(slow, average, atol=1e-13)
    np.testing.assert_allclose(fast, x - average, atol=1e-13)


def test_a_constant_is_all_in_the_slowest_band() -> None:
    bands = causal_bank(np.full(100, 3.0))
    np.testing.assert_allclose(bands[:-1], 0.0, atol=1e-13)
    np.testing.assert_allclose(bands[-1], 3.0, atol=1e-13)
    assert len(TIME_CONSTANTS_DAYS) == 8


@pytest.mark.parametrize("constants", [[], [0.0, 2.0], [4.0, 2.0]])
def test_disordered_time_constants_are_refused(constants: list[float]) -> None:
    with pytest.raises(ValueError, match="time constants"):
        causal_bank(np.zeros(30), time_constants_days=constants)


def test_gaps_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        causal_bank(np.full(30, np.nan))
