"""When a provider's value comes out."""

import datetime

from dwlim_ops.errors import ContractError

RELEASE_TIME = datetime.time(12, tzinfo=datetime.UTC)


def released_at(day: datetime.date, latency_days: float) -> datetime.datetime:
    """The moment at which the value of `day` comes out: 12:00 UTC, `latency_days` later."""
    noon = datetime.datetime.combine(day, RELEASE_TIME)
    return noon + datetime.timedelta(days=latency_days)


def last_released_day(as_of: datetime.datetime, latency_days: float) -> datetime.date:
    """The newest day whose value is out at `as_of`.

    Raises
    ------
    ContractError
        `as_of` has no time zone.
    """
    if as_of.tzinfo is None:
        raise ContractError("time without a zone", where="as_of", expected="an aware UTC time",
                            got=as_of.isoformat())
    noon = datetime.timedelta(hours=RELEASE_TIME.hour)
    return (as_of.astimezone(datetime.UTC) - noon - datetime.timedelta(days=latency_days)).date()
