"""The command `dwlim`: reads the clock and the arguments, runs flows, prints results."""

import csv
import json
import logging
import os
import sys
from contextlib import nullcontext
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from dwlim_ops import __version__
from dwlim_ops.cli.alerts import alerts_app
from dwlim_ops.cli.backup import backup, restore
from dwlim_ops.cli.common import (
    EXIT_DEGRADED,
    EXIT_FAILED,
    EXIT_USAGE,
    WorkspaceArgument,
    clock,
    open_session,
    out,
    read_time,
)
from dwlim_ops.cli.hindcast import hindcast
from dwlim_ops.cli.models import models_app
from dwlim_ops.cli.osse import osse
from dwlim_ops.errors import BundleError, ConfigError, DwlimError
from dwlim_ops.telemetry.logs import configure_logging
from dwlim_ops.workspace import Workspace

if TYPE_CHECKING:
    from dwlim_ops.tick import TickReport

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  rich_markup_mode=None, help="Terrestrial water storage from GNSS, every day.")
app.add_typer(models_app, name="models")
app.add_typer(alerts_app, name="alerts")
for command in (osse, hindcast, backup, restore):
    app.command()(command)

_log = logging.getLogger(__name__)
EXIT_CODE = {"done": 0, "degraded": EXIT_DEGRADED, "failed": EXIT_FAILED}


def main() -> None:
    """Run the command; errors with a cause outside the code end in one line and an exit code."""
    try:
        app()
    except (ConfigError, BundleError) as error:
        _fail(str(error), EXIT_USAGE)
    except DwlimError as error:
        _fail(str(error), EXIT_FAILED)


def _fail(text: str, code: int) -> None:
    Console(stderr=True).print(text, style="bold red", highlight=False, soft_wrap=True)
    sys.exit(code)


@app.callback(invoke_without_command=True)
def root(
    *, verbose: Annotated[bool, typer.Option("--verbose", "-v", help="More log lines.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Common options."""
    configure_logging(verbose=verbose)
    if version:
        out.print(__version__)
        raise typer.Exit


@app.command()
def init(
    workspace: WorkspaceArgument,
    region: Annotated[str, typer.Option(help="A built-in region or the path of a region's TOML.")],
) -> None:
    """Make a workspace.   Example: dwlim init demo --region australia"""
    from dwlim_ops.scaffold import scaffold

    made = scaffold(workspace, region)
    out.print(f"made {made.root}; edit {made.config_file}, then: dwlim run {made.root}")


@app.command()
def run(
    workspace: WorkspaceArgument,
    as_of: Annotated[str | None, typer.Option(
        metavar="TIME", help="Pretend that it is TIME (UTC): only what was known then counts.",
    )] = None,
) -> None:
    """One tick: ingest, plan, compute, publish.   Example: dwlim run demo --as-of 2017-06-20"""
    with open_session(workspace) as session:
        from flows.daily import daily

        report = daily(session, clock(), as_of=read_time(as_of) if as_of else None)
    _print_tick(report)
    raise typer.Exit(EXIT_CODE[report.outcome])


def _days(first: datetime, last: datetime) -> tuple[date, date]:
    if last < first:
        raise ConfigError("no day in between", where="--from, --to", expected="--from first",
                          got=f"{first:%Y-%m-%d} to {last:%Y-%m-%d}")
    return first.date(), last.date()


@app.command()
def replay(
    workspace: WorkspaceArgument,
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], metavar="DAY")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], metavar="DAY")],
) -> None:
    """One tick for each day, with what was known then.

    Publishes the days from DAY to DAY, each on the day on which its data came in.
    Example: dwlim replay demo --from 2017-06-11 --to 2017-06-24
    """
    days = _days(first, last)
    with open_session(workspace) as session:
        from flows.replay import replay as replay_flow

        report = replay_flow(session, *days, clock())
    _print_tick(report)
    raise typer.Exit(EXIT_CODE[report.outcome])


