"""What the metrics are made of: plain values; times are seconds since 1970, UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Pair = tuple[str, str]


@dataclass(frozen=True)
class LastTick:
    """The newest tick and what it recorded; what it did not record is None or empty.

    `stations` by state and `excluded` by kind of reason are of the newest published day, as is
    `nis_per_datum`, the normalised innovation squared of `dwlim_st` per datum (1 is expected).
    """

    started_s: float
    as_of_s: float
    outcome: str
    n_remarks: int
    stage_s: Mapping[str, float] = field(default_factory=dict)
    newest_day_s: Mapping[Pair, float] = field(default_factory=dict)
    missed_epochs: Mapping[Pair, int] = field(default_factory=dict)
    stations: Mapping[str, int] = field(default_factory=dict)
    excluded: Mapping[str, int] = field(default_factory=dict)
    nis_per_datum: float | None = None
    n_innovation_data: int | None = None
    credential_expiry_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Published:
    """The published days; values of the newest one by basin and estimate (mm of water)."""

    newest_day_s: float | None = None
    newest_as_of_s: float | None = None
    n_revisions: int = 0
    by_tier: Mapping[str, int] = field(default_factory=dict)
    newest_day_of_tier_s: Mapping[str, float] = field(default_factory=dict)
    twsa_mm: Mapping[Pair, float] = field(default_factory=dict)
    sigma_mm: Mapping[Pair, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RevisionError:
    """How much the first issue of a basin's days moved, over `n_days` days.

    `sigma_ratio` is the standard deviation of the change in units of the first issue's sigma.
    """

    rms_mm: float
    sigma_ratio: float
    n_days: int


@dataclass(frozen=True)
class Drift:
    """The drift report that was kept last: how many features, and how many stations and
    quantities of the network, have each verdict."""

    as_of_s: float
    features: Mapping[str, int]
    scatter: Mapping[str, int]


@dataclass(frozen=True)
class Disk:
    """Of the workspace's disk, and bytes of files in parts of the workspace."""

    free_bytes: int
    size_bytes: int
    workspace_bytes: Mapping[str, int]


@dataclass(frozen=True)
class AlertFacts:
    """Alerts and their delivery.

    Attributes
    ----------
    active : mapping of (hazard, severity, status) to int
        Alerts in force, without drills.
    messages : mapping of str to int
        Messages that were ever made, by kind.
    deliveries : mapping of str to int
        Deliveries by state, those that ended included.
    n_attempts : int
        Attempts that were ever made to deliver.
    oldest_waiting_s : float or None
        When the oldest message that waits in the outbox was sent.
    """

    active: Mapping[tuple[str, str, str], int]
    messages: Mapping[str, int]
    deliveries: Mapping[str, int]
    n_attempts: int
    oldest_waiting_s: float | None = None


@dataclass(frozen=True)
class Facts:
    """Everything of one scrape.

    `revision_error` is by basin, estimate and days after the first issue.
    """

    region: str
    heartbeats_s: Mapping[str, float] = field(default_factory=dict)
    last_tick: LastTick | None = None
    ticks: Mapping[str, int] = field(default_factory=dict)
    retrieved_s: Mapping[Pair, float] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    published: Published = Published()
    revision_error: Mapping[tuple[str, str, int], RevisionError] = field(default_factory=dict)
    drift: Drift | None = None
    disk: Disk | None = None
    alerts: AlertFacts | None = None
