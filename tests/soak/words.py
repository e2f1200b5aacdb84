"""Why the figures of the soak are as they are; the numbers themselves stand in the tables."""

#: Parts of a workspace that grow with the record.
MUST_GROW = frozenset({"published/daily", "published/cube", "published/stac", "published/basins",
                       "published/alerts", "store/raw", "store/cache", "state"})

PANELS: dict[tuple[str, str], str] = {
    ("dwlim-service", "Daemon"): "Made up: the history says that every scrape was answered. A kill "
        "and the start of a new worker last seconds, far below `for: 5m` of DwlimDown.",
    ("dwlim-service", "Ledger"): "1 throughout: the exporter runs outside the full disk, and "
        "reading the ledger needs no space.",
    ("dwlim-service", "Last heartbeat"): "Made up, one a minute; the panel shows the offset of the "
        "evaluation within the minute.",
    ("dwlim-service", "Last tick"): "A sawtooth of 24 h: the soak ticks once an evening, a daemon "
        "twelve times a day. Longer where an evening's tick failed before it could be recorded "
        "(full disk, clock far back).",
    ("dwlim-service", "Outcome"): "What the last recorded tick ended as. `failed` never shows: the "
        "ticks that failed could not write the ledger, and leave the outcome of the one before.",
    ("dwlim-service", "Version"): "One version throughout.",
    ("dwlim-service", "Ticks in a day"): "One a day; none on the day after a tick that could not "
        "be recorded. Values between 0 and 1 are Prometheus' extrapolation of `increase`.",
    ("dwlim-service", "Remarks"): "Failed requests and refused files of the evening. 50 is where "
        "the ledger cuts the list: a fault of ESMGFZ or NGL meets each station and product. A "
        "weekday's forecast that is refused for what it holds stays for a week, until the next "
        "one of that weekday.",
    ("dwlim-service", "Duration of a tick"): "Ingest leads: it waits for time-outs (1 s a read, "
        "2 s a file, 2 attempts) where a service hangs. The first evening takes in the whole "
        "record.",
    ("dwlim-service", "Alerts of operations"): "See the table of alerts; severity none is "
        "DwlimWatchdog.",
    ("dwlim-service", "Free"): "The disk of the machine, on which other work runs; the workspace "
        "takes less than a thousandth of it.",
    ("dwlim-service", "Free in four days"): "As before. Each evening's value stands for a day, so "
        "that the pace is nought except at the step between two evenings, which six hours see as a "
        "trend.",
    ("dwlim-service", "Workspace"): "published grows by a product for every revision, raw by the "
        "files received until retention removes what was replaced 60 days before; cache and state "
        "see the disk table.",
    ("dwlim-latency", "Newest published day"): "Rapid solutions come 2 d 18 h after the day "
        "begins, in time for the tick at 21 UTC: 2.9 d after it, 3.9 d before the next. Each "
        "evening without rapid files or without a tick adds a day; all is back on the "
        "first good evening.",
    ("dwlim-latency", "Newest day by tier"): "What the tiers wait for: preview the rapid files; "
        "era5t ERA5T, 5 d; final_gnss final solutions, weekly, 10 to 17 d, and longer if a "
        "Tuesday's batch could not be fetched; gldas_ep the early product, monthly after 35 d; "
        "definitive ERA5 and GLDAS with GRACE, monthly after 90 d. Days before the first day of "
        "weather stay preview: while NGL is gone and no newer day is preview, theirs is "
        "the newest.",
    ("dwlim-latency", "Days by tier"): "The horizon of 125 days moves on: old days end as "
        "definitive, the newest as preview. A month of GLDAS lifts 28 to 31 days at once.",
    ("dwlim-latency", "Revisions in a day"): "Few on a usual day; some tens when a batch of final "
        "solutions, a month of GLDAS, or a fault of NGL that changes old days comes in, since the "
        "smoother lets one changed day change those before it.",
    ("dwlim-latency", "Last revision"): "At every tick some day is revised: the sawtooth of the "
        "ticks, longer where a tick brought nothing.",
    ("dwlim-latency", "Missed epochs"): "0 is usual, loading/analysis alone is at 1 without any "
        "fault: the table of delays expects a day of it after 1 d, but a day is whole only with "
        "the midnight that ends it, which comes with the next (see Findings). Peaks are evenings "
        "without the service.",
    ("dwlim-latency", "Newest day of an input"): "Each stream's own delay, as a sawtooth of its "
        "own rhythm: daily streams 1 to 6 d, final solutions 10 to 18 d (weekly), GLDAS early 36 "
        "to 67 d and later (monthly after 35 d), ERA5 60 to 92 d, GLDAS with GRACE 90 to 122 d.",
    ("dwlim-latency", "Last file"): "Monthly streams rest for a month, the list of steps until it "
        "changes, the others for a day, or as long as they are troubled.",
    ("dwlim-latency", "Refused files"): "Only where a fault put something: a file of each station "
        "for faults of ESMGFZ and NGL. It ends with the next good version of the file.",
    ("dwlim-latency", "Tokens"): "The Earthdata token lasts 60 d; the first is renewed two days "
        "late (a fault of ours), the others a week before their end. CDS' token tells no end.",
    ("dwlim-science", "Stations"): "3 % of a station's days are missing in the made-up series, and "
        "a troubled NGL takes whole stations.",
    ("dwlim-science", "Stations used against usual"): "Of ten stations each is 10 %: one or two "
        "missing by chance give 80 to 90 %, three and an outlier 67 %; or NGL is in trouble.",
    ("dwlim-science", "Excluded stations"): "None: the made-up series are good ones.",
    ("dwlim-science", "Normalised innovation squared"): "Far below 1 as it should be here: the "
        "replica writes formal errors of 2.5 mm and more beside noise of 1.5 mm; the ratio of "
        "their squares, about 0.2, is what the panel shows.",
    ("dwlim-science", "Data of the filter"): "Stations used.",
    ("dwlim-science", "Sigma of basins"): "dwlim_st hardly moves: its prior and its past carry it. "
        "tragnss follows the stations of the day and their formal errors.",
    ("dwlim-science", "Change of the first issue"): "From rapid to final solutions and other "
        "loading: mm of water. tragnss moves with the noise of each day, dwlim_st much less.",
    ("dwlim-science", "Change against sigma"): "Below 1: sigma is more than honest, for the reason "
        "of the innovations.",
    ("dwlim-science", "Days compared"): "Grows to the 120 days of the window less the lead.",
    ("dwlim-science", "Features"): "No data: no networks serve the toy region, and no tick makes a "
        "drift report.",
    ("dwlim-science", "Stations and network"): "No data, as before.",
    ("dwlim-science", "Drift report"): "No data, as before; DwlimDriftReportOld is silent where "
        "there never was a report (see Findings).",
    ("dwlim-basins", "Water storage anomaly"): "The made-up water: a season of some tens of mm and "
        "slow waves, seen by ten stations.",
    ("dwlim-basins", "Newest values"): "As before, on the last evening.",
    ("dwlim-basins", "Anomaly in sigma"): "Seldom beyond 2: ten stations see little.",
    ("dwlim-basins", "Alerts in force"): "Thresholds are set low (class D0 and W0, probability "
        "0.5) so that alerts come and go; all of status Test, the region being synthetic.",
    ("dwlim-basins", "Messages in a day"): "Alerts begin and end with the made-up water, an update "
        "comes at the latest after 7 days.",
    ("dwlim-basins", "Outbox"): "Empty but for evenings on which the receiver was down, answered "
        "500 or broke off, or the disk was full.",
    ("dwlim-basins", "Oldest waiting"): "24 h for each evening that a message waited: there is one "
        "attempt at each tick.",
    ("dwlim-basins", "Deliveries in a day"): "All delivered; nothing expired or was withdrawn.",
    ("dwlim-basins", "Attempts in a day"): "As many as deliveries; failed ones are those of the "
        "receiver's faults.",
}