@app.command()
def backfill(
    workspace: WorkspaceArgument,
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], metavar="DAY")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], metavar="DAY")],
    *, as_of: Annotated[str | None, typer.Option(
        metavar="TIME", help="With what was known at TIME (UTC).")] = None,
    n_workers: Annotated[int, typer.Option(
        "--workers", min=1, help="Estimate months in so many processes of this machine.")] = 1,
    scheduler: Annotated[str | None, typer.Option(
        "--dask-scheduler", metavar="ADDRESS", help="Estimate them on this Dask cluster.")] = None,
) -> None:
    """Compute history in one pass with all that is known, now or at a time.

    Example: dwlim backfill demo --from 2012-01-01 --to 2012-03-31
    """
    from flows.runtime import configure_prefect

    begin, end = _days(first, last)
    configure_prefect(workspace)
    from flows.backfill import compute

    report = compute(Workspace(workspace), begin, end, n_workers=n_workers, scheduler=scheduler,
                     as_of=read_time(as_of) if as_of else None)
    _print_tick(report)
    raise typer.Exit(EXIT_CODE[report.outcome])


def _print_tick(report: "TickReport") -> None:
    out.print(f"{report.outcome}: {len(report.published)} days published, "
              f"as of {report.as_of:%Y-%m-%d %H:%M} UTC")
    for text in report.degraded[:10]:
        out.print(f"  {text}", highlight=False, soft_wrap=True)


@app.command()
def up(workspace: WorkspaceArgument) -> None:
    """The daemon: scheduled ticks, metrics, published tree, until SIGTERM.   Example: dwlim up demo
    """
    from dwlim_ops.daemon import run_daemon
    from flows.runtime import configure_prefect

    configure_prefect(workspace)
    run_daemon(Workspace(workspace), os.environ, clock)


@app.command()
def demo(workspace: WorkspaceArgument) -> None:
    """Replay the last 14 days of the Australian sample.   Example: dwlim demo demo"""
    from dwlim_ops.demo import DAYS, summary_table
    from dwlim_ops.scaffold import scaffold

    if not Workspace(workspace).config_file.exists():
        scaffold(workspace, "australia")
    with open_session(workspace) as session:
        from flows.replay import replay as replay_flow

        report = replay_flow(session, *DAYS, clock())
        _print_tick(report)
        out.print(summary_table(session))
    newest = workspace / "published"
    out.print(f"Pictures: {newest / 'maps'}\nGrids:    {newest / 'daily'}\n"
              f"Basins:   {newest / 'basins' / 'basins.csv'}\nPointer:  {newest / 'latest.json'}",
              highlight=False, soft_wrap=True)
    raise typer.Exit(EXIT_CODE[report.outcome])


