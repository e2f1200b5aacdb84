"""The command `dwlim`: reads the clock and the arguments, runs flows, prints results."""

import csv
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from dwlim_ops import __version__
from dwlim_ops.errors import BundleError, ConfigError, DwlimError
from dwlim_ops.telemetry.logs import configure_logging
from dwlim_ops.workspace import Workspace, only_writer

if TYPE_CHECKING:
    from dwlim_ops.session import Session
    from dwlim_ops.tick import TickReport

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  rich_markup_mode=None, help="Terrestrial water storage from GNSS, every day.")
models_app = typer.Typer(no_args_is_help=True, help="The model store: list, check, promote.")
app.add_typer(models_app, name="models")

_log = logging.getLogger(__name__)
_out = Console()

WorkspaceArgument = Annotated[Path, typer.Argument(metavar="WS", help="Folder of the workspace.")]
EXIT_USAGE, EXIT_FAILED = 2, 4
EXIT_CODE = {"done": 0, "degraded": 3, "failed": EXIT_FAILED}


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
        _out.print(__version__)
        raise typer.Exit


@contextmanager
def _session(root_folder: Path, *, writes: bool = True) -> Iterator["Session"]:
    from dwlim_ops.config import read_config
    from dwlim_ops.session import Session
    from flows.runtime import configure_prefect, single_threaded

    workspace = Workspace(root_folder)
    configure_prefect(workspace.root)
    single_threaded()
    read_config(workspace.config_file)
    with only_writer(workspace) if writes else nullcontext():
        session = Session(workspace)
        try:
            yield session
        finally:
            session.close()


def _now() -> datetime:
    return datetime.now(UTC)


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError("not a time", where="--as-of", got=text,
                          expected="ISO 8601, e.g. 2017-06-20T18:00:00Z") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


@app.command()
def init(
    workspace: WorkspaceArgument,
    region: Annotated[str, typer.Option(help="A built-in region or the path of a region's TOML.")],
) -> None:
    """Make a workspace.   Example: dwlim init demo --region australia"""
    from dwlim_ops.scaffold import scaffold

    made = scaffold(workspace, region)
    _out.print(f"made {made.root}; edit {made.config_file}, then: dwlim run {made.root}")


@app.command()
def run(
    workspace: WorkspaceArgument,
    as_of: Annotated[str | None, typer.Option(
        metavar="TIME", help="Pretend that it is TIME (UTC): only what was known then counts.",
    )] = None,
) -> None:
    """One tick: ingest, plan, compute, publish.   Example: dwlim run demo --as-of 2017-06-20"""
    with _session(workspace) as session:
        from flows.daily import daily

        now = _now()
        report = daily(session, _time(as_of) if as_of else now, now)
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
    with _session(workspace) as session:
        from flows.replay import replay as replay_flow

        report = replay_flow(session, *days, _now())
    _print_tick(report)
    raise typer.Exit(EXIT_CODE[report.outcome])


@app.command()
def backfill(
    workspace: WorkspaceArgument,
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], metavar="DAY")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], metavar="DAY")],
    pictures: Annotated[bool, typer.Option(help="Draw the maps of every day.")] = False,
) -> None:
    """Compute history in one pass with all that is known.

    Example: dwlim backfill demo --from 2012-01-01 --to 2012-03-31
    """
    begin, end = _days(first, last)
    with _session(workspace) as session:
        from flows.daily import daily

        now = _now()
        report = daily(session, now, now, first=begin, last=end, pictures=pictures)
    _print_tick(report)
    raise typer.Exit(EXIT_CODE[report.outcome])


def _print_tick(report: "TickReport") -> None:
    _out.print(f"{report.outcome}: {len(report.published)} days published, "
               f"as of {report.as_of:%Y-%m-%d %H:%M} UTC")
    for text in report.degraded[:10]:
        _out.print(f"  {text}", highlight=False, soft_wrap=True)


