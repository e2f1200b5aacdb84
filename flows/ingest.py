"""Take in what every input of a workspace offers."""

from datetime import datetime

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from dwlim_ops import reconcile
from dwlim_ops.archive.archive import IngestReport
from dwlim_ops.session import Session
from dwlim_ops.telemetry.progress import stages


@task(name="ingest-source", task_run_name="ingest-{name}", retries=2, retry_delay_seconds=[5, 60],
      cache_policy=NO_CACHE, persist_result=False)
def ingest_source(session: Session, name: str, as_of: datetime,
                  retrieved_at: datetime) -> list[IngestReport]:
    """One input; a failed fetch is part of the report, so a retry is for our own disk's sake."""
    with stages() as progress:
        return reconcile.ingest(session, name, as_of=as_of, retrieved_at=retrieved_at,
                                progress=progress)


@flow(name="ingest", validate_parameters=False, persist_result=False)
def ingest(session: Session, as_of: datetime, retrieved_at: datetime) -> list[IngestReport]:
    """All inputs, one after the other: providers are served gently."""
    return [report for name in session.feeds
            for report in ingest_source(session, name, as_of, retrieved_at)]