@app.command()
def status(
    workspace: WorkspaceArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """What is fresh, out of date, refused, and why.   Example: dwlim status demo --json"""
    from dwlim_ops.status import collect

    with open_session(workspace, writes=False) as session:
        facts = collect(session, clock())
    if as_json:
        sys.stdout.write(json.dumps(facts, indent=1, default=str) + "\n")
        return
    for name, value in facts.items():
        if isinstance(value, list):
            out.print(f"{name}: {len(value)}", highlight=False)
            for item in value[:20]:
                out.print(f"    {item}", highlight=False, soft_wrap=True)
        else:
            out.print(f"{name}: {value}", highlight=False, soft_wrap=True)


@app.command()
def doctor(
    workspace: WorkspaceArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """What is wrong with this machine and its accounts, and how to mend it.

    Exit code 0: all well, 3: warnings, 4: something fails.   Example: dwlim doctor demo
    """
    from dwlim_ops.examination import examine

    with open_session(workspace, writes=False) as session:
        found = examine(session, clock())
    if as_json:
        sys.stdout.write(json.dumps([asdict(check) for check in found], indent=1) + "\n")
    for check in [] if as_json else found:
        remedy = f"; {check.remedy}" if check.remedy else ""
        out.print(f"{check.state:8}{check.name}: {check.found}{remedy}", highlight=False,
                  markup=False, soft_wrap=True)
    states = {check.state for check in found}
    raise typer.Exit(EXIT_FAILED if "failed" in states
                     else EXIT_DEGRADED if "warning" in states else 0)


@app.command()
def series(
    workspace: WorkspaceArgument,
    basin: Annotated[str | None, typer.Option(help="Only this basin.")] = None,
    method: Annotated[str | None, typer.Option(help="tragnss or dwlim; default: all.")] = None,
) -> None:
    """Basin series as CSV.   Example: dwlim series demo --basin 184 --method tragnss"""
    from dwlim_ops.products.basins import COLUMNS
    from dwlim_ops.publish.tree import BASINS_CSV

    path = Workspace(workspace).published / BASINS_CSV
    if not path.exists():
        raise ConfigError("nothing is published yet", where=str(path),
                          remedy=f"publish something first: dwlim run {workspace}")
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for name, wanted in (("basin", basin), ("method", method)):
        if wanted is not None and wanted not in {row[name] for row in rows}:
            raise ConfigError(f"no such {name}", where=f"--{name}", got=wanted,
                              expected=f"one of {', '.join(sorted({r[name] for r in rows}))}")
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row for row in rows if basin in (None, row["basin"])
                     and method in (None, row["method"]))


@app.command()
def reproduce(
    workspace: WorkspaceArgument,
    product_ids: Annotated[list[str], typer.Argument(metavar="PRODUCT_ID", help="One or more.")],
    restore: Annotated[bool, typer.Option(
        "--restore", help="Put a product that is gone from the published tree back.")] = False,
) -> None:
    """Recompute products from their recorded inputs and compare the bytes.

    Example: dwlim reproduce demo twsa_australia_20170620_r00
    """
    from dwlim_ops import reproduction
    from dwlim_ops.workspace import only_writer
    from flows.runtime import single_threaded

    single_threaded()
    place, alike = Workspace(workspace), True
    with only_writer(place) if restore else nullcontext():
        for product_id in product_ids:
            found = reproduction.reproduce(place, product_id)
            alike &= found.same_bytes
            says = ("the same bytes" if found.same_bytes else "the same numbers in another file"
                    if found.same_numbers else "other numbers")
            if restore and reproduction.restore(place, found):
                says += ", restored"
            because = f" ({found.differences})" if found.differences else ""
            out.print(f"{product_id}: {says}{because}", highlight=False, soft_wrap=True)
    raise typer.Exit(0 if alike else EXIT_FAILED)


@app.command()
def train(
    workspace: WorkspaceArgument,
    role: Annotated[str, typer.Option(help="Which table of [training] to train.")] = "causal",
    store: Annotated[Path | None, typer.Option(help="Write the bundle there.")] = None,
) -> None:
    """Train the station LSTMs; prints the bundle's id.   Example: dwlim train demo --role causal"""
    with open_session(workspace) as session:
        from flows.train import train as train_flow

        bundle_id = train_flow(session, role, store or session.workspace.root / "models", clock())
    out.print(bundle_id, highlight=False)


@app.command()
def verify(
    workspace: WorkspaceArgument,
    stride_days: Annotated[int, typer.Option(min=1, help="Compute every n-th day.")] = 10,
    role: Annotated[list[str] | None, typer.Option(
        help="Bundle to score, by role; repeat for several; default: all roles.")] = None,
) -> None:
    """Score against GRACE and left-out stations; writes a report.   Example: dwlim verify demo"""
    from dwlim_ops.simulate.store import pointer

    with open_session(workspace) as session:
        from flows.verify import verify as verify_flow

        _, roles = pointer(session.model_store / session.config.region.name)
        report = verify_flow(session, clock(), tuple(role or roles), stride_days)
    out.print(report.text, highlight=False, markup=False, soft_wrap=True)
    out.print(f"written: {report.path}", highlight=False, soft_wrap=True)


@app.command()
def tune(
    workspace: WorkspaceArgument,
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"])],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"])],
    stride_days: Annotated[int, typer.Option(min=1, help="Use every n-th day.")] = 4,
    n_stations: Annotated[int, typer.Option("--stations", min=5, help="Use so many.")] = 44,
) -> None:
    """Find the settings of the space-time filter by marginal likelihood; prints the table for
    dwlim.toml.   Example: dwlim tune demo --from 2009-01-01 --to 2013-12-31
    """
    from dwlim_ops.reconcile import observe
    from dwlim_ops.telemetry.progress import stages
    from dwlim_ops.tuning import to_toml, tune_space_time

    with open_session(workspace, writes=False) as session, stages() as progress:
        known = observe(session, clock())
        if known is None:
            raise ConfigError("no displacement to tune on", where=str(workspace),
                              remedy="dwlim run takes it in")
        tuned = tune_space_time(session, known, first=first.date(), last=last.date(),
                                stride_days=stride_days, n_stations=n_stations, progress=progress)
    out.print(f"# log-likelihood {tuned.first_log_likelihood:.1f} -> {tuned.log_likelihood:.1f} "
              f"in {tuned.n_trials} trials", highlight=False)
    out.print(to_toml(tuned), highlight=False, markup=False)


if __name__ == "__main__":
    main()
