"""What the dashboards show: every panel with its queries, unit, meaning and runbook pages."""

from dataclasses import dataclass, field
from typing import Final, Literal

#: Chosen at the top of each dashboard.
ON: Final = 'instance=~"$instance"'
OF_BASIN: Final = f'{ON}, basin=~"$basin", method=~"$method"'
ANOMALY: Final = f"dwlim_basin_water_storage_anomaly_meters{{{OF_BASIN}}}"
SIGMA: Final = f"dwlim_basin_water_storage_sigma_meters{{{OF_BASIN}}}"
BASIN: Final = "{{basin}} {{method}}"
WARN, BAD = "orange", "red"


@dataclass(frozen=True)
class Panel:
    """One panel.

    Parameters
    ----------
    queries : tuple of (PromQL, legend)
    unit : str
        Grafana's name of the unit.
    kind : {"line", "stack", "number", "bars"}
        Lines over time, stacked areas, the newest values as numbers, or as bars.
    alerts : tuple of str
        Alerts whose pages of the runbook say what to do.
    limits : tuple of (float, str)
        Colours from a value on; below the first one it is green.
    words : mapping of float to str
        What a value is called.
    width : int
        Of 24 columns.
    """

    title: str
    description: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: Literal["line", "stack", "number", "bars"] = "line"
    alerts: tuple[str, ...] = ()
    limits: tuple[tuple[float, str], ...] = ()
    words: dict[float, str] = field(default_factory=dict)
    width: int = 12


@dataclass(frozen=True)
class Board:
    """One dashboard: rows of panels; `variables` are labels of a metric to choose from."""

    uid: str
    title: str
    description: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]
    variables: tuple[tuple[str, str], ...] = (("instance", "dwlim_build_info"),)


UP: Final = {0.0: "DOWN", 1.0: "UP"}
YES: Final = {0.0: "NO", 1.0: "YES"}

SERVICE: Final = Board(
    "dwlim-service", "DWLIM 1: service health",
    "Is the daemon alive, does it tick, how long does it take, is there room on the disk.", (
        ("Alive", (
            Panel("Daemon", "Whether Prometheus reaches the daemon.", "none",
                  ((f'up{{job="dwlim", {ON}}}', "{{instance}}"),), "number", ("DwlimDown",),
                  ((0, BAD), (1, "green")), UP, 4),
            Panel("Ledger", "Whether the daemon can read its ledger.", "none",
                  ((f"dwlim_ledger_readable{{{ON}}}", "{{instance}}"),), "number",
                  ("DwlimLedgerUnreadable",), ((0, BAD), (1, "green")), YES, 4),
            Panel("Last heartbeat", "Time since the daemon last wrote its heartbeat.", "s",
                  ((f'dwlim:heartbeat_age:seconds{{part="daemon", {ON}}}', "{{instance}}"),),
                  "number", ("DwlimNoHeartbeat",), ((180, WARN), (300, BAD)), width=4),
            Panel("Last tick", "Time since a tick last ended; one is due every two hours.", "s",
                  ((f'dwlim:heartbeat_age:seconds{{part="tick", {ON}}}', "{{instance}}"),),
                  "number", ("DwlimNoTick",), ((9000, WARN), (23400, BAD)), width=4),
            Panel("Outcome", "How the last tick ended.", "none",
                  ((f"dwlim_last_tick_outcome{{{ON}}} == 1", "{{outcome}}"),), "number",
                  ("DwlimTickFailing", "DwlimDegradedLong"), words=YES, width=4),
            Panel("Version", "Region and version of the software that answers.", "none",
                  ((f"dwlim_build_info{{{ON}}}", "{{region}} {{version}}"),), "number", width=4),
        )),
        ("Ticks", (
            Panel("Ticks in a day", "Ticks that ended within the last day, by outcome.", "short",
                  ((f"increase(dwlim_ticks_total{{{ON}}}[1d])", "{{outcome}}"),), "stack",
                  ("DwlimTickFailing",)),
            Panel("Remarks", "What the last tick found missing or refused, in items; dwlim status "
                  "lists them.", "short",
                  ((f"dwlim_last_tick_remarks{{{ON}}}", "{{instance}}"),), "line",
                  ("DwlimDegradedLong",)),
            Panel("Duration of a tick", "Time that each stage of the last tick took.", "s",
                  ((f"dwlim_last_tick_stage_duration_seconds{{{ON}}}", "{{stage}}"),), "stack",
                  ("DwlimTickSlow",)),
            Panel("Alerts of operations", "Alerts of Prometheus that fire, by severity; one of "
                  "severity none always fires.", "short",
                  (('count by (severity) (ALERTS{alertname=~"Dwlim.*", alertstate="firing"})',
                    "{{severity}}"),), "stack", ("DwlimWatchdog",)),
        )),
        ("Disk", (
            Panel("Free", "Free share of the workspace's disk.", "percentunit",
                  ((f"dwlim:disk_free:ratio{{{ON}}}", "{{instance}}"),), "line",
                  ("DwlimDiskAlmostFull",), ((0, BAD), (0.05, WARN), (0.3, "green")), width=8),
            Panel("Free in four days", "Free bytes now, and in four days at the pace of the last "
                  "six hours.", "bytes",
                  ((f"dwlim_disk_free_bytes{{{ON}}}", "now"),
                   (f"predict_linear(dwlim_disk_free_bytes{{{ON}}}[6h], 4 * 86400)",
                    "in four days")), "line", ("DwlimDiskFilling",), width=8),
            Panel("Workspace", "Bytes of the files in each part of the workspace.", "bytes",
                  ((f"dwlim_workspace_size_bytes{{{ON}}}", "{{part}}"),), "stack",
                  ("DwlimDiskFilling",), width=8),
        )),
    ))

