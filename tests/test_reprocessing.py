"""Parts of a backfill give the bits of one pass, in any order and in any process."""

import pickle
import shutil
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
import synthetic
from synthetic import AS_OF, DAY

from dwlim_ops import reprocessing
from dwlim_ops.errors import ConfigError, StoreError
from dwlim_ops.estimates import estimate_day
from dwlim_ops.reconcile import observe
from dwlim_ops.reprocessing import estimate_part, origin_of, parts
from dwlim_ops.session import Session
from dwlim_ops.tick import observe_and_plan
from dwlim_ops.workspace import Workspace

#: A month's end, smoothed; days in the middle of the next; the newest, which are the filter's.
DAYS = (*(date(2016, 9, 29) + timedelta(days=n) for n in range(4)), date(2016, 10, 14),
        *(DAY - timedelta(days=n) for n in (2, 1, 0)))


@pytest.fixture(autouse=True)
def _nothing_opened(monkeypatch):
    monkeypatch.setattr(reprocessing, "_opened", reprocessing._Opened())


@pytest.fixture
def seen(trained, open_session):
    """A session, what is known there, and the planned days."""
    session = open_session(trained)
    known, planned = observe_and_plan(session, AS_OF, first=DAYS[0], last=DAY)
    return session, known, [one for one in planned if one.day in DAYS]


def bits(made):
    """Every number and word of a day's estimates."""
    return {name: (made.betas.get(name), made.basin_sigma_mm[name].tobytes(),
                   *(np.asarray(value).tobytes() for value in vars(one).values()))
            for name, one in made.estimates.items()} | {
        "remarks": made.remarks, "unobserved": made.data.unobserved.tobytes()}


def travel(one):
    """As it comes out of another process."""
    return pickle.loads(pickle.dumps(one))  # noqa: S301  our own


def test_parts_are_months_and_hold_every_planned_day(seen):
    session, known, planned = seen
    made = list(parts(session, known, planned))
    assert [part.month for part in made] == ["2016-09", "2016-10", "2016-12"]
    assert [day for part in made for day in part.days] == sorted(DAYS)
    assert [known.days[part.row] for part in made] == [
        date(2016, 9, 1), date(2016, 10, 1), date(2016, 12, 1)]


def test_parts_in_any_order_give_the_bits_of_one_pass(seen):
    session, known, planned = seen
    wanted = {one.day: bits(estimate_day(session, known, one.day)) for one in planned}
    assert {"tragnss", "dwlim", "dwlim_st"} < set(wanted[DAY])
    travelled = [travel(part) for part in parts(session, known, planned)]
    shutil.rmtree(session.workspace.cache)
    found = {}
    for part in (*travelled[::-1], travelled[0]):
        found |= travel(estimate_part(part))
    assert {day: bits(made) for day, made in found.items()} == wanted
    assert all(made.data.by_method == {} for made in found.values())


def test_a_record_that_begins_within_the_month_gives_its_first_day(seen):
    session, known, planned = seen
    first = known.days[0]
    part = next(parts(session, known, [replace(planned[0], day=first)]))
    assert part.row == 0
    assert bits(estimate_part(part)[first]) == bits(estimate_day(session, known, first))


def test_a_process_opens_a_workspace_once(seen, monkeypatch):
    session, known, planned = seen
    calls = []

    def counted(*arguments, **named):
        calls.append(named)
        return observe(*arguments, **named)

    monkeypatch.setattr(reprocessing, "observe", counted)
    for part in parts(session, known, planned):
        estimate_part(part)
    assert calls == [{"through": known.newest_granule}]


def test_what_came_in_since_the_plan_does_not_count(seen):
    session, known, planned = seen
    part = next(parts(session, known, planned))
    place = session.workspace.root / "inbox/gnss" / "s001.up"
    synthetic.edit(place, lambda lines: [*lines[:-300], *lines[-299:]])
    for source in session.feeds["gnss"].sources:
        session.archive.ingest(source, as_of=AS_OF, retrieved_at=AS_OF + timedelta(days=1),
                               progress=lambda *_: None)
    assert session.ledger.newest_granule() > known.newest_granule
    wanted = bits(estimate_day(session, known, part.days[0]))
    assert bits(estimate_part(part)[part.days[0]]) == wanted


@pytest.mark.parametrize(("harm", "told"), [
    ("settings", "got other configuration"), ("data", "got no displacement"),
    ("another", "got no displacement"), ("code", "got other code, displacement"),
    ("bundle", "got other bundle")])
def test_a_worker_that_would_make_other_numbers_is_refused(seen, tmp_path, monkeypatch, harm,
                                                           told):
    session, known, planned = seen
    part = next(parts(session, known, planned))
    if harm == "settings":
        content = synthetic.tomllib_of(session.workspace)
        content["inversion"]["beta"] = 0.07
        synthetic.write_config(session.workspace.root, content)
    elif harm == "data":
        part = replace(part, origin=replace(part.origin, newest_granule=0))
    elif harm == "code":
        monkeypatch.setattr(Session, "code", "another version")
    elif harm == "bundle":
        monkeypatch.setattr(Session, "bundle_id", "another")
    else:
        empty = synthetic.build_workspace(tmp_path / "other")
        part = replace(part, origin=replace(part.origin, workspace=empty.root))
    with pytest.raises(ConfigError, match=told):
        estimate_part(part)


def test_another_origin_replaces_what_is_kept(seen, tmp_path, open_session):
    session, known, planned = seen
    estimate_part(next(parts(session, known, planned)))
    shutil.copytree(session.workspace.root, tmp_path / "second")
    second = open_session(Workspace(tmp_path / "second"))
    again = observe(second, AS_OF)
    origin = origin_of(second, again)
    assert origin.parts == origin_of(session, known).parts
    made = estimate_part(next(parts(second, again, planned)))
    assert made[planned[0].day].estimates
    assert reprocessing._opened._kept[0] == origin


def test_an_error_from_outside_hinders_its_day_only(seen, monkeypatch):
    session, known, planned = seen
    bad = planned[1].day

    def sometimes(session, known, day):
        if day == bad:
            raise StoreError("the disk is full", where="cache")
        return estimate_day(session, known, day)

    monkeypatch.setattr(reprocessing, "estimate_day", sometimes)
    made = estimate_part(next(parts(session, known, planned)))
    assert made.pop(bad) == "cache: the disk is full"
    assert all(one.estimates for one in made.values())
