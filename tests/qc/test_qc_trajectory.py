import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.qc.trajectory import fit_trajectory, harmonics


def record(n_days=2000, noise_mm=2.0, seed=1):
    day = np.arange(14000.0, 14000.0 + n_days)
    rng = np.random.default_rng(seed)
    truth = 5.0 * np.sin(2 * np.pi * day / 365.25) - 3.0 * (day - day.mean()) / 365.25
    return day, truth, truth + rng.normal(0.0, noise_mm, n_days)


def fit(day, up):
    return fit_trajectory(day, up, np.full(day.size, 3.0))


def test_known_terms_are_recovered_in_spite_of_gross_errors():
    day, truth, up = record()
    up[::25] += 80.0
    model = fit(day, up)
    assert abs(model.trend_mm_per_year + 3.0) < 0.1
    fitted = model.level_mm + model.trend(day) + model.seasonal(day)
    assert np.abs(fitted - truth).max() < 0.4


def test_a_short_record_has_a_level_only():
    day, _, up = record(n_days=200)
    model = fit(day, up)
    assert model.trend_mm_per_year == 0.0
    assert not model.seasonal_mm.any()
    assert abs(model.level_mm - up.mean()) < 0.5


def test_no_value_gives_zeros():
    model = fit(np.empty(0), np.empty(0))
    assert model.level_mm == 0.0
    assert model.trend(np.arange(3.0)).tolist() == [0.0, 0.0, 0.0]


def test_harmonics_close_after_one_year():
    np.testing.assert_allclose(harmonics(np.array([100.0])), harmonics(np.array([465.25])))


@settings(max_examples=10, derandomize=True, deadline=None)
@given(st.floats(-500, 500), st.floats(0.1, 10.0))
def test_fit_is_equivariant(shift_mm, scale):
    day, _, up = record(n_days=900)
    plain, moved = fit(day, up), fit(day, scale * up + shift_mm)
    np.testing.assert_allclose(moved.level_mm, scale * plain.level_mm + shift_mm, atol=1e-6)
    np.testing.assert_allclose(moved.seasonal_mm, scale * plain.seasonal_mm, atol=1e-6)
