"""What came of a soak, as tables: written beside it, and on request into deploy/SOAK.md."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
from draw_pictures import draw_board, legend_of, resolved
from observability import DEPLOY
from panels import BOARDS, Board, Panel
from PIL import Image

from tests.soak import history
from tests.soak.flatness import LEAST_TICKS, Slope, slope
from tests.soak.words import ALERTS, MUST_GROW, PANELS

PAGE: Final = DEPLOY / "SOAK.md"
PICTURES: Final = DEPLOY / "grafana" / "pictures" / "soak"
WARM_UP_TICKS: Final = 20
SHOWN_SERIES, SHOWN_FIRINGS = 5, 6
#: Products, archive and ledger of the first evening are those of the whole horizon.
SETTLED_DAY: Final = 30
#: From here on retention has removed what a later version replaced 60 days before.
RETAINED_DAY: Final = 75
NEGLIGIBLE_KIB_A_DAY: Final = 2.0
#: Of memory: twelve ticks a day of so much are 1 MiB in a year.
NEGLIGIBLE_KIB_A_TICK: Final = 0.25
PICTURE_COLOURS: Final = 32
_TIMES: Final = ((2 * 86400.0, 86400.0, "d"), (2 * 3600.0, 3600.0, "h"), (0.0, 1.0, "s"))
_SCALES: Final = {"bytes": (2.0**20, "MiB"), "lengthm": (1e-3, "mm"), "percentunit": (1e-2, "%"),
                  "none": (1.0, ""), "short": (1.0, "")}


@dataclass(frozen=True)
class Soaked:
    """What a soak left in its folder."""

    days: list[dict[str, Any]]
    end: dict[str, Any]
    texts: list[tuple[datetime, str]]

    def date_of(self, day: int) -> str:
        """The evening of a day."""
        return str(self.days[day]["now"])[:10]

    def day_of(self, at_s: float) -> dict[str, Any]:
        """The evening whose answer stands for a moment."""
        starts = [at.timestamp() for at, _ in self.texts]
        return self.days[max(0, int(np.searchsorted(starts, at_s, side="right")) - 1)]


def read(folder: Path) -> Soaked:
    """A soak that has ended."""
    days = [json.loads(line) for line in (folder / "days.jsonl").read_text().splitlines()]
    texts = [(datetime.fromisoformat(one["now"]),
              (folder / "metrics" / f"{one['day']:03d}.prom").read_text()) for one in days]
    return Soaked(days, json.loads((folder / "end.json").read_text()), texts)


def write(folder: Path, *, into_page: bool) -> list[str]:
    """Tables and pictures of a soak; returns every law that was broken."""
    soaked = read(folder)
    broken = [*(f"{one['now'][:10]}: {text}" for one in soaked.days for text in one["broken"]),
              *soaked.end["broken"]]
    pictures = PICTURES if into_page else folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    tables = {"summary": summary(soaked, broken), "faults": faults(soaked),
              "flatness": flatness(soaked.days), "disk": disk(soaked.days)}
    with history.serving(folder / "prometheus", soaked.texts) as (server, firings):
        tables["alerts"] = alerts(soaked, firings)
        first, last = soaked.texts[0][0], soaked.texts[-1][0]
        for board in BOARDS:
            tables[board.uid] = panels(soaked, server, board)
            drawn = draw_board(server, board, pictures, last.timestamp(),
                               (last - first).total_seconds() / 86400.0)
            with Image.open(drawn) as picture:
                picture.convert("RGB").quantize(PICTURE_COLOURS).save(drawn, optimize=True)
    (folder / "tables.md").write_text("\n\n".join(
        f"## {name}\n\n{table}" for name, table in tables.items()))
    if into_page:
        PAGE.write_text(filled(PAGE.read_text(), tables))
    return broken


def filled(page: str, tables: dict[str, str]) -> str:
    """A page with the tables between their marks.

    >>> filled("<!-- a -->old<!-- /a -->", {"a": "new"})
    '<!-- a -->\\nnew\\n<!-- /a -->'
    """
    for name, table in tables.items():
        page = re.sub(rf"(<!-- {name} -->).*?(<!-- /{name} -->)",
                      lambda found, table=table: f"{found[1]}\n{table}\n{found[2]}", page,
                      flags=re.DOTALL)
    return page


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(str(one).replace('|', '/') for one in line)} |"
                     for line in lines)


def summary(soaked: Soaked, broken: Sequence[str]) -> str:
    """The soak in a few numbers."""
    days, comparison = soaked.days, soaked.end["comparison"]
    outcomes = Counter(one["outcome"] for one in days)
    ages = Counter(one["age_days"] for one in days)
    accepted = [one for one in soaked.end["arrivals"] if one["accepted"]]
    apart = list(comparison["largest_mm"].values())
    return table(("What", "Measured"), [
        ("Evenings", f"{len(days)}, {days[0]['now'][:10]} to {days[-1]['now'][:10]}"),
        ("Incidents", f"{len(soaked.end['incidents'])}; "
         f"{np.mean([len(one['incidents']) for one in days]):.1f} at a time on average, "
         f"{max(len(one['incidents']) for one in days)} at most; "
         f"{sum(not one['incidents'] for one in days)} evenings without"),
        ("Kills", f"{sum(one['n_kills'] for one in days)} on "
         f"{sum(one['n_kills'] > 0 for one in days)} evenings; "
         f"{soaked.end['n_processes']} processes"),
        ("Ticks by outcome", ", ".join(f"{name} {n}" for name, n in sorted(outcomes.items()))),
        ("Age of the newest day", ", ".join(f"{age} d: {n}" for age, n in sorted(ages.items()))),
        ("Published days", f"{days[0]['n_published']} to {days[-1]['n_published']}; "
         f"{days[-1]['size']['rows']['products']} revisions"),
        ("Alerts", f"{days[-1]['size']['rows']['alert_messages']} messages, "
         f"{days[-1]['size']['rows']['alert_deliveries']} deliveries; {len(accepted)} accepted "
         f"arrivals of {len({(a['recipient'], a['identifier']) for a in accepted})} messages, "
         f"{len(soaked.end['arrivals']) - len(accepted)} refused"),
        ("Against an untroubled workspace", f"{comparison['n_days']} days compared, "
         f"{comparison['n_equal']} equal to the bit, the largest difference of the others "
         f"{max(apart, default=0.0):.3g} mm; another tier on {len(comparison['other_tier'])} days"),
        ("Laws broken", len(broken)),
        *(("", text[:300]) for text in broken[:20])])


def faults(soaked: Soaked) -> str:
    """Every kind of fault: how often, on how many evenings, and what the system said."""
    by_name = defaultdict(list)
    for one in soaked.end["incidents"]:
        by_name[one["name"].partition(": ")[2]].append(one)
    rows = []
    for name, found in sorted(by_name.items()):
        days = sorted({day for one in found for day in range(one["first"],
                                                             one["first"] + one["n_days"])})
        outcomes = Counter(soaked.days[day]["outcome"] for day in days)
        rows.append((f"{name}: {found[0]['words']}",
                     ", ".join(sorted({one["target"] for one in found})), len(found), len(days),
                     " ".join(f"{word} {n}" for word, n in sorted(outcomes.items())),
                     _said(soaked, found)))
    return table(("Fault", "Of", "Times", "Evenings", "Ticks ended", "What was said, if anything"),
                 rows)


#: Words by which a remark is known to be about a service, or about a fault of ours.
_KEYS: Final = {
    "ngl": ("gnss", "steps", "tenv3", "DataHoldings"), "cds": ("era5", "orography"),
    "earthdata": ("gldas", "grace", "jpl"),
    "earthdata_login": ("gldas", "grace", "jpl"), "opendap": ("gldas",),
    "cmr": ("gldas", "grace"), "podaac": ("grace", "jpl"), "csr": ("grace", "csr"),
    "ecmwf_open": ("ifs",), "esmgfz": ("loading", "NTAL", "NTOL"),
    "esmgfz_second": ("loading", "NTAL", "NTOL"),
    "KILLED": ("left",), "CLOCK_BACK": ("clock",), "CLOCK_FAR_BACK": ("clock",),
    "DISK_FULL": ("ledger", "too large", "written", "cube", "full"), "INBOX_RUBBISH": ("inbox",),
    "CACHE_DAMAGED": ("cache",), "RECEIVER_DOWN": ("an alert waits",),
    "RECEIVER_ERRORS": ("an alert waits",), "RECEIVER_MUTE": ("an alert waits",),
    "TOKEN_LATE": ("gldas", "grace", "jpl", "token", "login")}


def _said(soaked: Soaked, found: Sequence[dict[str, Any]]) -> str:
    """The first remark of those evenings that is about the service."""
    for one in found:
        keys = _KEYS[one["name"].split()[-1] if one["target"] == "us" else one["target"]]
        for day in range(one["first"], one["first"] + one["n_days"]):
            for text in soaked.days[day]["remarks"]:
                if any(key in text for key in keys):
                    said = re.sub(r"127\.0\.0\.1:\d+|localhost:\d+", "HOST", text)
                    return " ".join(re.sub(r"/[^ ]*/ws\b", "WS", said).split())[:140]
    return "nothing: coped with, or not asked for"


def stretch(days: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The longest run of evenings of one process."""
    runs = [list(found) for _, found in groupby(days, key=lambda one: one["process"])]
    return max(runs, key=len)


