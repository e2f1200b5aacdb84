import numpy as np
import pytest
from scipy.stats import multivariate_normal

from dwlim_ops.errors import ContractError
from dwlim_ops.invert import daily
from dwlim_ops.invert.tuning import BETAS, choose_beta

TRUE_BETA = 3e-3


@pytest.fixture(scope="module")
def drawn(small):
    """Days drawn from the prior with a known beta, with gaps and noise of 1.5 times sigma."""
    rng = np.random.default_rng(21)
    sigma = rng.uniform(0.5, 2.0, 12)
    root = np.linalg.inv(small.laplacian) / TRUE_BETA
    water = rng.normal(size=(60, root.shape[0])) @ root.T
    up = 1.5 * (water @ small.design.T + sigma * rng.normal(size=(60, 12)))
    up[::3, 4] = np.nan
    return up, sigma


@pytest.mark.parametrize("method", ["abic", "gcv", "loo"])
def test_beta_of_the_truth_is_recovered(small, drawn, method):
    tuned = choose_beta(small.inversion, *drawn, method=method)
    assert tuned.interior
    assert 0.5 < tuned.beta / TRUE_BETA < 2.0
    assert tuned.variance_factor == pytest.approx(1.5**2, rel=0.25)
    assert tuned.criterion.shape == BETAS.shape
    assert tuned.beta == tuned.betas[tuned.criterion.argmin()]


@pytest.mark.parametrize("method", ["abic", "gcv", "loo"])
@pytest.mark.parametrize("shared", [False, True])
def test_criteria_equal_their_definitions(small, drawn, method, shared):
    up, sigma = drawn[0][:5], drawn[1]
    common = np.full((12, 12), 0.4) if shared else np.zeros((12, 12))
    betas = np.array([1e-3, 1e-2])
    tuned = choose_beta(
        small.inversion, up, sigma, method=method, betas=betas,
        shared_covariance_mm2=common if shared else None,
    )
    expected = [DEFINITIONS[method](small, up, np.diag(sigma**2) + common, b) for b in betas]
    assert tuned.criterion == pytest.approx(expected, rel=1e-8)


def parts(small, up, error):
    prior = np.linalg.inv(small.laplacian.T @ small.laplacian)
    covariance = small.design @ prior @ small.design.T
    for day in up:
        kept = np.flatnonzero(np.isfinite(day))
        square = np.ix_(kept, kept)
        yield day[kept], covariance[square], error[square]


def abic(small, up, error, beta):
    days = list(parts(small, up, error))
    count = np.isfinite(up).sum()
    factor = sum(d @ np.linalg.solve(s / beta**2 + e, d) for d, s, e in days) / count
    return -2 * sum(
        multivariate_normal(cov=factor * (s / beta**2 + e)).logpdf(d) for d, s, e in days
    )


def gcv(small, up, error, beta):
    numerator = trace = 0.0
    for d, s, e in parts(small, up, error):
        hat = s @ np.linalg.inv(s + beta**2 * e)
        residual = d - hat @ d
        numerator += residual @ np.linalg.solve(e, residual)
        trace += np.trace(np.eye(d.size) - hat)
    return np.isfinite(up).sum() * numerator / trace**2


def loo(small, up, error, beta):
    total = 0.0
    for d, s, e in parts(small, up, error):
        whole = s + beta**2 * e
        for i in range(d.size):
            rest = np.arange(d.size) != i
            predicted = whole[i, rest] @ np.linalg.solve(whole[np.ix_(rest, rest)], d[rest])
            total += (d[i] - predicted) ** 2 / e[i, i]
    return total / np.isfinite(up).sum()


DEFINITIONS = {"abic": abic, "gcv": gcv, "loo": loo}


def test_leave_one_out_is_that_of_the_estimate(small, drawn):
    up, sigma = drawn
    tuned = choose_beta(small.inversion, up, sigma, method="loo", betas=np.array([TRUE_BETA]))
    left_out = daily.estimate_many(small.inversion, up, sigma, beta=TRUE_BETA).leave_one_out_mm
    assert tuned.criterion[0] == pytest.approx(np.nanmean((left_out / sigma) ** 2), rel=1e-9)


def test_best_value_at_the_end_of_the_range_is_told(small, drawn):
    assert not choose_beta(small.inversion, *drawn, betas=np.logspace(-2, 0, 5)).interior


def test_nothing_to_choose_from_is_refused(small, drawn):
    up, sigma = drawn
    with pytest.raises(ContractError, match="no observation"):
        choose_beta(small.inversion, np.full_like(up, np.nan), sigma)
    with pytest.raises(ContractError, match="unknown method"):
        choose_beta(small.inversion, up, sigma, method="aic")
