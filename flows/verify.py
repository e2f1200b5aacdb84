"""Verify the estimates of a workspace."""

from datetime import UTC, datetime

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from dwlim_ops.errors import ConfigError
from dwlim_ops.reconcile import observe
from dwlim_ops.session import Session
from dwlim_ops.telemetry.progress import stages
from dwlim_ops.verification.evaluation import VerificationReport
from dwlim_ops.verification.evaluation import verify as score
from flows.ingest import ingest

#: The embedded sample is over by then.
END_OF_SAMPLE = datetime(2017, 7, 31, tzinfo=UTC)


@task(name="score", cache_policy=NO_CACHE, persist_result=False)
def score_methods(session: Session, as_of: datetime, roles: tuple[str, ...],
                  stride_days: int) -> VerificationReport:
    """Compute and score every method; write the report."""
    known = observe(session, as_of)
    if known is None:
        raise ConfigError("no displacement to verify", where=str(session.workspace.root))
    with stages() as progress:
        return score(session, known, roles, stride_days=stride_days, progress=progress)


@flow(name="verify", validate_parameters=False, persist_result=False)
def verify(session: Session, now: datetime, roles: tuple[str, ...],
           stride_days: int) -> VerificationReport:
    """Ingest, then score with all that is known: of the sample, with its end."""
    as_of = END_OF_SAMPLE if session.config.sources.gnss.kind == "sample" else now
    ingest(session, as_of, now)
    return score_methods(session, as_of, roles, stride_days)