@app.command()
def demo(workspace: WorkspaceArgument) -> None:
    """Replay the last 14 days of the Australian sample.   Example: dwlim demo demo"""
    from dwlim_ops.demo import DAYS, summary_table
    from dwlim_ops.scaffold import scaffold

    if not Workspace(workspace).config_file.exists():
        scaffold(workspace, "australia")
    with _session(workspace) as session:
        from flows.replay import replay as replay_flow

        report = replay_flow(session, *DAYS, _now())
        _print_tick(report)
        _out.print(summary_table(session))
    newest = workspace / "published"
    _out.print(f"Pictures: {newest / 'maps'}\nGrids:    {newest / 'daily'}\n"
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

    with _session(workspace, writes=False) as session:
        facts = collect(session, _now())
    if as_json:
        sys.stdout.write(json.dumps(facts, indent=1, default=str) + "\n")
        return
    for name, value in facts.items():
        if isinstance(value, list):
            _out.print(f"{name}: {len(value)}", highlight=False)
            for item in value[:20]:
                _out.print(f"    {item}", highlight=False, soft_wrap=True)
        else:
            _out.print(f"{name}: {value}", highlight=False, soft_wrap=True)


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
def train(
    workspace: WorkspaceArgument,
    role: Annotated[str, typer.Option(help="Which table of [training] to train.")] = "causal",
    store: Annotated[Path | None, typer.Option(help="Write the bundle there.")] = None,
) -> None:
    """Train the station LSTMs; prints the bundle's id.   Example: dwlim train demo --role causal"""
    with _session(workspace) as session:
        from flows.train import train as train_flow

        bundle_id = train_flow(session, role, store or session.workspace.root / "models", _now())
    _out.print(bundle_id, highlight=False)


@app.command()
def verify(
    workspace: WorkspaceArgument,
    stride_days: Annotated[int, typer.Option(min=1, help="Compute every n-th day.")] = 10,
    role: Annotated[list[str] | None, typer.Option(
        help="Bundle to score, by role; repeat for several; default: all roles.")] = None,
) -> None:
    """Score against GRACE and left-out stations; writes a report.   Example: dwlim verify demo"""
    from dwlim_ops.simulate.store import pointer

    with _session(workspace) as session:
        from flows.verify import verify as verify_flow

        _, roles = pointer(session.model_store / session.config.region.name)
        report = verify_flow(session, _now(), tuple(role or roles), stride_days)
    _out.print(report.text, highlight=False, markup=False, soft_wrap=True)
    _out.print(f"written: {report.path}", highlight=False, soft_wrap=True)


@models_app.command("list")
def models_list(workspace: WorkspaceArgument) -> None:
    """Bundles of the region.   Example: dwlim models list demo"""
    from dwlim_ops.simulate.store import existing, pointer

    with _session(workspace, writes=False) as session:
        folder = session.model_store / session.config.region.name
        current, roles = pointer(folder)
        table = Table("bundle", "roles")
        for bundle_id in existing(folder):
            names = ["current"] if bundle_id == current else []
            names += [role for role, of_role in roles.items() if of_role == bundle_id]
            table.add_row(bundle_id, ", ".join(names))
    _out.print(table)


@models_app.command("check")
def models_check(workspace: WorkspaceArgument, bundle: str = "current") -> None:
    """Prove a bundle: hashes and known answer.   Example: dwlim models check demo"""
    from dwlim_ops.simulate.bundle import read_bundle
    from dwlim_ops.simulate.store import resolve

    with _session(workspace, writes=False) as session:
        folder = resolve(session.model_store, session.config.region.name, bundle)
        read_bundle(folder)
        _out.print(f"{folder.name} is whole and gives its known answer", highlight=False)


@models_app.command("promote")
def models_promote(
    workspace: WorkspaceArgument, bundle: str,
    role: Annotated[str | None, typer.Option(help="Only for this role; default: current.")] = None,
) -> None:
    """Make a bundle current, or an earlier one again.   Example: dwlim models promote demo ID"""
    from dwlim_ops.simulate.store import promote

    with _session(workspace) as session:
        promote(session.model_store, session.config.region.name, bundle, role=role)


if __name__ == "__main__":
    main()
