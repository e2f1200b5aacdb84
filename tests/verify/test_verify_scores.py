import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dwlim_ops.verify.scores import annual_cycle, nse, pcc, rmse

_series = arrays(float, 20, elements=st.floats(-100, 100, allow_nan=False))
_fast = settings(max_examples=30, deadline=None, derandomize=True)


@_fast
@given(_series, _series)
def test_correlation_agrees_with_numpy(x, y):
    if x.std() < 1e-3 or y.std() < 1e-3:
        return
    assert pcc(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-10)


@_fast
@given(_series, _series)
def test_nse_divides_by_the_observed_variance(simulated, observed):
    if observed.std() < 1e-3:
        return
    assert nse(simulated, observed) == pytest.approx(
        1 - rmse(simulated, observed) ** 2 / observed.var(), rel=1e-9, abs=1e-9)


def test_nse_is_not_symmetric():
    one, other = [0.0, 0.0, 0.5], [1.0, 2.0, 3.0]
    assert nse(one, other) != pytest.approx(nse(other, one))


def test_absent_days_do_not_count():
    assert rmse([1.0, np.nan, 3.0, 5.0], [1.0, 2.0, np.nan, 5.0]) == 0.0


@pytest.mark.parametrize("score", [pcc, nse, rmse])
def test_no_common_day_is_not_a_number(score):
    assert np.isnan(score([np.nan, 1.0], [1.0, np.nan]))


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="shapes differ"):
        rmse([1.0], [1.0, 2.0])


@pytest.mark.parametrize(("amplitude", "phase_days"), [(40.0, 60.0), (3.0, 300.0)])
def test_annual_cycle_finds_what_was_put_in(amplitude, phase_days):
    days = np.arange("2005-01-01", "2012-01-01", dtype="datetime64[D]")
    since = (days - np.datetime64("2000-01-01")).astype(float)
    values = 7 + 0.01 * since + amplitude * np.cos(2 * np.pi * (since - phase_days) / 365.25)
    cycle = annual_cycle(days, values)
    assert cycle.amplitude == pytest.approx(amplitude, rel=1e-6)
    assert cycle.phase_days == pytest.approx(phase_days, abs=1e-4)
