"""Dashboards: generated, complete, and every query answered by a real Prometheus."""

import json
import re
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import promql_parser
import pytest
import synthetic
import yaml
from observability import (
    DEPLOY,
    INSTANCE,
    RULES,
    History,
    backfill,
    program,
    prometheus,
    query,
    wait_for,
)

from dwlim_ops.drift import drift_report
from dwlim_ops.health_facts import HealthFacts
from dwlim_ops.monitoring import serve_metrics
from dwlim_ops.reconcile import observe
from dwlim_ops.state.alert_ledger import AlertLedger, Delivery, StoredMessage
from dwlim_ops.state.health_queries import remember_drift
from dwlim_ops.state.ledger import Ledger
from dwlim_ops.telemetry.metrics import FAMILIES, PREFIX

GRAFANA = DEPLOY / "grafana"

pytest.importorskip("grafana_foundation_sdk")
import draw_pictures  # noqa: E402
import make_dashboards  # noqa: E402
import panels  # noqa: E402

PANELS = [pytest.param(board, panel, id=f"{board.uid}-{panel.title}")
          for board in panels.BOARDS for _, row in board.rows for panel in row]
RECORDED = {rule["record"] for group in yaml.safe_load(
    (RULES / "recording.yml").read_text())["groups"] for rule in group["rules"]}
ALERTS = {rule["alert"] for group in yaml.safe_load(
    (RULES / "alerts.yml").read_text())["groups"] for rule in group["rules"]}
KNOWN = {f"{PREFIX}_{family.name}" for family in FAMILIES} | RECORDED | {
    "up", "ALERTS", "dwlim_ledger_readable", "dwlim_build_info"}
UNITS = {"none", "short", "s", "bytes", "percentunit", "lengthm"}


def selectors(node):
    """Names of the metrics that a query asks for."""
    found = set(re.findall(r"name: Some\(\s*\"([^\"]+)\"", repr(node)))
    return found or set(re.findall(r"\b(?:dwlim[_:][a-z0-9_:]+|up|ALERTS)\b(?=[{\[ ]|$)",
                                   str(node)))


# --- as files


@pytest.mark.parametrize("board", panels.BOARDS, ids=lambda board: board.uid)
def test_the_files_are_those_that_are_made(board):
    path = GRAFANA / "dashboards" / f"{board.uid}.json"
    assert path.read_text() == make_dashboards.to_json(board) == make_dashboards.to_json(board)


def test_there_are_no_other_files():
    assert {path.stem for path in (GRAFANA / "dashboards").iterdir()} == {
        board.uid for board in panels.BOARDS}


