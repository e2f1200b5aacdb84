import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.errors import ContractError
from dwlim_ops.invert.smoothness import Smoothness


def test_laplacian_is_the_five_point_stencil(small):
    assert np.array_equal(Smoothness(small.grid.domain).laplacian.toarray(), small.laplacian)


def masks():
    """Masks with holes, empty lines and separate parts, of either orientation."""
    shape = st.tuples(st.integers(1, 9), st.integers(1, 9))
    return st.tuples(shape, st.integers(0, 1000), st.floats(0.3, 1.0)).map(_mask)


def _mask(parts):
    shape, seed, share = parts
    mask = np.random.default_rng(seed).random(shape) < share
    mask[0, 0] = True
    return mask


@settings(max_examples=40, derandomize=True, deadline=None)
@given(masks())
def test_solutions_and_variance_agree_with_the_dense_inverse(domain):
    smoothness = Smoothness(domain)
    inverse = np.linalg.inv(smoothness.laplacian.toarray())
    identity = np.eye(inverse.shape[0])
    assert smoothness.solve(identity) == pytest.approx(inverse, rel=1e-10, abs=1e-12)
    assert smoothness.covariance_times(identity[:, 0]) == pytest.approx(
        (inverse @ inverse)[:, 0], rel=1e-10, abs=1e-12
    )
    assert smoothness.variance() == pytest.approx(np.diag(inverse @ inverse), rel=1e-9)


def test_transposed_domain_has_the_transposed_variance(small):
    domain = small.grid.domain
    here, there = np.zeros(domain.shape), np.zeros(domain.T.shape)
    here[domain] = Smoothness(domain).variance()
    there[domain.T] = Smoothness(np.ascontiguousarray(domain.T)).variance()
    assert np.allclose(there.T, here, rtol=1e-11, atol=0)


def test_prior_is_tightest_at_the_boundary():
    variance = Smoothness(np.ones((15, 15), dtype=bool)).variance().reshape(15, 15)
    assert variance.argmax() == 7 * 15 + 7
    assert variance[0, 0] == pytest.approx(variance.min(), rel=1e-9)


def test_domain_without_cells_is_refused():
    with pytest.raises(ContractError, match="no cell"):
        Smoothness(np.zeros((3, 3), dtype=bool))
