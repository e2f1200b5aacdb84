"""A bundle bound to the cells of a region, and what it refuses."""

import dataclasses

import numpy as np
import pytest
import synthetic
from synthetic import AS_OF, DAY, run_tick

from dwlim_ops.contracts import FORCING_FLAGS
from dwlim_ops.errors import BundleError
from dwlim_ops.geometry import KM_PER_DEGREE, distance_deg
from dwlim_ops.reconcile import observe
from dwlim_ops.simulate.bundle import write_bundle
from dwlim_ops.simulate.interpolate import virtual_displacement
from dwlim_ops.simulate.store import promote
from dwlim_ops.simulation import bind, control_weights


@pytest.fixture
def bound(trained, open_session):
    session = open_session(trained)
    return session, session.simulator, observe(session, AS_OF).forcing


def test_a_control_is_left_out_of_its_own_cell(bound):
    session, simulator, _ = bound
    controls = simulator.bundle.manifest.controls
    places = np.array(controls.longitude_deg), np.array(controls.latitude_deg)
    cells = session.geometry.cells
    for power, n_controls in ((1.0, 0), (2.0, 3)):
        weights = control_weights(places, session.geometry, power=power, n_controls=n_controls)
        assert weights.shape == (places[0].size, cells[0].size)
        assert weights.sum(axis=0) == pytest.approx(np.ones(cells[0].size))
        holding = session.geometry.holding_cell(*places)
        assert (holding >= 0).any()
        for control, cell in enumerate(holding):
            assert weights[control, cell] == 0.0
        if n_controls:
            assert ((weights > 0).sum(axis=0) == n_controls).all()


def test_weights_are_inverse_distances(bound):
    session, simulator, _ = bound
    controls = simulator.bundle.manifest.controls
    places = np.array(controls.longitude_deg), np.array(controls.latitude_deg)
    weights = control_weights(places, session.geometry, power=1.0, n_controls=0)
    distance = distance_deg(*places, *session.geometry.cells)
    cell = int(np.flatnonzero((weights > 0).all(axis=0))[0])
    expected = (1 / distance[:, cell]) / (1 / distance[:, cell]).sum()
    assert weights[:, cell] == pytest.approx(expected)


def test_the_simulation_goes_with_the_truth(bound):
    session, simulator, forcing = bound
    rows = list(range(forcing.sizes["time"] - 150, forcing.sizes["time"], 15))
    simulated = simulator.simulate(forcing, rows)
    n_cells = session.geometry.cells[0].size
    assert simulated.up_mm.shape == simulated.spread_mm.shape == (10, n_cells)
    assert (simulated.spread_mm >= 0).all()
    assert (simulator.sigma_mm > 0).all()
    truth = synthetic.truth()
    nearest = distance_deg(*session.geometry.cells, *truth.station_place.T).argmin(axis=1)
    of_stations = truth.up_mm[rows][:, nearest]
    correlation = np.corrcoef(simulated.up_mm.mean(axis=1), of_stations.mean(axis=1))[0, 1]
    assert correlation > 0.8


def test_a_day_is_the_same_alone_and_among_others(bound):
    _, simulator, forcing = bound
    last = forcing.sizes["time"] - 1
    alone = simulator.simulate(forcing, [last]).up_mm[0]
    among = simulator.simulate(forcing, [last - 30, last]).up_mm[1]
    assert np.array_equal(alone, among)


def test_a_day_needs_its_own_weather_and_most_of_its_window(bound):
    _, simulator, forcing = bound
    window = simulator.features.window_days
    assert not simulator.usable_rows(forcing)[:window - 1].any()
    assert simulator.usable_rows(forcing)[window - 1:].all()
    flagged = forcing.copy(deep=True)
    flagged["flag"][300] |= FORCING_FLAGS["pressure_absent"]
    assert np.flatnonzero(~simulator.usable_rows(flagged)[window:]).tolist() == [300 - window]
    flagged["flag"][300:340] |= FORCING_FLAGS["temperature_absent"]
    usable = simulator.usable_rows(flagged)
    share = int(0.15 * window)
    assert not usable[300:340 + window - share - 10 - 1].any()
    assert usable[500 + 10:].all()
    flagged["flag"][:] = FORCING_FLAGS["far_from_any_site"]
    assert simulator.usable_rows(flagged)[window - 1:].all()


