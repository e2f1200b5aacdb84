"""A shortened soak under the laws of the long one, and the parts that draw, judge and convert."""

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from observability import program, query
from panels import BOARDS

from tests.replicas.faults import CdsFault, EsmgfzFault, General
from tests.soak import history, laws, measure, region, report, schedule, troubles, words
from tests.soak.flatness import constant, slope
from tests.soak.receiver import Arrival
from tests.soak.schedule import Incident, Ours, Outage
from tests.soak.soak import Soak

DAYS, SEED = 130, 20261106
FEW = settings(derandomize=True, deadline=None, max_examples=15)


# --- the schedule


def test_the_catalogue_is_whole():
    kinds = Counter(kind for _, kind in schedule.catalogue())
    assert set(General) <= set(kinds)
    for faults in schedule.OWN_FAULTS.values():
        assert set(faults) <= set(kinds)
    assert kinds[Outage.STOPPED] == len(schedule.REPLICAS) - 1
    assert kinds[Outage.UNRESOLVABLE] == len(schedule.ENDPOINTS)


def test_the_default_soak_meets_the_whole_catalogue_and_all_of_ours():
    drawn = schedule.draw(DAYS, SEED)
    assert {kind for _, kind in schedule.catalogue()} <= {one.kind for one in drawn}
    assert {one.kind for one in drawn if isinstance(one.kind, Ours)} == set(Ours)


@FEW
@given(st.integers(0, 10_000))
def test_the_same_seed_draws_the_same(seed):
    assert schedule.draw(60, seed) == schedule.draw(60, seed)
    assert schedule.draw(60, seed) != schedule.draw(60, seed + 1)


@FEW
@given(st.integers(0, 10_000))
def test_what_is_drawn_keeps_its_bounds(seed):
    drawn = schedule.draw(DAYS, seed)
    assert all(one.first >= 1 and one.first + one.n_days <= DAYS + 1 for one in drawn)
    assert all(one.n_days == 1 for one in drawn if one.kind in schedule.SHORT)
    of_services = Counter(one.first for one in drawn if not isinstance(one.kind, Ours))
    assert max(of_services.values()) <= 3
    kills = sorted(one.first for one in drawn if one.kind is Ours.KILLED)
    assert np.diff(kills).min() >= schedule.KILL_SPACING_DAYS
    assert np.diff([0, *kills, DAYS]).max() > 60


# --- flatness


@pytest.mark.parametrize("leak_kib", [0.5, 5.0, 50.0])
def test_a_leak_is_seen(leak_kib):
    noise = np.random.default_rng(3).normal(0.0, 3.0 * leak_kib, 60)
    found = slope(500_000.0 + leak_kib * np.arange(60) + noise)
    assert found.grows()
    assert found.per_tick == pytest.approx(leak_kib, rel=0.2)
    assert found.low < leak_kib < found.high


@pytest.mark.parametrize("seed", range(5))
def test_noise_and_one_step_are_no_leak(seed):
    noise = np.random.default_rng(seed).normal(0.0, 200.0, 60)
    assert not slope(500_000.0 + noise).grows()
    assert not slope([7.0] * 30).grows()
    assert slope(noise).low < 0 < slope(noise).high


def test_constant_bears_a_hiccup_but_no_stair():
    assert constant([32, 32, 33, 32, 32, 31, 32, 32, 32], tolerance=2)
    assert not constant([32, 32, 32, 33, 33, 33, 34, 34, 34], tolerance=2)
    assert not constant([32, 32, 32, 60, 32, 32], tolerance=2)


def test_too_few_ticks_have_no_slope():
    with pytest.raises(ValueError, match="too few"):
        slope([1.0] * 9)


# --- laws


def arrival(name, *references, recipient="desk", day=1, key=None, kind=None, **about):
    return Arrival(day, recipient, key or f"{recipient}/{name}", name,
                   kind or ("Update" if references else "Alert"), references,
                   **{"signed": False, "accepted": True, "answered": True} | about)