def flatness(days: Sequence[dict[str, Any]]) -> str:
    """Memory, files and threads of the daemon over its longest life, and of the ticks therein."""
    longest = stretch(days)
    warm = longest[min(WARM_UP_TICKS, len(longest) // 4):]
    if len(warm) < LEAST_TICKS:
        return f"No process has lived for {LEAST_TICKS} ticks after warming up."
    about = (f"Daemon {longest[0]['process']}: {len(longest)} ticks, {longest[0]['now'][:10]} to "
             f"{longest[-1]['now'][:10]}; after {len(longest) - len(warm)} ticks of warming up "
             f"{len(warm)}.")
    rows = []
    for title, key, scale, unit in (
            ("Daemon: resident memory", "rss_bytes", 1024.0, "KiB"),
            ("Daemon: open files", "n_open_files", 1.0, ""),
            ("Daemon: threads", "n_threads", 1.0, ""),
            ("Daemon: Python objects", "n_objects", 1.0, ""),
            ("Tick: most memory", "tick_peak_bytes", 1024.0, "KiB"),
            ("Tick: open files at its end", "tick_n_open_files", 1.0, ""),
            ("Tick: threads at its end", "tick_n_threads", 1.0, "")):
        values = np.array([one["figures"][key] for one in warm], float) / scale
        rows.append((title, f"{values.min():,.0f} to {values.max():,.0f} {unit}",
                     _growth(slope(values), unit)))
    usual = [one for one in days[SETTLED_DAY:]
             if not one["incidents"] and one["state"] == "Completed"]
    if len(usual) >= 10:
        seconds = [one["figures"]["tick_s"] for one in usual]
        rows.append(("Time of a tick without incidents",
                     f"{min(seconds):.1f} to {max(seconds):.1f} s (n = {len(seconds)})",
                     f"{np.median(seconds[:10]):.1f} s the first ten, "
                     f"{np.median(seconds[-10:]):.1f} s the last ten"))
    return f"{about}\n\n{table(('What', 'Range', 'Growth per tick (95 % interval)'), rows)}"


def _growth(found: Slope, unit: str) -> str:
    beyond = NEGLIGIBLE_KIB_A_TICK if unit else 0.0
    words = "grows" if found.grows(beyond) else "flat" if found.high >= -beyond else "shrinks"
    return f"{found.per_tick:+.2f} ({found.low:+.2f} to {found.high:+.2f}) {unit}: {words}"


def disk(days: Sequence[dict[str, Any]]) -> str:
    """Bytes and files of every part, what a day adds, and what that makes in a year."""
    settled = days[min(RETAINED_DAY, len(days) // 3):]
    parts = sorted({part for one in days for part in one["size"]["bytes"]})
    rows = []
    for part in parts:
        values = np.array([one["size"]["bytes"].get(part, 0) for one in settled], float)
        found = slope(values / 1024.0)
        must = "must grow" if part in MUST_GROW else "must not grow"
        grows = found.grows()
        verdict = "as it must" if grows == (part in MUST_GROW) else (
            "does not" if part in MUST_GROW
            else "GROWS" if found.low > NEGLIGIBLE_KIB_A_DAY else "next to nothing")
        rows.append((part, must, f"{values[0] / 2**20:.2f}", f"{values[-1] / 2**20:.2f}",
                     settled[-1]["size"]["files"].get(part, 0),
                     f"{found.per_tick:+.1f} ({found.low:+.1f} to {found.high:+.1f})",
                     f"{(values[-1] - values[0]) / 2**20 / (len(settled) - 1) * 365.25:,.0f}",
                     verdict))
    first, middle, last = (one["size"]["rows"] for one in (days[0], settled[0], days[-1]))
    counts = table(("Rows of the ledger", "First", "Last", "A day"), [
        (name, first[name], last[name], f"{(last[name] - middle[name]) / (len(settled) - 1):.1f}")
        for name in sorted(last)])
    span = f"From day {settled[0]['day']} to day {settled[-1]['day']}."
    return (f"{span}\n\n" + table(("Part", "Law", "First, MiB", "Last, MiB", "Files",
                                   "KiB a day (95 % interval)", "MiB a year", "Verdict"), rows)
            + f"\n\n{counts}")


def alerts(soaked: Soaked, firings: Sequence[history.Firing]) -> str:
    """When each alert of operations fired, with what was wrong when its reason began."""
    rows = []
    rules = [rule for group in history.rule_groups() for rule in group["rules"]]
    for rule in rules:
        of_rule = [one for one in firings if one.alert == rule["alert"]]
        hours = sum((one.last - one.first).total_seconds() / 3600.0 + 1 for one in of_rule)
        spans = "; ".join(map(_span, of_rule[:SHOWN_FIRINGS]))
        n_more = len(of_rule) - SHOWN_FIRINGS
        spans += f"; and {n_more} more" if n_more > 0 else ""
        behind = Counter(name for one in of_rule
                         for name in set(soaked.day_of(one.first.timestamp())["incidents"]))
        rows.append((rule["alert"], rule["labels"]["severity"], len(of_rule), f"{hours:.0f}",
                     spans or "never", ", ".join(f"{name} ({n})" for name, n in
                                                 behind.most_common(4)) or "-",
                     ALERTS[rule["alert"]]))
    return table(("Alert", "Severity", "Times", "Hours", "When (series)",
                  "Incidents on the evening before it fired", "Why"), rows)


def _span(one: history.Firing) -> str:
    series = "/".join(value for key, value in one.labels
                      if key in ("source", "stream", "service", "lead_days"))
    return f"{one.first:%m-%d %H}h to {one.last:%m-%d %H}h {series}".rstrip()


def panels(soaked: Soaked, server: str, board: Board) -> str:
    """Every panel of a dashboard: what it showed, and why."""
    rows = [(f"**{panel.title}**: {panel.description}", *_range(soaked, server, panel),
             PANELS[board.uid, panel.title]) for _, row in board.rows for panel in row]
    return table(("Panel", "Range in the soak (middle)", "Extreme on", "Why"), rows)


def _range(soaked: Soaked, server: str, panel: Panel) -> tuple[str, str]:
    found = []
    for expression, legend in panel.queries:
        for one in history.series(server, resolved(expression), soaked.texts[0][0],
                                  soaked.texts[-1][0]):
            at, values = (np.array(column, float) for column in zip(*one["values"], strict=True))
            if np.isfinite(values).any():
                found.append((legend_of(legend, one["metric"]), at[np.isfinite(values)],
                              values[np.isfinite(values)]))
    if not found:
        return "no data", "-"
    shown = sorted(found, key=lambda one: -np.ptp(one[2]))[:SHOWN_SERIES]
    words = [f"{name}: {_values(values, panel.unit)}" for name, _, values in shown]
    if len(found) > len(shown):
        words.append(f"and {len(found) - len(shown)} more")
    name, at, values = shown[0]
    if not np.ptp(values):
        return "; ".join(words), "constant"
    day = soaked.day_of(float(at[values.argmax()]))
    return ("; ".join(words), f"{name}: {day['now'][:10]}, "
            f"{', '.join(day['incidents'][:4]) or 'no incident'}")


def _values(values: np.ndarray, unit: str) -> str:
    if unit == "s":
        scale, unit = next((scale, name) for least, scale, name in _TIMES
                           if np.abs(values).max() >= least)
    else:
        scale, unit = _SCALES[unit]
    low, middle, high = (f"{one / scale:.3g}" for one in (
        values.min(), np.median(values), values.max()))
    return f"{low} {unit}".strip() if low == high else f"{low} to {high} {unit} ({middle})"
