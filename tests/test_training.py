"""Training of a region's networks, from the archive to a bundle."""

import dataclasses

import numpy as np
import pytest
import synthetic
from conftest import train
from synthetic import AS_OF, REGION

from dwlim_ops.config import parse_config
from dwlim_ops.errors import ConfigError
from dwlim_ops.reconcile import observe
from dwlim_ops.simulate.bundle import read_bundle, write_bundle
from dwlim_ops.training import gather, train_bundle


def settings_with(**changes):
    content = synthetic.configuration()
    content["training"]["small"] |= changes
    return parse_config(content, where="test").training["small"]


@pytest.fixture
def known(ticked, open_session):
    session = open_session(ticked)
    return observe(session, AS_OF), session.geometry


def test_the_same_settings_give_the_same_bundle(ticked, open_session, tmp_path, trained_bundle):
    again = train(open_session(ticked))
    stores = tmp_path / "one", tmp_path / "two"
    ids = [write_bundle(store, bundle)
           for store, bundle in zip(stores, (trained_bundle, again), strict=True)]
    assert ids[0] == ids[1]
    files = [{path.name: path.read_bytes() for path in (store / REGION / ids[0]).iterdir()}
             for store in stores]
    assert files[0] == files[1]


def test_the_bundle_says_what_it_is(tmp_path, trained_bundle):
    folder = tmp_path / REGION / write_bundle(tmp_path, trained_bundle)
    manifest = read_bundle(folder).manifest
    table = synthetic.training_settings()
    assert (manifest.region, manifest.name) == (REGION, "small")
    assert manifest.feature_set["window_days"] == 200
    assert len(manifest.feature_names) == 8
    for name in ("training", "validation", "test"):
        span = getattr(manifest, name)
        assert {"first": span.first, "last": span.last} == table[name]
    assert manifest.scores["n_stations"] == synthetic.N_STATIONS
    n_controls = len(manifest.controls.station)
    assert 2 <= n_controls < synthetic.N_STATIONS
    assert manifest.scores["n_controls"] == n_controls
    assert set(manifest.data_sha256) == {"displacement", "forcing"}


def test_the_networks_have_learnt(trained_bundle):
    scores = trained_bundle.manifest.scores
    assert scores["pcc_median"] > 0.5
    assert scores["pcc_quartile1"] <= scores["pcc_median"] <= scores["pcc_quartile3"]
    assert scores["mean_best_validation_loss"] < 0.9
    assert scores["rmse_mm_median"] < 1.5


def test_the_spans_share_no_day_and_skip_by_the_stride(known):
    settings = settings_with()
    material = gather(*known, settings)
    assert (np.sum(list(material.spans.values()), axis=0) == 1).all()
    days = material.time.astype("datetime64[D]")
    assert (days.astype(int) % 3 == 0).all()
    for name in ("training", "validation", "test"):
        span, inside = getattr(settings, name), days[material.spans[name]]
        assert np.datetime64(span.first) <= inside.min() <= inside.max() <= np.datetime64(span.last)
        expected = ((span.last - span.first).days + 1) / 3
        assert abs(inside.size - expected) <= 1


def test_displacement_and_forcing_are_of_the_same_day(known):
    seen, geometry = known
    material = gather(seen, geometry, settings_with())
    assert np.array_equal(seen.forcing["time"].values[material.forcing_row], material.time)
    rows = [seen.row(day) for day in material.time.astype("datetime64[D]").tolist()]
    good = np.where(seen.checked["flag"].values == 0, seen.checked["up_mm"].values, np.nan)[rows]
    assert np.array_equal(material.up_mm, good, equal_nan=True)


def test_the_test_years_do_not_enter(known, trained_bundle):
    seen, geometry = known
    checked = seen.checked.copy(deep=True)
    late = checked["time"].values >= np.datetime64(synthetic.training_settings()["test"]["first"])
    checked["up_mm"].values[late] *= -1.0
    other = dataclasses.replace(seen, checked=checked)
    bundle = train_bundle(other, geometry, settings_with(), name="small", region=REGION,
                          progress=lambda *_: None)
    for name, array in trained_bundle.lstms.arrays().items():
        assert np.array_equal(array, bundle.lstms.arrays()[name]), name
    assert bundle.manifest.scores["pcc_median"] == pytest.approx(
        -trained_bundle.manifest.scores["pcc_median"], abs=0.1)


