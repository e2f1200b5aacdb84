"""`alerts/` of the published tree: every message, the feed, what is active; from the ledger."""

from datetime import UTC, date, datetime, time
from typing import Final

from dwlim_ops.alerts.feed import MOST_ENTRIES, active_geojson, atom_feed, cap_name
from dwlim_ops.alerts.messages import Message, from_content
from dwlim_ops.publish import tree
from dwlim_ops.session import Session
from dwlim_ops.state.alert_ledger import AlertLedger, StoredMessage
from dwlim_ops.state.records import ProductRecord

FOLDER: Final = "alerts"


def refresh(session: Session, newest: dict[date, ProductRecord], *, as_of: datetime) -> list[str]:
    """Bring `alerts/` up to date; nothing can be missing, so no remark comes of it.

    What is active is told as of the newest message, or of `as_of` if that is later.

    Raises
    ------
    StoreError
        The tree cannot be written.
    """
    published, ledger = session.workspace.published, AlertLedger(session.ledger)
    for identifier in ledger.identifiers():
        if not (published / FOLDER / cap_name(identifier)).exists():
            stored = ledger.message(identifier)
            if stored is not None:
                tree.replace(published, f"{FOLDER}/{cap_name(identifier)}",
                             stored.document.encode())
    region = session.config.region
    newest_sent = ledger.newest_sent()
    if newest_sent is None and not newest:
        return []
    begun = datetime.combine(min(newest, default=as_of.date()), time(), UTC)
    tree.replace(published, f"{FOLDER}/feed.atom", atom_feed(
        _messages(ledger.messages(n_newest=MOST_ENTRIES)), region=region.name,
        region_title=region.title, begun=begun))
    tree.replace(published, f"{FOLDER}/active.geojson", active_geojson(
        _messages(ledger.active(at=max(as_of, newest_sent or as_of)))))
    return []


def _messages(stored: list[StoredMessage]) -> list[Message]:
    return [from_content(one.content) for one in stored]
