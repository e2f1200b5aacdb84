"""The tick as the daemon runs it: in a process of its own, from a schedule."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.states import Completed, Failed, State
from prefect.utilities.timeout import timeout

from dwlim_ops.errors import BusyError, DwlimError
from dwlim_ops.session import Session
from dwlim_ops.telemetry.logs import configure_logging, one_line
from dwlim_ops.workspace import Workspace, only_writer
from flows.daily import daily
from flows.runtime import give_memory_back, single_threaded

_log = logging.getLogger(__name__)


class OverTimeError(TimeoutError):
    """The tick takes longer than the configuration allows."""


@flow(name="tick", persist_result=False)
def tick(workspace: str) -> State[Any]:
    """One tick of a workspace; while another process works on it the tick is left out.

    The time-out is kept here: a deployment does not carry one.
    """
    configure_logging()
    single_threaded()
    give_memory_back()
    place = Workspace(Path(workspace))
    try:
        with only_writer(place):
            session = Session(place)
            limit_s = session.config.schedule.tick_timeout_s
            try:
                with timeout(limit_s, OverTimeError):
                    report = daily(session, datetime.now(UTC))
            finally:
                session.close()
    except BusyError as error:
        _log.warning("left out: %s", error)
        return Completed(name="Skipped", message=one_line(str(error)))
    except OverTimeError:
        _log.error("ended after %d s: schedule.tick_timeout_s", limit_s)
        return Failed(name="TimedOut", message=f"it took longer than {limit_s} s")
    except DwlimError as error:
        _log.error("%s", error)
        return Failed(message=one_line(str(error)))
    text = f"{report.outcome}: {len(report.published)} days published"
    _log.info("%s", text)
    message = one_line("; ".join((text, *report.degraded[:5])))
    if report.outcome == "failed":
        return Failed(message=message)
    return Completed(name="Degraded" if report.outcome == "degraded" else None, message=message)
