import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.errors import ContractError
from dwlim_ops.simulate.interpolate import idw_weights, virtual_displacement

few = settings(max_examples=25, derandomize=True, deadline=None)


def test_importing_does_not_bring_torch():
    code = ("import sys; import dwlim_ops.simulate.interpolate, dwlim_ops.simulate.controls, "
            "dwlim_ops.simulate.bundle, dwlim_ops.simulate.store, dwlim_ops.simulate.train; "
            "sys.exit('torch' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_weights_are_equation_8():
    distance = np.array([[1.0, 2.0], [2.0, 5.0], [4.0, 0.5]])
    inverse = 1 / distance
    np.testing.assert_allclose(idw_weights(distance), inverse / inverse.sum(axis=0))
    np.testing.assert_allclose(idw_weights(distance, power=2.0),
                               inverse**2 / (inverse**2).sum(axis=0))


@few
@given(st.integers(0, 1000), st.floats(0, 4), st.integers(0, 6))
def test_weights_sum_to_one_fall_with_distance_and_keep_the_nearest(seed, power, n_controls):
    random = np.random.default_rng(seed)
    distance = random.uniform(0, 30, (6, 9))
    distance[random.integers(6), 0] = 0.0
    excluded = random.random((6, 9)) < 0.3
    excluded[0] = False
    weight = idw_weights(distance, power=power, n_controls=n_controls, excluded=excluded)
    np.testing.assert_allclose(weight.sum(axis=0), 1.0)
    assert (weight[excluded] == 0).all()
    n_left = (~excluded).sum(axis=0)
    assert ((weight > 0).sum(axis=0) <= (np.minimum(n_controls, n_left) if n_controls else 6)).all()
    ordered = np.take_along_axis(weight, np.argsort(np.where(excluded, 99, distance), axis=0), 0)
    assert (np.diff(ordered, axis=0) <= 1e-12).all()


def test_a_point_at_controls_takes_them_alone():
    np.testing.assert_array_equal(idw_weights([[0.0], [1.0], [0.0]]).ravel(), [0.5, 0.0, 0.5])
    excluded = np.array([[True], [False], [False]])
    np.testing.assert_array_equal(idw_weights([[0.0], [1.0], [3.0]], excluded=excluded).ravel(),
                                  [0.0, 0.75, 0.25])


def test_no_control_left_is_refused():
    with pytest.raises(ContractError, match="1 points without"):
        idw_weights([[1.0, 2.0]], excluded=np.array([[True, False]]))


def test_virtual_displacement_is_the_mean_over_seeds_of_the_weighted_sum():
    random = np.random.default_rng(0)
    simulated, weights = random.normal(size=(3, 4, 5, 6)), random.dirichlet(np.ones(3), 6).T
    got = virtual_displacement(simulated, weights)
    by_seed = np.einsum("cstp,cp->stp", simulated, weights)
    np.testing.assert_allclose(got.up_mm, by_seed.mean(axis=0))
    np.testing.assert_allclose(got.spread_mm, by_seed.std(axis=0))
    simulated[:, :, 2, 3] = np.nan
    assert np.isnan(virtual_displacement(simulated, weights).up_mm).sum() == 1
