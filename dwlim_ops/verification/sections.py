"""The sections of the verification report: its words around tables and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dwlim_ops.config import Span
from dwlim_ops.estimates import MethodSeries
from dwlim_ops.rain import rain_of
from dwlim_ops.reconcile import Known
from dwlim_ops.session import Session
from dwlim_ops.verification.data import (
    REVISION_LAG_DAYS,
    SPACE_TIME_STRIDE_DAYS,
    Compared,
    LeftOut,
)
from dwlim_ops.verification.figures import (
    basin_pictures,
    flow_picture,
    left_out_pictures,
    loading_pictures,
    rain_pictures,
    station_pictures,
    storage_pictures,
)
from dwlim_ops.verification.inputs import stations_of
from dwlim_ops.verify import report, virtual_stations
from dwlim_ops.verify.document import Picture, Section
from dwlim_ops.verify.drawing import METHODS
from dwlim_ops.verify.report import Tables, table
from dwlim_ops.verify.virtual_stations import VirtualStationTable


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that the report is written from.

    `maps` are estimates with their cells in the GRACE years; `shown_grace` and `shown_left_out`
    the estimates of the figures, one a method, where the tables have every bundle's.
    """

    grace_years: Span
    left_out_years: Span
    stride_days: int
    tables: Tables
    compared: Sequence[Compared]
    left_out: Sequence[LeftOut]
    maps: dict[str, MethodSeries]
    virtual: Sequence[VirtualStationTable]
    decomposed: tuple[Picture, ...]
    simulated: tuple[Picture, ...]

    @property
    def shown_grace(self) -> list[Compared]:
        """The first of each method."""
        first = {one.section.method: one for one in reversed(self.compared)}
        return [first[method] for method in METHODS if method in first]

    @property
    def shown_left_out(self) -> list[LeftOut]:
        """The first of each method."""
        first = {one.section.method: one for one in reversed(self.left_out)
                 if np.isfinite(one.section.scores.pcc).any()}
        return [first[method] for method in METHODS if method in first]


def sections_of(session: Session, known: Known, evidence: Evidence) -> list[Section]:
    """All sections in their order; what does not apply to the region says so."""
    return [
        _data(session, known), _method(evidence), _loading(session, known),
        _simulated(evidence), _left_out(session, known, evidence),
        _storage(session, known, evidence), _grace(session, evidence), _rain(session, evidence),
        _revisions(evidence)]


def _data(session: Session, known: Known) -> Section:
    gnss, qc, stations = session.config.sources.gnss, session.config.qc, stations_of(known)
    rows = [
        ("displacement", f"daily vertical, source {gnss.kind}, frame {gnss.frame.upper()}"),
        ("stations", f"{len(stations.name)}, of which {stations.used.sum()} are used"),
        ("days", f"{known.days[0]} to {known.days[-1]}"),
        ("removed by the producer", ", ".join(gnss.already_removed) or "nothing"),
        ("loading left in", ", ".join(known.remaining_loading) or "none"),
        ("outliers", f"beyond {qc.outlier_sigma:g} robust sigma of {qc.outlier_window_days} days"),
        ("steps, trend", f"steps: {qc.step_mode}; trend: {qc.trend}"),
        ("reference period", f"{session.config.region.reference_start} to "
                             f"{session.config.region.reference_end}"),
    ]
    text = ("Counterpart of the paper's Table 1: the coordinate solutions are made by their "
            "producer, and this is what is known of them and done to them.\n\n"
            + table(["data", "value"], rows))
    return Section("data", "Stations and their records", text, station_pictures(session, known))


def _method(evidence: Evidence) -> Section:
    text = ("`tragnss` inverts the stations of one day; `dwlim` adds cells that station LSTMs "
            "simulate from the weather, as in the paper; `dwlim_st` is the space-time filter, "
            "smoothed with the days that follow, and as `dwlim_st newest day` without them.")
    return Section("method", "Method", text,
                   (flow_picture(), *evidence.decomposed))


def _loading(session: Session, known: Known) -> Section:
    pictures = loading_pictures(session, known)
    removed = [name.upper() for name in session.config.sources.gnss.already_removed
               if name in ("ntal", "ntol")]
    if pictures:
        text = "Atmosphere and ocean press the ground too; their modelled part is subtracted."
    elif removed:
        text = (f"There is no counterpart of the paper's Figure 6: the producer of this region's "
                f"displacement has removed {' and '.join(removed)} already, so the system "
                "subtracts nothing and holds no loading series to show.")
    else:
        text = ("No loading model is configured: the displacement holds the loading of atmosphere "
                "and ocean, and there is no counterpart of the paper's Figure 6.")
    return Section("loading", "Atmospheric and oceanic loading", text, pictures)


def _simulated(evidence: Evidence) -> Section:
    parts = []
    if not evidence.simulated:
        parts.append("No bundle serves in years that it never saw: nothing was simulated.")
    parts += [virtual_stations.to_markdown(one) for one in evidence.virtual]
    return Section("simulated", "Displacement where there is no station", "\n\n".join(parts),
                   evidence.simulated)


