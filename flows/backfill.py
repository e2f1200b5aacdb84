"""History in one pass, in this process or on workers: the command's and the deployment's."""

from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.states import Completed, Failed, State

from dwlim_ops.config import read_config
from dwlim_ops.errors import DwlimError
from dwlim_ops.session import Session
from dwlim_ops.telemetry.logs import configure_logging, one_line
from dwlim_ops.tick import TickReport
from dwlim_ops.workspace import Workspace, only_writer
from flows.runtime import single_threaded


def compute(workspace: Workspace, first: date, last: date, *, as_of: datetime | None = None,
            n_workers: int = 1, scheduler: str | None = None) -> TickReport:
    """Make the days `first` to `last` that are out of date, with all that is known.

    Parameters
    ----------
    as_of : datetime, optional
        With what was known then.
    n_workers : int
        1: in this process; more: so many processes of this machine beside it.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers are used instead.

    Raises
    ------
    ConfigError
        The configuration or the scheduler does not serve.
    StoreError
        The workspace is held by another process or cannot be written.
    """
    single_threaded()
    read_config(workspace.config_file)
    if scheduler is None and n_workers == 1:
        from flows.daily import daily

        with only_writer(workspace), closing(Session(workspace)) as session:
            return daily(session, datetime.now(UTC), as_of=as_of, first=first, last=last)
    from flows.engine import cluster_engine, local_engine
    from flows.reprocess import backfill_on

    if scheduler is not None:
        return backfill_on(cluster_engine(scheduler), workspace, first, last, as_of=as_of)
    with local_engine(n_workers) as engine:
        return backfill_on(engine, workspace, first, last, as_of=as_of)


@flow(name="backfill", persist_result=False)
def backfill(workspace: str, first: date, last: date, *, as_of: datetime | None = None,
             n_workers: int = 1, scheduler: str | None = None) -> State[Any]:
    """`compute` as a deployment, one run a region, on whatever work pool there is."""
    configure_logging()
    try:
        report = compute(Workspace(Path(workspace)), first, last, as_of=as_of, n_workers=n_workers,
                         scheduler=scheduler)
    except DwlimError as error:
        return Failed(message=one_line(str(error)))
    text = f"{report.outcome}: {len(report.published)} days published"
    message = one_line("; ".join((text, *report.degraded[:5])))
    if report.outcome == "failed":
        return Failed(message=message)
    return Completed(name="Degraded" if report.outcome == "degraded" else None, message=message)
