"""The ledger: what was received, what was published, which ticks ran. One SQL database."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from dwlim_ops.contracts import BasinRow, Validators
from dwlim_ops.errors import StoreError
from dwlim_ops.state.database import open_database, shown
from dwlim_ops.state.records import Granule, ProductRecord, Tick
from dwlim_ops.state.tables import basin_values, granules, heartbeats, memories, products, ticks


class Ledger:
    """Reads and writes of the ledger; every write is one transaction."""

    def __init__(self, url: str, *, lock_timeout_s: float = 30.0) -> None:
        self._engine = open_database(url, lock_timeout_s=lock_timeout_s)

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[sa.Connection]:
        try:
            engine = self._engine.execution_options(writes=writes)
            with engine.begin() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            if isinstance(error, sa.exc.IntegrityError | sa.exc.ProgrammingError):
                raise
            raise StoreError(
                "the ledger refused an operation", where=shown(str(self._engine.url)),
                got=str(error.__cause__ or error).strip(),
                remedy="is another process writing, the disk full or the file read-only?",
            ) from error

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def add_granule(self, granule: Granule) -> None:
        """Record a granule; one that is already recorded is left as it is."""
        c = granules.c
        same = sa.select(c.id).where(*(c[name] == getattr(granule, name) for name in (
            "source", "stream", "key", "version", "sha256", "quarantine_reason")),
            c.dropped_at.is_(None))
        with self._transaction(writes=True) as connection:
            if connection.execute(same).first() is None:
                connection.execute(sa.insert(granules), [vars(granule)])

    def seen(self, source: str, stream: str) -> dict[str, str]:
        """Newest recorded version of every key of a stream, quarantined ones included."""
        c = granules.c
        query = sa.select(c.key, c.version).where(
            c.source == source, c.stream == stream).order_by(c.id)
        with self._transaction() as connection:
            return {row.key: row.version for row in connection.execute(query)}

    def validators(self, source: str, stream: str) -> dict[str, Validators]:
        """What the provider said of the newest granule of every key of a stream."""
        c = granules.c
        query = sa.select(c.key, c.etag, c.last_modified).where(
            c.source == source, c.stream == stream).order_by(c.id)
        with self._transaction() as connection:
            return {row.key: Validators(row.etag, row.last_modified)
                    for row in connection.execute(query)}

    def revalidate(self, source: str, stream: str, key: str, version: str) -> None:
        """The provider's file has a new name of its version but the bytes that we hold."""
        c = granules.c
        newest = sa.select(sa.func.max(c.id)).where(
            c.source == source, c.stream == stream, c.key == key).scalar_subquery()
        with self._transaction(writes=True) as connection:
            connection.execute(sa.update(granules).where(c.id == newest).values(version=version))

    def granules(self, source: str, stream: str, as_of: datetime, *,
                 through: int | None = None) -> list[Granule]:
        """Usable granules of a stream available at `as_of`: of each key the newest, oldest first.

        `through` leaves out what the ledger recorded later than that granule.
        """
        c = granules.c
        query = sa.select(granules).where(
            c.source == source, c.stream == stream, c.available_at <= as_of,
            c.quarantine_reason == "").order_by(c.available_at, c.id)
        if through is not None:
            query = query.where(c.id <= through)
        newest: dict[str, Granule] = {}
        with self._transaction() as connection:
            for row in connection.execute(query).mappings():
                newest.pop(row["key"], None)
                newest[row["key"]] = _granule(row)
        return list(newest.values())

    def newest_granule(self) -> int:
        """Number of the granule that was recorded last, 0 in an empty ledger."""
        with self._transaction() as connection:
            return connection.execute(sa.select(sa.func.max(granules.c.id))).scalar() or 0

    def quarantined(self) -> list[Granule]:
        """Granules that were refused, newest first, with the reason."""
        query = sa.select(granules).where(granules.c.quarantine_reason != "").order_by(
            granules.c.id.desc())
        with self._transaction() as connection:
            return [_granule(row) for row in connection.execute(query).mappings()]

    def quarantined_now(self, source: str = "", stream: str = "") -> list[Granule]:
        """Refused granules that no later version of the same key has replaced, by key; of one
        stream or of all.
        """
        c = granules.c
        newest = sa.select(sa.func.max(c.id)).group_by(c.source, c.stream, c.key)
        if source:
            newest = newest.where(c.source == source, c.stream == stream)
        query = sa.select(granules).where(c.id.in_(newest), c.quarantine_reason != "").order_by(
            c.source, c.stream, c.key)
        with self._transaction() as connection:
            return [_granule(row) for row in connection.execute(query).mappings()]

    def newest_of_streams(self) -> dict[tuple[str, str], tuple[datetime, date]]:
        """Of every source and stream when it last gave a usable file, and its newest day."""
        c = granules.c
        query = sa.select(c.source, c.stream, sa.func.max(c.retrieved_at).label("at"),
                          sa.func.max(c.valid_to).label("day")).where(
            c.quarantine_reason == "").group_by(c.source, c.stream)
        with self._transaction() as connection:
            return {(row.source, row.stream): (row.at, row.day)
                    for row in connection.execute(query)}

    def versions(self) -> list["Version"]:
        """Granules whose bytes are kept, by source, stream and key, oldest first."""
        c = granules.c
        query = sa.select(
            c.id.label("number"), c.source, c.stream, c.key, c.sha256, c.available_at,
            c.retrieved_at, (c.quarantine_reason != "").label("refused"),
        ).where(c.dropped_at.is_(None)).order_by(c.source, c.stream, c.key, c.available_at, c.id)
        with self._transaction() as connection:
            return [Version(**row) for row in connection.execute(query).mappings()]

    def issues(self) -> set[tuple[datetime, int]]:
        """Every pair of `as_of` and newest granule for which a product was computed."""
        query = sa.select(products.c.as_of, products.c.newest_granule).distinct()
        with self._transaction() as connection:
            return {(row.as_of, row.newest_granule) for row in connection.execute(query)}

    def drop(self, numbers: Sequence[int], *, at: datetime) -> set[str]:
        """Mark granules as dropped; returns the SHA-256 that no other granule needs any more."""
        c = granules.c
        with self._transaction(writes=True) as connection:
            connection.execute(
                sa.update(granules).where(c.id.in_(numbers)).values(dropped_at=at))
            of_dropped = sa.select(c.sha256).where(c.id.in_(numbers))
            kept = sa.select(c.sha256).where(c.dropped_at.is_(None))
            return ({row.sha256 for row in connection.execute(of_dropped)}
                    - {row.sha256 for row in connection.execute(kept)})

    def add_product(self, record: ProductRecord, rows: Iterable[BasinRow]) -> None:
        """Record a revision and its basin means, both or neither."""
        values = [{"product_id": record.product_id, "basin": row.basin, "method": row.method,
                   "twsa_mm": _known(row.twsa_mm), "sigma_mm": _known(row.sigma_mm)}
                  for row in rows]
        with self._transaction(writes=True) as connection:
            connection.execute(sa.insert(products), [vars(record)])
            if values:
                connection.execute(sa.insert(basin_values), values)

    def products(self, *, first: date | None = None, last: date | None = None
                 ) -> list[ProductRecord]:
        """Every revision of the days from `first` to `last`, by day and revision."""
        query = sa.select(products).order_by(products.c.day, products.c.revision)
        query = query if first is None else query.where(products.c.day >= first)
        query = query if last is None else query.where(products.c.day <= last)
        with self._transaction() as connection:
            return [ProductRecord(**row) for row in connection.execute(query).mappings()]

    def product(self, product_id: str) -> ProductRecord | None:
        """One revision; None if there is none of that name."""
        query = sa.select(products).where(products.c.product_id == product_id)
        with self._transaction() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else ProductRecord(**row)

    def newest_revisions(self) -> dict[date, ProductRecord]:
        """The newest revision of every published day."""
        return {record.day: record for record in self.products()}

    def basin_rows(self, *, newest_only: bool = True, first: date | None = None
                   ) -> list[tuple[BasinRow, datetime]]:
        """Basin means with the `as_of` of their product, by day, basin, method and revision.

        `first` leaves out earlier days.
        """
        p, b = products.c, basin_values.c
        query = sa.select(p.day, b.basin, b.method, b.twsa_mm, b.sigma_mm, p.tier, p.revision,
                          p.as_of).join_from(basin_values, products)
        if first is not None:
            query = query.where(p.day >= first)
        if newest_only:
            newest = sa.select(p.day, sa.func.max(p.revision).label("revision")).group_by(
                p.day).subquery()
            query = query.join(newest, sa.and_(newest.c.day == p.day,
                                               newest.c.revision == p.revision))
        with self._transaction() as connection:
            found = [(BasinRow(day, basin, method, _number(twsa), _number(sigma), tier, revision),
                      as_of) for day, basin, method, twsa, sigma, tier, revision, as_of
                     in connection.execute(query)]
        return sorted(found, key=lambda one: (*one[0].key, one[0].revision))

    def add_tick(self, tick: Tick) -> None:
        """Record a finished tick."""
        with self._transaction(writes=True) as connection:
            connection.execute(sa.insert(ticks), [vars(tick)])

    def ticks(self, limit: int = 50) -> list[Tick]:
        """The last ticks, newest first."""
        c = ticks.c
        query = sa.select(c.as_of, sa.func.coalesce(c.started_at, c.as_of).label("started_at"),
                          c.outcome, c.detail).order_by(c.id.desc()).limit(limit)
        with self._transaction() as connection:
            return [Tick(**row) for row in connection.execute(query).mappings()]

    def newest_wall_time(self) -> datetime | None:
        """The latest moment of the wall clock that the ledger has seen; None in an empty one."""
        query = sa.union_all(sa.select(sa.func.max(granules.c.retrieved_at).label("at")),
                             sa.select(sa.func.max(ticks.c.started_at))).subquery()
        with self._transaction() as connection:
            found = [row.at for row in connection.execute(sa.select(query.c.at)) if row.at]
        return max(found, default=None)

    def beat(self, name: str, at: datetime) -> None:
        """Say that a part of the system was alive at `at`."""
        self._put(heartbeats, {"name": name}, {"at": at})

    def heartbeats(self) -> dict[str, datetime]:
        """When each part was last known to be alive."""
        with self._transaction() as connection:
            return {row.name: row.at for row in connection.execute(sa.select(heartbeats))}

    def memory(self, owner: str) -> "LedgerMemory":
        """What one source must not forget."""
        return LedgerMemory(self, owner)

    def recall(self, owner: str, key: str) -> str | None:
        """What `owner` has remembered under `key`."""
        c = memories.c
        query = sa.select(c.text).where(c.owner == owner, c.key == key)
        with self._transaction() as connection:
            return connection.execute(query).scalar()

    def remember(self, owner: str, key: str, text: str) -> None:
        """Keep `text` in place of what was there."""
        self._put(memories, {"owner": owner, "key": key}, {"text": text})

    def forget(self, owner: str, key: str) -> None:
        """Drop what was kept under `key`."""
        c = memories.c
        with self._transaction(writes=True) as connection:
            connection.execute(sa.delete(memories).where(c.owner == owner, c.key == key))

    def _put(self, table: sa.Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        same = [table.c[name] == value for name, value in key.items()]
        with self._transaction(writes=True) as connection:
            done = connection.execute(sa.update(table).where(*same).values(**values))
            if done.rowcount == 0:
                connection.execute(sa.insert(table), [{**key, **values}])


@dataclass(frozen=True)
class LedgerMemory:
    """Memory of one owner, in the ledger."""

    ledger: Ledger
    owner: str

    def recall(self, key: str) -> str | None:
        """What was remembered under `key`; None if nothing."""
        return self.ledger.recall(self.owner, key)

    def remember(self, key: str, text: str) -> None:
        """Keep `text` under `key`."""
        self.ledger.remember(self.owner, key, text)

    def forget(self, key: str) -> None:
        """Drop `key`."""
        self.ledger.forget(self.owner, key)


@dataclass(frozen=True)
class Version:
    """One version of a provider's file whose bytes are in the raw store."""

    number: int
    source: str
    stream: str
    key: str
    sha256: str
    available_at: datetime
    retrieved_at: datetime
    refused: bool


def _granule(row: sa.RowMapping) -> Granule:
    return Granule(**{key: row[key] for key in Granule.__dataclass_fields__})


def _known(value: float) -> float | None:
    return None if value != value else value  # noqa: PLR0124  # not NaN


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