#: Why each alert of operations fired or stayed silent.
ALERTS: dict[str, str] = {
    "DwlimDown": "Silent: the history says that each scrape was answered. A worker that was killed "
        "was back within seconds; five minutes are needed.",
    "DwlimLedgerUnreadable": "Silent: a full disk does not hinder reading.",
    "DwlimNoHeartbeat": "Silent: the heartbeat is made up; in the soak the daemon is all that "
        "could miss it.",
    "DwlimNoTick": "Every evening, by the soak's making: it ticks once a day and the alert wants a "
        "tick every two hours. The longer ones are evenings whose tick could not be recorded: full "
        "disk, clock far back.",
    "DwlimTickFailing": "Silent although ticks failed: each was a single one, and a tick that "
        "cannot write the ledger leaves no outcome. It is DwlimNoTick that tells of these.",
    "DwlimDegradedLong": "Faults that overlap for more than two days, and forecasts that are "
        "refused for what they hold, which stay for a week.",
    "DwlimTickSlow": "Silent: seconds, with the longest time-outs too.",
    "DwlimDaysStale": "NGL gone, or our ticks failing, for four evenings and more.",
    "DwlimDaysVeryStale": "Fires only beyond two weeks without rapid files.",
    "DwlimInputLate": "A service without files for three days, or an input that was refused.",
    "DwlimMonthlyInputLate": "Two missed months: no fault lasts so long.",
    "DwlimQuarantineGrowing": "ESMGFZ or NGL sending wrong content: a file of each station.",
    "DwlimCredentialExpiring": "From 14 days before the end of each Earthdata token on, until it "
        "is renewed.",
    "DwlimCredentialExpired": "The token that was renewed two days late.",
    "DwlimStationsLost": "By chance, without a fault of NGL: three stations absent and one outlier "
        "on a day leave 6 where 9 are usual; ten stations are few for a limit of 70 %.",
    "DwlimRevisionsBeyondSigma": "Silent: sigma is larger than the changes, see the science board.",
    "DwlimInnovationsOutOfRange": "The whole time: formal errors of the made-up series are twice "
        "their noise, which is what this alert is there to tell.",
    "DwlimDrift": "Silent: no report is made without networks.",
    "DwlimDriftReportOld": "Silent: it looks at the age of a report, and there is none at all.",
    "DwlimOutboxStuck": "A message waits from one evening to the next, where a daemon would have "
        "tried again within two hours.",
    "DwlimDeliveryFailing": "Needs more than three failed attempts within twelve hours; the soak "
        "makes one for each message and evening.",
    "DwlimDeliveryExpired": "Silent: messages hold for 20 days, no fault of the receiver lasts so "
        "long.",
    "DwlimDiskFilling": "Needs a disk that is 70 % full and filling.",
    "DwlimDiskAlmostFull": "Silent although writes failed: the limit was put on the process, the "
        "disk itself had room.",
    "DwlimWatchdog": "Always, as it must.",
}
