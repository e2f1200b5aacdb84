"""Recomputing a published product from its recorded inputs, to compare it byte for byte."""

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from dwlim_ops.errors import ConfigError, StoreError
from dwlim_ops.estimates import estimate_day
from dwlim_ops.normals import normals_of
from dwlim_ops.products import encode
from dwlim_ops.publication import assemble, content_sha256
from dwlim_ops.publish.tree import sha256
from dwlim_ops.reconcile import PlannedDay, explain, fingerprints, observe
from dwlim_ops.session import Session
from dwlim_ops.settings import unpack_settings
from dwlim_ops.state.records import ProductRecord
from dwlim_ops.workspace import Workspace, write_atomically


@dataclass(frozen=True)
class Reproduction:
    """What came of it.

    `same_bytes`: the file is equal to the recorded one; `same_numbers`: its estimates are.
    `differences` says in words which of the recorded inputs, settings or code are not the same now.
    """

    product_id: str
    same_bytes: bool
    same_numbers: bool
    differences: str
    content: bytes = field(repr=False, default=b"")


def reproduce(workspace: Workspace, product_id: str) -> Reproduction:
    """Recompute a product from the granules, settings and bundle that its record names.

    Raises
    ------
    ConfigError
        No such product.
    StoreError
        What it was computed from is not in the store any more.
    """
    session = Session(workspace)
    try:
        record = _recorded(session, product_id)
        settings = session.archive.store.get(record.settings_sha256)
    finally:
        session.close()
    with TemporaryDirectory(prefix="dwlim-reproduce-") as folder:
        unpack_settings(settings, Path(folder), root=workspace.root)
        then = Session(workspace, settings_root=Path(folder))
        try:
            with then.serving(record.parts["bundle"]):
                return _compare(then, record)
        finally:
            then.close()


def _recorded(session: Session, product_id: str) -> ProductRecord:
    record = session.ledger.product(product_id)
    if record is None:
        raise ConfigError(
            "no such product", where=product_id, expected="an id such as those in latest.json",
            got="nothing of that name in the ledger", remedy="see the names of the files in daily/")
    if not record.settings_sha256:
        raise ConfigError(
            "published by a version that did not record its settings", where=product_id,
            remedy="the next tick issues the day again")
    return record


def _compare(session: Session, record: ProductRecord) -> Reproduction:
    known = observe(session, record.as_of, through=record.newest_granule)
    if known is None or session.archive.damaged:
        raise StoreError(
            "the inputs of the product are gone", where=record.product_id,
            got="; ".join(session.archive.damaged.values()) or "no displacement",
            remedy="restore the raw store from backup")
    parts = fingerprints(session, known, record.day)
    planned = PlannedDay(record.day, dict(record.parts), known.tier_of(record.day),
                         record.revision, "reproduced")
    normals_of(session, known)  # its pass of the filter ends before the day
    product, _ = assemble(session, known, planned, estimate_day(session, known, record.day),
                          published_as=record)
    recorded, content = dict(record.parts), encode.to_bytes(product)
    return Reproduction(
        record.product_id, sha256(content) == record.sha256,
        content_sha256(product) == record.content_sha256,
        explain(recorded, parts) if parts != recorded else "", content)


def restore(workspace: Workspace, found: Reproduction) -> bool:
    """Put a product that is gone from the published tree back; False if it is there.

    Raises
    ------
    StoreError
        Its bytes are not those that were published.
    """
    session = Session(workspace)
    try:
        record = _recorded(session, found.product_id)
    finally:
        session.close()
    if (workspace.published / record.path).exists():
        return False
    if not found.same_bytes:
        raise StoreError(
            "what was recomputed is not what was published", where=found.product_id,
            expected=record.sha256, got=sha256(found.content), remedy="restore it from backup")
    write_atomically(workspace.published / record.path, found.content)
    return True
