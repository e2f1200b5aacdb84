"""Names, units and labels of every metric."""

import math
import os
import re
import shutil
import string
import subprocess
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dwlim_ops import __version__
from dwlim_ops.alerts.hazards import HazardName
from dwlim_ops.alerts.messages import MessageKind
from dwlim_ops.alerts.settings import SEVERITIES, Status
from dwlim_ops.contracts import TIERS
from dwlim_ops.state.alert_ledger import WAITING, DeliveryState
from dwlim_ops.telemetry import metrics
from dwlim_ops.telemetry.facts import (
    AlertFacts,
    Disk,
    Drift,
    Facts,
    LastTick,
    Published,
    RevisionError,
)
from dwlim_ops.telemetry.metrics import FAMILIES, OUTCOMES, PREFIX, STAGES, LedgerCollector
from dwlim_ops.tick import OUTCOMES as OUTCOMES_OF_TICKS
from dwlim_ops.tick_facts import EXCLUSIONS, OTHER, STATION_STATES
from dwlim_ops.verify.drift import VERDICTS as VERDICTS_OF_DRIFT

FULL = Facts(
    region="toyland", heartbeats_s={"daemon": 1700000030.0, "tick": 1700000000.5},
    last_tick=LastTick(
        1700000000.5, 1700000000.0, "degraded", 3, dict.fromkeys(STAGES, 1.25),
        {("gnss", "rapid"): 3.0, ("gnss", "final"): 4.0}, {("gnss", "rapid"): 2},
        dict.fromkeys(STATION_STATES, 5), dict.fromkeys((*EXCLUSIONS, OTHER), 1), 1.1, 30,
        {"cds": 1800000000.0}),
    ticks={"done": 7, "failed": 1}, retrieved_s={("gnss", "rapid"): 1.0, ("gnss", "final"): 2.0},
    refused={"gnss": 1, "weather": 0},
    published=Published(
        1699920000.0, 1699990000.0, 42, {"preview": 2, "definitive": 40},
        {"preview": 1699920000.0, "definitive": 1690000000.0},
        {("7", "tragnss"): -12.0, ("7", "dwlim_st"): math.nan}, {("7", "tragnss"): 3.0}),
    revision_error={("7", "tragnss", 6): RevisionError(12.5, 0.8, 30),
                    ("7", "dwlim", 30): RevisionError(math.nan, math.nan, 1)},
    drift=Drift(1690000000.0, dict.fromkeys(VERDICTS_OF_DRIFT, 1), dict.fromkeys(
        VERDICTS_OF_DRIFT, 2)),
    disk=Disk(10**9, 10**10, dict.fromkeys(metrics.PARTS, 1000)),
    alerts=AlertFacts(
        {(hazard, severity, status): 1 for hazard in metrics.HAZARDS
         for severity in metrics.SEVERITIES for status in metrics.STATUSES},
        {"Alert": 2}, {"delivered": 3, "pending": 1}, 7, 1699999000.0))
EMPTY = Facts("toyland")

