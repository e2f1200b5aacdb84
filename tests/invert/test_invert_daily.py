from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops import geometry
from dwlim_ops.errors import ContractError
from dwlim_ops.invert import daily
from dwlim_ops.invert.smoothness import Smoothness

BETA = 2e-3


@pytest.fixture(scope="module")
def data(small):
    """Displacement of one day in mm, its errors, and errors shared between points."""
    rng = np.random.default_rng(11)
    lon, lat = small.grid.cells
    water = 100 * np.sin(2 * lon) * np.cos(3 * lat)
    sigma = rng.uniform(0.5, 2.0, 12)
    up = small.design @ water + sigma * rng.normal(size=12)
    root = rng.normal(size=(12, 3))
    return up, sigma, root @ root.T


def primal(small, up, error, beta):
    """Estimate, covariance and resolution from the dense normal equations of eq. (10)."""
    kept = np.isfinite(up)
    design, weight = small.design[kept], np.linalg.inv(error[np.ix_(kept, kept)])
    normal = design.T @ weight @ design + beta**2 * small.laplacian.T @ small.laplacian
    inverse = np.linalg.inv(normal)
    gain = inverse @ design.T @ weight
    return gain @ up[kept], inverse, gain @ design, design @ gain


def relative(value, truth):
    return np.abs(value - truth).max() / np.abs(truth).max()


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("missing", [[], [0, 7]])
def test_agrees_with_the_normal_equations(small, data, shared, missing):
    up, sigma, common = data
    up = up.copy()
    up[missing] = np.nan
    error = np.diag(sigma**2) + (common if shared else 0.0)
    result = daily.estimate(
        small.inversion, up, sigma, beta=BETA, shared_covariance_mm2=common if shared else None
    )
    water, covariance, resolution, hat = primal(small, up, error, BETA)
    kept = np.isfinite(up)
    prior_in_data = small.design @ np.linalg.inv(small.laplacian.T @ small.laplacian) @ (
        small.design.T
    )
    whole = (prior_in_data / BETA**2 + error)[np.ix_(kept, kept)]
    factor = up[kept] @ np.linalg.solve(whole, up[kept]) / kept.sum()
    assert relative(result.twsa_mm, water) < 1e-8
    assert result.variance_factor == pytest.approx(factor, rel=1e-8)
    assert relative(result.sigma_mm, np.sqrt(factor * np.diag(covariance))) < 1e-8
    assert relative(result.residual_mm[kept], up[kept] - small.design[kept] @ water) < 1e-8
    assert np.isnan(result.residual_mm[~kept]).all()
    assert result.degrees_of_freedom == pytest.approx(np.trace(hat), rel=1e-8)
    area = geometry.cell_area_km2(small.grid.cells[1], 0.5)
    shares = np.maximum(np.diag(resolution), area / daily.MAXIMUM_RESOLUTION_KM**2)
    assert result.resolution_km == pytest.approx(np.sqrt(area / shares), rel=1e-7)


def test_errors_that_weigh_nothing_are_carried_into_sigma_by_the_gain(small, data):
    up, sigma, common = data
    up = up.copy()
    up[4] = np.nan
    kept = np.isfinite(up)
    options = {"beta": BETA, "variance_factor": 1.3}
    blind = daily.estimate(small.inversion, up, sigma, **options)
    seeing = daily.estimate(small.inversion, up, sigma, unweighted_covariance_mm2=common, **options)
    each = np.eye(up.size)[kept]
    each[:, ~kept] = np.nan
    gain = daily.estimate_many(small.inversion, each, sigma, **options, posterior=False).twsa_mm
    carried = np.diag(gain.T @ common[np.ix_(kept, kept)] @ gain)
    assert relative(seeing.sigma_mm**2, blind.sigma_mm**2 + carried) < 1e-9
    assert carried.max() > 0.05 * (blind.sigma_mm**2).max()
    for name in ("twsa_mm", "leave_one_out_mm", "leave_one_out_sigma_mm", "variance_factor"):
        assert np.array_equal(getattr(seeing, name), getattr(blind, name), equal_nan=True)


def test_sigma_holds_the_error_of_a_truth_whose_noise_is_shared(small, data):
    _, sigma, common = data
    random, n_draws = np.random.default_rng(3), 4000
    n_cells = small.laplacian.shape[0]
    truth = np.linalg.solve(small.laplacian, random.normal(size=(n_cells, n_draws))).T / BETA
    noise = random.multivariate_normal(np.zeros(sigma.size), np.diag(sigma**2) + common, n_draws)
    found = daily.estimate_many(small.inversion, truth @ small.design.T + noise, sigma, beta=BETA,
                                variance_factor=1.0, unweighted_covariance_mm2=common)
    spread = ((found.twsa_mm - truth) / found.sigma_mm).std(axis=0)
    assert np.abs(spread - 1.0).max() < 0.06


def test_leave_one_out_equals_refits(small, data):
    up, sigma, _ = data
    result = daily.estimate(small.inversion, up, sigma, beta=BETA)
    for point in range(up.size):
        others = up.copy()
        others[point] = np.nan
        water, *_ = primal(small, others, np.diag(sigma**2), BETA)
        predicted = small.design[point] @ water
        assert result.leave_one_out_mm[point] == pytest.approx(up[point] - predicted, rel=1e-7)


def test_given_variance_factor_scales_sigma_only(small, data):
    up, sigma, _ = data
    one = daily.estimate(small.inversion, up, sigma, beta=BETA, variance_factor=1.0)
    four = daily.estimate(small.inversion, up, sigma, beta=BETA, variance_factor=4.0)
    assert four.sigma_mm == pytest.approx(2 * one.sigma_mm, rel=1e-12)
    assert np.array_equal(one.twsa_mm, four.twsa_mm)


