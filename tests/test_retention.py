"""What may go from the raw store: nothing that a published product was computed from."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import AS_OF, DAY, run_tick

from dwlim_ops.reconcile import observe
from dwlim_ops.retention import not_needed, prune
from dwlim_ops.state.ledger import Version

START = datetime(2020, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
MUCH_LATER = AS_OF + timedelta(days=500)

HOURS = st.integers(0, 8)
VERSIONS = st.lists(st.tuples(st.sampled_from(["rapid", "final"]), st.sampled_from("AB"), HOURS,
                              HOURS, st.booleans()), max_size=12)
ISSUES = st.sets(st.tuples(HOURS, st.integers(0, 12)), max_size=6)


def versions_of(drawn):
    made = [Version(number, "gnss", stream, key, f"{number}", START + available * HOUR,
                    START + retrieved * HOUR, refused)
            for number, (stream, key, available, retrieved, refused) in enumerate(drawn, 1)]
    return sorted(made, key=lambda v: (v.stream, v.key, v.available_at, v.number))


def read(versions, as_of, through):
    """Numbers of the versions that a product of that moment is computed from."""
    newest = {}
    for one in versions:
        if not one.refused and one.available_at <= as_of and one.number <= through:
            newest[one.stream, one.key] = one.number
    return set(newest.values())


@settings(derandomize=True, deadline=None, max_examples=300)
@given(drawn=VERSIONS, issued=ISSUES, superseded=HOURS, refused=HOURS)
def test_no_published_product_loses_an_input_and_nothing_else_stays(
        drawn, issued, superseded, refused):
    versions = versions_of(drawn)
    issues = {(START + at * HOUR, through) for at, through in issued}
    limits = START + superseded * HOUR, START + refused * HOUR
    gone = not_needed(versions, issues, superseded_before=limits[0], refused_before=limits[1])
    left = [one for one in versions if one not in gone]
    needed = set()
    for as_of, through in issues:
        assert read(left, as_of, through) == read(versions, as_of, through)
        needed |= read(versions, as_of, through)
    newest = read(versions, START + 100 * HOUR, 100)
    assert read(left, START + 100 * HOUR, 100) == newest
    for one in versions:
        may_go = (one.retrieved_at < limits[1] if one.refused else
                  one.retrieved_at < limits[0] and one.number not in needed | newest)
        assert (one in gone) == may_go


def in_store(workspace):
    return {path.name for path in workspace.raw.rglob("*.gz")}


def shift(workspace, station, shift_mm):
    synthetic.edit(workspace.root / f"inbox/gnss/{station}.up", lambda lines: [
        f"{day} {float(up) + shift_mm:.4f} {sigma}"
        for day, up, sigma in (line.split() for line in lines)])


def test_the_store_keeps_what_products_newest_versions_and_settings_need(ticked, open_session):
    session = open_session(ticked)
    first = session.ledger.newest_revisions()[DAY]
    before = observe(session, first.as_of, through=first.newest_granule)
    kept, settings_of = in_store(ticked), f"{first.settings_sha256}.gz"
    assert settings_of in kept
    # s001 is replaced before and after an issue, s002 by two versions of which no issue knows.
    shift(ticked, "s001", 0.5)
    assert run_tick(session, AS_OF + HOUR, now=AS_OF + HOUR).published
    for number in (2, 3):
        shift(ticked, "s002", 0.5)
        (ticked.root / "inbox/gnss/s003.up").write_text(f"{number}")
        for source in session.feeds["gnss"].sources:
            session.archive.ingest(source, as_of=AS_OF + number * HOUR,
                                   retrieved_at=AS_OF + number * HOUR)
    everything = in_store(ticked)
    assert len(everything) == len(kept) + 1 + 2 + 2
    for days in (59, 61):
        assert prune(session, AS_OF + timedelta(days=days)) == (0 if days == 59 else 1)
    assert prune(session, AS_OF + timedelta(days=400)) == 2
    assert prune(session, AS_OF + timedelta(days=400)) == 0
    left = in_store(ticked)
    assert kept <= left
    assert len(everything - left) == 3
    afresh = open_session(ticked)
    for record in afresh.ledger.products():
        known = observe(afresh, record.as_of, through=record.newest_granule)
        assert afresh.archive.damaged == {}
        if record.product_id == first.product_id:
            assert known.checked.identical(before.checked)
    assert observe(afresh, MUCH_LATER).checked["up_mm"].sel(station="S002").notnull().any()
    assert len(afresh.ledger.quarantined()) == 2


def test_a_tick_prunes_by_the_wall_clock(ticked, open_session):
    content = synthetic.configuration()
    content["retention"] = {"superseded_days": 0, "refused_days": 0}
    synthetic.write_config(ticked.root, content)
    session = open_session(ticked)
    kept = in_store(ticked)
    (ticked.root / "inbox/gnss/s003.up").write_text("no table")
    report = run_tick(session, AS_OF + HOUR, now=AS_OF + HOUR)
    assert report.outcome == "degraded"
    assert len(in_store(ticked) - kept) == 1
    run_tick(session, AS_OF + 2 * HOUR, now=AS_OF + 2 * HOUR)
    assert in_store(ticked) == kept


def test_a_content_that_two_files_share_stays_until_neither_needs_it(ticked, open_session):
    session = open_session(ticked)
    shared = ticked.root / "inbox/gnss"
    same = (shared / "s004.up").read_bytes()
    granule = next(g for g in session.ledger.granules("gnss", "final", AS_OF) if g.key == "s004.up")
    session.ledger.add_granule(replace(granule, key="s005.up", version="x",
                                       quarantine_reason="the file of another station"))
    assert prune(session, MUCH_LATER) == 0
    assert session.archive.store.get(granule.sha256) == same
    assert [v.refused for v in session.ledger.versions() if v.key == "s005.up"] == [False]


@pytest.mark.parametrize("through", [0, 10**9])
def test_without_issues_only_the_newest_versions_stay(through):
    versions = versions_of([("final", "A", hour, hour, False) for hour in range(4)])
    gone = not_needed(versions, [(START - HOUR, through)], superseded_before=START + 9 * HOUR,
                      refused_before=START)
    assert [one.number for one in gone] == [1, 2, 3]