@pytest.mark.parametrize("board", panels.BOARDS, ids=lambda board: board.uid)
def test_a_dashboard_is_whole(board):
    made = json.loads(make_dashboards.to_json(board))
    shown = [panel for panel in made["panels"] if panel["type"] != "row"]
    declared = [panel for _, row in board.rows for panel in row]
    assert [panel["title"] for panel in shown] == [panel.title for panel in declared]
    assert len({panel["title"] for panel in shown}) == len(shown)
    assert made["editable"] is False
    assert {one["name"] for one in made["templating"]["list"]} == {
        "datasource", *(name for name, _ in board.variables)}
    taken = set()
    for panel in made["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken
        taken |= cells
    for panel in shown:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_a_panel_says_what_it_shows(board, panel):
    made = json.loads(json.dumps(make_dashboards.panel_of(panel).build(),
                                 cls=make_dashboards.JSONEncoder))
    assert panel.description.endswith(".")
    assert len(panel.description) > 20
    assert made["fieldConfig"]["defaults"]["unit"] in UNITS
    assert [target["expr"] for target in made["targets"]] == [one for one, _ in panel.queries]
    assert panel.queries
    assert set(panel.alerts) <= ALERTS
    links = made.get("links", [])
    assert [link["url"].rpartition("#")[2] for link in links] == [
        alert.lower() for alert in panel.alerts]
    assert all(link["title"].startswith("What to do: ") for link in links)


def test_every_alert_is_shown_by_a_panel():
    shown = {alert for _, panel in (one.values for one in PANELS) for alert in panel.alerts}
    assert shown == ALERTS


def test_every_metric_is_shown_or_recorded():
    asked = " ".join(expression for _, panel in (one.values for one in PANELS)
                     for expression, _ in panel.queries)
    asked += (RULES / "recording.yml").read_text()
    asked += " dwlim_drift_features dwlim_drift_scatter"
    elsewhere = {"last_tick_timestamp_seconds", "last_tick_as_of_timestamp_seconds"}
    for family in FAMILIES:
        assert f"{PREFIX}_{family.name}" in asked or family.name in elsewhere, family.name


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_queries_parse_and_ask_for_what_there_is(board, panel):
    for expression, _ in panel.queries:
        parsed = promql_parser.parse(draw_pictures.resolved(expression))
        assert "$" not in draw_pictures.resolved(expression)
        assert selectors(parsed)
        assert selectors(parsed) <= KNOWN


def test_provisioning_names_folders_and_sources_that_there_are():
    (provider,) = yaml.safe_load(
        (GRAFANA / "provisioning/dashboards/dwlim.yml").read_text())["providers"]
    (source,) = yaml.safe_load(
        (GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    mounted = {volume.split(":")[1]: volume.split(":")[0]
               for volume in compose["grafana"]["volumes"]}
    assert mounted[provider["options"]["path"]] == "./grafana/dashboards"
    assert mounted["/etc/grafana/provisioning"] == "./grafana/provisioning"
    assert source["type"] == "prometheus"
    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in compose


# --- with a real Prometheus


@pytest.fixture
def region(served, open_session):
    """A region that has ticked for ten days, with a drift report, an alert and a token."""
    session = open_session(served)
    for number in range(1, 11):
        at = synthetic.AS_OF + timedelta(days=number)
        if number == 7:
            synthetic.edit(served.root / "inbox/gnss/s001.up", lambda rows: [
                *rows[:-1], f"{synthetic.DAY:%Y%m%d} 25.0000 1.0000"])
        synthetic.run_tick(session, at, now=at)
    known = observe(session, at)
    remember_drift(session.ledger, drift_report(session, known).to_dict())
    message = StoredMessage(
        "toyland-7-drought-1", "toyland-7-drought", 1, "Alert", "Severe", "7", "drought", False,
        at, at + timedelta(days=30), {"status": "Test"}, "<alert/>")
    AlertLedger(session.ledger).record([], [message], [
        Delivery("d1", message.identifier, "desk", "pending", 3, at, at)])
    (newest,) = session.ledger.ticks(limit=1)
    session.ledger.add_tick(replace(newest, detail={
        **newest.detail, "stage_seconds": {"ingest": 1.0, "publish": 2.0},
        "credentials": {"cds": (at + timedelta(days=20)).isoformat()}}))
    return served


@pytest.mark.slow
def test_every_query_has_data_from_a_real_exporter(region, tmp_path):
    with (closing(Ledger(region.ledger_url)) as ledger,
          serve_metrics(HealthFacts(ledger, synthetic.REGION, region), host="127.0.0.1",
                        port=0) as port):
        ledger.beat("daemon", datetime.now(UTC))
        targets = {"dwlim": f"127.0.0.1:{port}", "prometheus": "{own}"}
        with prometheus(tmp_path / "prometheus", targets=targets) as server:
            for _, panel in (one.values for one in PANELS):
                for expression, _ in panel.queries:
                    wait_for(server, draw_pictures.resolved(expression))
            wait_for(server, 'ALERTS{alertname="DwlimWatchdog", alertstate="firing"}')


@pytest.mark.slow
def test_a_replay_has_a_history_that_can_be_drawn(region, tmp_path):
    program("promtool")
    first, last = datetime(2017, 1, 12, tzinfo=UTC), datetime(2017, 1, 14, tzinfo=UTC)
    with closing(Ledger(region.ledger_url)) as ledger:
        history = History(ledger, synthetic.REGION, region)
        history.fill(first, last, timedelta(minutes=20))
    backfill(tmp_path, history, first=first, last=last, lookback="30m")
    with prometheus(tmp_path, targets={}, lookback="30m") as server:
        end_s = last.timestamp() - 1200
        (age,) = query(server, "dwlim:newest_published_day_age:seconds", end_s)
        true_age_s = end_s - datetime(2016, 12, 31, tzinfo=UTC).timestamp()
        assert float(age["value"][1]) == pytest.approx(true_age_s, abs=3600)
        assert age["metric"]["instance"] == INSTANCE
        for board in panels.BOARDS:
            drawn = draw_pictures.draw_board(server, board, tmp_path, end_s, 1.5)
            assert drawn.read_bytes().startswith(b"\x89PNG")
        service = panels.SERVICE.rows[0][1][0]
        assert draw_pictures.series_of(server, service, end_s, 1.5)
