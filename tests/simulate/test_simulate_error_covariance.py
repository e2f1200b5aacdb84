import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.errors import ContractError
from dwlim_ops.simulate.error_covariance import (
    SMALLEST_EXPLAINED_SHARE,
    ErrorCovariance,
    as_observations,
    fit_error_covariance,
)

few = settings(max_examples=6, derandomize=True, deadline=None)

TRUTH = ErrorCovariance(gain=0.6, common_sigma_mm=1.0, smooth_sigma_mm=2.5, length_km=900.0,
                        local_sigma_mm=1.5, explained_share=0.0)


def places(random, n_sites):
    """Sites of a continent, every second one some 30 km beside another."""
    places = random.uniform(0, 3500, (n_sites, 2))
    places[1::2] = places[::2] + random.uniform(-25, 25, places[::2].shape)
    return places


def distances(places):
    return np.linalg.norm(places[:, None] - places[None], axis=-1)


def synthetic(seed=1, n_days=1200, n_sites=60):
    """Observations whose signal is 0.6 of the simulation and an error of known covariance."""
    random = np.random.default_rng(seed)
    distance = distances(places(random, n_sites))
    error = random.multivariate_normal(np.zeros(n_sites), TRUTH.between(distance), n_days)
    simulated = random.normal(0, 1, (n_days, 1)) + random.normal(0, 2, (n_days, n_sites))
    noise = np.where(np.arange(n_sites) % 3 == 0, 6.0, 2.0)
    observed = TRUTH.gain * simulated + error + noise * random.normal(size=error.shape)
    observed[random.random(observed.shape) < 0.2] = np.nan
    return observed, simulated, np.full_like(observed, 1.0), distance, noise


@pytest.fixture(scope="module")
def drawn():
    return synthetic()


@pytest.fixture(scope="module")
def fitted(drawn):
    return fit_error_covariance(*drawn[:4])


def test_a_known_covariance_is_found_under_the_noise(fitted):
    got = fitted.covariance
    assert got.gain == pytest.approx(TRUTH.gain, abs=0.02)
    distance = np.array([0.0, 30.0, 200.0, 800.0, 2000.0, 4000.0])
    np.testing.assert_allclose(got.between(distance), TRUTH.between(distance), atol=0.6)
    assert got.variance_mm2 == pytest.approx(got.between(np.zeros(1))[0])
    signal = TRUTH.gain**2 * 5.0
    assert got.explained_share == pytest.approx(signal / (signal + TRUTH.variance_mm2), abs=0.03)


def test_the_noise_of_each_station_is_its_own(drawn, fitted):
    np.testing.assert_allclose(fitted.noise_sigma_mm, drawn[4], rtol=0.25)


def test_the_noise_is_never_below_the_formal_error(drawn):
    observed, simulated, formal, distance, _ = drawn
    got = fit_error_covariance(observed, simulated, 4.0 * formal, distance)
    assert got.noise_sigma_mm.min() == pytest.approx(4.0)
    assert got.noise_sigma_mm.max() > 5.0


@few
@given(st.floats(0.1, 10.0))
def test_in_other_units_the_same(scale):
    observed, simulated, formal, distance, _ = synthetic(seed=3, n_days=60, n_sites=12)
    one = fit_error_covariance(observed, simulated, formal, distance)
    other = fit_error_covariance(scale * observed, scale * simulated, scale * formal, distance)
    np.testing.assert_allclose(other.noise_sigma_mm, scale * one.noise_sigma_mm, rtol=1e-6)
    for name in ("common_sigma_mm", "smooth_sigma_mm", "local_sigma_mm"):
        assert getattr(other.covariance, name) == pytest.approx(
            scale * getattr(one.covariance, name), rel=1e-5, abs=1e-6)
    for name in ("gain", "length_km", "explained_share"):
        assert getattr(other.covariance, name) == pytest.approx(
            getattr(one.covariance, name), rel=1e-6)