def test_said_once():
    first, again = arrival("a"), arrival("a", day=2)
    assert laws.said_once([first, arrival("a", recipient="guard")], set()) == []
    assert laws.said_once([first, again], set()) == ["a came to desk 2 times"]
    assert laws.said_once([first, again], {1}) == []
    assert laws.said_once([replace(first, answered=False), again], set()) == []
    assert laws.said_once([replace(first, accepted=False), again], set()) == []
    assert laws.said_once([first, arrival("a", key="other")], {1}) == [
        "a came to desk under 2 keys"]


def test_references():
    first, second, third = "x-0001-001", "x-0001-002", "x-0001-003"
    chain = [arrival(first), arrival(second, first), arrival(third, first, second)]
    assert laws.refers_to_what_was_sent(chain) == []
    assert laws.refers_to_what_was_sent(chain[1:]) == []  # told from a severity on
    assert laws.refers_to_what_was_sent([chain[0], chain[2]]) == [
        f"{third} to desk refers to ['{second}']"]
    assert laws.refers_to_what_was_sent([arrival(first, kind="Update")])
    other = arrival(second, first, recipient="guard")
    assert laws.refers_to_what_was_sent([chain[0], other, chain[1]]) == []


def test_age():
    today = date(2027, 1, 10)
    assert laws.young_enough(date(2027, 1, 8), today, 0) == []
    assert laws.young_enough(date(2027, 1, 6), today, 2) == []
    assert laws.young_enough(date(2027, 1, 5), today, 2)


def test_parts_and_leftovers(tmp_path):
    (tmp_path / "store/raw/ab").mkdir(parents=True)
    (tmp_path / "store/raw/ab/.x.1.part").write_bytes(b"12")
    (tmp_path / "dwlim.toml").write_bytes(b"1")
    assert measure.sizes(tmp_path) == ({"store/raw": 2, "(files)": 1},
                                       {"store/raw": 1, "(files)": 1})
    assert measure.old_leftovers(tmp_path, 0.0) == []
    assert measure.old_leftovers(tmp_path, 4e9) == ["store/raw/ab/.x.1.part"]


def test_what_the_worker_is_told():
    now, random = datetime(2027, 1, 1, 21, tzinfo=UTC), np.random.default_rng(1)
    told = {kind: troubles.order_of(now, [incident(kind)], random) for kind in Ours}
    day = timedelta(days=1)
    assert day < now - told[Ours.CLOCK_BACK]["now"] < 2 * day
    assert now - told[Ours.CLOCK_FAR_BACK]["now"] > 2 * day
    assert told[Ours.DISK_FULL]["largest_file_bytes"] in troubles.FULL_AT
    assert told[Ours.KILLED] == {"now": now, "largest_file_bytes": None}
    lost = troubles.environment_of({}, [incident(Outage.UNRESOLVABLE, "cds")], "token")
    assert lost == {"DWLIM_CDS_BASE_URL": "https://replica.invalid", "EARTHDATA_TOKEN": "token"}


# --- the history


TEXT = """# HELP dwlim_last_tick_remarks What.
# TYPE dwlim_last_tick_remarks gauge
dwlim_last_tick_remarks {remarks}
dwlim_heartbeat_timestamp_seconds{{part="daemon"}} 1.0
dwlim_heartbeat_timestamp_seconds{{part="tick"}} {tick}
dwlim_ledger_readable 1.0
python_info{{version="3"}} 1.0
"""


