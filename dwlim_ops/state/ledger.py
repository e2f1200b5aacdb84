"""The ledger: what was received, what was published, which ticks ran. One SQL database."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from dwlim_ops.errors import StoreError

_metadata = sa.MetaData()


class _UtcTime(sa.types.TypeDecorator[datetime]):
    """Aware UTC in Python, naive UTC in the database (SQLite keeps no zone)."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.replace(tzinfo=UTC)


_granules = sa.Table(
    "granules", _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("source", sa.String(32), nullable=False),
    sa.Column("stream", sa.String(32), nullable=False),
    sa.Column("key", sa.String(255), nullable=False),
    sa.Column("version", sa.String(128), nullable=False),
    sa.Column("valid_from", sa.Date, nullable=False),
    sa.Column("valid_to", sa.Date, nullable=False),
    sa.Column("available_at", _UtcTime, nullable=False),
    sa.Column("retrieved_at", _UtcTime, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size_bytes", sa.Integer, nullable=False),
    sa.Column("quarantine_reason", sa.Text, nullable=False, default=""),
    sa.UniqueConstraint("source", "key", "version", "sha256"),
    sa.Index("granules_by_availability", "source", "available_at"),
)

_products = sa.Table(
    "products", _metadata,
    sa.Column("product_id", sa.String(255), primary_key=True),
    sa.Column("day", sa.Date, nullable=False, index=True),
    sa.Column("tier", sa.String(32), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("as_of", _UtcTime, nullable=False),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("path", sa.String(255), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.UniqueConstraint("day", "revision"),
)

_ticks = sa.Table(
    "ticks", _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("as_of", _UtcTime, nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
)


@dataclass(frozen=True)
class Granule:
    """One file as received. `quarantine_reason` is empty for a file that may be used."""

    source: str
    stream: str
    key: str
    version: str
    valid_from: date
    valid_to: date
    available_at: datetime
    retrieved_at: datetime
    sha256: str
    size_bytes: int
    quarantine_reason: str = ""


@dataclass(frozen=True)
class ProductRecord:
    """One published revision of one day."""

    product_id: str
    day: date
    tier: str
    revision: int
    as_of: datetime
    fingerprint: str
    path: str
    sha256: str


@dataclass(frozen=True)
class Tick:
    """One pass of ingest, plan, compute, publish."""

    as_of: datetime
    outcome: str
    detail: dict[str, Any]


class Ledger:
    """Reads and writes of the ledger; every write is one transaction."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url)
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _configure_sqlite)
        try:
            _metadata.create_all(self._engine)
        except sa.exc.SQLAlchemyError as error:
            raise StoreError(
                "the ledger cannot be opened", where=url, got=str(error.__cause__ or error),
                remedy="check that the folder exists, is writable and not full",
            ) from error

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except sa.exc.OperationalError as error:
            raise StoreError(
                "the ledger refused an operation", where=str(self._engine.url),
                got=str(error.__cause__ or error),
                remedy="is another process writing, the disk full or the file read-only?",
            ) from error

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def add_granules(self, granules: Sequence[Granule]) -> None:
        """Record granules; one that is already recorded is left as it is."""
        with self._transaction() as connection:
            known = self._known(connection)
            rows = [vars(g) for g in granules
                    if (g.source, g.key, g.version, g.sha256) not in known]
            if rows:
                connection.execute(sa.insert(_granules), rows)

    def _known(self, connection: sa.Connection) -> set[tuple[Any, ...]]:
        c = _granules.c
        query = sa.select(c.source, c.key, c.version, c.sha256)
        return {tuple(row) for row in connection.execute(query)}

    def seen(self, source: str) -> dict[str, str]:
        """Newest recorded version of every key of a source, quarantined ones included."""
        c = _granules.c
        query = sa.select(c.key, c.version).where(c.source == source).order_by(c.id)
        with self._transaction() as connection:
            return {row.key: row.version for row in connection.execute(query)}

    def granules(self, source: str, as_of: datetime) -> list[Granule]:
        """Usable granules available at `as_of`: of each key the newest, oldest first."""
        c = _granules.c
        query = (sa.select(_granules)
                 .where(c.source == source, c.available_at <= as_of, c.quarantine_reason == "")
                 .order_by(c.available_at, c.id))
        newest: dict[str, Granule] = {}
        with self._transaction() as connection:
            for row in connection.execute(query).mappings():
                newest.pop(row["key"], None)
                newest[row["key"]] = _granule(row)
        return list(newest.values())

    def quarantined(self) -> list[Granule]:
        """Granules that were refused, newest first, with the reason."""
        query = sa.select(_granules).where(_granules.c.quarantine_reason != "").order_by(
            _granules.c.id.desc())
        with self._transaction() as connection:
            return [_granule(row) for row in connection.execute(query).mappings()]

    def add_product(self, record: ProductRecord) -> None:
        """Record a published revision."""
        with self._transaction() as connection:
            connection.execute(sa.insert(_products), [vars(record)])

    def products(self) -> list[ProductRecord]:
        """Every published revision, by day and revision."""
        query = sa.select(_products).order_by(_products.c.day, _products.c.revision)
        with self._transaction() as connection:
            return [ProductRecord(**row) for row in connection.execute(query).mappings()]

    def newest_revisions(self) -> dict[date, ProductRecord]:
        """The newest revision of every published day."""
        return {record.day: record for record in self.products()}

    def add_tick(self, tick: Tick) -> None:
        """Record a finished tick."""
        with self._transaction() as connection:
            connection.execute(sa.insert(_ticks), [vars(tick)])

    def ticks(self, limit: int = 50) -> list[Tick]:
        """The last ticks, newest first."""
        query = sa.select(_ticks.c.as_of, _ticks.c.outcome, _ticks.c.detail).order_by(
            _ticks.c.id.desc()).limit(limit)
        with self._transaction() as connection:
            return [Tick(**row) for row in connection.execute(query).mappings()]


def _granule(row: sa.RowMapping) -> Granule:
    return Granule(**{key: row[key] for key in Granule.__dataclass_fields__})


def _configure_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
