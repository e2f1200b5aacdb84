"""Estimates scored against the truth of a synthetic Earth."""

from datetime import UTC, datetime

import numpy as np
import pytest
import synthetic

from dwlim_ops.osse import boards as osse_boards
from dwlim_ops.osse import experiments as osse
from dwlim_ops.osse.report import summary
from dwlim_ops.osse.world import make_world, write_workspace
from dwlim_ops.session import Session
from dwlim_ops.synthetic.settings import EarthSettings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
QUIET = EarthSettings(white_mm=0.05, flicker_mm_per_year_quarter=0.0, common_mode_mm=0.0,
                      rate_mm_per_year=0.0, loading_gain=1.0, outlier_share=0.0, gap_share=0.0,
                      steps_per_year=0.0, storms_per_year=60.0, droughts_per_year=2.0)


def _world(root, settings):
    region = str(synthetic.build_workspace(root / "region").config_file)
    world = make_world(region, n_years=4, settings=settings, quick=True)
    return world, write_workspace(root / "ws", region, world)


@pytest.fixture(scope="session")
def quiet(tmp_path_factory):
    """A workspace without noise that has taken in its files."""
    world, workspace = _world(tmp_path_factory.mktemp("quiet"), QUIET)
    session = Session(workspace)
    known = osse.take_in(session, world, now=NOW, progress=lambda *_: None)
    yield session, world, known
    session.close()


def test_without_noise_the_checked_displacement_is_that_of_the_true_anomaly(quiet):
    _, world, known = quiet
    order = [world.earth.stations.name.index(name)
             for name in known.checked["station"].values.tolist()]
    truth = world.anomaly @ world.response_mm[:, order]
    used = known.checked["flag"].values == 0
    error = (known.checked["up_mm"].values - truth)[used]
    assert used.mean() > 0.85
    assert np.sqrt(np.mean(error**2)) < 0.25


def test_without_noise_the_basins_are_found(quiet):
    session, world, known = quiet
    days = [day for day in known.days if day >= world.spans.test_first][::30]
    series = osse.estimate_series(session, known, days, methods=("tragnss",), cells=True,
                                  progress=lambda *_: None)
    scores = osse.score_method(world, "quiet", series["tragnss"])
    assert min(score.pcc for score in scores.basins) > 0.9
    assert len(scores.cells) == world.geometry.grid.land.sum()


def test_scores_of_the_truth_itself_are_perfect():
    days = np.arange(np.datetime64("2015-01-01"), np.datetime64("2016-01-01"), 10)
    truth = np.random.default_rng(1).standard_normal((days.size, 3))
    for score in osse.score_columns(days, truth, np.ones_like(truth), truth):
        assert (score.nse, score.rmse_mm, score.coverage) == (1.0, 0.0, 1.0)
        assert score.pcc == pytest.approx(1.0)
        assert score.amplitude_ratio == pytest.approx(1.0)


def test_coverage_of_gaussian_errors_is_the_share_that_is_asked_for():
    days = np.arange(np.datetime64("2005-01-01"), np.datetime64("2025-01-01"))
    random = np.random.default_rng(1)
    truth = random.standard_normal((days.size, 2))
    estimate = truth + 3.0 * random.standard_normal(truth.shape)
    for score in osse.score_columns(days, estimate, np.full_like(truth, 3.0), truth):
        assert score.coverage == pytest.approx(0.9, abs=0.01)


def test_lost_stations_are_silent_from_the_day_on(quiet):
    _, world, known = quiet
    lost = osse.without_stations(known, seed=1, first=world.spans.test_first)
    row = known.row(world.spans.test_first)
    before, after = (one.checked["flag"].values == 0 for one in (known, lost))
    np.testing.assert_array_equal(before[:row], after[:row])
    assert (~after[row:]).all(axis=0).sum() == round(0.3 * before.shape[1])


def test_expansion_has_no_mean_over_the_reference_period(quiet):
    _, world, known = quiet
    added = osse.with_expansion(known, world).checked["up_mm"] - known.checked["up_mm"]
    inside = added.sel(time=slice(str(world.spans.first), str(world.spans.training_last)))
    assert float(np.abs(inside.mean("time")).max()) < 0.15
    assert float(added.std()) > 0.1


def test_squares_alternate_in_both_directions():
    lon, lat = (axis.ravel() for axis in np.meshgrid([1.0, 5.0, 9.0], [1.0, 5.0]))
    assert (osse_boards.board_patterns(lon, lat)[0] / 100.0).tolist() == [1, -1, 1, -1, 1, -1]


def test_a_board_of_large_squares_is_seen_better_without_noise(quiet):
    session, world, known = quiet
    boards = osse_boards.make_boards(world, known)
    scores = osse_boards.single_days(session, known, boards, n_draws=3, seed=1)
    best = {(s.size_deg, s.noise_mm): s.nse for s in scores if "hindsight" in s.estimate}
    assert best[8.0, 1.0] > best[8.0, 5.0]
    assert best[8.0, 1.0] > best[4.0, 1.0]
    for score in scores:
        assert score.nse <= best[score.size_deg, score.noise_mm] + 0.02


def test_days_are_spread_over_months_and_years(quiet):
    _, world, known = quiet
    every, some = (effort.days(known, world.spans.test_first)
                   for effort in (osse.FULL, osse.QUICK))
    assert len(some) < len(every)
    assert {day.month for day in every} == set(range(1, 13))
    assert {day.month for day in some} == {3, 6, 9, 12}
    assert min(every) >= world.spans.test_first


def test_the_summary_leaves_out_what_could_not_be_scored():
    nothing = float("nan")
    scores = [osse.Score(0.5, 0.1, 30.0, 0.9, 0.8), osse.Score(nothing, nothing, 40.0, 1.1, 0.6)]
    found = summary(scores)
    assert found["pcc"] == [0.5, 0.5, 0.5]
    assert found["coverage"] == [pytest.approx(0.7)]
    assert summary([]) == {}


def test_a_board_that_swings_within_the_year_is_followed_through_time(quiet):
    session, world, known = quiet
    boards = osse_boards.make_boards(world, known)
    scores = osse_boards.through_time(session, known, boards, seed=1, cases=((8.0, 1.0),),
                                      progress=lambda *_: None)
    seen = {score.estimate: score.nse for score in scores}
    assert {"annual swing, tragnss", "annual swing, dwlim_st"} <= set(seen)
    assert all(score.n_days == 12 for score in scores)
    assert max(seen.values()) > 0.0
