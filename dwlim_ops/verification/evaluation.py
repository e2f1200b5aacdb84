"""The verification report: every estimate against GRACE and at stations left out."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from dwlim_ops.config import Span
from dwlim_ops.errors import ConfigError
from dwlim_ops.reconcile import Known
from dwlim_ops.session import Session
from dwlim_ops.verification.data import (
    GNSS_ONLY,
    SPACE_TIME_STRIDE_DAYS,
    Compared,
    LeftOut,
    Progress,
    compare_with_grace,
    feature_revisions,
    grace_years,
    leave_out,
    left_out_years,
    maps_of,
    revised_after_first_issue,
    saw,
)
from dwlim_ops.verification.figures import decomposition_pictures, simulated_pictures
from dwlim_ops.verification.sections import Evidence, sections_of
from dwlim_ops.verification.virtual_stations import virtual_station_report
from dwlim_ops.verify.document import Picture, Section, escaped, to_html, to_markdown
from dwlim_ops.verify.report import RevisionSection, Tables, to_json
from dwlim_ops.verify.virtual_stations import VirtualStationTable
from dwlim_ops.workspace import write_atomically


@dataclass(frozen=True)
class VerificationReport:
    """The report in words, and where it was written as a page with figures."""

    text: str
    path: Path


@dataclass
class _Found:
    """What was computed so far."""

    compared: list[Compared] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    revisions: list[RevisionSection] = field(default_factory=list)
    virtual: list[VirtualStationTable] = field(default_factory=list)
    decomposed: tuple[Picture, ...] = ()
    simulated: tuple[Picture, ...] = ()


def verify(session: Session, known: Known, roles: tuple[str, ...], *, stride_days: int,
           progress: Progress) -> VerificationReport:
    """Score `tragnss`, `dwlim_st` and, for each role of the model store, `dwlim`; write a report.

    For a bundle every `stride_days`-th day is computed, in years in which it was neither trained
    nor stopped; `tragnss` beside it on the same days. `dwlim_st` is computed every
    `SPACE_TIME_STRIDE_DAYS`-th day.

    Raises
    ------
    ConfigError
        There is no GRACE, or none in the years of the displacement.
    """
    years = _grace_years(session, known)
    evidence = _gather(session, known, roles, years, stride_days=stride_days, progress=progress)
    sections = sections_of(session, known, evidence)
    return _write(session, known, sections, evidence.tables)


def _grace_years(session: Session, known: Known) -> Span:
    region = session.config.region.name
    if session.grace is None:
        raise ConfigError("no GRACE to compare with", where=region,
                          remedy="add [sources.grace], or run on the embedded sample")
    years = grace_years(known, session.grace)
    if years is None:
        raise ConfigError("GRACE and displacement have no day in common", where=region,
                          expected=f"GRACE within {known.days[0]} to {known.days[-1]}")
    return years


def _gather(session: Session, known: Known, roles: tuple[str, ...], years: Span, *,
            stride_days: int, progress: Progress) -> Evidence:
    unseen_years = left_out_years(known)
    found = _Found()
    for role, methods, stride in (
            (GNSS_ONLY, ("tragnss",), 1), (GNSS_ONLY, ("dwlim_st",), SPACE_TIME_STRIDE_DAYS),
            *((role, ("tragnss", "dwlim"), stride_days) for role in roles)):
        with session.serving(role):
            if not saw(session, years):
                found.compared += compare_with_grace(
                    session, known, role, years, methods=methods, stride_days=stride,
                    cells=stride > 1, progress=progress)
            if not saw(session, unseen_years):
                found.left_out += leave_out(session, known, role, unseen_years, methods=methods,
                                            stride_days=stride, progress=progress)
    with session.serving(GNSS_ONLY):
        maps = maps_of(session, known, years, found.compared, progress=progress)
    for role in roles:
        with session.serving(role):
            found.revisions += feature_revisions(session, known, role)
            found.decomposed = found.decomposed or decomposition_pictures(session, known)
            if not saw(session, unseen_years):
                found.simulated = found.simulated or simulated_pictures(session, known,
                                                                        unseen_years)
        if known.forcing is not None:
            found.virtual.append(virtual_station_report(
                session, known, role, stride_days=stride_days, progress=progress))
    tables = Tables([one.section for one in found.compared],
                    [one.section for one in found.left_out], found.revisions,
                    revised_after_first_issue(session))
    return Evidence(years, unseen_years, stride_days, tables, found.compared, found.left_out,
                    maps, found.virtual, found.decomposed, found.simulated)


def _write(session: Session, known: Known, sections: list[Section], tables: Tables
           ) -> VerificationReport:
    folder = session.workspace.published / "reports"
    title = f"Verification: {session.config.region.title}"
    lead = (f"Made by `dwlim verify` from data known at {known.as_of:%Y-%m-%d %H:%M} UTC, code "
            f"{escaped(session.code[:12])}. Water storage is in mm of water, displacement in mm, "
            "up positive. Every score comes from stations or years that the model had not seen.")
    text = to_markdown(title, lead, sections)
    write_atomically(folder / "verification.md", text.encode())
    write_atomically(folder / "verification.json", json.dumps(to_json(tables), indent=1).encode())
    write_atomically(folder / "verification.html", to_html(title, lead, sections).encode())
    return VerificationReport(text, folder / "verification.html")
