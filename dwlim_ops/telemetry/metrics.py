"""Every Prometheus metric, declared once; values come from the ledger, so a restart loses none."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from dwlim_ops import __version__
from dwlim_ops.errors import StoreError
from dwlim_ops.telemetry.facts import Facts

_log = logging.getLogger(__name__)

PREFIX: Final = "dwlim"
OUTCOMES: Final = ("done", "degraded", "failed")
STAGES: Final = ("ingest", "plan", "estimate", "publish")
VERDICTS: Final = ("ok", "watch", "drifted")
PARTS: Final = ("raw", "cache", "published", "state")
HAZARDS: Final = ("drought", "wet")
SEVERITIES: Final = ("Minor", "Moderate", "Severe", "Extreme")
MESSAGES: Final = ("Alert", "Update", "Cancel")
STATUSES: Final = ("Actual", "Exercise", "Test")
WAITING: Final = ("pending", "sending")
ENDED: Final = ("delivered", "expired", "withdrawn")

Samples = Mapping[Any, float | None]


@dataclass(frozen=True)
class Family:
    """One metric: its name without prefix, help, labels, and its samples by values of labels.

    A sample of None is left out. `name` is as scraped: that of a counter ends in `_total`.
    """

    name: str
    help: str
    labels: tuple[str, ...]
    samples: Callable[[Facts], Samples]
    kind: Literal["gauge", "counter"] = "gauge"

    def of(self, facts: Facts) -> Metric:
        """The metric with its samples, in a fixed order."""
        make = GaugeMetricFamily if self.kind == "gauge" else CounterMetricFamily
        family = make(f"{PREFIX}_{self.name}", self.help, labels=self.labels)
        for key, value in sorted(self.samples(facts).items()):
            if value is not None:
                family.add_metric([str(one) for one in key], float(value))
        return family


def _one(value: float | None) -> Samples:
    return {(): value}


def _by_one(values: Mapping[str, float]) -> Samples:
    return {(name,): value for name, value in values.items()}


def _all_of(names: Iterable[str], values: Mapping[str, float]) -> Samples:
    return {(name,): values.get(name, 0) for name in names}


def _metres(values: Mapping[tuple[str, str], float]) -> Samples:
    return {key: value / 1000.0 for key, value in values.items()}


_TICKS: Final = (
    Family("heartbeat_timestamp_seconds", "When a part was last alive.", ("part",),
           lambda f: _by_one(f.heartbeats_s)),
    Family("last_tick_timestamp_seconds", "When the last tick began.", (),
           lambda f: _one(f.last_tick.started_s) if f.last_tick else {}),
    Family("last_tick_as_of_timestamp_seconds",
           "The time as of which the last tick worked; in a replay it lies in the past.", (),
           lambda f: _one(f.last_tick.as_of_s) if f.last_tick else {}),
    Family("last_tick_outcome", "1 for the outcome of the last tick, 0 for the others.",
           ("outcome",),
           lambda f: {(name,): f.last_tick is not None and name == f.last_tick.outcome
                      for name in OUTCOMES}),
    Family("last_tick_remarks", "What the last tick found missing or refused, in items.", (),
           lambda f: _one(f.last_tick.n_remarks) if f.last_tick else {}),
    Family("last_tick_stage_duration_seconds", "How long each stage of the last tick took.",
           ("stage",), lambda f: _by_one(f.last_tick.stage_s) if f.last_tick else {}),
    Family("ticks_total", "Ticks that ended, by outcome.", ("outcome",),
           lambda f: _all_of(OUTCOMES, f.ticks), "counter"),
)

_INPUTS: Final = (
    Family("granule_retrieved_timestamp_seconds", "When a stream last gave a file.",
           ("source", "stream"), lambda f: f.retrieved_s),
    Family("input_newest_day_timestamp_seconds",
           "Start of the newest day of a stream, as of the last tick.", ("source", "stream"),
           lambda f: f.last_tick.newest_day_s if f.last_tick else {}),
    Family("input_missed_epochs",
           "Days, or months of a monthly stream, that should be there as of the last tick.",
           ("source", "stream"), lambda f: f.last_tick.missed_epochs if f.last_tick else {}),
    Family("refused_granules", "Files that are refused now.", ("source",),
           lambda f: _by_one(f.refused)),
    Family("credential_expiry_timestamp_seconds",
           "When the token of a service expires, where the token tells.", ("service",),
           lambda f: _by_one(f.last_tick.credential_expiry_s) if f.last_tick else {}),
)

_PRODUCTS: Final = (
    Family("newest_published_day_timestamp_seconds", "Start of the newest published day.", (),
           lambda f: _one(f.published.newest_day_s)),
    Family("newest_revision_as_of_timestamp_seconds",
           "The time as of which the last revision of any day was computed.", (),
           lambda f: _one(f.published.newest_as_of_s)),
    Family("published_products", "Newest revisions of all days, by tier.", ("tier",),
           lambda f: _by_one(f.published.by_tier)),
    Family("newest_day_of_tier_timestamp_seconds",
           "Start of the newest day whose newest revision has the tier.", ("tier",),
           lambda f: _by_one(f.published.newest_day_of_tier_s)),
    Family("revisions_total", "Revisions of days that were ever published.", (),
           lambda f: _one(f.published.n_revisions), "counter"),
)

_SCIENCE: Final = (
    Family("basin_water_storage_anomaly_meters",
           "Mean water storage anomaly of a basin on the newest day, metres of water.",
           ("basin", "method"), lambda f: _metres(f.published.twsa_mm)),
    Family("basin_water_storage_sigma_meters",
           "Posterior standard error of that anomaly, metres of water.", ("basin", "method"),
           lambda f: _metres(f.published.sigma_mm)),
    Family("newest_day_error_meters",
           "Root mean square change of a basin's first issue after some days, metres of water.",
           ("basin", "method", "lead_days"),
           lambda f: {key: one.rms_mm / 1000.0 for key, one in f.revision_error.items()}),
    Family("newest_day_error_sigma_ratio",
           "Standard deviation of that change in units of the first issue's sigma.",
           ("basin", "method", "lead_days"),
           lambda f: {key: one.sigma_ratio for key, one in f.revision_error.items()}),
    Family("newest_day_error_cases", "Days over which that change was taken.",
           ("basin", "method", "lead_days"),
           lambda f: {key: one.n_days for key, one in f.revision_error.items()}),
    Family("innovation_nis_ratio",
           "Normalised innovation squared per datum of the newest day; 1 is expected.", (),
           lambda f: _one(f.last_tick.nis_per_datum) if f.last_tick else {}),
    Family("innovation_data", "Data of the filter on the newest day.", (),
           lambda f: _one(f.last_tick.n_innovation_data) if f.last_tick else {}),
    Family("stations", "Stations on the newest published day, by what became of their value.",
           ("state",), lambda f: _by_one(f.last_tick.stations) if f.last_tick else {}),
    Family("excluded_stations", "Stations that are excluded, by kind of reason.", ("reason",),
           lambda f: _by_one(f.last_tick.excluded) if f.last_tick else {}),
    Family("drift_report_timestamp_seconds", "The time as of which drift was last looked for.", (),
           lambda f: _one(f.drift.as_of_s) if f.drift else {}),
    Family("drift_features", "Features of the networks, by verdict of the drift report.",
           ("verdict",), lambda f: _by_one(f.drift.features) if f.drift else {}),
    Family("drift_scatter",
           "Stations, and quantities of the whole network, by verdict of the drift report.",
           ("verdict",), lambda f: _by_one(f.drift.scatter) if f.drift else {}),
)

_ALERTS: Final = (
    Family("alerts_active", "Alerts in force, without drills.", ("hazard", "severity", "status"),
           lambda f: f.alerts.active if f.alerts else {}),
    Family("alert_messages_total", "Messages that were ever made, by kind.", ("kind",),
           lambda f: _all_of(MESSAGES, f.alerts.messages) if f.alerts else {}, "counter"),
    Family("alert_deliveries_total", "Deliveries that ended, by how.", ("state",),
           lambda f: _all_of(ENDED, f.alerts.deliveries) if f.alerts else {}, "counter"),
    Family("alert_delivery_attempts_total", "Attempts to deliver a message.", (),
           lambda f: _one(f.alerts.n_attempts) if f.alerts else {}, "counter"),
    Family("outbox_waiting_deliveries", "Deliveries that wait in the outbox.", ("state",),
           lambda f: _all_of(WAITING, f.alerts.deliveries) if f.alerts else {}),
    Family("outbox_oldest_timestamp_seconds",
           "When the oldest message that waits in the outbox was sent.", (),
           lambda f: _one(f.alerts.oldest_waiting_s) if f.alerts else {}),
)

_DISK: Final = (
    Family("disk_free_bytes", "Free bytes on the disk of the workspace.", (),
           lambda f: _one(f.disk.free_bytes) if f.disk else {}),
    Family("disk_size_bytes", "Size of the disk of the workspace.", (),
           lambda f: _one(f.disk.size_bytes) if f.disk else {}),
    Family("workspace_size_bytes", "Bytes of the files of a part of the workspace.", ("part",),
           lambda f: _by_one(f.disk.workspace_bytes) if f.disk else {}),
)

#: In the order of the exposition; beside them `ledger_readable` and `build_info`.
FAMILIES: Final = (*_TICKS, *_INPUTS, *_PRODUCTS, *_SCIENCE, *_ALERTS, *_DISK)


class LedgerCollector(Collector):
    """Asks for the facts at every scrape."""

    def __init__(self, facts: Callable[[], Facts]) -> None:
        self._facts = facts

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics of one scrape."""
        readable = GaugeMetricFamily(f"{PREFIX}_ledger_readable", "1 if the ledger could be read.")
        try:
            facts = self._facts()
        except StoreError as error:
            _log.error("no metrics: %s", error)
            readable.add_metric([], 0.0)
            yield readable
            return
        readable.add_metric([], 1.0)
        yield readable
        yield InfoMetricFamily(f"{PREFIX}_build", "Version of the software.",
                               value={"version": __version__, "region": facts.region})
        yield from (family.of(facts) for family in FAMILIES)