LATENCY: Final = Board(
    "dwlim-latency", "DWLIM 2: data latency",
    "How old the newest day is, and which input it waits for.", (
        ("Published", (
            Panel("Newest published day", "Age of the start of the newest published day.", "s",
                  ((f"dwlim:newest_published_day_age:seconds{{{ON}}}", "{{instance}}"),), "line",
                  ("DwlimDaysStale", "DwlimDaysVeryStale"),
                  ((6 * 86400, WARN), (14 * 86400, BAD))),
            Panel("Newest day by tier", "Age of the newest day whose newest revision has a tier: "
                  "how long a day waits for its better inputs.", "s",
                  ((f"time() - dwlim_newest_day_of_tier_timestamp_seconds{{{ON}}}", "{{tier}}"),),
                  "line", ("DwlimDaysStale",)),
            Panel("Days by tier", "Published days by the tier of their newest revision.", "short",
                  ((f"dwlim_published_products{{{ON}}}", "{{tier}}"),), "stack", width=8),
            Panel("Revisions in a day", "Revisions of days published within the last day.",
                  "short", ((f"increase(dwlim_revisions_total{{{ON}}}[1d])", "{{instance}}"),),
                  width=8),
            Panel("Last revision", "Time since the last revision of any day was computed.", "s",
                  ((f"time() - dwlim_newest_revision_as_of_timestamp_seconds{{{ON}}}",
                    "{{instance}}"),), "line", ("DwlimDaysStale",), width=8),
        )),
        ("Inputs", (
            Panel("Missed epochs", "Days, or months of a monthly stream, that should be there by "
                  "the stream's usual delay and are not.", "short",
                  ((f"dwlim_input_missed_epochs{{{ON}}}", "{{source}}/{{stream}}"),), "line",
                  ("DwlimInputLate", "DwlimMonthlyInputLate"), ((3, WARN),)),
            Panel("Newest day of an input", "Age of the start of the newest day of each stream.",
                  "s", ((f"dwlim:input_newest_day_age:seconds{{{ON}}}",
                         "{{source}}/{{stream}}"),), "line", ("DwlimInputLate",)),
            Panel("Last file", "Time since a stream last gave a file.", "s",
                  ((f"time() - dwlim_granule_retrieved_timestamp_seconds{{{ON}}}",
                    "{{source}}/{{stream}}"),), "line", ("DwlimInputLate",), width=8),
            Panel("Refused files", "Files that are in quarantine now; dwlim status tells why.",
                  "short", ((f"dwlim_refused_granules{{{ON}}}", "{{source}}"),), "stack",
                  ("DwlimQuarantineGrowing",), width=8),
            Panel("Tokens", "Time until the token of a service expires, where it tells.", "s",
                  ((f"dwlim_credential_expiry_timestamp_seconds{{{ON}}} - time()",
                    "{{service}}"),), "number",
                  ("DwlimCredentialExpiring", "DwlimCredentialExpired"),
                  ((0, BAD), (86400, WARN), (14 * 86400, "green")), width=8),
        )),
    ))

