"""Alerts of a workspace: evaluated once, published from the ledger, delivered in order."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import synthetic
from alert_examples import CALM, DRIER, DRY, days, standing, tick_time
from cap_rules import CAP, checked
from synthetic import published_files

from dwlim_ops import alert_delivery, alerting
from dwlim_ops.alert_delivery import deliver
from dwlim_ops.alerting import attend, evaluate, evaluated_through
from dwlim_ops.errors import ConfigError, ContractError
from dwlim_ops.health_facts import alert_facts
from dwlim_ops.state.alert_ledger import AlertLedger
from dwlim_ops.state.records import ProductRecord
from dwlim_ops.telemetry.facts import AlertFacts, LastTick

FIRST = date(2017, 1, 1)
QUICK = {"on_probability": 0.6, "off_probability": 0.4, "dwell_days": 2, "dwell_days_off": 3,
         "renew_days": 4, "expiry_days": 9}
SPANS = (3, DRY), (6, DRIER), (4, CALM)
WHOLE = days(*SPANS)
NAMES = [f"dwlim-toyland-7-drought-0001-{number:03d}" for number in (1, 2, 3, 4)]


@pytest.fixture
def open_with(workspace, open_session):
    """Opens the workspace with a table `[alerts]`."""

    def open_one(**alerts):
        content = synthetic.configuration() | {"alerts": QUICK | alerts}
        synthetic.write_config(workspace.root, content)
        return open_session(workspace)

    return open_one


@pytest.fixture
def session(open_with):
    return open_with()


def desk(httpserver, **about):
    return {"name": "desk", "kind": "webhook", "address": httpserver.url_for("/hook")} | about


def add_products(session, day, *, revision=0, as_of=None):
    as_of = as_of or tick_time(day)
    name = f"twsa_toyland_{day:%Y%m%d}_r{revision:02d}"
    session.ledger.add_product(ProductRecord(
        name, day, "final_gnss", revision, as_of, 1, {}, f"daily/{name}.nc", "", "", ""), [])


def tick(session, standings, *, as_of=None, now=None):
    """What a tick does with the standings of all days that are published."""
    as_of = as_of or tick_time(max(one.day for one in standings))
    known = {(one.day, one.revision) for one in session.ledger.products()}
    for one in standings:
        if (one.day, one.revision) not in known:
            add_products(session, one.day, revision=one.revision, as_of=as_of)
            known.add((one.day, one.revision))
    return attend(session, standings, as_of=as_of, now=now or as_of)


def replay(session, standings=WHOLE, *, first=0):
    """A tick for each day."""
    for number in range(first + 1, len(standings) + 1):
        tick(session, standings[:number])


def of_ledger(session):
    alerts = AlertLedger(session.ledger)
    return alerts.states(), alerts.messages(), alerts.deliveries()


def documents(session):
    return {path: content for path, content in published_files(session.workspace).items()
            if path.startswith("alerts/")}


def test_a_replay_publishes_a_chain(session):
    replay(session)
    found = documents(session)
    assert set(found) == {"alerts/feed.atom", "alerts/active.geojson",
                          *(f"alerts/cap/{name}.xml" for name in NAMES)}
    kinds = [checked(found[f"alerts/cap/{name}.xml"]).findtext(CAP + "msgType") for name in NAMES]
    assert kinds == ["Alert", "Update", "Update", "Cancel"]
    assert json.loads(found["alerts/active.geojson"])["features"] == []
    assert evaluated_through(session) == WHOLE[-1].day
    cancel = checked(found[f"alerts/cap/{NAMES[3]}.xml"])
    assert cancel.findtext(CAP + "sent") == "2017-01-14T18:00:00-00:00"


def test_what_lasts_is_active_where_the_basin_is(session):
    replay(session, WHOLE[:5])
    (feature,) = json.loads(documents(session)["alerts/active.geojson"])["features"]
    assert feature["properties"]["identifier"] == NAMES[1]
    assert feature["properties"]["product_id"] == "twsa_toyland_20170105_r00"
    (ring,) = feature["geometry"]["coordinates"][0]
    assert {tuple(point) for point in ring} == {(10, 40), (15, 40), (15, 50), (10, 50)}
    tree = documents(session)
    tick(session, WHOLE[:1])
    assert documents(session) == tree


def test_before_the_first_product_nothing_is_published(session):
    assert attend(session, [], as_of=tick_time(FIRST), now=tick_time(FIRST)) == []
    assert documents(session) == {}
    assert evaluated_through(session) is None


def test_ticks_that_are_repeated_change_nothing(session):
    replay(session)
    ledger, tree = of_ledger(session), documents(session)
    replay(session)
    tick(session, WHOLE, as_of=tick_time(FIRST))
    assert (of_ledger(session), documents(session)) == (ledger, tree)


@pytest.mark.parametrize("place", ["before it", "after it", "in publishing"])
def test_a_crash_in_every_tick_loses_and_repeats_nothing(session, monkeypatch, place):
    record = AlertLedger.record

    def die(*arguments, **_):
        if place == "after it":
            record(*arguments)
        raise KeyboardInterrupt

    for number in range(1, len(WHOLE) + 1):
        with monkeypatch.context() as patch:
            if place == "in publishing":
                patch.setattr("dwlim_ops.outlets.alerts.atom_feed", die)
            else:
                patch.setattr(AlertLedger, "record", die)
            with pytest.raises(KeyboardInterrupt):
                tick(session, WHOLE[:number])
        tick(session, WHOLE[:number])
    told = AlertLedger(session.ledger).messages()
    assert [one.identifier for one in told] == NAMES
    assert [one.sent for one in told] == [
        tick_time(FIRST + timedelta(days=days)) for days in (1, 4, 8, 11)]
    assert set(documents(session)) > {f"alerts/cap/{name}.xml" for name in NAMES}
    assert json.loads(documents(session)["alerts/active.geojson"])["features"] == []


def test_a_revision_of_an_old_day_changes_no_message(session):
    replay(session, WHOLE[:5])
    ledger, tree = of_ledger(session), documents(session)
    revised = [replace(one, revision=1) for one in days((5, CALM))]
    tick(session, revised, as_of=tick_time(WHOLE[4].day, delay_days=3))
    assert (of_ledger(session), documents(session)) == (ledger, tree)
    later = days((3, CALM), first=FIRST + timedelta(days=5))
    tick(session, [*revised, *later])
    assert [one.kind for one in AlertLedger(session.ledger).messages()][-1] == "Cancel"


def test_a_tick_of_the_past_sees_no_later_product(session):
    for one in WHOLE[:6]:
        add_products(session, one.day)
    attend(session, WHOLE[:6], as_of=tick_time(WHOLE[1].day), now=tick_time(WHOLE[1].day))
    assert evaluated_through(session) == WHOLE[1].day
    (alert,) = AlertLedger(session.ledger).messages()
    assert alert.sent == tick_time(WHOLE[1].day)


def test_a_backfill_announces_only_what_still_holds(session):
    history = days((30, DRY), (5, CALM), (20, DRIER))
    tick(session, history)
    told = AlertLedger(session.ledger).messages()
    assert {one.chain for one in told} == {"dwlim-toyland-7-drought-0002"}
    assert [one.kind for one in told] == ["Alert", "Update"]


def test_basins_do_not_disturb_each_other(session):
    both = [one for pair in zip(WHOLE, days((13, CALM), wet=(0.9, 0.7, 0.1), basin="12"),
                                strict=True) for one in pair]
    tick(session, both, as_of=tick_time(WHOLE[4].day))
    told = AlertLedger(session.ledger).messages()
    assert {one.basin: one.hazard for one in told} == {"7": "drought", "12": "wet"}


@pytest.mark.parametrize(("wrong", "said"), [
    (lambda one: [one, replace(one, method="tragnss")], "two standings"),
    (lambda one: [replace(one, basin="Nile")], "no such basin"),
    (lambda one: [replace(one, revision=7)], "standing of no product")])
def test_standings_that_cannot_be_are_bugs(session, wrong, said):
    for one in WHOLE[:2]:
        add_products(session, one.day)
    later = tick_time(FIRST, delay_days=9)
    with pytest.raises(ContractError, match=said):
        evaluate(session, [*wrong(WHOLE[0]), *wrong(WHOLE[1])], as_of=later)


def test_a_published_document_comes_back_and_never_changes(session):
    replay(session)
    tree = documents(session)
    folder = session.workspace.published / "alerts"
    (folder / f"cap/{NAMES[0]}.xml").unlink()
    (folder / "feed.atom").write_text("half")
    written = (folder / f"cap/{NAMES[1]}.xml").stat().st_mtime_ns
    replay(session)
    assert documents(session) == tree
    assert (folder / f"cap/{NAMES[1]}.xml").stat().st_mtime_ns == written


def test_alerts_that_would_expire_too_early_are_a_remark(open_with):
    session = open_with(renew_days=8)
    (remark,) = tick(session, WHOLE[:1])
    assert "alerts expire before they can be renewed: displacement comes 2 days late" in remark


def test_everyone_is_told_in_order(open_with, httpserver):
    httpserver.expect_request("/hook").respond_with_data("")
    session = open_with(recipients=[desk(httpserver)])
    replay(session)
    assert [request.headers["Idempotency-Key"] for request, _ in httpserver.log] == [
        one.delivery_id for one in AlertLedger(session.ledger).deliveries()]
    assert [request.data for request, _ in httpserver.log] == [
        documents(session)[f"alerts/cap/{name}.xml"] for name in NAMES]
    assert AlertLedger(session.ledger).outbox() == ({"delivered": 4}, None)


def test_who_wants_severe_alerts_is_told_of_their_end_too(open_with, httpserver):
    httpserver.expect_request("/hook").respond_with_data("")
    session = open_with(recipients=[desk(httpserver, minimum_severity="Severe")])
    replay(session)
    assert [one.identifier for one in AlertLedger(session.ledger).deliveries()] == NAMES[1:]
    extreme = open_with(recipients=[desk(httpserver, name="other", minimum_severity="Extreme")])
    replay(extreme)
    assert {one.recipient for one in AlertLedger(extreme.ledger).deliveries()} == {"desk"}


def test_while_a_server_fails_messages_wait_and_keep_their_order(open_with, httpserver):
    session = open_with(recipients=[desk(httpserver)])
    httpserver.expect_request("/hook").respond_with_data("", status=500)
    for number in (2, 5):
        now = tick_time(WHOLE[number - 1].day)
        assert tick(session, WHOLE[:number]) == [
            "an alert waits to be delivered to desk: answered with status 500"]
    assert len(httpserver.log) == 2
    assert deliver(session, now=now + timedelta(minutes=9)) == [
        "an alert waits to be delivered to desk: answered with status 500"]
    assert len(httpserver.log) == 2
    httpserver.clear_all_handlers()
    httpserver.expect_request("/hook").respond_with_data("")
    assert deliver(session, now=now + timedelta(minutes=10)) == []
    keys = [request.headers["Idempotency-Key"] for request, _ in httpserver.log]
    first, second = (one.delivery_id for one in AlertLedger(session.ledger).deliveries())
    assert keys == [first, first, first, second]
    assert [one.n_attempts for one in AlertLedger(session.ledger).deliveries()] == [3, 1]


def test_patience_that_a_server_asks_for_is_given(open_with, httpserver):
    session = open_with(recipients=[desk(httpserver)])
    httpserver.expect_request("/hook").respond_with_data(
        "", status=429, headers={"Retry-After": "3600"})
    tick(session, WHOLE[:2])
    (delivery,) = AlertLedger(session.ledger).deliveries()
    assert delivery.next_attempt_at == tick_time(WHOLE[1].day) + timedelta(hours=1)


def test_who_does_not_answer_is_asked_once_a_pass(open_with, httpserver):
    down = desk(httpserver, name="down", address="http://127.0.0.1:9/")
    httpserver.expect_request("/hook").respond_with_data("")
    session = open_with(recipients=[down, desk(httpserver)])
    both = [one for pair in zip(days((2, DRY)), days((2, DRY), basin="12"), strict=True)
            for one in pair]
    (remark,) = tick(session, both)
    assert "delivered to down: ConnectionError" in remark
    found = {(one.recipient, one.n_attempts, one.state)
             for one in AlertLedger(session.ledger).deliveries()}
    assert found == {("down", 1, "pending"), ("down", 0, "pending"), ("desk", 1, "delivered")}


@pytest.mark.parametrize("moment", ["begun", "sent"])
def test_a_crash_around_the_sending_repeats_the_key(open_with, httpserver, monkeypatch, moment):
    httpserver.expect_request("/hook").respond_with_data("")
    session, change = open_with(recipients=[desk(httpserver)]), AlertLedger.change

    def die(self, delivery, **changes):
        if (changes["state"] == "sending") == (moment == "begun"):
            if moment == "begun":
                change(self, delivery, **changes)
            raise KeyboardInterrupt
        return change(self, delivery, **changes)

    with monkeypatch.context() as patch:
        patch.setattr(AlertLedger, "change", die)
        with pytest.raises(KeyboardInterrupt):
            tick(session, WHOLE[:2])
    assert [one.state for one in AlertLedger(session.ledger).deliveries()] == ["sending"]
    assert tick(session, WHOLE[:2]) == []
    keys = {request.headers["Idempotency-Key"] for request, _ in httpserver.log}
    assert len(httpserver.log) == {"begun": 1, "sent": 2}[moment]
    assert keys == {one.delivery_id for one in AlertLedger(session.ledger).deliveries()}
    assert AlertLedger(session.ledger).outbox() == ({"delivered": 1}, None)


def test_a_message_that_has_expired_is_not_sent(open_with, httpserver):
    session = open_with(recipients=[desk(httpserver)])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(1, len(WHOLE) + 1):
        assert tick(session, WHOLE[:number], now=now) == []
    assert httpserver.log == []
    assert AlertLedger(session.ledger).outbox() == ({"expired": 4}, None)


def test_without_its_secret_nothing_is_sent_until_it_is_there(open_with, httpserver):
    httpserver.expect_request("/hook").respond_with_data("")
    signed = desk(httpserver) | {"secret_variable": "DESK_SECRET_OF_TESTS"}
    session = open_with(recipients=[signed])
    assert tick(session, WHOLE[:2]) == ["an alert waits to be delivered to desk: the environment "
                                        "variable DESK_SECRET_OF_TESTS is not set"]
    assert httpserver.log == []
    assert deliver(session, now=tick_time(WHOLE[1].day),
                   environment={"DESK_SECRET_OF_TESTS": "x"}) == []
    assert httpserver.log[0][0].headers["X-DWLIM-Signature"].startswith("sha256=")


def test_a_recipient_who_is_gone_gets_nothing(open_with, httpserver):
    tick(open_with(recipients=[desk(httpserver, address="http://127.0.0.1:9/")]), WHOLE[:2])
    session = open_with(recipients=[desk(httpserver, name="other")])
    assert deliver(session, now=tick_time(WHOLE[5].day)) == []
    assert AlertLedger(session.ledger).outbox() == ({"withdrawn": 1}, None)


def test_e_mail_goes_to_the_configured_server(open_with, monkeypatch):
    sent = []
    monkeypatch.setattr(alert_delivery, "mail", lambda parcel, recipient, smtp, **about: (
        sent.append((parcel.delivery_id, recipient.address, smtp.host, about)),
        alert_delivery.Outcome(True))[1])
    session = open_with(
        recipients=[{"name": "mail", "kind": "email", "address": "desk@example.org"}],
        smtp={"host": "mail.example.org", "sender": "water@example.org", "user": "water",
              "password_variable": "MAIL_PASSWORD"})
    tick(session, WHOLE[:2])
    assert deliver(session, now=tick_time(FIRST, delay_days=5),
                   environment={"MAIL_PASSWORD": "p"}) == []
    ((key, address, host, about),) = sent
    assert (address, host, about) == ("desk@example.org", "mail.example.org",
                                      {"password": "p", "timeout_s": 10.0})
    assert key == AlertLedger(session.ledger).deliveries()[0].delivery_id


def test_a_drill_goes_all_the_way_and_touches_nothing_real(open_with, httpserver):
    httpserver.expect_request("/hook").respond_with_data("")
    session = open_with(recipients=[desk(httpserver, minimum_severity="Extreme")])
    replay(session, WHOLE[:5])
    states = AlertLedger(session.ledger).states()
    now = tick_time(WHOLE[4].day) + timedelta(hours=1)
    names = []
    for basin in (None, "7", "12"):
        message = alerting.drill(session, basin=basin, hazard="drought", now=now)
        alerting.publish(session, as_of=now)
        assert deliver(session, now=now) == []
        names.append(message.identifier)
        alert = checked(httpserver.log[-1][0].data)
        assert (alert.findtext(CAP + "status"), alert.findtext(CAP + "identifier")) == (
            "Exercise", message.identifier)
    assert names == ["dwlim-toyland-7-drill-0001-001", "dwlim-toyland-7-drill-0002-001",
                     "dwlim-toyland-12-drill-0001-001"]
    assert AlertLedger(session.ledger).states() == states
    features = json.loads(documents(session)["alerts/active.geojson"])["features"]
    assert [(one["properties"]["basin"], one["properties"]["drill"]) for one in features] == [
        ("12", True), ("7", False), ("7", True)]
    replay(session, first=5)
    assert [one.identifier for one in AlertLedger(session.ledger).messages()
            if not one.drill] == NAMES
    with pytest.raises(ConfigError, match="no such basin"):
        alerting.drill(session, basin="Nile", hazard="drought", now=now)


def test_the_facts_of_the_exporter(open_with, httpserver):
    session = open_with(recipients=[desk(httpserver, address="http://127.0.0.1:9/")])
    assert alert_facts(session.ledger, None) == AlertFacts({}, {}, {}, 0, None)
    replay(session, WHOLE[:5])
    alerting.drill(session, basin=None, hazard="wet", now=tick_time(WHOLE[4].day))
    facts = alert_facts(session.ledger, at(tick_time(WHOLE[4].day)))
    assert facts.active == {("drought", "Severe", "Test"): 1}
    assert facts.messages == {"Alert": 2, "Update": 1}
    assert facts.deliveries == {"pending": 3}
    assert facts.oldest_waiting_s == tick_time(WHOLE[1].day).timestamp()
    later = tick_time(WHOLE[4].day, delay_days=30)
    assert alert_facts(session.ledger, at(later)).active == {}


def at(time):
    return LastTick(time.timestamp(), time.timestamp(), "done", 0)


def test_a_veto_is_seen_and_changes_nothing(session):
    blind = [standing(one.day, DRY, veto="resolution too low") for one in WHOLE[:3]]
    tick(session, blind)
    assert evaluated_through(session) == WHOLE[2].day
    assert AlertLedger(session.ledger).messages() == []
