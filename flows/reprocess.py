"""A backfill on an engine of workers: months are estimated by them, published here in order.

Needs the extra `dask`. What a task is given travels to the workers, so these flows take the path of
the workspace and open it themselves.
"""

import logging
from collections import deque
from concurrent.futures import CancelledError
from contextlib import closing
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import dask
from distributed.scheduler import KilledWorker
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect_dask import DaskTaskRunner

from dwlim_ops.errors import DwlimError
from dwlim_ops.reconcile import Known, PlannedDay
from dwlim_ops.reprocessing import Made, Part, estimate_part, parts
from dwlim_ops.session import Session
from dwlim_ops.telemetry.progress import progress
from dwlim_ops.tick import TickReport, make_day
from dwlim_ops.workspace import Workspace, only_writer
from flows.daily import one_tick
from flows.engine import Engine
from flows.runtime import single_threaded

_log = logging.getLogger(__name__)

#: A task's message is mostly the filter's covariance; Dask finds 10 MB worth a warning.
LARGE_STATE = "1 GiB"


@task(name="estimate-month", task_run_name="estimate-{part.month}", retries=2,
      retry_delay_seconds=[1, 10], cache_policy=NO_CACHE, persist_result=False)
def estimate(part: Part) -> Made:
    """Estimate the days of a part, on whichever worker has time."""
    single_threaded()
    return estimate_part(part)


def backfill_on(engine: Engine, workspace: Workspace, first: date, last: date, *,
                as_of: datetime | None = None) -> TickReport:
    """Compute the days `first` to `last` with all that is known, by the workers of an engine."""
    runner: Any = DaskTaskRunner(address=engine.address)
    on_engine = reprocess.with_options(task_runner=runner)
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": LARGE_STATE}):
        return on_engine(str(workspace.root.resolve()), first, last, datetime.now(UTC), as_of,
                         n_ahead=2 * engine.n_threads)


@flow(name="reprocess", persist_result=False)
def reprocess(workspace: str, first: date, last: date, now: datetime, as_of: datetime | None, *,
              n_ahead: int) -> TickReport:
    """One tick over many days; `n_ahead` months at most are under way or wait to be published."""
    single_threaded()
    place = Workspace(Path(workspace))
    with only_writer(place), closing(Session(place)) as session:
        return one_tick(session, now, as_of=as_of, first=first, last=last,
                        make_days=partial(_on_workers, n_ahead=n_ahead))


def _on_workers(session: Session, known: Known, planned: list[PlannedDay], *, n_ahead: int
                ) -> dict[date, str]:
    by_day, hindered = {one.day: one for one in planned}, {}
    waiting: deque[tuple[Part, PrefectFuture[Made]]] = deque()
    with progress("days", len(planned)) as advance:

        def publish_oldest() -> None:
            for day, made in _result(*waiting.popleft()).items():
                hindered[day] = made if isinstance(made, str) else make_day(
                    session, known, by_day[day], made)
                advance(str(day))

        for part in parts(session, known, planned):
            if len(waiting) == n_ahead:
                publish_oldest()
            waiting.append((part, estimate.submit(part)))
        while waiting:
            publish_oldest()
    return hindered


def _result(part: Part, future: PrefectFuture[Made]) -> Made:
    """Estimates of a part, or why it has none; it does not hinder the others."""
    try:
        return future.result()
    except (DwlimError, OSError, KilledWorker, CancelledError) as error:
        _log.error("%s: %s", part.month, error)
        return dict.fromkeys(part.days, f"not estimated: {error}")