SCIENCE: Final = Board(
    "dwlim-science", "DWLIM 3: science quality",
    "Whether the estimates are as good as they say.", (
        ("Stations", (
            Panel("Stations", "Stations on the newest day, by what became of their value.",
                  "short", ((f"dwlim_stations{{{ON}}}", "{{state}}"),), "stack",
                  ("DwlimStationsLost",)),
            Panel("Stations used against usual", "Stations used on the newest day, against the "
                  "median of 30 days.", "percentunit",
                  ((f"dwlim:stations_used:ratio_to_median_30d{{{ON}}}", "{{instance}}"),), "line",
                  ("DwlimStationsLost",), ((0, BAD), (0.7, WARN), (0.9, "green")), width=6),
            Panel("Excluded stations", "Stations that are never used, by kind of reason; dwlim "
                  "status lists them.", "short",
                  ((f"dwlim_excluded_stations{{{ON}}}", "{{reason}}"),), "bars",
                  ("DwlimStationsLost",), width=6),
        )),
        ("Filter", (
            Panel("Normalised innovation squared", "Of the filter dwlim_st, per datum, on the "
                  "newest day and as a mean of seven days; 1 is expected.", "none",
                  ((f"dwlim_innovation_nis_ratio{{{ON}}}", "newest day"),
                   (f"dwlim:innovation_nis:ratio_mean_7d{{{ON}}}", "seven days")), "line",
                  ("DwlimInnovationsOutOfRange",), ((0, WARN), (0.3, "green"), (2, WARN))),
            Panel("Data of the filter", "Stations that the filter used on the newest day.",
                  "short", ((f"dwlim_innovation_data{{{ON}}}", "{{instance}}"),), "line",
                  ("DwlimStationsLost",)),
        )),
        ("Errors", (
            Panel("Sigma of basins", "Posterior standard error of the basins' water storage on "
                  "the newest day, metres of water.", "lengthm",
                  ((SIGMA, BASIN),),
                  "line", ("DwlimStationsLost",)),
            Panel("Change of the first issue", "Root mean square change of a day's first issue "
                  "after some days, mean over the chosen basins, metres of water.", "lengthm",
                  (("avg by (method, lead_days) (dwlim_newest_day_error_meters{" + OF_BASIN + "})",
                    "{{method}}, {{lead_days}} days"),), "line", ("DwlimRevisionsBeyondSigma",)),
            Panel("Change against sigma", "Standard deviation of that change in units of the "
                  "first issue's sigma; at most 1 is honest.", "none",
                  (("avg by (method, lead_days) (dwlim_newest_day_error_sigma_ratio{" + OF_BASIN
                    + "})",
                    "{{method}}, {{lead_days}} days"),), "line", ("DwlimRevisionsBeyondSigma",),
                  ((1.3, WARN),)),
            Panel("Days compared", "Days over which the change was taken; below 30 no alert is "
                  "raised.", "short",
                  (("max by (method, lead_days) (dwlim_newest_day_error_cases{" + OF_BASIN + "})",
                    "{{method}}, {{lead_days}} days"),), "line"),
        )),
        ("Drift", (
            Panel("Features", "Features of the networks by verdict of the last drift report.",
                  "short", ((f"dwlim_drift_features{{{ON}}}", "{{verdict}}"),), "bars",
                  ("DwlimDrift",), width=8),
            Panel("Stations and network", "Scatter of stations and of the network, by verdict.",
                  "short", ((f"dwlim_drift_scatter{{{ON}}}", "{{verdict}}"),), "bars",
                  ("DwlimDrift",), width=8),
            Panel("Drift report", "Age of the last drift report.", "s",
                  ((f"time() - dwlim_drift_report_timestamp_seconds{{{ON}}}", "{{instance}}"),),
                  "number", ("DwlimDriftReportOld",), ((35 * 86400, WARN),), width=8),
        )),
    ),
    (("instance", "dwlim_build_info"), ("basin", "dwlim_basin_water_storage_sigma_meters"),
     ("method", "dwlim_basin_water_storage_sigma_meters")))

