"""Chunks of days served from one run: the same bits at training, replay and serving."""

import dataclasses
import shutil
from datetime import timedelta

import numpy as np
import pytest
import synthetic
from synthetic import AS_OF, DAY, REGION

from dwlim_ops.config import parse_config
from dwlim_ops.estimates import day_data
from dwlim_ops.reconcile import observe, weather_fingerprint
from dwlim_ops.session import Session
from dwlim_ops.simulate.bundle import read_bundle, write_bundle
from dwlim_ops.simulate.interpolate import virtual_displacement
from dwlim_ops.simulate.lstm import simulate
from dwlim_ops.simulate.store import promote
from dwlim_ops.simulate.unseen_errors import station_errors
from dwlim_ops.simulation import CellSimulator, bind, station_weights
from dwlim_ops.training import MINIMUM_TEST_DAYS, gather, train_bundle
from dwlim_ops.verification.data import feature_revisions
from dwlim_ops.verification.virtual_stations import measured_errors
from dwlim_ops.workspace import Workspace

CHUNK_DAYS, SEQUENCE_DAYS, WINDOW_DAYS = 20, 30, 200
FEATURES = {**synthetic.training_settings()["features"], "chunk_days": CHUNK_DAYS,
            "sequence_days": SEQUENCE_DAYS}
NETWORKS = {**synthetic.training_settings()["networks"], "batch_size": 4}


def settings():
    content = synthetic.configuration()
    content["training"]["small"] |= {
        "features": FEATURES, "networks": NETWORKS, "stride_days": 1, "minimum_days": 180}
    return parse_config(content, where="test").training["small"]


@pytest.fixture(scope="module")
def trained_in_runs(tmp_path_factory, _ticked):
    """A workspace that a bundle with chunks serves, what is known there, and the bundle."""
    root = tmp_path_factory.mktemp("runs") / "ws"
    shutil.copytree(_ticked, root)
    session = Session(Workspace(root))
    known = observe(session, AS_OF)
    bundle = train_bundle(known, session.geometry, settings(), name="runs", region=REGION,
                          progress=lambda *_: None)
    promote(root / "models", REGION, write_bundle(root / "models", bundle))
    session.close()
    return root, known, bundle


@pytest.fixture
def opened(trained_in_runs, tmp_path, open_session):
    root, known, _ = trained_in_runs
    shutil.copytree(root, tmp_path / "ws")
    return open_session(Workspace(tmp_path / "ws")), known


@pytest.fixture
def simulator(opened):
    return opened[0].simulator


def chunk_of(forcing, row):
    """Rows of the chunk that a day is in."""
    day = forcing["time"].values[row].astype("datetime64[D]").astype(int)
    return np.arange(row - day % CHUNK_DAYS, row - day % CHUNK_DAYS + CHUNK_DAYS)


def test_the_bundle_declares_its_runs_and_reads_back(trained_in_runs, opened):
    root, _, bundle = trained_in_runs
    assert bundle.manifest.feature_set["chunk_days"] == CHUNK_DAYS
    assert bundle.known_sequences.shape == (8, SEQUENCE_DAYS, 8)
    simulator = opened[0].simulator
    assert read_bundle(root / "models" / REGION / simulator.bundle_id).manifest == bundle.manifest
    assert dataclasses.astuple(simulator.rule) == (CHUNK_DAYS, SEQUENCE_DAYS, WINDOW_DAYS)


def test_the_networks_have_learnt(trained_in_runs):
    scores = trained_in_runs[2].manifest.scores
    assert scores["pcc_median"] > 0.5
    assert scores["mean_best_validation_loss"] < 0.9


def test_scores_of_training_are_those_of_the_displacement_that_is_served(opened, simulator):
    """Bit for bit, each day of the test span simulated on its own record."""
    session, known = opened
    manifest, material = simulator.bundle.manifest, gather(known, session.geometry, settings())
    tested = material.spans["test"]
    checked = known.checked
    places = checked["longitude_deg"].values, checked["latitude_deg"].values
    cells, column = np.unique(material.cell_of_station, return_inverse=True)
    networks = np.concatenate([
        simulator.networks(known.forcing.isel(time=slice(0, row + 1)), [row], cells)
        for row in material.forcing_row[tested].tolist()], axis=2)
    controls = np.array(manifest.controls.longitude_deg), np.array(manifest.controls.latitude_deg)
    weights = station_weights(controls, places, session.geometry, power=1.0, n_controls=0)
    virtual = virtual_displacement(networks[..., column], weights).up_mm
    errors = station_errors(material.up_mm[tested], virtual, tested=np.full(tested.sum(), True),
                            minimum_days=MINIMUM_TEST_DAYS)
    scored = np.isfinite(errors.rmse_mm)
    assert scored.sum() == synthetic.N_STATIONS
    assert errors.rmse_mm[scored].tolist() == list(manifest.station_errors.rmse_mm)
    assert errors.pcc[scored].tolist() == list(manifest.station_errors.pcc)


def test_the_known_answer_is_what_is_served_on_the_last_day_of_its_run(opened, simulator):
    session, known = opened
    material = gather(known, session.geometry, settings())
    last = chunk_of(known.forcing, material.forcing_row[material.spans["test"]][0])[-1]
    cells = np.unique(material.cell_of_station)[:8]
    served = simulator.networks(known.forcing, [int(last)], cells)[:, :, 0]
    assert np.array_equal(served, simulate(simulator.bundle.lstms,
                                           simulator.bundle.known_sequences))


