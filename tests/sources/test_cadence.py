"""Missed epochs: days and months, against counting them one by one."""

import calendar
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.sources.cadence import OF_SERVICES, Cadence, missed_epochs
from dwlim_ops.sources.latency import released_at

DAYS = st.dates(date(2000, 1, 1), date(2030, 1, 1))
LATENCIES = st.sampled_from([0.0, 0.5, 1.0, 2.0, 14.0, 45.0, 90.0])
MOMENTS = st.integers(0, 500 * 24 * 60).map(
    lambda minutes: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes))


def is_last_of_month(day):
    return day.day == calendar.monthrange(day.year, day.month)[1]


@given(newest=st.dates(date(1999, 10, 1), date(2001, 7, 1)), as_of=MOMENTS, latency=LATENCIES)
@settings(derandomize=True, deadline=None, max_examples=100)
def test_missed_days_and_months_are_those_that_are_out_and_not_there(newest, as_of, latency):
    out = [newest + timedelta(days=n) for n in range(1, 700)
           if released_at(newest + timedelta(days=n), latency) <= as_of]
    assert missed_epochs(newest, as_of, Cadence(latency)) == len(out)
    months = [day for day in out if is_last_of_month(day)]
    assert missed_epochs(newest, as_of, Cadence(latency, "month")) == len(months)


@given(newest=DAYS, latency=LATENCIES)
@settings(derandomize=True, deadline=None, max_examples=50)
def test_an_epoch_is_missed_from_the_moment_at_which_it_should_be_out(newest, latency):
    due = released_at(newest + timedelta(days=1), latency)
    assert missed_epochs(newest, due - timedelta(seconds=1), Cadence(latency)) == 0
    assert missed_epochs(newest, due, Cadence(latency)) == 1


@pytest.mark.parametrize(("source", "stream"), OF_SERVICES)
def test_every_stream_of_a_service_is_one_that_there_is(source, stream):
    assert source in {"gnss", "weather", "loading"}
    assert OF_SERVICES[source, stream].latency_days >= 0