BASINS: Final = Board(
    "dwlim-basins", "DWLIM 4: alerts and basins",
    "Water storage of the basins, the alerts in force, and whether subscribers learn of them.", (
        ("Basins", (
            Panel("Water storage anomaly", "Mean over a basin on the newest day, metres of water.",
                  "lengthm",
                  ((ANOMALY, BASIN),),
                  "line"),
            Panel("Newest values", "The same, newest day.", "lengthm",
                  ((ANOMALY, BASIN),),
                  "bars", width=6),
            Panel("Anomaly in sigma", "Anomaly in units of its standard error: within 2 it may be "
                  "nothing.", "none",
                  ((f"{ANOMALY} / {SIGMA}", BASIN),),
                  "bars", width=6),
        )),
        ("Alerts", (
            Panel("Alerts in force", "By hazard, severity and status; none shows none.", "short",
                  ((f"sum by (hazard, severity, status) (dwlim_alerts_active{{{ON}}}) or "
                    f"label_replace(0 * max(dwlim_ledger_readable{{{ON}}}), \"hazard\", \"none\", "
                    "\"\", \"\")", "{{hazard}} {{severity}} {{status}}"),), "stack"),
            Panel("Messages in a day", "Messages made within the last day, by kind.", "short",
                  ((f"increase(dwlim_alert_messages_total{{{ON}}}[1d])", "{{kind}}"),), "stack"),
        )),
        ("Delivery", (
            Panel("Outbox", "Deliveries that wait.", "short",
                  ((f"dwlim_outbox_waiting_deliveries{{{ON}}}", "{{state}}"),), "stack",
                  ("DwlimOutboxStuck",), width=6),
            Panel("Oldest waiting", "How long the oldest message in the outbox has waited; 0 when "
                  "none does.", "s",
                  ((f"time() - dwlim_outbox_oldest_timestamp_seconds{{{ON}}} or "
                    f"0 * dwlim_ledger_readable{{{ON}}}", "{{instance}}"),), "number",
                  ("DwlimOutboxStuck",), ((7200, WARN), (10800, BAD)), width=6),
            Panel("Deliveries in a day", "Deliveries that ended within the last day, by how.",
                  "short", ((f"increase(dwlim_alert_deliveries_total{{{ON}}}[1d])", "{{state}}"),),
                  "stack", ("DwlimDeliveryExpired",), width=6),
            Panel("Attempts in a day", "Attempts to deliver within the last day, all and those "
                  "that failed.", "short",
                  ((f"increase(dwlim_alert_delivery_attempts_total{{{ON}}}[1d])", "all"),
                   (f"increase(dwlim_alert_delivery_attempts_total{{{ON}}}[1d]) - on (job, "
                    f"instance) increase(dwlim_alert_deliveries_total{{state=\"delivered\", {ON}}}"
                    "[1d])", "failed")), "line", ("DwlimDeliveryFailing",), width=6),
        )),
    ),
    (("instance", "dwlim_build_info"), ("basin", "dwlim_basin_water_storage_sigma_meters"),
     ("method", "dwlim_basin_water_storage_sigma_meters")))

BOARDS: Final = (SERVICE, LATENCY, SCIENCE, BASINS)
