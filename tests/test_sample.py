"""The embedded sample, the committed bundles and the real stages together."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from synthetic import run_tick

from dwlim_ops import demo
from dwlim_ops.config import Span
from dwlim_ops.estimates import NEWEST_DAY
from dwlim_ops.products import encode
from dwlim_ops.reconcile import observe
from dwlim_ops.scaffold import scaffold
from dwlim_ops.session import Session, built_in_models
from dwlim_ops.simulate.bundle import read_bundle
from dwlim_ops.simulate.store import existing, pointer
from dwlim_ops.verification.data import compare_with_grace, grace_years, left_out_years, saw

pytestmark = pytest.mark.slow

END = datetime(2017, 7, 31, tzinfo=UTC)
NORTH_COAST = "184"


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    session = Session(scaffold(tmp_path_factory.mktemp("sample") / "ws", "australia"))
    yield session
    session.close()


@pytest.fixture(scope="module")
def days(session):
    """The end of the dry season in the north, the height of the wet one, and the newest day."""
    wanted = [date(2016, 9, 15), date(2017, 2, 15), demo.DAYS[1]]
    for day in wanted:
        as_of = datetime(day.year, day.month, day.day, 23, tzinfo=UTC) + timedelta(days=2)
        report = run_tick(session, as_of, first=day, last=day)
        assert (report.outcome, report.published) == ("done", (day,))
    return wanted


def rows(session):
    return {row.key: row.twsa_mm for row, _ in session.ledger.basin_rows()}


def test_both_estimates_are_published_with_sensible_values(session, days):
    record = session.ledger.newest_revisions()[days[-1]]
    root = encode.read(session.workspace.published / record.path).root
    for name in ("twsa", "twsa_tragnss", "twsa_dwlim", "twsa_dwlim_st"):
        values = root[name].values[root["land_fraction"].values[None] >= 0.5]
        assert np.isfinite(values).all()
        assert 1.0 < np.median(np.abs(values)) < 100.0
    assert root.attrs["bundle_id"].startswith("meemd-")


def test_the_north_is_wet_after_the_wet_season(session, days):
    of_day = rows(session)
    dry, wet = (of_day[day, NORTH_COAST, "tragnss"] for day in days[:2])
    assert wet > dry + 20.0


def test_every_committed_bundle_is_whole_and_small():
    folder = built_in_models() / "australia"
    bundles = existing(folder)
    current, roles = pointer(folder)
    assert {current, *roles.values()} == set(bundles)
    assert {"meemd", "causal", "blind_2009_2013"} == set(roles)
    for bundle_id in bundles:
        read_bundle(folder / bundle_id)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert size < 15e6


def test_gnss_agrees_with_grace_in_the_north(session):
    """The filter with no future data is nearer to GRACE than single days are."""
    run_tick(session, END, first=date(2017, 6, 24), last=date(2017, 6, 24))
    known = observe(session, END)
    with session.serving(""):
        compared = compare_with_grace(
            session, known, "", Span(first=date(2009, 1, 1), last=date(2010, 12, 31)),
            methods=("tragnss", "dwlim_st"), stride_days=3, cells=False,
            progress=lambda *_: None)
    scores = {one.section.method: one.section.basins[0].agreement["mean"] for one in compared}
    assert scores["tragnss"].pcc > 0.6
    assert scores["tragnss"].nse > 0.3
    assert scores[NEWEST_DAY].pcc > scores["tragnss"].pcc + 0.05
    assert scores[NEWEST_DAY].nse > scores["tragnss"].nse + 0.1


@pytest.mark.parametrize(("role", "grace", "left_out"), [
    ("meemd", True, False), ("causal", True, False), ("blind_2009_2013", False, True),
])
def test_no_bundle_is_scored_in_years_that_it_saw(session, role, grace, left_out):
    run_tick(session, END, first=date(2017, 6, 24), last=date(2017, 6, 24))
    known = observe(session, END)
    with session.serving(role):
        assert saw(session, grace_years(known, session.grace)) is grace
        assert saw(session, left_out_years(known)) is left_out