def test_errors_of_cells_go_together_as_the_bundle_declares(bound, trained_bundle):
    session, simulator, forcing = bound
    errors = trained_bundle.manifest.error_covariance
    some = np.array([0, 3, 7])
    longitude, latitude = (place[some] for place in session.geometry.cells)
    apart = distance_deg(longitude, latitude, longitude, latitude) * KM_PER_DEGREE
    covariance = simulator.error_covariance_mm2(some)
    assert covariance == pytest.approx(errors.between(apart))
    assert np.sqrt(covariance.diagonal()) == pytest.approx(simulator.sigma_mm[some])
    marked = np.isin(np.arange(simulator.sigma_mm.size), some)
    assert np.array_equal(simulator.error_covariance_mm2(marked), covariance)
    last = forcing.sizes["time"] - 1
    simulated = simulator.simulate(forcing, [last])
    plain = virtual_displacement(simulator.networks(forcing, [last], slice(None)),
                                 simulator.weights)
    assert np.array_equal(simulated.up_mm, errors.gain * plain.up_mm)
    assert np.array_equal(simulated.spread_mm, errors.gain * plain.spread_mm)
    observations = simulator.as_observations(simulated.up_mm[:, some], some)
    assert observations.up_mm == pytest.approx(simulated.up_mm[:, some] / errors.explained_share)
    assert observations.covariance_mm2 == pytest.approx(covariance / errors.explained_share)


def test_a_bundle_without_error_covariance_has_independent_errors(bound, trained_bundle):
    session, _, forcing = bound
    early = dataclasses.replace(trained_bundle, manifest=trained_bundle.manifest.model_copy(
        update={"error_covariance": None, "station_noise": None}))
    simulator = bind(early, session.geometry, region=synthetic.REGION, bundle_id="x")
    some = np.array([2, 5])
    covariance = simulator.error_covariance_mm2(some)
    assert np.array_equal(covariance, np.diag(simulator.sigma_mm[some]**2))
    assert len(set(simulator.sigma_mm.tolist())) > 1
    last = forcing.sizes["time"] - 1
    plain = virtual_displacement(simulator.networks(forcing, [last], slice(None)),
                                 simulator.weights)
    up = simulator.simulate(forcing, [last]).up_mm
    assert np.array_equal(up, plain.up_mm)
    assert np.array_equal(simulator.as_observations(up[:, some], some).up_mm, up[:, some])


def test_a_bundle_of_another_region_is_refused(bound, trained_bundle):
    session, _, _ = bound
    with pytest.raises(BundleError, match="another region"):
        bind(trained_bundle, session.geometry, region="elsewhere", bundle_id="x")


def test_a_bundle_of_other_features_is_refused(bound, trained_bundle):
    session, _, _ = bound
    renamed = trained_bundle.manifest.feature_names[::-1]
    swapped = dataclasses.replace(trained_bundle, manifest=trained_bundle.manifest.model_copy(
        update={"feature_names": renamed}))
    with pytest.raises(BundleError, match="features differ"):
        bind(swapped, session.geometry, region=synthetic.REGION, bundle_id="x")


def test_a_bundle_of_other_cells_is_refused_and_the_region_runs_without(trained, open_session):
    content = synthetic.configuration()
    content["region"]["cell_deg"] = 1.0
    synthetic.write_config(trained.root, content)
    session = open_session(trained)
    assert session.simulator is None
    assert "other cells" in session.bundle_refusal
    report = run_tick(session)
    assert report.outcome == "degraded"
    assert report.published == (DAY.replace(day=30), DAY)
    (reason,) = [text for text in report.degraded if "bundle is refused" in text]
    assert "train again" in reason


def test_a_bundle_put_into_another_regions_folder_is_refused(trained, open_session, trained_bundle):
    content = synthetic.configuration()
    content["region"]["name"] = "elsewhere"
    synthetic.write_config(trained.root, content)
    store = trained.root / "models"
    bundle_id = write_bundle(store, trained_bundle)
    (store / synthetic.REGION).rename(store / "elsewhere")
    promote(store, "elsewhere", bundle_id)
    session = open_session(trained)
    assert session.simulator is None
    assert "another region" in session.bundle_refusal


def test_for_a_while_another_bundle_serves(trained, open_session, trained_bundle):
    other = dataclasses.replace(
        trained_bundle, manifest=trained_bundle.manifest.model_copy(update={"name": "other"}))
    store = trained.root / "models"
    promote(store, synthetic.REGION, write_bundle(store, other), role="other")
    session = open_session(trained)
    usual = session.bundle_id
    assert usual.startswith("small-")
    with session.serving("other"):
        assert session.bundle_id.startswith("other-")
    assert session.bundle_id == usual


def test_no_name_means_no_bundle(trained, open_session):
    content = synthetic.configuration()
    content["models"]["bundle"] = ""
    synthetic.write_config(trained.root, content)
    session = open_session(trained)
    assert (session.simulator, session.bundle_id, session.bundle_refusal) == (None, "", "")
