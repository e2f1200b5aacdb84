"""Permutation entropy against a direct count of the ordinal patterns."""

from collections import Counter
from math import factorial, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.features.entropy import permutation_entropy


def by_counting(x: np.ndarray, order: int, delay: int) -> float:
    n_patterns = x.size - (order - 1) * delay
    patterns = Counter(
        tuple(np.argsort(x[start : start + order * delay : delay], kind="stable").tolist())
        for start in range(n_patterns)
    )
    entropy = -sum(c / n_patterns * log(c / n_patterns) for c in patterns.values())
    return entropy / log(min(factorial(order), n_patterns))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    seed=st.integers(0, 2**31), n_samples=st.integers(30, 300), order=st.integers(2, 6),
    delay=st.integers(1, 4), n_levels=st.sampled_from([3, 10, 10**6]),
)
def test_equals_the_direct_count(
    seed: int, n_samples: int, order: int, delay: int, n_levels: int
) -> None:
    x = np.random.default_rng(seed).integers(0, n_levels, n_samples).astype(float)
    got = permutation_entropy(x, order, delay)
    assert got == pytest.approx(by_counting(x, order, delay), abs=1e-12)
    assert 0.0 <= got <= 1.0 + 1e-12


def test_noise_is_near_one_even_where_the_series_is_short() -> None:
    noise = np.random.default_rng(0).standard_normal(365)
    assert permutation_entropy(noise) > 0.9
    assert permutation_entropy(np.sin(np.arange(365) / 58.0)) < 0.3
    assert permutation_entropy(np.arange(100.0)) == 0.0


@pytest.mark.parametrize(
    ("n_samples", "order", "delay"), [(100, 1, 1), (100, 9, 1), (100, 6, 0), (6, 6, 1)]
)
def test_impossible_patterns_are_refused(n_samples: int, order: int, delay: int) -> None:
    with pytest.raises(ValueError, match="permutation_entropy"):
        permutation_entropy(np.zeros(n_samples), order, delay)
