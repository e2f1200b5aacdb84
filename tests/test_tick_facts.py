"""What a tick records of itself: inputs, stations, innovation, credentials, durations."""

import base64
import json
import os
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import synthetic
import xarray as xr
from synthetic import AS_OF, DAY

from dwlim_ops.contracts import GNSS_FLAGS
from dwlim_ops.products import encode
from dwlim_ops.qc.screening import screen_stations
from dwlim_ops.qc.settings import GnssQcSettings
from dwlim_ops.sources.cadence import Cadence
from dwlim_ops.tick_facts import (
    EXCLUSIONS,
    OTHER,
    STATION_STATES,
    cadences,
    exclusion_kind,
    station_counts,
    tick_facts,
)


def detail(session):
    return session.ledger.ticks(limit=1)[0].detail


def inputs(session):
    return {(row["source"], row["stream"]): row for row in detail(session)["inputs"]}


def test_a_tick_records_the_newest_day_of_its_inputs(ticked, open_session):
    found = inputs(open_session(ticked))
    assert found == {key: {"source": key[0], "stream": "final", "newest_day": str(DAY),
                           "missed_epochs": 0} for key in (("gnss", "final"),
                                                           ("weather", "final"))}


def test_missed_days_are_counted_from_the_usual_delay(ticked, open_session):
    session = open_session(ticked)
    for days in (0, 1, 5):
        synthetic.run_tick(session, AS_OF + timedelta(days=days))
        assert inputs(session)["gnss", "final"]["missed_epochs"] == days


def test_a_value_that_may_not_be_seen_yet_is_not_there(workspace, open_session):
    session = open_session(workspace)
    synthetic.run_tick(session, synthetic.EARLY)
    assert inputs(session)["gnss", "final"]["newest_day"] == str(synthetic.EARLY_DAY)


def test_a_stream_that_never_came_misses_all_since_the_first_tick(workspace, open_session):
    for path in (workspace.root / "inbox/weather").iterdir():
        path.unlink()
    session = open_session(workspace)
    synthetic.run_tick(session, AS_OF)
    assert inputs(session)["weather", "final"] == {
        "source": "weather", "stream": "final", "newest_day": None, "missed_epochs": 0}
    synthetic.run_tick(session, AS_OF + timedelta(days=3))
    assert inputs(session)["weather", "final"]["missed_epochs"] == 3


def test_a_folder_without_a_latency_promises_nothing(tmp_path, open_session):
    content = synthetic.configuration()
    del content["sources"]["weather"]
    content["sources"]["gnss"]["latency_days"] = 0
    session = open_session(synthetic.build_workspace(tmp_path / "ws", content=content))
    assert cadences(session) == {}
    content["sources"]["gnss"]["latency_days"] = 2.5
    session = open_session(synthetic.build_workspace(tmp_path / "other", content=content))
    assert cadences(session) == {("gnss", "final"): Cadence(2.5)}


def test_a_tick_records_what_the_product_says_of_stations_and_filter(served, open_session):
    session = open_session(served)
    found = detail(session)
    record = session.ledger.newest_revisions()[DAY]
    product = encode.read(served.published / record.path)
    assert found["stations"]["day"] == found["innovation"]["day"] == str(DAY)
    assert sum(found["stations"]["by_state"].values()) == product.stations.sizes["station"]
    assert found["innovation"]["nis_per_datum"] == product.root.attrs["dwlim_st_variance_factor"]
    assert found["innovation"]["n_data"] == found["stations"]["by_state"]["used"]


@pytest.mark.parametrize("harm", [lambda path: path.unlink(),
                                  lambda path: path.write_bytes(b"rot" * 99)])
def test_a_product_that_is_gone_or_damaged_leaves_its_facts_out(ticked, open_session, harm):
    session = open_session(ticked)
    harm(ticked.published / session.ledger.newest_revisions()[DAY].path)
    assert set(tick_facts(session, AS_OF)) == {"inputs", "credentials"}


def stations(flag, exclusion, up_mm):
    return xr.Dataset({"flag": ("station", np.array(flag, np.uint8)),
                       "exclusion": ("station", np.array(exclusion, dtype=object)),
                       "up_mm": ("station", np.array(up_mm, float))})


def test_each_station_counts_once():
    bits = GNSS_FLAGS
    found = station_counts(stations(
        [0, bits["absent"], bits["station_excluded"] | bits["absent"], bits["outlier"],
         bits["near_step"] | bits["outlier"], 0, bits["formal_sigma_too_large"],
         bits["duplicated_epoch"], bits["near_step"]],
        ["", "", "scatter 20.0 mm", "", "", "", "", "", ""],
        [1, np.nan, np.nan, 5, 5, np.nan, 1, 1, 1]))
    assert found["by_state"] == {
        "used": 1, "station_excluded": 1, "absent": 2, "outlier": 2, "formal_sigma_too_large": 1,
        "duplicated_epoch": 1, "near_step": 1}
    assert tuple(found["by_state"]) == STATION_STATES
    assert found["excluded"] == {kind: int(kind == "scatter") for kind in (*EXCLUSIONS, OTHER)}


def test_every_flag_is_a_state():
    assert set(STATION_STATES) == {"used", *GNSS_FLAGS}


def test_reasons_of_the_screening_have_their_kinds():
    settings = GnssQcSettings()
    used = np.ones((3000, 5), dtype=bool)
    used[:, 2] = False
    used[:5, 2] = True
    sigma, scatter = np.ones(used.shape), np.ones(5)
    sigma[:, 1] = settings.maximum_typical_sigma_mm + 1
    scatter[3] = settings.maximum_scatter_mm + 1
    distance = np.array([settings.maximum_distance_deg + 1, 0, 0, 0, 0])
    reasons = screen_stations(used, used, sigma, scatter, region_distance_deg=distance,
                              settings=settings)
    assert [exclusion_kind(text) for text in reasons if text] == [
        "outside_region", "formal_error", "few_days", "scatter"]
    assert exclusion_kind("annual term of 4.0 mm, 170 days from that of its neighbours "
                          "(3.0 mm)") == "reversed_phase"
    assert exclusion_kind("residual of 3.1 mm in phase with the year's temperature") == "thermal"
    assert exclusion_kind("record of only 80 days") == "short_record"


def test_expiry_of_a_token_is_recorded_and_the_token_is_not(ticked, open_session, monkeypatch):
    expires = datetime(2030, 1, 2, 3, 4, tzinfo=UTC)
    claims = base64.urlsafe_b64encode(json.dumps({"exp": expires.timestamp()}).encode())
    token = f"secret.{claims.decode().rstrip('=')}.secret"
    monkeypatch.setitem(os.environ, "EARTHDATA_TOKEN", token)
    session = open_session(ticked)
    monkeypatch.setattr(type(session.services), "used", ("cmr", "opendap", "ngl"))
    found = tick_facts(session, AS_OF)
    assert found["credentials"]["opendap"] == expires.isoformat()
    assert "ngl" not in found["credentials"]
    assert "secret" not in json.dumps(found)