@few
@given(st.integers(0, 1000))
def test_the_order_of_stations_and_a_silent_one_do_not_matter(seed):
    observed, simulated, formal, distance, _ = synthetic(seed=4, n_days=60, n_sites=12)
    one = fit_error_covariance(observed, simulated, formal, distance)
    order = np.random.default_rng(seed).permutation(12)
    other = fit_error_covariance(observed[:, order], simulated[:, order], formal[:, order],
                                 distance[np.ix_(order, order)])
    assert other.covariance.gain == pytest.approx(one.covariance.gain)
    assert other.covariance.variance_mm2 == pytest.approx(one.covariance.variance_mm2)
    np.testing.assert_allclose(other.noise_sigma_mm, one.noise_sigma_mm[order])
    silent = observed.copy()
    silent[:, 5] = np.nan
    others = np.delete(np.arange(12), 5)
    without = fit_error_covariance(observed[:, others], simulated[:, others], formal[:, others],
                                   distance[np.ix_(others, others)])
    with_silent = fit_error_covariance(silent, simulated, formal, distance)
    assert with_silent.covariance.variance_mm2 == pytest.approx(without.covariance.variance_mm2)
    assert with_silent.noise_sigma_mm[5] == pytest.approx(np.median(without.noise_sigma_mm))


@few
@given(st.integers(0, 1000), st.floats(0, 5), st.floats(0, 5), st.floats(50, 4000))
def test_every_covariance_is_symmetric_and_definite(seed, common, smooth, length):
    random = np.random.default_rng(seed)
    covariance = ErrorCovariance(1.0, common, smooth, length, 0.1 * np.hypot(common, smooth) + 0.01,
                                 0.5).between(distances(places(random, 40)))
    np.testing.assert_array_equal(covariance, covariance.T)
    np.linalg.cholesky(covariance)


def test_a_simulation_that_knows_nothing_has_little_gain_and_no_share(drawn):
    observed, simulated, formal, distance, _ = drawn
    nothing = np.random.default_rng(9).normal(size=simulated.shape)
    got = fit_error_covariance(observed - TRUTH.gain * simulated, nothing, formal, distance)
    assert got.covariance.gain < 0.05
    assert got.covariance.explained_share == pytest.approx(SMALLEST_EXPLAINED_SHARE, abs=0.01)
    opposed = fit_error_covariance(observed, -simulated, formal, distance)
    assert opposed.covariance.gain == 0.0
    asked = fit_error_covariance(observed, simulated, formal, distance, gain=0.0)
    assert asked.covariance.gain == 0.0
    assert asked.covariance.variance_mm2 > got.covariance.variance_mm2


def test_too_few_common_days_are_refused(drawn):
    observed, simulated, formal, distance, _ = drawn
    with pytest.raises(ContractError, match="no two stations") as caught:
        fit_error_covariance(observed[:10], simulated[:10], formal[:10], distance)
    assert caught.value.got == "at most 10"


@few
@given(st.integers(0, 1000), st.floats(0.01, 0.99))
def test_observations_in_place_of_a_prior_mean_give_it_back(seed, share):
    """Combined with the prior of the truth: the conditional mean g m and its covariance C."""
    random = np.random.default_rng(seed)
    covariance = TRUTH.between(distances(places(random, 8)))
    prior_mean = random.normal(size=(1, 8))
    got = as_observations(prior_mean, covariance, share)
    prior = covariance / (1.0 - share)
    gain = prior @ np.linalg.inv(prior + got.covariance_mm2)
    np.testing.assert_allclose(gain @ got.up_mm[0], prior_mean[0], rtol=1e-6)
    np.testing.assert_allclose(prior - gain @ prior, covariance, rtol=1e-6)


def test_observations_of_a_truth_are_right_on_average(drawn):
    """A truth of prior variance 1, a simulation of it with skill 0.3: y is T plus its own error."""
    random = np.random.default_rng(0)
    share, n_days = 0.3, 40_000
    mean = np.sqrt(share) * random.normal(size=(n_days, 1))
    truth = mean + np.sqrt(1.0 - share) * random.normal(size=(n_days, 1))
    got = as_observations(mean, np.array([[1.0 - share]]), share)
    error = got.up_mm - truth
    assert np.mean(error * truth) == pytest.approx(0.0, abs=0.05)
    assert error.var() == pytest.approx(got.covariance_mm2[0, 0], rel=0.05)
