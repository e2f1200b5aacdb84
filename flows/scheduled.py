"""The tick as the daemon runs it: in a process of its own, from a schedule."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.states import Completed, Failed, State

from dwlim_ops.errors import BusyError, DwlimError
from dwlim_ops.session import Session
from dwlim_ops.telemetry.logs import configure_logging
from dwlim_ops.workspace import Workspace, only_writer
from flows.daily import daily
from flows.runtime import single_threaded

_log = logging.getLogger(__name__)


@flow(name="tick", persist_result=False)
def tick(workspace: str) -> State[Any]:
    """One tick of a workspace; while another process works on it the tick is left out."""
    configure_logging()
    single_threaded()
    place = Workspace(Path(workspace))
    try:
        with only_writer(place):
            session = Session(place)
            try:
                report = daily(session, datetime.now(UTC))
            finally:
                session.close()
    except BusyError as error:
        _log.warning("left out: %s", error)
        return Completed(name="Skipped", message=str(error))
    except DwlimError as error:
        _log.error("%s", error)
        return Failed(message=str(error))
    text = f"{report.outcome}: {len(report.published)} days published"
    _log.info("%s", text)
    if report.outcome == "failed":
        return Failed(message="; ".join((text, *report.degraded[:5])))
    return Completed(name="Degraded" if report.outcome == "degraded" else None,
                     message="; ".join((text, *report.degraded[:5])))
