"""Geometry of the Taylor diagram."""

import numpy as np
import pytest

from dwlim_ops.verify.taylor import TaylorPoints, taylor_diagram


@pytest.fixture
def series():
    random = np.random.default_rng(0)
    observed = random.normal(size=(400, 6))
    simulated = 0.6 * observed + random.normal(0, 0.4, (400, 6))
    return observed - observed.mean(axis=0), simulated - simulated.mean(axis=0)


@pytest.fixture
def points(series):
    observed, simulated = series
    correlation = np.array([np.corrcoef(o, s)[0, 1] for o, s in zip(observed.T, simulated.T,
                                                                    strict=True)])
    return TaylorPoints(correlation, simulated.std(axis=0) / observed.std(axis=0))


def test_the_distance_from_the_observations_is_the_centred_error(series, points):
    observed, simulated = series
    error = np.sqrt(((simulated - observed)**2).mean(axis=0)) / observed.std(axis=0)
    assert points.centred_error == pytest.approx(error)
    x, y = points.spread * points.correlation, points.spread * np.sin(np.arccos(points.correlation))
    assert np.hypot(x - 1, y) == pytest.approx(error)


def drawn(figure, label):
    """Angle and radius of the line with a label, and of the dots drawn just before it."""
    lines = figure.axes[0].get_lines()
    place = next(n for n, line in enumerate(lines) if line.get_label() == label)
    return lines[place].get_data(), lines[place - 1].get_data()


def test_every_station_and_the_median_stand_where_they_belong(points):
    (angle, radius), (angles, radii) = drawn(taylor_diagram({"tragnss": points}),
                                             "GNSS only (tragnss)")
    assert np.cos(angles) == pytest.approx(points.correlation)
    assert radii == pytest.approx(points.spread)
    assert np.cos(angle) == pytest.approx([np.median(points.correlation)])
    assert radius == pytest.approx([np.median(points.spread)])


def test_the_observations_stand_at_one_on_the_axis(points):
    (angle, radius), _ = drawn(taylor_diagram({"dwlim": points}), "observations")
    assert (angle[0], radius[0]) == (0.0, 1.0)


@pytest.mark.parametrize(("lowest", "opening_deg"), [(0.1, 90), (-0.4, 180)])
def test_negative_correlations_open_the_diagram(lowest, opening_deg):
    figure = taylor_diagram({"dwlim": TaylorPoints(np.array([lowest, 0.9]), np.array([0.5, 1.2]))})
    assert figure.axes[0].get_thetamax() == pytest.approx(opening_deg)


def test_stations_without_a_score_do_not_count():
    points = TaylorPoints(np.array([np.nan, 0.5]), np.array([np.nan, 0.8]))
    assert points.median == (0.5, 0.8)
    nothing = TaylorPoints(np.full(2, np.nan), np.full(2, np.nan))
    assert np.isnan(nothing.median).all()
    assert taylor_diagram({"tragnss": nothing}).axes