#: What an operator's rules and dashboards are written against: a change here is a breaking one.
LABELS = {
    "dwlim_ledger_readable": set(),
    "dwlim_build_info": {"version", "region"},
    "dwlim_heartbeat_timestamp_seconds": {"part"},
    "dwlim_last_tick_timestamp_seconds": set(),
    "dwlim_last_tick_as_of_timestamp_seconds": set(),
    "dwlim_last_tick_outcome": {"outcome"},
    "dwlim_last_tick_remarks": set(),
    "dwlim_last_tick_stage_duration_seconds": {"stage"},
    "dwlim_ticks_total": {"outcome"},
    "dwlim_granule_retrieved_timestamp_seconds": {"source", "stream"},
    "dwlim_input_newest_day_timestamp_seconds": {"source", "stream"},
    "dwlim_input_missed_epochs": {"source", "stream"},
    "dwlim_refused_granules": {"source"},
    "dwlim_credential_expiry_timestamp_seconds": {"service"},
    "dwlim_newest_published_day_timestamp_seconds": set(),
    "dwlim_newest_revision_as_of_timestamp_seconds": set(),
    "dwlim_published_products": {"tier"},
    "dwlim_newest_day_of_tier_timestamp_seconds": {"tier"},
    "dwlim_revisions_total": set(),
    "dwlim_basin_water_storage_anomaly_meters": {"basin", "method"},
    "dwlim_basin_water_storage_sigma_meters": {"basin", "method"},
    "dwlim_newest_day_error_meters": {"basin", "method", "lead_days"},
    "dwlim_newest_day_error_sigma_ratio": {"basin", "method", "lead_days"},
    "dwlim_newest_day_error_cases": {"basin", "method", "lead_days"},
    "dwlim_innovation_nis_ratio": set(),
    "dwlim_innovation_data": set(),
    "dwlim_stations": {"state"},
    "dwlim_excluded_stations": {"reason"},
    "dwlim_drift_report_timestamp_seconds": set(),
    "dwlim_drift_features": {"verdict"},
    "dwlim_drift_scatter": {"verdict"},
    "dwlim_alerts_active": {"hazard", "severity", "status"},
    "dwlim_alert_messages_total": {"kind"},
    "dwlim_alert_deliveries_total": {"state"},
    "dwlim_alert_delivery_attempts_total": set(),
    "dwlim_outbox_waiting_deliveries": {"state"},
    "dwlim_outbox_oldest_timestamp_seconds": set(),
    "dwlim_disk_free_bytes": set(),
    "dwlim_disk_size_bytes": set(),
    "dwlim_workspace_size_bytes": {"part"},
}
#: Values that a label may have; of the others an open but small number is served.
CLOSED = {
    "outcome": OUTCOMES, "stage": STAGES, "tier": TIERS,
    "state": (*STATION_STATES, *metrics.WAITING, *metrics.ENDED),
    "reason": (*EXCLUSIONS, OTHER), "verdict": VERDICTS_OF_DRIFT, "hazard": metrics.HAZARDS,
    "severity": metrics.SEVERITIES, "kind": metrics.MESSAGES, "status": metrics.STATUSES,
}


def families(facts):
    return list(LedgerCollector(lambda: facts).collect())


def samples(facts):
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families(facts) for sample in family.samples}


def exposition(facts):
    registry = CollectorRegistry()
    registry.register(LedgerCollector(lambda: facts))
    return generate_latest(registry).decode()


def test_every_metric_has_its_agreed_name_and_labels():
    found = {}
    for family in families(FULL):
        for sample in family.samples:
            found.setdefault(sample.name, set()).add(frozenset(sample.labels))
    assert found == {name: {frozenset(labels)} for name, labels in LABELS.items()}
    assert len({family.name for family in FAMILIES}) == len(FAMILIES) == len(LABELS) - 2


def test_names_carry_the_prefix_and_base_units_and_say_what_they_are():
    for family in FAMILIES:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", family.name)
        words = family.name.split("_")
        assert not {"mm", "millimeters", "hours", "ms", "milliseconds", "percent", "count",
                    "age"} & set(words)
        assert "timestamp" not in words or words[-2:] == ["timestamp", "seconds"]
        assert ("total" in words) == (family.kind == "counter")
        assert family.help.endswith(".")
    assert all(name.startswith(f"{PREFIX}_") for name in LABELS)


def test_values_are_those_of_the_facts_in_base_units():
    found = samples(FULL)
    assert found["dwlim_build_info", (("region", "toyland"), ("version", __version__))] == 1
    assert found["dwlim_heartbeat_timestamp_seconds", (("part", "tick"),)] == 1700000000.5
    assert found["dwlim_last_tick_timestamp_seconds", ()] == 1700000000.5
    assert {name: found["dwlim_last_tick_outcome", (("outcome", name),)] for name in OUTCOMES} == {
        "done": 0, "degraded": 1, "failed": 0}
    assert found["dwlim_published_products", (("tier", "definitive"),)] == 40
    final = (("source", "gnss"), ("stream", "final"))
    assert found["dwlim_granule_retrieved_timestamp_seconds", final] == 2
    assert found["dwlim_input_newest_day_timestamp_seconds", final] == 4
    assert found["dwlim_refused_granules", (("source", "weather"),)] == 0
    basin = (("basin", "7"), ("method", "tragnss"))
    assert found["dwlim_basin_water_storage_anomaly_meters", basin] == pytest.approx(-0.012)
    assert found["dwlim_basin_water_storage_sigma_meters", basin] == pytest.approx(0.003)
    lead = (("basin", "7"), ("lead_days", "6"), ("method", "tragnss"))
    assert found["dwlim_newest_day_error_meters", lead] == pytest.approx(0.0125)
    assert found["dwlim_newest_day_error_sigma_ratio", lead] == 0.8
    assert found["dwlim_newest_day_error_cases", lead] == 30
    assert found["dwlim_ticks_total", (("outcome", "degraded"),)] == 0


