import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.errors import ContractError
from dwlim_ops.kriging import exponential_covariance, leave_one_out, predict, simple_kriging

few = settings(max_examples=25, derandomize=True, deadline=None)


def layout(seed: int, n_sites: int = 7, n_targets: int = 5):
    random = np.random.default_rng(seed)
    places = random.uniform(0, 1000, (n_sites + n_targets, 2))
    distance = np.linalg.norm(places[:, None] - places[None], axis=-1)
    values = random.normal(size=(4, n_sites))
    return values, distance[:n_sites, :n_sites], distance[:n_sites, n_sites:]


def test_covariance_is_the_formula():
    got = exponential_covariance([0.0, 100.0, 300.0], length_km=100.0, variance=2.0)
    np.testing.assert_allclose(got, [2.0, 2.0 / np.e, 2.0 / np.e**3])


@few
@given(st.integers(0, 1000), st.floats(0.01, 5), st.floats(50, 2000))
def test_agrees_with_the_joint_normal_distribution(seed, noise, length):
    """Conditional mean and variance through the inverse of the joint precision matrix."""
    values, sites, targets = layout(seed, n_targets=1)
    n = len(sites)
    joint = np.ones((n + 1, n + 1))
    joint[:n, :n] = np.exp(-sites / length) + noise * np.eye(n)
    joint[:n, n] = joint[n, :n] = np.exp(-targets[:, 0] / length)
    precision = np.linalg.inv(joint)
    mean, variance = simple_kriging(values, sites, targets, length_km=length, noise_ratio=noise)
    np.testing.assert_allclose(mean[:, 0], -values @ precision[:n, n] / precision[n, n], atol=1e-9)
    np.testing.assert_allclose(variance[:, 0], 1 / precision[n, n], atol=1e-9)


@few
@given(st.integers(0, 1000), st.floats(0, 5))
def test_missing_site_is_no_site_and_variance_is_a_share(seed, noise):
    values, sites, targets = layout(seed)
    values[0, 2] = values[2, [0, 5]] = values[3] = np.nan
    mean, variance = simple_kriging(values, sites, targets, length_km=300, noise_ratio=noise)
    assert ((variance >= 0) & (variance <= 1)).all()
    for day in range(3):
        has = np.isfinite(values[day])
        alone = simple_kriging(values[day, has], sites[np.ix_(has, has)], targets[has],
                               length_km=300, noise_ratio=noise)
        np.testing.assert_allclose(mean[day], alone[0], atol=1e-12)
        np.testing.assert_allclose(variance[day], alone[1], atol=1e-12)
    np.testing.assert_array_equal(mean[3], 0.0)
    np.testing.assert_array_equal(variance[3], 1.0)


@few
@given(st.integers(0, 1000))
def test_exact_at_sites_without_noise_and_zero_far_away(seed):
    values, sites, targets = layout(seed)
    mean, variance = simple_kriging(values, sites, sites, length_km=300, noise_ratio=0.0)
    np.testing.assert_allclose(mean, values, atol=1e-9)
    np.testing.assert_allclose(variance, 0.0, atol=1e-9)
    mean, variance = simple_kriging(values, sites, targets + 1e5, length_km=300, noise_ratio=0.0)
    np.testing.assert_allclose(mean, 0.0, atol=1e-9)
    np.testing.assert_allclose(variance, 1.0, atol=1e-9)


def test_noise_per_site_is_used_per_site():
    values, sites, targets = layout(1)
    noise = np.full(7, 0.5)
    noise[3] = 1e12
    without = np.delete(np.arange(7), 3)
    mean, _ = simple_kriging(values, sites, targets, length_km=300, noise_ratio=noise)
    expected, _ = simple_kriging(values[:, without], sites[np.ix_(without, without)],
                                 targets[without], length_km=300, noise_ratio=0.5)
    np.testing.assert_allclose(mean, expected, atol=1e-9)


def test_coinciding_sites_need_noise_and_shapes_must_agree():
    values, sites, targets = layout(2)
    with pytest.raises(ContractError, match="noise_ratio above 0"):
        simple_kriging(values[:, [0, 0]], np.zeros((2, 2)), targets[:2], length_km=300,
                       noise_ratio=0.0)
    with pytest.raises(ContractError, match="shapes disagree"):
        simple_kriging(values[:, :3], sites, targets, length_km=300, noise_ratio=0.0)


@few
@given(st.integers(0, 1000), st.floats(0.1, 5))
def test_leaving_one_out_is_predicting_it_from_the_others(seed, noise):
    values, sites, _ = layout(seed)
    values[1, 4] = np.nan
    signal = exponential_covariance(sites, length_km=300, variance=4.0)
    covariance = signal + noise * np.eye(len(sites))
    mean, variance = leave_one_out(values, covariance)
    assert np.array_equal(np.isnan(mean), np.isnan(values))
    assert np.array_equal(np.isnan(variance), np.isnan(values))
    for site in range(len(sites)):
        without = values.copy()
        without[:, site] = np.nan
        expected = predict(without, covariance, signal[:, [site]], np.full(1, 4.0))
        there = np.isfinite(values[:, site])
        np.testing.assert_allclose(mean[there, site], expected[0][there, 0], atol=1e-9)
        np.testing.assert_allclose(variance[there, site], expected[1][there, 0] + noise, atol=1e-9)


def test_a_day_with_one_value_says_nothing_of_it():
    mean, variance = leave_one_out(np.array([[3.0, np.nan]]), np.array([[5.0, 1.0], [1.0, 2.0]]))
    assert (mean[0, 0], variance[0, 0]) == (0.0, 5.0)
