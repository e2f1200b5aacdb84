"""Names, units and labels of every metric."""

import math
import re
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dwlim_ops import __version__
from dwlim_ops.telemetry.metrics import OUTCOMES, PREFIX, Facts, LedgerCollector
from dwlim_ops.tick import OUTCOMES as OUTCOMES_OF_TICKS

FULL = Facts(
    region="toyland", heartbeats_s={"daemon": 1700000030.0, "tick": 1700000000.5},
    last_tick_s=1700000000.5, last_tick_outcome="degraded", newest_published_day_s=1699920000.0,
    published_by_tier={"preview": 2, "definitive": 40},
    newest_granule_s={("gnss", "rapid"): 1.0, ("gnss", "final"): 2.0},
    newest_granule_day_s={("gnss", "rapid"): 3.0, ("gnss", "final"): 4.0},
    refused_granules={"gnss": 1, "weather": 0},
    newest_day_error_mm={("7", "tragnss", 6): 12.5, ("7", "dwlim", 30): math.nan})
EMPTY = Facts("toyland", {}, None, None, None, {}, {}, {}, {}, {})

#: What an operator's rules and dashboards are written against: a change here is a breaking one.
LABELS = {
    "dwlim_ledger_readable": set(),
    "dwlim_build_info": {"version", "region"},
    "dwlim_heartbeat_timestamp_seconds": {"part"},
    "dwlim_last_tick_timestamp_seconds": set(),
    "dwlim_last_tick_outcome": {"outcome"},
    "dwlim_newest_published_day_timestamp_seconds": set(),
    "dwlim_published_products": {"tier"},
    "dwlim_granule_retrieved_timestamp_seconds": {"source", "stream"},
    "dwlim_granule_newest_day_timestamp_seconds": {"source", "stream"},
    "dwlim_refused_granules": {"source"},
    "dwlim_newest_day_error_meters": {"basin", "method", "lead_days"},
}


def families(facts):
    return list(LedgerCollector(lambda: facts).collect())


def samples(facts):
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families(facts) for sample in family.samples}


def test_every_metric_has_its_agreed_name_and_labels():
    found = {}
    for family in families(FULL):
        for sample in family.samples:
            found.setdefault(sample.name, set()).add(frozenset(sample.labels))
    assert found == {name: {frozenset(labels)} for name, labels in LABELS.items()}


def test_names_carry_the_prefix_and_base_units_and_say_what_they_are():
    for family in families(FULL):
        assert re.fullmatch(rf"{PREFIX}_[a-z]+(_[a-z]+)*", family.name)
        words = family.name.split("_")
        assert not {"mm", "millimeters", "hours", "ms", "milliseconds", "percent", "total",
                    "count", "age"} & set(words)
        assert "timestamp" not in words or words[-2:] == ["timestamp", "seconds"]
        assert family.documentation.endswith(".")


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
    assert found["dwlim_granule_newest_day_timestamp_seconds", final] == 4
    assert found["dwlim_refused_granules", (("source", "weather"),)] == 0
    labels = (("basin", "7"), ("lead_days", "6"), ("method", "tragnss"))
    assert found["dwlim_newest_day_error_meters", labels] == pytest.approx(0.0125)


def test_the_outcomes_are_those_of_ticks_and_always_all_there():
    assert OUTCOMES == OUTCOMES_OF_TICKS
    for outcome in (*OUTCOMES, None):
        found = samples(replace(EMPTY, last_tick_outcome=outcome))
        values = {labels[0][1]: value for (name, labels), value in found.items()
                  if name == "dwlim_last_tick_outcome"}
        assert values == {name: float(name == outcome) for name in OUTCOMES}


def test_what_is_not_known_has_no_value_rather_than_zero():
    assert {name for name, _ in samples(EMPTY)} == {
        "dwlim_ledger_readable", "dwlim_build_info", "dwlim_last_tick_outcome"}


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


def test_any_text_survives_the_exposition():
    odd = 'a "b" \\ c\nd \N{GREEK SMALL LETTER ALPHA}'
    registry = CollectorRegistry()
    registry.register(LedgerCollector(lambda: replace(FULL, refused_granules={odd: 3})))
    text = generate_latest(registry).decode()
    assert text == generate_latest(registry).decode()
    found = [sample for family in text_string_to_metric_families(text)
             for sample in family.samples if sample.name == "dwlim_refused_granules"]
    assert [(sample.labels, sample.value) for sample in found] == [({"source": odd}, 3.0)]