def test_a_day_is_the_same_whatever_else_is_known_and_wanted(opened, simulator):
    forcing = opened[1].forcing
    rows = [700, 655, 698, 699, 640, 657]
    together = simulator.simulate(forcing, rows)
    networks = simulator.networks(forcing, rows, slice(None))
    virtual = virtual_displacement(networks, simulator.weights)
    gain = simulator.bundle.manifest.error_covariance.gain
    assert np.array_equal(together.up_mm, gain * virtual.up_mm)
    assert np.array_equal(together.spread_mm, gain * virtual.spread_mm)
    for number, row in enumerate(rows):
        begins = 7 * number
        for record, at in ((forcing, row), (forcing.isel(time=slice(0, row + 1)), row),
                           (forcing.isel(time=slice(begins, row + 5)), row - begins)):
            alone = simulator.simulate(record, [at])
            assert np.array_equal(alone.up_mm[0], together.up_mm[number])
            assert np.array_equal(alone.spread_mm[0], together.spread_mm[number])
        some = simulator.networks(forcing, [row], np.array([2, 5]))
        assert np.array_equal(some[:, :, 0], networks[:, :, number][..., [2, 5]])


def test_a_day_depends_on_the_record_of_its_run_and_its_fingerprint_covers_that(opened, simulator):
    session, known = opened
    row = known.forcing.sizes["time"] - 1
    first = chunk_of(known.forcing, row)[0]
    start = first - WINDOW_DAYS + 1
    assert row > first
    expected = simulator.simulate(known.forcing, [row]).up_mm
    fingerprint = weather_fingerprint(session, known, DAY)
    for changed, matters in ((start - 1, False), (start, True), (first, True), (row, True)):
        forcing = known.forcing.copy(deep=True)
        forcing["pressure_pa"][changed] += 1e4
        other = dataclasses.replace(known, forcing=forcing)
        assert (weather_fingerprint(session, other, DAY) != fingerprint) == matters
        if changed in (start - 1, row):
            assert (simulator.simulate(forcing, [row]).up_mm != expected).any() == matters
    forcing = known.forcing.copy(deep=True)
    forcing["pressure_pa"][row] += 1e4
    earlier = DAY - timedelta(days=1)
    assert weather_fingerprint(session, dataclasses.replace(known, forcing=forcing), earlier) == (
        weather_fingerprint(session, known, earlier))


def test_the_first_day_that_is_served_begins_a_chunk(opened, simulator):
    forcing = opened[1].forcing
    usable = simulator.usable_rows(forcing)
    first = int(np.flatnonzero(usable)[0])
    assert usable[first:].all()
    assert first >= WINDOW_DAYS - 1 > first - CHUNK_DAYS
    assert chunk_of(forcing, first)[0] == first
    simulator.simulate(forcing, [first])
    absent = forcing.copy(deep=True)
    absent["flag"][first + 3] |= 1
    assert np.flatnonzero(~simulator.usable_rows(absent)[first:]).tolist() == [3]
    within = chunk_of(forcing, first)
    assert np.array_equal(simulator.rows_of_run(absent, first + 5), within[within != first + 3])


def test_a_run_is_simulated_once_and_its_days_are_kept(opened, monkeypatch):
    session, known = opened
    asked = []

    def counted(self, forcing, rows):
        asked.append(rows)
        return plain(self, forcing, rows)

    plain = CellSimulator.simulate
    monkeypatch.setattr(CellSimulator, "simulate", counted)
    simulator, newest = session.simulator, known.forcing.sizes["time"] - 1
    n_days = int(newest - chunk_of(known.forcing, newest)[0]) + 1
    assert n_days > 2
    for back in range(n_days):
        day = DAY - timedelta(days=back)
        simulated = day_data(session, known, day).simulated
        alone = plain(simulator, known.forcing.isel(time=slice(0, newest - back + 1)),
                      [newest - back])
        assert np.array_equal(simulated.up_mm, alone.up_mm)
        assert np.array_equal(simulated.spread_mm, alone.spread_mm)
    assert len(asked) == 1
    day_data(session, known, DAY - timedelta(days=n_days))
    assert len(asked) == 2
    assert len(asked[1]) == CHUNK_DAYS


def test_stations_left_out_have_the_errors_that_training_wrote(opened):
    fitted = measured_errors(*opened, "current", stride_days=1, progress=lambda *_: None)
    manifest = opened[0].simulator.bundle.manifest
    assert dataclasses.astuple(fitted.covariance) == pytest.approx(
        dataclasses.astuple(manifest.error_covariance), rel=1e-4)


def test_drift_compares_the_features_that_are_read(opened, simulator):
    _, known = opened
    rows, cells = [640, 651, 700], np.array([1, 4])
    newest = simulator.newest_features(known.forcing, rows, cells)
    assert newest.shape == (3, 2, SEQUENCE_DAYS - CHUNK_DAYS + 1, 8)
    normalised, _ = simulator.scaler.normalise(known.forcing["temperature_k"].values,
                                               known.forcing["pressure_pa"].values)
    for number, row in enumerate(rows):
        assert np.array_equal(newest[number, :, :, 0],
                              normalised[row - 10:row + 1, cells].T.astype(np.float32))


def test_causal_features_of_runs_are_never_revised(opened):
    session, known = opened
    for section in feature_revisions(session, known, "runs"):
        assert not section.revision.any()


def test_another_machine_binds_the_bundle(trained_in_runs, opened):
    _, known, bundle = trained_in_runs
    again = bind(bundle, opened[0].geometry, region=REGION, bundle_id="again")
    row = known.forcing.sizes["time"] - 1
    assert np.array_equal(again.simulate(known.forcing, [row]).up_mm,
                          opened[0].simulator.simulate(known.forcing, [row]).up_mm)
