"""Train a bundle from everything that is known."""

import logging
from datetime import datetime, timedelta
from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from dwlim_ops.errors import ConfigError
from dwlim_ops.reconcile import observe
from dwlim_ops.session import Session
from dwlim_ops.simulate.bundle import write_bundle
from dwlim_ops.simulate.store import promote
from dwlim_ops.telemetry.progress import stages
from dwlim_ops.training import train_bundle
from flows.ingest import ingest

_log = logging.getLogger(__name__)


@task(name="train-networks", cache_policy=NO_CACHE, persist_result=False)
def train_networks(session: Session, role: str, store: Path, as_of: datetime,
                   now: datetime) -> str:
    """Train, write, and give the bundle its role; returns its id."""
    settings = session.config.training.get(role)
    if settings is None:
        where = f"{session.workspace.config_file}: training.{role}"
        raise ConfigError("no such table", where=where,
                          expected=f"one of {sorted(session.config.training)}")
    known = observe(session, as_of)
    if known is None:
        raise ConfigError("no displacement to train on", where=str(session.workspace.root))
    region = session.config.region.name
    with stages() as progress:
        bundle = train_bundle(known, session.geometry, settings, name=role, region=region,
                              progress=progress)
    bundle_id = write_bundle(store, bundle)
    promote(store, region, bundle_id, role=role, at=now)
    return bundle_id


@flow(name="train", validate_parameters=False, persist_result=False)
def train(session: Session, role: str, store: Path, now: datetime) -> str:
    """Ingest, then train one bundle; `current` is moved only by `dwlim models promote`."""
    settings = session.config.training.get(role)
    ends = [now] if settings is None else [now, now.replace(
        year=settings.test.last.year, month=settings.test.last.month, day=settings.test.last.day)
        + timedelta(days=31)]
    as_of = min(ends)
    ingest(session, as_of, now)
    return str(train_networks(session, role, store, as_of, now))
