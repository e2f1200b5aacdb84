"""What a tick records of itself beside its outcome, so that health can be told after a restart.

The keys of `detail` of a tick that the exporter reads: `inputs`, `stations`, `innovation`,
`credentials` (all from `tick_facts`) and `stage_seconds`.
"""

import re
from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import xarray as xr

from dwlim_ops.contracts import GNSS_FLAGS
from dwlim_ops.doctor import token_expiry
from dwlim_ops.products.daily import station_used
from dwlim_ops.products.encode import STATIONS_GROUP
from dwlim_ops.products.revisions import revision_leads, statistics
from dwlim_ops.session import Session
from dwlim_ops.sources.cadence import OF_SERVICES, Cadence, missed_epochs
from dwlim_ops.sources.latency import last_released_day
from dwlim_ops.state.health_queries import first_tick_as_of, issued, newest_days
from dwlim_ops.state.records import ProductRecord

#: What became of a station's value on a day; a value with several flags counts under the first.
STATION_STATES: Final = ("used", "station_excluded", "absent", "outlier", "formal_sigma_too_large",
                         "duplicated_epoch", "near_step")
#: Kinds of reasons for which stations are excluded, by words of the reason.
EXCLUSIONS: Final = {
    "outside_region": "deg from the region", "formal_error": "formal error",
    "few_days": "usable days", "short_record": "record of only", "scatter": "scatter",
    "reversed_phase": "annual term of", "thermal": "residual of",
}
OTHER: Final = "other"
#: The error of the newest day is that of so many days.
ERROR_DAYS: Final = 120


def tick_facts(session: Session, as_of: datetime) -> dict[str, Any]:
    """Inputs, stations, innovation and credentials, as plain values for the ledger."""
    published = session.ledger.newest_revisions()
    facts = {"inputs": _inputs(session, as_of), "credentials": _credentials(session)}
    return facts | (_of_product(session, published[max(published)]) if published else {})


def cadences(session: Session) -> dict[tuple[str, str], Cadence]:
    """When each stream should give a new epoch, by source and stream.

    The configured latency where there is one, else what the service usually takes. A folder
    without a latency promises nothing.
    """
    sources = session.config.sources
    gnss, weather, loading = sources.gnss, sources.weather, sources.loading
    configured = {("gnss", "final"): gnss.latency_days,
                  ("gnss", "rapid"): gnss.rapid_latency_days}
    services = {"gnss": gnss.kind == "ngl"}
    if weather is not None:
        services["weather"] = weather.kind == "services"
        configured |= {("weather", "final"): weather.latency_days,
                       ("weather", "era5t"): weather.era5t_latency_days,
                       ("weather", "preview"): weather.preview_latency_days}
    if loading is not None:
        services["loading"] = loading.kind == "esmgfz"
        configured["loading", "analysis"] = loading.latency_days
    found = {}
    for name, feed in session.feeds.items():
        for stream in feed.streams:
            if days := configured.get((name, stream)):
                found[name, stream] = Cadence(days)
            elif services.get(name) and (name, stream) in OF_SERVICES:
                found[name, stream] = OF_SERVICES[name, stream]
    return found


def _inputs(session: Session, as_of: datetime) -> list[dict[str, Any]]:
    """The newest day and the missed epochs of every stream that promises some.

    A stream that never gave anything misses all epochs since the first tick.
    """
    newest, rows = newest_days(session.ledger, as_of), []
    first = min(first_tick_as_of(session.ledger) or as_of, as_of)
    visible = {(source.name, source.stream): source.newest_visible_day(as_of)
               for feed in session.feeds.values() for source in feed.sources}
    for (source, stream), cadence in sorted(cadences(session).items()):
        held = newest.get((source, stream))
        day = None if held is None else min(held, visible[source, stream])
        since = day or last_released_day(first, cadence.latency_days)
        rows.append({"source": source, "stream": stream,
                     "newest_day": None if day is None else day.isoformat(),
                     "missed_epochs": missed_epochs(since, as_of, cadence)})
    return rows


def revision_errors(session: Session) -> list[dict[str, Any]]:
    """How far basin means of the newest `ERROR_DAYS` days moved after their first issue.

    Here and not in the exporter, whose process lives on and should hold no table of revisions.
    """
    numbers = issued(session.ledger)
    if numbers.newest_day is None or numbers.newest_as_of is None:
        return []
    rows = session.ledger.basin_rows(newest_only=False,
                                     first=numbers.newest_day - timedelta(days=ERROR_DAYS))
    return [{"basin": one.basin, "method": one.method, "lead_days": one.lead_days,
             "rms_mm": one.rms_mm, "z_deviation": one.z_deviation, "n_days": one.n_days}
            for one in statistics(revision_leads(rows, as_of=numbers.newest_as_of))]


def _credentials(session: Session) -> dict[str, str]:
    """When the token of each service that is used expires, where the token tells."""
    services = session.services
    if not services.used:
        return {}
    expiries = {name: [token_expiry(endpoint.token) for endpoint in services.endpoints[name]
                       if endpoint.token] for name in services.used}
    known = {name: [at for at in found if at is not None] for name, found in expiries.items()}
    return {name: min(found).isoformat() for name, found in known.items() if found}


def _of_product(session: Session, record: ProductRecord) -> dict[str, Any]:
    """Stations and innovation of a product; nothing of a file that is gone or damaged."""
    path, day = session.workspace.published / record.path, record.day.isoformat()
    try:
        with xr.open_dataset(path, engine="netcdf4") as root:
            attributes = dict(root.attrs)
        with xr.open_dataset(path, group=STATIONS_GROUP, engine="netcdf4") as table:
            stations = table.load()
    except (OSError, KeyError, ValueError):
        return {}
    facts: dict[str, Any] = {"stations": {"day": day, **station_counts(stations)}}
    if "dwlim_st_variance_factor" in attributes:
        facts["innovation"] = {"day": day,
                               "nis_per_datum": float(attributes["dwlim_st_variance_factor"]),
                               "n_data": int(attributes["dwlim_st_n_data"])}
    return facts


def station_counts(stations: xr.Dataset) -> dict[str, dict[str, int]]:
    """How many stations of a product's table are in each state, and excluded for what.

    Parameters
    ----------
    stations : Dataset (station,)
        The group `displacements/stations` of a product, with `flag`, `exclusion` and `up_mm`.
    """
    flag, reason = stations["flag"].values, stations["exclusion"].values.astype(str)
    bits = {name: flag & GNSS_FLAGS[name] != 0 for name in STATION_STATES[1:]}
    bits["station_excluded"] |= reason != ""
    used = station_used(stations)
    bits["absent"] |= ~np.logical_or.reduce([used, *bits.values()])
    left, by_state = np.ones(flag.size, dtype=bool), {}
    for name, mask in ({"used": used} | bits).items():
        by_state[name] = int((left & mask).sum())
        left &= ~mask
    kinds = Counter(exclusion_kind(text) for text in reason if text)
    return {"by_state": by_state, "excluded": {kind: kinds[kind] for kind in (*EXCLUSIONS, OTHER)}}


def exclusion_kind(reason: str) -> str:
    """The kind of a reason in words.

    >>> exclusion_kind("scatter 14.2 mm"), exclusion_kind("moved to another roof")
    ('scatter', 'other')
    """
    return next((kind for kind, words in EXCLUSIONS.items() if re.search(words, reason)), OTHER)
