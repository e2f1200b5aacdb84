"""Stations left out, from the archive to the table."""

import dataclasses

import numpy as np
import pytest
import synthetic
from synthetic import AS_OF

from dwlim_ops.errors import ConfigError
from dwlim_ops.reconcile import observe
from dwlim_ops.simulate.manifest import Interpolation
from dwlim_ops.verification.virtual_stations import (
    left_out_stations,
    measured_errors,
    tune,
    virtual_station_report,
)
from dwlim_ops.verify.virtual_stations import to_markdown


@pytest.fixture
def opened(trained, open_session):
    session = open_session(trained)
    return session, observe(session, AS_OF)


@pytest.fixture
def left_out(opened):
    return left_out_stations(*opened, "current", stride_days=6, progress=lambda *_: None)


def test_the_archive_gives_what_training_wrote(opened, trained_bundle):
    told = []
    stride = synthetic.training_settings()["stride_days"]
    fitted = measured_errors(*opened, "current", stride_days=stride,
                             progress=lambda *step: told.append(step))
    manifest = trained_bundle.manifest
    assert dataclasses.astuple(fitted.covariance) == pytest.approx(
        dataclasses.astuple(manifest.error_covariance), rel=1e-4)
    assert fitted.noise_sigma_mm == pytest.approx(np.array(manifest.station_noise.sigma_mm),
                                                  rel=1e-4)
    assert told[-1][1] == told[-1][2] == len(told)


def test_a_station_is_simulated_without_the_networks_of_its_cell(left_out, trained_bundle):
    names = trained_bundle.manifest.controls.station
    station = synthetic.truth().station.index(names[0])
    before = left_out.simulated_mm(Interpolation())
    networks = left_out.networks_mm.copy()
    networks[0] += 100.0
    after = dataclasses.replace(left_out, networks_mm=networks).simulated_mm(Interpolation())
    assert np.array_equal(before[:, station], after[:, station])
    assert (after != before).any(axis=0).sum() > before.shape[1] // 2


def test_the_spans_are_those_of_the_bundle(left_out):
    spans = left_out.spans
    assert not (spans["unseen"] & (spans["training"] | spans["validation"])).any()
    assert (spans["unseen"] >= spans["test"]).all()
    assert (spans["training"] | spans["validation"] | spans["unseen"]).all()


def test_the_tuned_interpolation_is_the_best_of_the_validation_days(left_out):
    tuned, days = tune(left_out), left_out.spans["validation"]
    best = np.nanmean((left_out.observed_mm - left_out.simulated_mm(tuned))[days]**2)
    for other in (Interpolation(), Interpolation(power=2.0, n_controls=3)):
        assert best <= np.nanmean((left_out.observed_mm - left_out.simulated_mm(other))[days]**2)


def test_the_report_scores_four_ways_on_unseen_days(opened):
    table = virtual_station_report(*opened, "current", stride_days=4, progress=lambda *_: None)
    assert len(table.methods) == 4
    assert len({scores.n_values for scores in table.methods}) == 1
    assert table.bundle_id == opened[0].bundle_id
    spans = synthetic.training_settings()
    for name in ("training", "validation"):
        assert not spans[name]["first"] <= table.first <= spans[name]["last"]
    assert table.last > spans["test"]["first"]
    for scores in table.methods:
        assert np.isfinite(scores.rmse_mm).sum() == synthetic.N_STATIONS
        assert 0.75 < scores.coverage < 0.99
    paper, _, kriging, both = table.methods
    assert both.pooled_rmse_mm < paper.pooled_rmse_mm
    assert both.pooled_rmse_mm < 1.1 * kriging.pooled_rmse_mm
    assert to_markdown(table).count("\n| ") >= 4


def test_what_is_unseen_is_not_learned_from(opened):
    session, known = opened
    before = virtual_station_report(session, known, "current", stride_days=6,
                                    progress=lambda *_: None)
    checked = known.checked.copy(deep=True)
    unseen = checked["time"].values >= np.datetime64(synthetic.training_settings()["test"]["first"])
    checked["up_mm"].values[unseen] *= -3.0
    after = virtual_station_report(session, dataclasses.replace(known, checked=checked), "current",
                                   stride_days=6, progress=lambda *_: None)
    assert after.parameters == before.parameters
    for one, other in zip(before.methods, after.methods, strict=True):
        assert (one.label, one.interval_scale) == (other.label, other.interval_scale)
        assert one.pooled_rmse_mm != other.pooled_rmse_mm


def test_a_role_that_does_not_serve_is_named(opened):
    session, known = opened
    with pytest.raises(ConfigError, match="no such bundle"):
        left_out_stations(session, known, "elsewhere", stride_days=6, progress=lambda *_: None)
    blind = dataclasses.replace(known, forcing=None)
    with pytest.raises(ConfigError, match="nothing simulates"):
        left_out_stations(session, blind, "current", stride_days=6, progress=lambda *_: None)
