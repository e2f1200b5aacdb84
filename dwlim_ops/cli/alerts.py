"""The commands `dwlim alerts`: what is active, an exercise, another attempt at delivery."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from dwlim_ops.cli.common import EXIT_DEGRADED, WorkspaceArgument, clock, open_session, out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dwlim_ops.alerts.messages import Message

#: Columns that the table needs, whatever the terminal.
TABLE_WIDTH: Final = 140

alerts_app = typer.Typer(no_args_is_help=True, help="Alerts: list, drill, deliver.")


@alerts_app.command("list")
def alerts_list(
    workspace: WorkspaceArgument,
    every: Annotated[bool, typer.Option("--all", help="Every message, not only active ones.")]
    = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """What is active, and what waits to be delivered.   Example: dwlim alerts list demo"""
    from dwlim_ops.alerts.messages import from_content, to_content
    from dwlim_ops.state.alert_ledger import AlertLedger

    with open_session(workspace, writes=False) as session:
        ledger = AlertLedger(session.ledger)
        stored = ledger.messages() if every else ledger.active(at=clock())
        outbox, _ = ledger.outbox()
    messages = [from_content(one.content) for one in stored]
    if as_json:
        content = {"messages": [to_content(one) for one in messages], "outbox": outbox}
        sys.stdout.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        return
    Console(width=max(out.width, TABLE_WIDTH)).print(_table(messages))
    counts = ", ".join(f"{number} {state}" for state, number in sorted(outbox.items()))
    out.print(f"deliveries: {counts or 'none'}", highlight=False)


@alerts_app.command("drill")
def alerts_drill(
    workspace: WorkspaceArgument,
    basin: Annotated[str | None, typer.Option(help="Basin; default: the first one.")] = None,
    wet: Annotated[bool, typer.Option("--wet", help="High water instead of drought.")] = False,
) -> None:
    """Send an exercise to all recipients; real alerts are not touched. 3: someone did not get it.

    Example: dwlim alerts drill demo --basin 7
    """
    from dwlim_ops import alerting
    from dwlim_ops.alert_delivery import deliver

    with open_session(workspace) as session:
        message = alerting.drill(session, basin=basin, hazard="wet" if wet else "drought",
                                 now=clock())
        alerting.publish(session, as_of=message.sent)
        remarks = deliver(session, now=clock())
    out.print(f"{message.identifier}: {message.words['en'].headline}", highlight=False,
              soft_wrap=True)
    _end(remarks)


@alerts_app.command("deliver")
def alerts_deliver(workspace: WorkspaceArgument) -> None:
    """Try again what is due; 3: something still waits.   Example: dwlim alerts deliver demo"""
    from dwlim_ops.alert_delivery import deliver

    with open_session(workspace) as session:
        remarks = deliver(session, now=clock())
    _end(remarks)


def _end(remarks: "Sequence[str]") -> None:
    for text in remarks:
        out.print(text, highlight=False, soft_wrap=True)
    raise typer.Exit(EXIT_DEGRADED if remarks else 0)


def _table(messages: "Sequence[Message]") -> Table:
    table = Table("message", "kind", "status", "basin", "class", "probability", "day", "expires")
    for one in messages:
        table.add_row(one.identifier, one.kind, one.status, one.basin_name, one.category,
                      f"{100 * one.probability:.0f} %", str(one.day),
                      f"{one.expires:%Y-%m-%d %H:%M}")
    return table
