"""Every Prometheus metric, declared once; values come from the ledger, so a restart loses none."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from dwlim_ops import __version__
from dwlim_ops.errors import StoreError

_log = logging.getLogger(__name__)

PREFIX: Final = "dwlim"
OUTCOMES: Final = ("done", "degraded", "failed")


@dataclass(frozen=True)
class Facts:
    """What the metrics are made of; times are seconds since 1970, UTC."""

    region: str
    heartbeats_s: dict[str, float]
    last_tick_s: float | None
    last_tick_outcome: str | None
    newest_published_day_s: float | None
    published_by_tier: dict[str, int]
    newest_granule_s: dict[tuple[str, str], float]
    newest_granule_day_s: dict[tuple[str, str], float]
    refused_granules: dict[str, int]
    newest_day_error_mm: dict[tuple[str, str, int], float]


class LedgerCollector(Collector):
    """Asks for the facts at every scrape."""

    def __init__(self, facts: Callable[[], Facts]) -> None:
        self._facts = facts

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics of one scrape."""
        try:
            facts = self._facts()
        except StoreError as error:
            _log.error("no metrics: %s", error)
            yield _single("ledger_readable", "1 if the ledger could be read.", 0.0)
            return
        yield _single("ledger_readable", "1 if the ledger could be read.", 1.0)
        yield InfoMetricFamily(f"{PREFIX}_build", "Version of the software.",
                               value={"version": __version__, "region": facts.region})
        yield _labelled("heartbeat_timestamp_seconds", "When a part was last alive.", ["part"],
                        {(name,): at for name, at in facts.heartbeats_s.items()})
        yield _single("last_tick_timestamp_seconds", "When the last tick began.",
                      facts.last_tick_s)
        yield _labelled(
            "last_tick_outcome", "1 for the outcome of the last tick, 0 for the others.",
            ["outcome"], {(name,): float(name == facts.last_tick_outcome) for name in OUTCOMES})
        yield _single("newest_published_day_timestamp_seconds", "The newest published day.",
                      facts.newest_published_day_s)
        yield _labelled("published_products", "Newest revisions of all days, by tier.",
                        ["tier"], {(tier,): float(number) for tier, number
                                   in facts.published_by_tier.items()})
        yield _labelled("granule_retrieved_timestamp_seconds", "When a stream last gave a file.",
                        ["source", "stream"], facts.newest_granule_s)
        yield _labelled("granule_newest_day_timestamp_seconds", "The newest day of a stream.",
                        ["source", "stream"], facts.newest_granule_day_s)
        yield _labelled("refused_granules", "Files that are refused now.", ["source"],
                        {(name,): float(n) for name, n in facts.refused_granules.items()})
        yield _labelled(
            "newest_day_error_meters",
            "Root mean square change of a basin's first issue after some days, metres of water.",
            ["basin", "method", "lead_days"],
            {(basin, method, str(lead)): value / 1000 for (basin, method, lead), value
             in facts.newest_day_error_mm.items()})


def _single(name: str, text: str, value: float | None) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", text)
    if value is not None:
        family.add_metric([], value)
    return family


def _labelled(name: str, text: str, labels: list[str],
              values: Mapping[Any, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(list(key), value)
    return family