def _left_out(session: Session, known: Known, evidence: Evidence) -> Section:
    years, which = evidence.left_out_years, _which(evidence.stride_days)
    text = (f"Each station's displacement predicted from all others, {years.first} to "
            f"{years.last}; bundles in years that they never saw, {which}, and `tragnss` on the "
            f"same days. `dwlim_st`, {_which(SPACE_TIME_STRIDE_DAYS)}, leaves out groups of "
            "stations in a run over the whole record. Median and quartiles over the stations. An "
            "honest 90 % interval holds 87 to 93 % of all values (the station's own noise is in "
            "it).\n\n"
            + report.left_out_table(evidence.tables.left_out))
    return Section("left-out", "Stations left out", text, left_out_pictures(
        session, known, evidence.shown_left_out, f"{years.first} to {years.last}"))


def _which(stride_days: int) -> str:
    return "every day" if stride_days == 1 else f"one day in {stride_days}"


def _storage(session: Session, known: Known, evidence: Evidence) -> Section:
    years, grace = evidence.grace_years, session.grace
    assert grace is not None  # noqa: S101  verify() refuses its absence
    degrees = f"{session.config.region.grid_deg:g} deg"
    used = np.isfinite(grace.twsa_mm).any(axis=1)
    rows = [(one.section.method, f"{one.series.days[0]} to {one.series.days[-1]}",
             "1 day" if one.stride_days == 1 else f"1 day, scored {_which(one.stride_days)}",
             degrees) for one in evidence.shown_grace]
    rows.append(("GRACE", f"{grace.start[used][0]} to {grace.end[used][-1]}", "1 month",
                 "see the source; taken at the cells' centres"))
    text = ("Counterpart of the paper's Table 2.\n\n"
            + table(["estimate", "period", "time resolution", "grid"], rows))
    pictures = storage_pictures(session, known, evidence.maps, evidence.shown_grace,
                                years=(years.first, years.last))
    return Section("storage", "Water storage of the region", text, pictures)


def _grace(session: Session, evidence: Evidence) -> Section:
    years = evidence.grace_years
    text = "\n\n".join([
        f"Monthly means of the basins, {years.first} to {years.last}, each about its mean over "
        f"the common months; `dwlim_st` {_which(SPACE_TIME_STRIDE_DAYS)}; `dwlim` with bundles "
        f"that never saw these years, {_which(evidence.stride_days)}, and `tragnss` on the same "
        "days. Amplitude and day of "
        "the maximum of the annual term. Last line of each: median and quartiles over the basins.",
        report.grace_table(evidence.tables.against_grace),
        "### First-order term and seasons",
        _first_order(session),
        report.treatment_table(evidence.tables.against_grace)])
    return Section("grace", "Basins against GRACE", text, basin_pictures(
        session, evidence.shown_grace, evidence.compared, years=(years.first, years.last)))


def _first_order(session: Session) -> str:
    gnss = session.config.sources.gnss
    sample = gnss.kind == "sample"
    degrees = ("The sample's GRACE (CSR RL06, DDK3) omits degrees 0 and 1 and has no leakage "
               "correction" if sample else "GRACE Level 3 contains degree 1")
    trend = ("The displacement comes without its linear trend, so a trend of GRACE has no "
             "counterpart on our side: the detrended scores compare like with like. "
             if "trend" in gnss.already_removed or session.config.qc.trend == "linear" else "")
    return (
        "The paper removes a first-order term and does not say which. Both sides are given the "
        "same treatment here: none but their means; a straight line taken out of both; the annual "
        f"and semi-annual terms taken out of both, which leaves what is not season. {trend}"
        f"{degrees}; our displacement (frame {gnss.frame.upper()}) holds the deformation of "
        "degree 1, which is no part of a regional series that could be taken out exactly: one "
        "millimetre of geocentre motion stands for about 5 mm of water along its axis. It stays "
        "in. Months without a satellite (2017-07 to 2018-05) are left out, also where a file has "
        "filled them; the years given here lie "
        + ("before GRACE-FO, so the paper's second period has no counterpart."
           if session.grace is not None and _before_follow_on(session) else
           "on both sides of that gap."))


def _before_follow_on(session: Session) -> bool:
    grace = session.grace
    assert grace is not None  # noqa: S101
    used = np.isfinite(grace.twsa_mm).any(axis=1)
    return bool(grace.end[used][-1] < np.datetime64("2018-06-01"))


def _rain(session: Session, evidence: Evidence) -> Section:
    pictures = rain_pictures(session, evidence.shown_grace, rain_of(session))
    text = ("Storage integrates rain less evaporation and runoff, so it peaks after the rain. "
            "Gauges are few in the interior: the number in each basin stands in the titles."
            if pictures else "No rain is known for this region: no counterpart of the paper's "
            "Figure 11.")
    return Section("rain", "Storage and rain", text, pictures)


def _revisions(evidence: Evidence) -> Section:
    parts = []
    if evidence.tables.revised:
        parts += ["Published basin means against their first issue, over all basins and days of "
                  "`basins/revisions.csv`. An honest sigma gives the last column a value of 0.9 "
                  "to 1.1; a value far below says that sigma is that of the estimate, not of its "
                  "revision.", report.revised_table(evidence.tables.revised)]
    else:
        parts.append("No day was issued again: this workspace has no `basins/revisions.csv`, "
                     "which `dwlim replay` makes.")
    if evidence.tables.revisions:
        parts += ["### Features", f"RMS change of each component's newest value once "
                  f"{REVISION_LAG_DAYS} more days are known, in units of its standard deviation, "
                  "fastest component first.",
                  report.feature_revision_table(evidence.tables.revisions)]
    return Section("revisions", "Revision of the newest day", "\n\n".join(parts))
