"""Taking in what providers offer, and reading it back as it was known at any time."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Final

import numpy as np
import xarray as xr

from dwlim_ops.archive.parsed import ParsedFiles
from dwlim_ops.archive.raw import RawStore
from dwlim_ops.contracts import NOT_KNOWN, Offer, Remembered, Source, Warns
from dwlim_ops.errors import DwlimError, MalformedInputError, StoreError
from dwlim_ops.state.ledger import Ledger
from dwlim_ops.state.provenance import code_fingerprint, fingerprint
from dwlim_ops.state.records import Granule

_log = logging.getLogger(__name__)

LAST_TIME: Final = datetime.max.replace(tzinfo=UTC)
#: Fewer files than this are taken in without a word.
LEAST_SHOWN: Final = 20
#: Owner of what the ledger remembers: the day on which a stream's refused files were judged again.
JUDGED_AGAIN: Final = "judged again"
Progress = Callable[[str, int, int], None]
Merge = Callable[[Sequence[xr.Dataset]], xr.Dataset]


@dataclass(frozen=True)
class IngestReport:
    """What one pass over a stream brought. Reasons are whole sentences for the operator."""

    source: str
    stream: str
    fetched: int
    failed: tuple[str, ...]


@dataclass
class Archive:
    """Granules on disk, their record in the ledger, and a memory of what was parsed.

    `parsed_files` keeps what is slow to parse for the next process; without it every process
    parses all. `damaged` says of every stored granule that could not be read back why not.
    """

    store: RawStore
    ledger: Ledger
    parsed_files: ParsedFiles | None = None
    damaged: dict[str, str] = field(default_factory=dict)
    _parsed: dict[str, xr.Dataset] = field(default_factory=dict)

    def ingest(self, source: Source, *, as_of: datetime, retrieved_at: datetime,
               progress: Progress = lambda *_: None) -> IngestReport:
        """Fetch every offer whose version is not recorded yet; parse it; store it; record it.

        Each granule is recorded as soon as it is stored, so that nothing is fetched twice. A
        malformed one is recorded as quarantined with its reason: it counts as absent and an older
        good version stays in force. A failed fetch is reported and tried again at the next tick.
        A file that replaces a usable one counts as available from its fetch. What was refused on
        an earlier day is judged again.
        """
        named = source.name, source.stream
        seen = self.ledger.seen(*named)
        validators = self.ledger.validators(*named)
        usable = {granule.key for granule in self.ledger.granules(*named, LAST_TIME)}
        try:
            offers = source.offers(as_of)
        except (DwlimError, OSError) as error:
            return IngestReport(*named, 0, (str(error),))
        fetched = 0
        failed = list(source.warnings) if isinstance(source, Warns) else []
        wanted = [offer for offer in offers if seen.get(offer.key) != offer.version]
        for number, offer in enumerate(wanted, start=1):
            if len(wanted) >= LEAST_SHOWN:
                progress(f"{source.name}/{source.stream}", number, len(wanted))
            known = validators.get(offer.key, NOT_KNOWN) if offer.key in usable else NOT_KNOWN
            try:
                received = source.fetch(offer, known)
            except (DwlimError, OSError) as error:
                failed.append(str(error))
                continue
            if received.content is None:
                self.ledger.revalidate(*named, offer.key, offer.version)
                continue
            sha256 = self.store.put(received.content)
            try:
                reason = self._refusal(source, received.content, offer.key, sha256,
                                       retrieved_at.date())
            except StoreError as error:
                failed.append(str(error))
                continue
            if reason:
                _log.warning("quarantined: %s", reason)
            at_once = offer.key in usable or offer.available_at is None
            self.ledger.add_granule(Granule(
                *named, offer.key, offer.version, offer.valid_from, offer.valid_to,
                _available(offer, retrieved_at, at_once=at_once), retrieved_at, sha256,
                len(received.content), received.validators.etag,
                received.validators.last_modified, reason))
            fetched += 1
        return IngestReport(*named, fetched + self._judge_again(source, retrieved_at),
                            tuple(failed))

    def _judge_again(self, source: Source, now: datetime) -> int:
        """Take in what was refused on an earlier day and is right today; returns how many.

        An hour that lay in the future of a clock that was slow has passed by then, and a newer
        version of the software may read what an older one could not. Once a day: a file on which
        a decoder hangs should not hold up every tick.
        """
        taken, stream = 0, f"{source.name}/{source.stream}"
        earlier = [one for one in self.ledger.quarantined_now(source.name, source.stream)
                   if one.retrieved_at.date() < now.date()]
        today = now.date().isoformat()
        if not earlier or self.ledger.recall(JUDGED_AGAIN, stream) == today:
            return 0
        self.ledger.remember(JUDGED_AGAIN, stream, today)
        for refused in earlier:
            try:
                reason = self._refusal(source, self.store.get(refused.sha256), refused.key,
                                       refused.sha256, now.date())
            except StoreError as error:   # it stays what it is: refused
                _log.info("not judged again: %s", error)
                continue
            if not reason:
                _log.info("no longer refused: %s %s", stream, refused.key)
                self.ledger.add_granule(replace(refused, available_at=now, retrieved_at=now,
                                                quarantine_reason=""))
                taken += 1
        return taken

    def _refusal(self, source: Source, content: bytes, key: str, sha256: str,
                 not_after: date) -> str:
        try:
            self._parsed[_memory(source, key, sha256)] = self._parse(
                source, content, key, sha256, not_after)
        except MalformedInputError as error:
            return str(error)
        return ""

    def _parse(self, source: Source, content: bytes, key: str, sha256: str, not_after: date
               ) -> xr.Dataset:
        parsed = source.parse(content, key, not_after=not_after)
        if self.parsed_files is not None and isinstance(source, Remembered):
            self.parsed_files.put(
                _digest(_memory(source, key, sha256), source.parsed_with, not_after), parsed)
        return parsed

    def _parsed_before(self, source: Source, granule: Granule) -> xr.Dataset | None:
        if self.parsed_files is None or not isinstance(source, Remembered):
            return None
        return self.parsed_files.get(_digest(
            _memory(source, granule.key, granule.sha256), source.parsed_with,
            granule.retrieved_at.date()))

    def read(self, source: Source, merge: Merge, *, as_of: datetime,
             through: int | None = None) -> xr.Dataset | None:
        """Everything of a stream that was known at `as_of`, merged; None if nothing was.

        `through` is the last granule of the ledger that counts. Days that the stream had not given
        by then are cut off. A stored granule that is damaged is left out and named in `damaged`.
        """
        datasets = []
        for granule in self.ledger.granules(source.name, source.stream, as_of, through=through):
            memory = _memory(source, granule.key, granule.sha256)
            if memory not in self._parsed:
                try:
                    before = self._parsed_before(source, granule)
                    self._parsed[memory] = before if before is not None else self._parse(
                        source, self.store.get(granule.sha256), granule.key, granule.sha256,
                        granule.retrieved_at.date())
                except (StoreError, MalformedInputError) as error:
                    if memory not in self.damaged:
                        _log.error("left out: %s", error)
                    self.damaged[memory] = str(error)
                    continue
                self.damaged.pop(memory, None)
            datasets.append(self._parsed[memory])
        if not datasets:
            return None
        newest = np.datetime64(source.newest_visible_day(as_of))
        visible = merge(datasets).sel(time=slice(None, newest))
        return visible if visible.sizes["time"] else None


def _available(offer: Offer, retrieved_at: datetime, *, at_once: bool) -> datetime:
    return retrieved_at if at_once or offer.available_at is None else offer.available_at


def _digest(memory: str, parsed_with: str, not_after: date) -> str:
    return fingerprint("parsed", memory, parsed_with, not_after, code_fingerprint())


def _memory(source: Source, key: str, sha256: str) -> str:
    return f"{source.name}:{source.stream}:{key}:{sha256}"
