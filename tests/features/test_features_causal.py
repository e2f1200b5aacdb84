"""The causal bank: what comes later never changes it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.features.causal import (
    TIME_CONSTANTS_DAYS,
    causal_bank,
    continue_bank,
    start_bank,
)


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


@settings(max_examples=20, derandomize=True, deadline=None)
@given(
    seed=st.integers(0, 2**31), n_days=st.integers(16, 120),
    cuts=st.lists(st.integers(1, 119), max_size=4, unique=True),
)
def test_a_continued_bank_gives_the_bits_of_the_whole_record(
    seed: int, n_days: int, cuts: list[int]
) -> None:
    x = 280.0 + np.random.default_rng(seed).standard_normal((2, 3, n_days)).cumsum(axis=-1)
    state = start_bank(x[..., 0])
    parts = []
    for piece in np.split(x, sorted(cut for cut in cuts if cut < n_days), axis=-1):
        bands, state = continue_bank(state, piece)
        parts.append(bands)
    np.testing.assert_array_equal(np.concatenate(parts, axis=-1), causal_bank(x))


def test_a_bank_continues_day_by_day_and_leaves_the_state_it_was_given() -> None:
    x = np.random.default_rng(3).standard_normal((4, 60))
    whole = causal_bank(x, time_constants_days=[2.0, 30.0])
    _, state = continue_bank(start_bank(x[:, 0], time_constants_days=[2.0, 30.0]), x[:, :20])
    kept = state.carried.copy()
    for day in range(20, 60):
        once, _ = continue_bank(state, x[:, day : day + 1])
        again, after = continue_bank(state, x[:, day : day + 1])
        np.testing.assert_array_equal(once, again)
        np.testing.assert_array_equal(again[..., 0], whole[..., day])
        np.testing.assert_array_equal(state.carried, kept)
        state, kept = after, after.carried.copy()


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


def test_gaps_and_days_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        causal_bank(np.full(30, np.nan))
    state = start_bank(np.zeros(2))
    with pytest.raises(ValueError, match=r"continue_bank.*not finite"):
        continue_bank(state, [[1.0], [np.nan]])
    for empty in (np.zeros((2, 0)), 1.0):
        with pytest.raises(ValueError, match="at least 1 samples"):
            continue_bank(state, empty)