def test_paper_convention_is_unit_sigma_in_any_unit_of_length(small, data):
    up, _, _ = data
    ones = np.ones(12)
    in_mm = daily.estimate(small.inversion, up, ones, beta=0.01)
    in_m = daily.estimate(small.inversion, up / 1000, ones, beta=0.01)
    assert in_m.twsa_mm * 1000 == pytest.approx(in_mm.twsa_mm, rel=1e-10)


@settings(max_examples=20, derandomize=True, deadline=None)
@given(st.floats(0.1, 10.0), st.integers(0, 100))
def test_weights_matter_only_through_beta_times_sigma(small, scale, seed):
    up = np.random.default_rng(seed).normal(size=12)
    sigma = np.linspace(0.5, 1.5, 12)
    one = daily.estimate(small.inversion, up, sigma, beta=BETA)
    other = daily.estimate(small.inversion, up, scale * sigma, beta=BETA / scale)
    assert relative(other.twsa_mm, one.twsa_mm) < 1e-9
    assert relative(other.sigma_mm, one.sigma_mm) < 1e-9


def many_days(data):
    """Full days, days with few and with most points missing, a repeated set and an empty day."""
    up, sigma, common = data
    days = np.random.default_rng(5).normal(size=(8, 1)) * up
    days[1, 3] = days[2, 3] = np.nan
    days[4, [0, 5]] = np.nan
    days[5, 2:] = np.nan
    days[6] = np.nan
    return days, sigma, common


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("varying", [False, True])
@pytest.mark.parametrize("posterior", [False, True])
def test_many_days_equal_single_days(small, data, shared, varying, posterior):
    days, sigma, common = many_days(data)
    errors = np.broadcast_to(sigma, days.shape).copy()
    if varying:
        errors *= np.array([1, 1, 1, 2, 2, 1, 1, 3])[:, None]
    options = {
        "beta": BETA, "posterior": posterior, "shared_covariance_mm2": common if shared else None,
        "unweighted_covariance_mm2": None if shared else common,
    }
    together = daily.estimate_many(small.inversion, days, errors if varying else sigma, **options)
    for day in range(len(days)):
        alone = daily.estimate(small.inversion, days[day], errors[day], **options)
        for field in fields(daily.Estimate):
            value, truth = getattr(together, field.name)[day], getattr(alone, field.name)
            scale = np.nanmax(np.abs(truth)) if np.isfinite(truth).any() else 1.0
            assert value == pytest.approx(truth, abs=1e-8 * scale, nan_ok=True), field.name


def test_day_without_data_is_absent(small, data):
    days, sigma, _ = many_days(data)
    result = daily.estimate_many(small.inversion, days, sigma, beta=BETA)
    for field in fields(daily.Estimate):
        assert np.isnan(getattr(result, field.name)[6]).all(), field.name
    assert np.isfinite(result.twsa_mm[[0, 1, 5, 7]]).all()


def test_basin_means_carry_the_full_posterior_covariance(small, data):
    up, sigma, _ = data
    rng = np.random.default_rng(2)
    weight = rng.random((3, small.design.shape[1]))
    weight /= weight.sum(axis=1, keepdims=True)
    basins = daily.estimate(daily.project(small.inversion, weight), up, sigma, beta=BETA)
    water, covariance, *_ = primal(small, up, np.diag(sigma**2), BETA)
    whole = daily.estimate(small.inversion, up, sigma, beta=BETA)
    sigma_truth = np.sqrt(whole.variance_factor * np.diag(weight @ covariance @ weight.T))
    assert relative(basins.twsa_mm, weight @ water) < 1e-8
    assert relative(basins.sigma_mm, sigma_truth) < 1e-8
    assert basins.degrees_of_freedom == pytest.approx(whole.degrees_of_freedom, rel=1e-10)
    assert np.isnan(basins.resolution_km).all()


def test_sigma_covers_truth_drawn_from_the_model(small):
    rng = np.random.default_rng(8)
    prior_root = np.linalg.inv(small.laplacian) / BETA
    water = rng.normal(size=(300, prior_root.shape[0])) @ prior_root.T
    up = water @ small.design.T + rng.normal(size=(300, 12))
    result = daily.estimate_many(small.inversion, up, np.ones(12), beta=BETA, variance_factor=1.0)
    score = (result.twsa_mm - water) / result.sigma_mm
    assert np.mean(np.abs(score) < 1.645) == pytest.approx(0.90, abs=0.02)
    assert result.degrees_of_freedom.mean() < 12


@pytest.mark.parametrize(
    ("change", "message"),
    [({"beta": 0.0}, "beta is not positive"), ({"beta": np.nan}, "beta is not positive"),
     ({"sigma_mm": np.ones(5)}, "disagree"), ({"sigma_mm": np.full(12, np.nan)}, "usable sigma"),
     ({"sigma_mm": -np.ones(12)}, "usable sigma")],
)
def test_impossible_requests_are_refused(small, data, change, message):
    arguments = {"up_mm": data[0], "sigma_mm": data[1], "beta": BETA} | change
    with pytest.raises(ContractError, match=message):
        daily.estimate(small.inversion, **arguments)


def test_sigma_of_an_absent_point_may_be_absent(small, data):
    up, sigma, _ = (part.copy() for part in data)
    up[4] = sigma[4] = np.nan
    assert np.isfinite(daily.estimate(small.inversion, up, sigma, beta=BETA).twsa_mm).all()


def test_design_of_another_domain_is_refused(small):
    other = Smoothness(np.ones((3, 3), dtype=bool))
    with pytest.raises(ContractError, match="number of cells"):
        daily.prepare(small.design, other, np.ones(9))
