"""The commands `dwlim models`: which bundle serves, and whether it still fits."""

import json
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from dwlim_ops.cli.common import (
    EXIT_DEGRADED,
    WorkspaceArgument,
    clock,
    open_session,
    out,
    read_time,
)
from dwlim_ops.errors import ConfigError

if TYPE_CHECKING:
    from dwlim_ops.drift import DriftReport
    from dwlim_ops.session import Session
    from dwlim_ops.simulate.store import Accept
    from dwlim_ops.verify.drift import Measure

models_app = typer.Typer(
    no_args_is_help=True, help="The model store: list, check, promote, roll back, drift.")

#: Columns that the drift table needs, whatever the terminal.
TABLE_WIDTH: Final = 110


@models_app.command("list")
def models_list(workspace: WorkspaceArgument) -> None:
    """Bundles of the region.   Example: dwlim models list demo"""
    from dwlim_ops.simulate.store import existing, pointer

    with open_session(workspace, writes=False) as session:
        folder = session.model_store / session.config.region.name
        current, roles = pointer(folder)
        table = Table("bundle", "roles")
        for bundle_id in existing(folder):
            names = ["current"] if bundle_id == current else []
            names += [role for role, of_role in roles.items() if of_role == bundle_id]
            table.add_row(bundle_id, ", ".join(names))
    out.print(table)


@models_app.command("check")
def models_check(workspace: WorkspaceArgument, bundle: str = "current") -> None:
    """Prove a bundle: hashes and known answer.   Example: dwlim models check demo"""
    from dwlim_ops.simulate.bundle import read_bundle
    from dwlim_ops.simulate.store import resolve

    with open_session(workspace, writes=False) as session:
        folder = resolve(session.model_store, session.config.region.name, bundle)
        read_bundle(folder)
        out.print(f"{folder.name} is whole and gives its known answer", highlight=False)


@models_app.command("promote")
def models_promote(
    workspace: WorkspaceArgument, bundle: str,
    role: Annotated[str | None, typer.Option(help="Only for this role; default: current.")] = None,
) -> None:
    """Make a bundle current if it serves this region.   Example: dwlim models promote demo ID"""
    from dwlim_ops.simulate.store import promote

    with open_session(workspace) as session:
        promote(session.model_store, session.config.region.name, bundle, role=role, at=clock(),
                accept=_serves(session))


@models_app.command("rollback")
def models_rollback(
    workspace: WorkspaceArgument,
    role: Annotated[str | None, typer.Option(help="Only for this role; default: current.")] = None,
) -> None:
    """Undo the last promotion that is not undone yet.   Example: dwlim models rollback demo"""
    from dwlim_ops.simulate.store import roll_back

    with open_session(workspace) as session:
        bundle_id = roll_back(session.model_store, session.config.region.name, role=role,
                              at=clock(), accept=_serves(session))
    out.print(bundle_id, highlight=False)


def _serves(session: "Session") -> "Accept":
    """Refuses a bundle of another region, of other features or for other cells."""
    from dwlim_ops.simulation import bind

    return partial(bind, geometry=session.geometry, region=session.config.region.name,
                   bundle_id="")


@models_app.command("drift")
def models_drift(
    workspace: WorkspaceArgument,
    as_of: Annotated[str | None, typer.Option(
        metavar="TIME", help="Pretend that it is TIME (UTC): only what was known then counts.",
    )] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """What differs from the training years, kept for the metrics; 3: something drifted.

    Example: dwlim models drift demo --as-of 2017-06-26
    """
    from dwlim_ops.drift import drift_report
    from dwlim_ops.reconcile import observe
    from dwlim_ops.state.health_queries import remember_drift
    from dwlim_ops.telemetry.progress import stages

    with open_session(workspace) as session:
        moment = read_time(as_of) if as_of else clock()
        known = observe(session, moment)
        if known is None:
            raise ConfigError("no displacement is known", where=str(workspace),
                              got=f"nothing at {moment:%Y-%m-%d %H:%M} UTC",
                              remedy=f"take some in first: dwlim run {workspace}")
        with stages() as progress:
            report = drift_report(session, known, progress=progress)
        remember_drift(session.ledger, report.to_dict())
    if as_json:
        sys.stdout.write(json.dumps(report.to_dict(), indent=1) + "\n")
    else:
        _show(report)
    raise typer.Exit(EXIT_DEGRADED if report.drifted else 0)


def _show(report: "DriftReport") -> None:
    """Every feature; the stations that are suspicious; what could not be told and why."""
    from dwlim_ops.verify.drift import DRIFTED_GROWTH, WATCH_GROWTH

    out.print(f"{report.verdict}: {report.region}, {report.bundle or 'no bundle'}, as of "
              f"{report.as_of:%Y-%m-%d %H:%M} UTC", highlight=False, soft_wrap=True)
    if report.features.reason:
        out.print(f"features: {report.features.reason}", highlight=False, soft_wrap=True)
    else:
        Console(width=max(out.width, TABLE_WIDTH)).print(_feature_table(report))
    for section in report.scatter:
        if section.reason:
            out.print(f"{section.quantity}: {section.reason}", highlight=False, soft_wrap=True)
            continue
        out.print(f"{section.quantity}: {section.network_verdict}, scatter of all "
                  f"{len(section.stations)} stations {section.network_growth:.2f} times that of "
                  "the year before", highlight=False, soft_wrap=True)
        for one in section.stations:
            if one.verdict != "ok":
                out.print(f"    {one.station}: {one.verdict}, {one.before_mm:.1f} -> "
                          f"{one.recent_mm:.1f} mm, {one.growth:.2f} times the network's growth "
                          f"(watch above {WATCH_GROWTH}, drifted above {DRIFTED_GROWTH})",
                          highlight=False, soft_wrap=True)


def _feature_table(report: "DriftReport") -> Table:
    """Number and, in brackets, the limits of "watch" and "drifted"."""
    window = report.features.recent
    table = Table("feature", "mean shift, sd", "ratio of sd", "distance, expected", "verdict",
                  title=f"{window.first} to {window.last} against {report.features.n_windows} "
                        f"windows of training, {report.features.n_windows_of_season} of the season"
                  if window else None)

    def limits(measure: "Measure") -> str:
        return f"({measure.watch_beyond:.2f}, {measure.drifted_beyond:.2f})"

    for one in report.features.features:
        shift, ratio, distance = one.mean_shift, one.deviation_ratio, one.distance
        table.add_row(one.feature, f"{shift.value:+.2f} {limits(shift)}",
                      f"{ratio.value:.2f} {limits(ratio)}",
                      f"{distance.value:.2f}, {distance.expected:.2f} {limits(distance)}",
                      one.verdict)
    return table
