"""How much the first issue of a day moved: against numbers computed by hand."""

import math
from datetime import UTC, date, datetime, timedelta

import pytest

from dwlim_ops.contracts import BasinRow
from dwlim_ops.products.revisions import (
    LEADS_DAYS,
    Lead,
    RevisionStatistics,
    leads_to_csv,
    revision_leads,
    statistics,
    statistics_to_csv,
)

FIRST = datetime(2017, 6, 3, 18, tzinfo=UTC)
DAY = date(2017, 6, 1)
LATE = FIRST + timedelta(days=400)
ONE_DAY = timedelta(days=1)


def issue(twsa_mm, after_days, revision=0, *, day=0, method="tragnss", sigma_mm=4.0, tier="era5t"):
    row = BasinRow(DAY + day * ONE_DAY, "7", method, twsa_mm, sigma_mm, tier, revision)
    return row, FIRST + timedelta(days=day + after_days)


def in_words(leads):
    return [(one.lead_days, one.twsa_mm, one.revision) for one in leads]


def test_each_lead_shows_what_stood_published_then():
    rows = [issue(10.0, 0), issue(12.0, 6, 1), issue(15.0, 20, 2, tier="definitive"),
            issue(99.0, 31, 3)]
    leads = revision_leads(rows, as_of=LATE)
    assert in_words(leads) == [
        (0, 10.0, 0), (6, 12.0, 1), (16, 12.0, 1), (30, 15.0, 2), (80, 99.0, 3)]
    assert (leads[3].tier, leads[3].sigma_mm, leads[3].basin) == ("definitive", 4.0, "7")


@pytest.mark.parametrize(("as_of_days", "known"), [(0, (0,)), (5.99, (0,)), (6, (0, 6)),
                                                   (29, (0, 6, 16)), (80, LEADS_DAYS)])
def test_a_lead_is_known_once_it_has_had_its_time(as_of_days, known):
    leads = revision_leads([issue(10.0, 0)], as_of=FIRST + timedelta(days=as_of_days))
    assert tuple(one.lead_days for one in leads) == known


def test_an_estimate_that_came_later_has_no_first_issue():
    rows = [issue(5.0, 6, 1, method="dwlim"), issue(7.0, 20, 2, method="dwlim"),
            issue(10.0, 0), issue(11.0, 6, 1), issue(13.0, 20, 2)]
    leads = revision_leads(rows, as_of=LATE)
    assert in_words(leads[:3]) == [(6, 5.0, 1), (16, 5.0, 1), (30, 7.0, 2)]
    assert {one.method for one in statistics(leads)} == {"tragnss"}


def test_statistics_are_those_computed_by_hand():
    rows = [row for day, (first, later, sigma) in enumerate([(10.0, 13.0, 1.0), (0.0, -1.0, 2.0)])
            for row in (issue(first, 0, day=day, sigma_mm=sigma),
                        issue(later, 5, 1, day=day, sigma_mm=0.1))]
    first = statistics(revision_leads(rows, as_of=LATE))[0]
    assert (first.basin, first.method, first.lead_days, first.n_days) == ("7", "tragnss", 6, 2)
    assert first.bias_mm == pytest.approx((3.0 - 1.0) / 2)
    assert first.rms_mm == pytest.approx(math.sqrt((9.0 + 1.0) / 2))
    # Changes in units of the first sigma: 3 and -0.5; their mean is 1.25, so both are 1.75 off.
    assert first.z_deviation == pytest.approx(1.75)
    gained = [3.0 / math.sqrt(1.0 - 0.01), -1.0 / math.sqrt(4.0 - 0.01)]
    assert first.z_gained == pytest.approx((gained[0] - gained[1]) / 2)
    assert [one.lead_days for one in statistics(revision_leads(rows, as_of=LATE))] == [
        6, 16, 30, 80]


def test_without_a_gain_there_is_no_expected_change():
    rows = [issue(10.0, 0, sigma_mm=2.0), issue(12.0, 5, 1, sigma_mm=2.0)]
    assert math.isnan(statistics(revision_leads(rows, as_of=LATE))[0].z_gained)


def test_a_day_whose_value_is_unknown_then_or_at_first_does_not_count():
    rows = [issue(math.nan, 0), issue(1.0, 3, 1),
            issue(2.0, 0, day=1), issue(math.nan, 3, 1, day=1),
            issue(2.0, 0, day=2), issue(5.0, 3, 1, day=2)]
    table = statistics(revision_leads(rows, as_of=LATE))
    assert [(one.n_days, one.bias_mm, one.rms_mm) for one in table] == [(1, 3.0, 3.0)] * 4
    assert statistics(()) == revision_leads([], as_of=LATE) == ()


def test_the_first_issue_of_a_day_is_that_of_any_estimate_and_basin():
    early, late = issue(10.0, 0, method="dwlim"), issue(20.0, 2, 1)
    leads = revision_leads([early, late], as_of=LATE)
    assert [(one.method, one.lead_days) for one in leads if one.method == "tragnss"] == [
        ("tragnss", 6), ("tragnss", 16), ("tragnss", 30), ("tragnss", 80)]


def test_tables_name_their_columns_and_leave_unknown_values_empty():
    lead = Lead(DAY, "a,b", "dwlim", 6, math.nan, 2.0, "era5t", 1)
    assert leads_to_csv([lead]).splitlines() == [
        "day,basin,method,lead_days,twsa_mm,sigma_mm,tier,revision",
        '2017-06-01,"a,b",dwlim,6,,2.000,era5t,1']
    table = RevisionStatistics("7", "dwlim", 16, 3, -0.0004, 1.23456, math.nan, 1.0)
    assert statistics_to_csv([table]).splitlines() == [
        "basin,method,lead_days,n_days,bias_mm,rms_mm,z_deviation,z_gained",
        "7,dwlim,16,3,-0.000,1.235,,1.000"]
