"""Opening the ledger's database: SQLite in WAL mode, or PostgreSQL; migrated before first use."""

import logging
from importlib import resources
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from dwlim_ops.errors import StoreError

_FIRST_WITHOUT_STAMP = "0001"


def open_database(url: str, *, lock_timeout_s: float = 30.0) -> sa.Engine:
    """Engine of the ledger with the newest tables.

    Raises
    ------
    StoreError
        It cannot be opened or migrated, or a newer version of the code has migrated it.
    """
    try:
        engine = sa.create_engine(url)
        try:
            if engine.dialect.name == "sqlite":
                _configure_sqlite(engine, lock_timeout_s)
            _migrate(engine)
        except BaseException:
            engine.dispose()
            raise
    except (sa.exc.SQLAlchemyError, ModuleNotFoundError) as error:
        raise StoreError(
            "the ledger cannot be opened", where=shown(url),
            got=str(error.__cause__ or error).strip(),
            remedy="check that the folder exists, is writable and not full; PostgreSQL needs "
                   "pip install 'dwlim-ops[postgresql]'",
        ) from error
    return engine


def shown(url: str) -> str:
    """The address without a password."""
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return "the URL of the ledger"


def _configure_sqlite(engine: sa.Engine, lock_timeout_s: float) -> None:
    @sa.event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we begin transactions: DDL is then undone by a crash
        cursor = connection.cursor()
        for pragma in (f"busy_timeout={round(1000 * lock_timeout_s)}", "journal_mode=WAL",
                       "synchronous=NORMAL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(engine: sa.Engine) -> None:
    settings = Config()
    folder = resources.files("dwlim_ops") / "state" / "migrations"
    settings.set_main_option("script_location", str(folder))
    head = ScriptDirectory.from_config(settings).get_current_head()
    with engine.begin() as connection:
        if _revision(connection) == head:
            return
    # Alembic says a line for every step to whoever listens; an operator has asked for none.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(20221453)"))
        found = _revision(connection)
        known = {script.revision for script in
                 ScriptDirectory.from_config(settings).walk_revisions()}
        if found is not None and found not in known:
            raise StoreError(
                "the ledger was migrated by a newer version", where=shown(str(engine.url)),
                expected=f"revision {head} or older", got=found,
                remedy="install the version that wrote it, or restore a backup")
        settings.attributes["connection"] = connection
        if found is None and sa.inspect(connection).has_table("granules"):
            command.stamp(settings, _FIRST_WITHOUT_STAMP)
        command.upgrade(settings, "head")


def _revision(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