def test_labels_with_a_closed_set_of_values_keep_to_it():
    found = {}
    for _, labels in samples(FULL):
        for name, value in labels:
            found.setdefault(name, set()).add(value)
    for label, allowed in CLOSED.items():
        assert found[label] <= set(allowed), label
    assert found["part"] == {"daemon", "tick", *metrics.PARTS}
    assert set(CLOSED) | {"part"} | {
        "version", "region", "source", "stream", "service", "basin", "method", "lead_days"
    } == {label for labels in LABELS.values() for label in labels}


def test_the_sets_are_those_of_the_parts_that_make_the_values():
    assert OUTCOMES == OUTCOMES_OF_TICKS
    assert tuple(VERDICTS_OF_DRIFT) == metrics.VERDICTS
    assert metrics.SEVERITIES == SEVERITIES
    assert get_args(Status) == metrics.STATUSES
    assert get_args(HazardName) == metrics.HAZARDS
    assert get_args(MessageKind) == metrics.MESSAGES
    assert metrics.WAITING == WAITING
    assert {*metrics.WAITING, *metrics.ENDED} == set(get_args(DeliveryState))


def test_the_outcomes_are_always_all_there():
    for outcome in (*OUTCOMES, None):
        tick = None if outcome is None else LastTick(1.0, 1.0, outcome, 0)
        found = samples(replace(EMPTY, last_tick=tick))
        values = {labels[0][1]: value for (name, labels), value in found.items()
                  if name == "dwlim_last_tick_outcome"}
        assert values == {name: float(name == outcome) for name in OUTCOMES}


def test_what_is_not_known_has_no_value_rather_than_zero():
    assert {name for name, _ in samples(EMPTY)} == {
        "dwlim_ledger_readable", "dwlim_build_info", "dwlim_last_tick_outcome",
        "dwlim_ticks_total", "dwlim_revisions_total"}
    of_old_tick = {name for name, _ in samples(replace(
        EMPTY, last_tick=LastTick(1.0, 2.0, "done", 0)))}
    assert "dwlim_innovation_nis_ratio" not in of_old_tick


def test_nothing_is_asked_before_the_first_scrape():
    asked = []

    def facts():
        asked.append(None)
        return FULL

    collector, registry = LedgerCollector(facts), CollectorRegistry()
    assert list(collector.describe()) == []
    registry.register(collector)
    assert asked == []
    generate_latest(registry)
    assert len(asked) == 1


def hostile(text):
    return replace(
        FULL, region=text, refused={text: 3},
        published=replace(FULL.published, twsa_mm={(text, "tragnss"): 1.0}),
        revision_error={(text, text, 6): RevisionError(1.0, 1.0, 9)})


def found_labels(text, name):
    return [sample.labels for family in text_string_to_metric_families(text)
            for sample in family.samples if sample.name == name]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
       | st.text('{}"\\\n=, #' + string.ascii_letters, max_size=40))
@settings(derandomize=True, deadline=None, max_examples=150)
def test_any_text_survives_the_exposition(odd):
    text = exposition(hostile(odd))
    assert text == exposition(hostile(odd))
    assert found_labels(text, "dwlim_refused_granules") == [{"source": odd}]
    assert found_labels(text, "dwlim_basin_water_storage_anomaly_meters") == [
        {"basin": odd, "method": "tragnss"}]
    assert len(found_labels(text, "dwlim_ticks_total")) == len(OUTCOMES)


@pytest.fixture
def promtool():
    program = shutil.which("promtool")
    if program is None:
        missing = "promtool is not there: apt-get install prometheus"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return program


@pytest.mark.parametrize("odd", [
    'a" 1\ndwlim_heartbeat_timestamp_seconds{part="daemon"} 9e9', "# TYPE x counter", "\\", '"}',
    "\N{RIGHT-TO-LEFT OVERRIDE}\N{GREEK SMALL LETTER ALPHA}\0\r", "{{ $value }}", "x" * 3000])
def test_promtool_reads_whatever_a_basin_is_called(promtool, odd):
    for facts in (FULL, hostile(odd)):
        text = exposition(facts)
        assert text.count("\ndwlim_heartbeat_timestamp_seconds{") == 2
        done = subprocess.run([promtool, "check", "metrics"], input=text.encode(),
                              capture_output=True, check=False, timeout=60)
        assert (done.stdout + done.stderr).decode().splitlines() == []
