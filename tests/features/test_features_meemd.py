"""MEEMD: its laws, its reference engine, its fixed number of components."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.features.emd import PAIRS_PER_TASK
from dwlim_ops.features.meemd import N_SIFTS, decompose, meemd

FAST = {"n_noise_pairs": 4, "n_sifts": 5}


def weather(n_samples: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(n_samples + 9)
    annual = 4.0 * np.cos(2.0 * np.pi * np.arange(n_samples) / 365.25 + seed)
    return annual + np.convolve(noise, np.ones(10) / 3.0, "valid") + 0.5 * noise[:n_samples]


@pytest.mark.parametrize("n_sifts", [0, 10])
def test_compiled_engine_equals_pyemd(n_sifts: int) -> None:
    x = np.stack([weather(200, seed) for seed in range(2)])
    settings_ = {"n_noise_pairs": 5, "n_sifts": n_sifts, "seed": 3}
    got, expected = decompose(x, **settings_), decompose(x, **settings_, engine="pyemd")
    np.testing.assert_allclose(got.components, expected.components, atol=1e-9)
    np.testing.assert_array_equal(got.n_noise_like, expected.n_noise_like)
    assert got.n_noise_like.min() >= 1


@settings(max_examples=15, derandomize=True, deadline=None)
@given(
    seed=st.integers(0, 2**31), n_samples=st.integers(16, 200), n_components=st.integers(2, 12),
    offset=st.floats(-1e5, 1e5), power=st.integers(-20, 20),
)
def test_components_sum_to_the_series_and_scale_with_it(
    seed: int, n_samples: int, n_components: int, offset: float, power: int
) -> None:
    x = weather(n_samples, seed) + offset
    components = meemd(x, n_components=n_components, **FAST)
    assert components.shape == (n_components, n_samples)
    np.testing.assert_allclose(components.sum(axis=0), x, rtol=1e-13, atol=1e-13)
    np.testing.assert_array_equal(
        meemd(2.0**power * x, n_components=n_components, **FAST), 2.0**power * components
    )
    np.testing.assert_array_equal(meemd(x, n_components=n_components, **FAST), components)


@settings(max_examples=10, derandomize=True, deadline=None)
@given(seed=st.integers(0, 2**31), n_samples=st.integers(16, 150), factor=st.floats(1e-6, 1e6))
def test_any_unit_gives_the_same_components_to_rounding(
    seed: int, n_samples: int, factor: float
) -> None:
    x = weather(n_samples, seed)
    np.testing.assert_allclose(
        meemd(factor * x, **FAST) / factor, meemd(x, **FAST), rtol=0, atol=1e-9 * np.ptp(x))


@pytest.mark.parametrize("n_samples", range(16, 26))
def test_short_and_nearly_constant_series_are_decomposed(n_samples: int) -> None:
    spike = np.zeros(n_samples)
    spike[n_samples // 2] = 3.0
    held = np.where(np.arange(n_samples) < 5, 1.0, 2.0)
    x = np.stack([weather(n_samples, 3), spike, held, np.arange(float(n_samples))])
    components = meemd(x, n_noise_pairs=3)
    assert np.isfinite(components).all()
    np.testing.assert_allclose(components.sum(axis=1), x, rtol=1e-13, atol=1e-13)


def test_the_fast_rule_is_near_huangs_criteria_where_they_are_robust() -> None:
    x = np.stack([weather(730, seed) for seed in range(8)])
    fast, huang = (decompose(x, n_sifts=n_sifts) for n_sifts in (N_SIFTS, 0))
    square = ((fast.components - huang.components) ** 2).mean(axis=(0, 2))[:3]
    deviation = np.sqrt(square / huang.components.var(axis=2).mean(axis=0)[:3])
    assert deviation[0] < 0.1
    assert deviation.max() < 0.7
    assert (fast.n_noise_like == huang.n_noise_like).mean() >= 0.75


def test_an_offset_goes_to_the_last_component() -> None:
    x = np.round(weather(256, 1), 2)
    plain, shifted = meemd(x, **FAST), meemd(x + 273.0, **FAST)
    np.testing.assert_allclose(shifted[:-1], plain[:-1], atol=1e-9)
    np.testing.assert_allclose(shifted[-1], plain[-1] + 273.0, atol=1e-9)


def test_a_series_gives_the_same_bits_alone_and_in_any_batch() -> None:
    x = np.stack([weather(180, seed) for seed in range(9)])
    x[4] = 7.0
    together = meemd(x, **FAST)
    for row in range(9):
        np.testing.assert_array_equal(meemd(x[row], **FAST), together[row])
    np.testing.assert_array_equal(meemd(x[::-2], **FAST), together[::-2])
    np.testing.assert_array_equal(meemd(x.reshape(3, 3, 180), **FAST)[1, 2], together[5])
    np.testing.assert_array_equal(meemd(np.asfortranarray(x), **FAST), together)


def test_thread_count_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.stack([weather(100, seed) for seed in range(9)])
    outcome = []
    for n_threads in (1, 3):
        monkeypatch.setattr("dwlim_ops.features.emd.config.NUMBA_NUM_THREADS", n_threads)
        outcome.append((meemd(x, **FAST), meemd(x[0], n_noise_pairs=2 * PAIRS_PER_TASK + 1)))
    for one, three in zip(*outcome, strict=True):
        np.testing.assert_array_equal(one, three)


def test_noise_is_separated_from_a_slow_oscillation() -> None:
    slow = np.sin(2.0 * np.pi * np.arange(730) / 180.0)
    noise = 0.3 * np.random.default_rng(2).standard_normal(730)
    got = decompose(slow + noise, n_noise_pairs=20)
    fast = got.components[: got.n_noise_like].sum(axis=0)
    assert got.n_noise_like >= 2
    assert np.corrcoef(fast, noise)[0, 1] > 0.8
    assert abs(np.corrcoef(fast, slow)[0, 1]) < 0.1


def test_components_run_from_fast_to_slow() -> None:
    components = meemd(weather(730, 5), n_noise_pairs=20)
    crossings = (np.diff(np.sign(components), axis=-1) != 0).sum(axis=-1)
    assert (np.diff(crossings[:-1]) <= 0.05 * crossings[:-2]).all()
    assert crossings[0] > 200
    assert crossings[-1] < 20


def test_a_smooth_series_has_no_noise_like_component_and_is_padded_before_the_last() -> None:
    x = np.sin(np.arange(400) / 9.0) + np.arange(400) / 400.0
    got = decompose(x, n_components=9, n_noise_pairs=10)
    assert got.n_noise_like == 0
    assert got.n_merged == 0
    assert got.n_padded > 0
    assert (got.components[-1 - int(got.n_padded) : -1] == 0).all()
    assert np.ptp(got.components[-1]) > 0.5


def test_slow_modes_without_room_are_merged_into_the_last() -> None:
    x = weather(730, 4)
    many, few = decompose(x, n_components=12, **FAST), decompose(x, n_components=4, **FAST)
    assert few.n_padded == 0
    assert few.n_merged == 8 - many.n_padded + many.n_merged
    np.testing.assert_array_equal(few.components[:3], many.components[:3])
    np.testing.assert_allclose(few.components[3], many.components[3:].sum(axis=0), atol=1e-12)


def test_a_constant_series_is_its_last_component() -> None:
    got = decompose(np.full(50, 0.1), n_components=5)
    assert (got.components[:-1] == 0).all()
    assert (got.components[-1] == 0.1).all()
    assert (got.n_noise_like, got.n_merged, got.n_padded) == (0, 0, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_components": 1}, "n_components >= 2"),
        ({"n_noise_pairs": 0}, "n_noise_pairs >= 1"),
        ({"n_sifts": -1}, "n_sifts >= 0"),
    ],
)
def test_counts_out_of_range_are_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        meemd(np.arange(30.0), **change)


def test_gaps_are_refused() -> None:
    x = weather(60, 0)
    x[[3, 9]] = np.nan
    with pytest.raises(ValueError, match="got 2 of 60; fill the gaps"):
        meemd(x)
