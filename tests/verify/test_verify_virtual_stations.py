from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.verify.scores import nse, pcc, rmse
from dwlim_ops.verify.virtual_stations import (
    VirtualStationTable,
    interval_scale,
    score_method,
    to_markdown,
)

few = settings(max_examples=20, derandomize=True, deadline=None)


def drawn(seed=0, n_days=400, n_stations=5):
    random = np.random.default_rng(seed)
    truth = random.normal(0, 2, (n_days, n_stations))
    sigma = random.uniform(0.5, 4.0, (n_days, n_stations))
    observed = truth + sigma * random.normal(size=truth.shape)
    observed[random.random(observed.shape) < 0.1] = np.nan
    return observed, truth, sigma


def test_honest_errors_cover_nine_in_ten_and_need_no_factor():
    observed, predicted, sigma = drawn(n_days=4000)
    assert interval_scale(observed, predicted, sigma) == pytest.approx(1.0, abs=0.02)
    scores = score_method("a", observed, predicted, sigma, scale=1.0, minimum_days=10)
    assert scores.coverage == pytest.approx(0.9, abs=0.01)
    assert scores.half_width_mm == pytest.approx(1.645 * sigma[np.isfinite(observed)].mean(),
                                                 rel=1e-3)


@few
@given(st.floats(0.1, 10.0), st.integers(0, 100))
def test_the_factor_mends_a_wrong_sigma(wrong, seed):
    observed, predicted, sigma = drawn(seed)
    scale = interval_scale(observed, predicted, wrong * sigma)
    assert scale * wrong == pytest.approx(interval_scale(observed, predicted, sigma))
    scores = score_method("a", observed, predicted, wrong * sigma, scale=scale, minimum_days=10)
    assert scores.coverage == pytest.approx(0.9, abs=2.0 / scores.n_values)


def test_stations_are_scored_alone_and_values_together():
    observed, predicted, sigma = drawn()
    observed[30:, 2] = np.nan
    predicted[:50, 1] = np.nan
    scores = score_method("a", observed, predicted, sigma, scale=1.0, minimum_days=60)
    for station in (0, 1, 3, 4):
        pair = predicted[:, station], observed[:, station]
        assert scores.rmse_mm[station] == rmse(*pair)
        assert scores.pcc[station] == pytest.approx(pcc(*pair))
        assert scores.nse[station] == pytest.approx(nse(*pair))
    assert np.isnan([scores.rmse_mm[2], scores.pcc[2], scores.nse[2]]).all()
    assert scores.n_values == np.isfinite(observed + predicted).sum()
    assert scores.pooled_rmse_mm == rmse(predicted, observed)


def test_without_a_value_nothing_is_claimed():
    nothing = np.full((3, 2), np.nan)
    assert interval_scale(nothing, nothing, nothing) == 1.0
    scores = score_method("a", nothing, nothing, nothing, scale=1.0, minimum_days=1)
    assert scores.n_values == 0
    assert np.isnan([scores.coverage, scores.half_width_mm, scores.pooled_rmse_mm]).all()


def test_the_table_in_words():
    observed, predicted, sigma = drawn(n_days=4000)
    good = score_method("good way", observed, predicted, sigma, scale=1.0, minimum_days=10)
    nothing = score_method("no way", np.full_like(observed, np.nan), predicted, sigma, scale=1.0,
                           minimum_days=10)
    table = VirtualStationTable("causal", "causal-1", date(2016, 1, 1), date(2017, 6, 24), 108, 5,
                                (good, nothing), {"good way": {"gain": 0.5, "length_km": np.nan}})
    text = to_markdown(table)
    (row,) = [line for line in text.splitlines() if line.startswith("| good way | 5 |")]
    assert f"{np.median(good.rmse_mm):.2f} [" in row
    assert f"{100 * good.coverage:.1f} %" in row
    assert "| no way | 0 | - | - | - | - | - | - | 1.00 |" in text
    assert "108 days from 2016-01-01 to 2017-06-24 (one day in 5)" in text
    assert "| good way | 0.50 | - |" in text