def test_the_networks_of_a_station_do_not_enter_its_own_score(known, trained_bundle):
    seen, geometry = known
    name = trained_bundle.manifest.controls.station[0]
    checked = seen.checked.copy(deep=True)
    checked["up_mm"].values[:, checked["station"].values == name] *= -1.0
    other = dataclasses.replace(seen, checked=checked)
    bundle = train_bundle(other, geometry, settings_with(), name="small", region=REGION,
                          progress=lambda *_: None)
    assert bundle.manifest.controls == trained_bundle.manifest.controls
    before, after = (
        dict(zip(errors.station, errors.pcc, strict=True))
        for errors in (one.manifest.station_errors for one in (trained_bundle, bundle)))
    assert after[name] == pytest.approx(-before[name], abs=1e-4)
    assert abs(before[name]) > 0.3


def test_spans_that_overlap_are_refused():
    with pytest.raises(ConfigError, match="share a day"):
        settings_with(validation={"first": "2016-03-31", "last": "2016-05-31"})


def test_without_weather_there_is_nothing_to_train_on(known):
    seen, geometry = known
    blind = dataclasses.replace(seen, forcing=None)
    with pytest.raises(ConfigError, match="weather"):
        gather(blind, geometry, settings_with())


def test_a_span_without_a_day_is_named(known):
    with pytest.raises(ConfigError, match="span test") as caught:
        gather(*known, settings_with(test={"first": "2019-01-01", "last": "2019-12-31"}))
    assert "2016-12-31" in str(caught.value)


def test_too_few_controls_say_how_far_the_best_is(known):
    with pytest.raises(ConfigError, match="minimum_correlation") as caught:
        train_bundle(*known, settings_with(minimum_correlation=0.999), name="small", region=REGION,
                     progress=lambda *_: None)
    assert "largest 0.9" in str(caught.value)


def test_the_errors_of_cells_are_those_of_the_test_years(known, trained_bundle):
    errors, noise = (trained_bundle.manifest.error_covariance,
                     trained_bundle.manifest.station_noise)
    assert len(noise.station) == synthetic.N_STATIONS
    assert 0.0 < errors.gain <= 1.0
    truth_mm = synthetic.truth().up_mm
    assert 0.1 < np.sqrt(errors.variance_mm2) < truth_mm.std()
    assert min(noise.sigma_mm) > 0
    seen, geometry = known
    checked = seen.checked.copy(deep=True)
    late = checked["time"].values >= np.datetime64(synthetic.training_settings()["test"]["first"])
    random = np.random.default_rng(0)
    checked["up_mm"].values[late, :3] += 10.0 * random.normal(size=(late.sum(), 3))
    bundle = train_bundle(dataclasses.replace(seen, checked=checked), geometry, settings_with(),
                          name="small", region=REGION, progress=lambda *_: None)
    noisy = np.array(bundle.manifest.station_noise.sigma_mm)
    assert (noisy[:3] > 8.0).all()
    assert noisy[3:] == pytest.approx(np.array(noise.sigma_mm)[3:], rel=0.2)
    assert bundle.manifest.error_covariance.variance_mm2 < 2.0 * errors.variance_mm2


def test_progress_is_told(known):
    told = []
    networks = {**synthetic.training_settings()["networks"], "max_epochs": 2}
    train_bundle(
        *known, settings_with(networks=networks), name="small",
        region=REGION, progress=lambda stage, done, total: told.append((stage, done, total)))
    for stage in ("features", "training"):
        steps = [(done, total) for name, done, total in told if name == stage]
        assert [done for done, _ in steps] == sorted(done for done, _ in steps)
        assert steps[-1][0] == steps[-1][1]
