"""The compiled EMD against PyEMD, and its own laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PyEMD import EMD
from scipy.interpolate import CubicSpline

from dwlim_ops.features import sifting
from dwlim_ops.features.emd import PAIRS_PER_TASK, decompose_all, emd, mean_first_modes
from dwlim_ops.features.workspace import make_workspace

KINDS = ("white", "walk", "weather", "rounded", "smooth", "steps", "ternary", "flat_ends")


def make_series(kind: str, n_samples: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    day = np.arange(n_samples)
    annual = 8.0 * np.cos(2.0 * np.pi * day / 365.25)
    noise = generator.standard_normal(n_samples + 9)
    steps = np.repeat(generator.integers(-3, 4, n_samples // 3 + 1), 3)
    held = np.arange(n_samples).clip(1 + seed % 3, n_samples - 2 - seed % 2)
    return {
        "white": noise[:n_samples],
        "walk": np.cumsum(noise[:n_samples]),
        "weather": annual + np.convolve(noise, np.ones(10) / 3.0, "valid"),
        "rounded": np.round(annual + 2.0 * noise[:n_samples]),
        "smooth": np.sin(day / 7.0) + 0.5 * np.sin(day / 31.0 + seed) + day / n_samples,
        "steps": steps[:n_samples].astype(float),
        "ternary": generator.integers(-1, 2, n_samples).astype(float),
        "flat_ends": noise[held],
    }[kind]


def by_pyemd(x: np.ndarray, n_sifts: int = 0, max_imf: int = -1) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return EMD(FIXE=n_sifts).emd(x, max_imf=max_imf)


@pytest.mark.parametrize("n_sifts", [0, 6])
@pytest.mark.parametrize("n_samples", [16, 23, 50, 365])
@pytest.mark.parametrize("kind", KINDS)
def test_modes_equal_those_of_pyemd(kind: str, n_samples: int, n_sifts: int) -> None:
    for seed in range(3):
        x = make_series(kind, n_samples, seed)
        expected = by_pyemd(x, n_sifts)
        got = emd(x, n_sifts=n_sifts)
        assert got.shape == expected.shape
        assert np.abs(got - expected).max() <= 1e-12 * max(1.0, np.abs(x).max())


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    seed=st.integers(0, 2**31), n_samples=st.integers(16, 90), n_sifts=st.integers(0, 3),
    kind=st.sampled_from(KINDS),
)
def test_modes_of_any_short_series_equal_those_of_pyemd(
    seed: int, n_samples: int, n_sifts: int, kind: str
) -> None:
    x = make_series(kind, n_samples, seed)
    np.testing.assert_allclose(
        emd(x, n_sifts=n_sifts), by_pyemd(x, n_sifts), rtol=0, atol=1e-12 * np.abs(x).max())


@pytest.mark.parametrize("n_sifts", [0, 10])
@pytest.mark.parametrize("kind", ["weather", "rounded"])
def test_modes_of_ten_years_equal_those_of_pyemd(kind: str, n_sifts: int) -> None:
    x = make_series(kind, 3653, 0)
    assert np.abs(emd(x, n_sifts=n_sifts) - by_pyemd(x, n_sifts)).max() <= 1e-12 * np.abs(x).max()


def test_max_imf_leaves_the_rest_to_the_residue() -> None:
    x = make_series("weather", 200, 1)
    got = emd(x, max_imf=2)
    assert got.shape == (3, 200)
    np.testing.assert_allclose(got, by_pyemd(x, max_imf=2), atol=1e-12)


def test_a_monotone_series_is_its_own_residue() -> None:
    x = np.linspace(-1.0, 1.0, 40) ** 3
    np.testing.assert_array_equal(emd(x), x[None])


def test_a_zero_series_has_no_modes() -> None:
    assert emd(np.zeros(30)).shape == (0, 30)


def test_two_tones_are_separated() -> None:
    day = np.arange(730)
    fast, slow = np.sin(2 * np.pi * day / 12), 2 * np.sin(2 * np.pi * day / 150)
    modes = emd(fast + slow)
    inside = slice(60, -60)
    assert np.abs(modes[0] - fast)[inside].max() < 0.1
    assert np.abs(modes[1:].sum(axis=0) - slow)[inside].max() < 0.1


@settings(max_examples=25, derandomize=True, deadline=None)
@given(
    seed=st.integers(0, 2**31), n_samples=st.integers(16, 120),
    kind=st.sampled_from(KINDS),
)
def test_modes_sum_to_the_series(seed: int, n_samples: int, kind: str) -> None:
    x = make_series(kind, n_samples, seed)
    np.testing.assert_allclose(emd(x).sum(axis=0), x, atol=2e-8)


@pytest.mark.parametrize("n_sifts", [0, 4])
def test_mean_first_modes_is_the_mean_of_pyemd_first_modes(n_sifts: int) -> None:
    series = np.stack([make_series("weather", 100, seed) for seed in (1, 2)])
    noise = np.random.default_rng(5).standard_normal((PAIRS_PER_TASK + 3, 100))
    expected = [
        np.mean([by_pyemd(x + sign * e, n_sifts, max_imf=1)[0] for e in noise for sign in (1, -1)],
                axis=0)
        for x in series
    ]
    got = mean_first_modes(series, noise, n_sifts=n_sifts)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


def test_mean_first_modes_does_not_depend_on_the_batch_or_the_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    series = np.stack([make_series("weather", 120, seed) for seed in range(7)])
    noise = np.random.default_rng(6).standard_normal((3 * PAIRS_PER_TASK + 1, 120))
    together = mean_first_modes(series, noise, n_sifts=3)
    for n_threads in (1, 3):
        monkeypatch.setattr("dwlim_ops.features.emd.config.NUMBA_NUM_THREADS", n_threads)
        for x, mean in zip(series, together, strict=True):
            np.testing.assert_array_equal(mean_first_modes(x[None], noise, n_sifts=3)[0], mean)


def test_rows_do_not_depend_on_their_batch() -> None:
    series = np.stack([make_series("weather", 150, seed) for seed in range(11)])
    together = decompose_all(series, n_sifts=0)
    for x, modes in zip(series, together, strict=True):
        np.testing.assert_array_equal(emd(x), modes)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(seed=st.integers(0, 2**31), n_upper=st.integers(3, 40), n_lower=st.integers(3, 40))
def test_splines_are_those_of_scipy(seed: int, n_upper: int, n_lower: int) -> None:
    generator = np.random.default_rng(seed)
    n_samples = 120
    workspace = make_workspace(n_samples)
    knots = []
    for envelope, n in ((workspace.upper, n_upper), (workspace.lower, n_lower)):
        position = np.sort(generator.choice(np.arange(1, n_samples - 1), n, replace=False))
        position[0], position[-1] = -(seed % 5), n_samples - 1 + seed % 3
        value = generator.standard_normal(n)
        envelope.position[:n], envelope.value[:n] = position, value
        knots.append((envelope, position, value))
    sifting.fit_splines(workspace.upper, n_upper, workspace.lower, n_lower)
    for envelope, position, value in knots:
        sifting.draw(envelope, position.size)
        ends = "natural" if position.size == 3 else "not-a-knot"
        expected = CubicSpline(position, value, bc_type=ends)(np.arange(n_samples))
        np.testing.assert_allclose(
            envelope.curve[:n_samples], expected, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.arange(15.0), "too short"),
        (np.zeros((2, 30)), "one-dimensional"),
        (np.full(30, np.nan), "not finite; expected none, got 30 of 30"),
        (np.r_[np.arange(20.0), np.inf], "got 1 of 21"),
    ],
)
def test_unusable_series_are_refused(x: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        emd(x)