@pytest.mark.slow
def test_texts_become_a_history_that_promtool_takes_and_alerts_fire_in_it(tmp_path):
    program("promtool")
    first = datetime(2026, 11, 6, 21, tzinfo=UTC)
    days = [(first + timedelta(days=day), TEXT.format(
        remarks=day, tick=(first + timedelta(days=day)).timestamp())) for day in range(3)]
    with history.serving(tmp_path, days) as (server, firings):
        at = (first + timedelta(days=1, hours=3)).timestamp()
        (remarks,) = query(server, "dwlim_last_tick_remarks", at)
        assert float(remarks["value"][1]) == 1.0
        (age,) = query(server, 'dwlim:heartbeat_age:seconds{part="daemon"}', at + 1)
        assert float(age["value"][1]) <= 60.0
        assert query(server, "python_info", at) == []
        (named,) = query(server, 'ALERTS{alertname="DwlimNoTick"}', at + 6 * 3600)
        assert named["metric"]["severity"] == "critical"
    by_name = defaultdict(list)
    for one in firings:
        by_name[one.alert].append(one)
    assert set(by_name) == {"DwlimNoTick", "DwlimWatchdog"}
    for number, one in enumerate(by_name["DwlimNoTick"][:2]):
        since = one.first - (first + timedelta(days=number))
        assert timedelta(hours=7) <= since <= timedelta(hours=9)


def test_promtool_refuses_what_is_no_history(tmp_path):
    program("promtool")
    texts = history.Texts()
    texts.add(TEXT.format(remarks="1", tick="1"), datetime(2026, 11, 6, tzinfo=UTC),
              datetime(2026, 11, 6, 2, tzinfo=UTC))
    history.to_blocks(texts, tmp_path, "good")
    assert list((tmp_path / "data").iterdir())
    texts._lines["broken"] = ["broken{ 1 2"]
    with pytest.raises(AssertionError, match="expected label"):
        history.to_blocks(texts, tmp_path, "bad")


def test_every_figure_and_every_alert_is_explained():
    assert set(words.PANELS) == {(board.uid, panel.title) for board in BOARDS
                                 for _, row in board.rows for panel in row}
    assert set(words.ALERTS) == {rule["alert"] for group in history.rule_groups()
                                 for rule in group["rules"]}


def test_the_page_has_a_place_for_every_table():
    page = report.PAGE.read_text()
    names = ["summary", "faults", "flatness", "disk", "alerts", *(board.uid for board in BOARDS)]
    filled = report.filled(page, dict.fromkeys(names, "| as | measured |"))
    assert filled.count("| as | measured |") == len(names)
    assert report.filled(filled, dict.fromkeys(names, "| as | measured |")) == filled


# --- a short soak


def incident(kind, target="us", first=1, n_days=1):
    return Incident(kind, target, first, n_days, 0)


SHORT = (
    incident(General.RESET, "ngl", first=1, n_days=2),
    incident(EsmgfzFault.HTML_ERROR, "esmgfz", first=1), incident(Ours.KILLED, first=2),
    incident(Ours.RECEIVER_MUTE, first=2, n_days=2), incident(Outage.STOPPED, "cds", first=2),
    # A forecast that is fetched by a late clock lies in its future and is refused for a week.
    incident(Ours.CLOCK_BACK, first=3), incident(Outage.STOPPED, "esmgfz", first=3),
    incident(Outage.STOPPED, "esmgfz_second", first=3),
    incident(Ours.DISK_FULL, first=4), incident(CdsFault.JOB_FAILED, "cds", first=4, n_days=2),
    incident(Outage.UNRESOLVABLE, "ngl", first=5), incident(Ours.INBOX_RUBBISH, first=5),
    incident(Ours.CACHE_DAMAGED, first=5), incident(Ours.CLOCK_FAR_BACK, first=6))


@pytest.mark.slow
def test_eight_days_under_the_laws_of_the_long_soak(tmp_path):
    size = region.Size(n_stations=8, horizon_days=20, first_weather_day=date(2026, 10, 30),
                       quiet_end_days=2)
    soak = Soak(tmp_path / "soak", SHORT, 6, SEED, size)
    assert soak.run() == []
    outcomes = [one.outcome for one in soak.evenings]
    assert outcomes[0] == outcomes[-1] == "done"
    assert outcomes[6] == "failed"  # a clock that is days behind
    assert {"degraded", "failed"} <= set(outcomes)
    assert soak.evenings[2].n_kills > 0
    assert soak.evenings[-1].process == 1 + soak.evenings[2].n_kills
    assert any("clock is" in text for text in soak.evenings[3].remarks)
    assert soak.receiver.arrivals
    assert (tmp_path / "soak/metrics/008.prom").is_file()
