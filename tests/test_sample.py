"""The embedded sample, the committed bundles and the real stages together."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from synthetic import run_tick

from dwlim_ops import demo
from dwlim_ops.products import encode
from dwlim_ops.reconcile import observe
from dwlim_ops.scaffold import scaffold
from dwlim_ops.session import Session, built_in_models
from dwlim_ops.simulate.bundle import read_bundle
from dwlim_ops.simulate.store import existing, pointer
from dwlim_ops.verification import GRACE_YEARS, LEFT_OUT_YEARS, saw, verify

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
    run_tick(session, END, first=date(2017, 6, 24), last=date(2017, 6, 24))
    known = observe(session, END)
    report = verify(session, known, (), stride_days=1, progress=lambda *_: None)
    north = next(line for line in report.text.splitlines() if "North Coast" in line)
    pcc, nse = (float(cell) for cell in north.split("|")[4:6])
    assert pcc > 0.75
    assert nse > 0.5
    assert (report.path.parent / "verification.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("role", "grace", "left_out"), [
    ("meemd", True, False), ("causal", True, False), ("blind_2009_2013", False, True),
])
def test_no_bundle_is_scored_in_years_that_it_saw(session, role, grace, left_out):
    with session.serving(role):
        assert saw(session, GRACE_YEARS) is grace
        assert saw(session, LEFT_OUT_YEARS) is left_out
