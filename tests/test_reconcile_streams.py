"""From streams to tiers: a day is issued early, issued again upward, and never the other way."""

import json
import shutil
from datetime import timedelta

import numpy as np
import pytest
import synthetic
from synthetic import AS_OF, DAY, run_tick

from dwlim_ops.products import encode
from dwlim_ops.reconcile import explain, ingest, observe, plan

HOUR, ONE_DAY = timedelta(hours=1), timedelta(days=1)
FINAL_DAYS, RAPID_DAYS = 14, synthetic.LATENCY_DAYS
FINALS_IN = AS_OF + (FINAL_DAYS - RAPID_DAYS) * ONE_DAY


def configure(workspace, *, gnss=None, weather=None, **tables):
    content = synthetic.configuration()
    content["schedule"]["horizon_days"] = 1
    content["sources"]["gnss"] |= gnss or {}
    content["sources"]["weather"] |= weather or {}
    for name, values in tables.items():
        content[name] = {**content.get(name, {}), **values}
    synthetic.write_config(workspace.root, content)
    return workspace


def with_rapid(workspace, *, shift_mm=0.0):
    """The same stations also as rapid solutions, off by so much; the final ones come late."""
    shutil.copytree(workspace.root / "inbox/gnss", workspace.root / "inbox/rapid")
    if shift_mm:
        for path in (workspace.root / "inbox/rapid").iterdir():
            synthetic.edit(path, lambda lines: [
                f"{day} {float(up) + shift_mm:.4f} {sigma}"
                for day, up, sigma in (line.split() for line in lines)])
    return configure(workspace, gnss={
        "latency_days": FINAL_DAYS, "rapid_folder": "inbox/rapid",
        "rapid_latency_days": RAPID_DAYS})


def product_of(session, revision, day=DAY):
    (record,) = [r for r in session.ledger.products(first=day, last=day) if r.revision == revision]
    return record, encode.read(session.workspace.published / record.path)


def test_a_day_is_issued_from_rapid_solutions_and_again_from_the_final_ones(
        workspace, open_session):
    session = open_session(with_rapid(workspace, shift_mm=1.0))
    assert run_tick(session).published == (DAY,)
    known = observe(session, AS_OF)
    assert known.streams_of(DAY) == {"up_mm": "rapid", "temperature_k": "final",
                                     "pressure_pa": "final"}
    before_finals = DAY - (FINAL_DAYS - RAPID_DAYS) * ONE_DAY
    assert (known.streams_of(before_finals)["up_mm"], known.tier_of(before_finals)) == (
        "final", "definitive")
    assert known.tier_of(before_finals + ONE_DAY) == "era5t"
    first, rapid = product_of(session, 0)
    assert (first.tier, rapid.root.attrs["tier"]) == ("era5t", "era5t")
    assert rapid.root.attrs["input_streams"] == "gnss/rapid, weather/final"

    assert run_tick(session, FINALS_IN - ONE_DAY).published == ()
    assert run_tick(session, FINALS_IN).published == (DAY,)
    second, final = product_of(session, 1)
    assert (second.tier, final.root.attrs["tier"]) == ("definitive", "definitive")
    assert final.root.attrs["input_streams"] == "gnss/final, weather/final"
    np.testing.assert_allclose(
        rapid.stations["up_mm"].values - final.stations["up_mm"].values, 0.0, atol=0.051)
    assert second.change_rms_mm == pytest.approx(
        final.root.attrs["change_from_previous_revision_rms_mm"])
    assert second.change_rms_mm < 1.0
    latest = json.loads((workspace.published / "latest.json").read_text())
    assert (latest["tier"], latest["revision"]) == ("definitive", 1)
    assert [one["stream"] for one in latest["inputs"]] == ["final", "final"]
    leads = (workspace.published / "basins/revisions.csv").read_text().splitlines()
    assert {tuple(line.split(",")[3:4] + line.split(",")[6:]) for line in leads[1:]} == {
        ("0", "era5t", "0"), ("6", "era5t", "0")}


def test_a_better_stream_with_the_same_values_is_the_reason_in_words(workspace, open_session):
    session = open_session(with_rapid(workspace))
    run_tick(session)
    (planned,) = plan(session, observe(session, FINALS_IN))
    assert (planned.day, planned.revision, planned.tier, planned.reason) == (
        DAY, 1, "definitive", "up_mm rapid -> final")
    first, rapid = product_of(session, 0)
    run_tick(session, FINALS_IN)
    second, final = product_of(session, 1)
    assert second.content_sha256 == first.content_sha256
    assert second.change_rms_mm == 0.0
    assert final.root["twsa"].equals(rapid.root["twsa"])


def test_without_weather_a_day_is_a_preview_until_it_comes(workspace, open_session):
    session = open_session(configure(workspace, weather={"latency_days": RAPID_DAYS + 3}))
    run_tick(session)
    record, product = product_of(session, 0)
    assert (record.tier, product.root.attrs["input_streams"]) == (
        "preview", "gnss/final, weather/none")
    (planned,) = plan(session, observe(session, AS_OF + 3 * ONE_DAY))
    assert planned.tier == "definitive"
    assert planned.reason == "temperature_k none -> final, pressure_pa none -> final"


def test_a_day_never_falls_to_a_lower_tier(ticked, open_session, caplog):
    session = open_session(with_rapid(configure(ticked)))
    ingest(session, "gnss", as_of=AS_OF + HOUR, retrieved_at=AS_OF + HOUR)
    known = observe(session, AS_OF + HOUR)
    assert known.tier_of(DAY) == "era5t"
    assert plan(session, known) == []
    assert f"{DAY} stays at tier definitive: the inputs now allow era5t only" in caplog.text
    (planned,) = plan(session, observe(session, FINALS_IN))
    assert planned.reason == "configuration changed"


def test_a_day_is_never_issued_with_earlier_knowledge_than_before(ticked, open_session):
    session = open_session(configure(ticked, inversion={"beta": 0.06}))
    assert plan(session, observe(session, AS_OF - HOUR)) == []
    assert [one.day for one in plan(session, observe(session, AS_OF))] == [DAY]


def test_days_since_the_newest_published_one_are_caught_up_beyond_the_horizon(
        workspace, open_session):
    session = open_session(configure(workspace))
    assert run_tick(session, AS_OF - 4 * ONE_DAY).published == (DAY - 4 * ONE_DAY,)
    planned = plan(session, observe(session, AS_OF))
    assert [one.day for one in planned] == [DAY - n * ONE_DAY for n in (3, 2, 1, 0)]
    assert {one.reason for one in planned} == {"not published yet"}


@pytest.mark.parametrize(("before", "after", "words"), [
    ({}, {"code": "a"}, "published by a version that recorded no parts"),
    ({"bundle": "", "code": "a"}, {"bundle": "x-1", "code": "b"},
     "bundle none -> x-1, code changed"),
    ({"loading left in": "ntal", "weather": "a"}, {"loading left in": "", "weather": "b"},
     "loading left in ntal -> none, weather changed"),
    ({"code": "a"}, {"code": "a", "stream of ntal_up_mm": "final"}, "ntal_up_mm none -> final"),
    ({"code": "a", "stream of ntal_up_mm": "final"}, {"code": "a"}, "a part is gone"),
])
def test_what_differs_is_told_in_words(before, after, words):
    assert explain(before, after) == words
