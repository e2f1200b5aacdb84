"""The ledger's tables: from those of the first version to the newest, on both databases."""

import importlib
import multiprocessing
from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory

from dwlim_ops.errors import StoreError
from dwlim_ops.state import database, migrations, tables
from dwlim_ops.state.ledger import Ledger
from dwlim_ops.state.records import Granule, Tick

_NOON = datetime(2017, 6, 3, 12, tzinfo=UTC)
_FIRST = importlib.import_module("dwlim_ops.state.migrations.versions.0001_first")
_SECOND = importlib.import_module("dwlim_ops.state.migrations.versions.0002_operational_core")
_ROWS = """
INSERT INTO granules VALUES (1, 'gnss', 'final', 'a.up', '1', '2017-06-01', '2017-06-01',
 '2017-06-03 12:00:00.000000', '2017-06-03 12:00:00.000000', 'aa', 10, '');
INSERT INTO granules VALUES (7, 'gnss', 'final', 'b.up', '1', '2017-06-01', '2017-06-01',
 '2017-06-03 12:00:00.000000', '2017-06-03 12:00:00.000000', 'bb', 11, 'line 3: text');
INSERT INTO products VALUES ('p_r00', '2017-06-01', 'final_gnss', 0,
 '2017-06-03 12:00:00.000000', 'ffff', 'daily/p.nc', 'cc');
INSERT INTO ticks VALUES (1, '2017-06-03 12:00:00.000000', 'done', '{"published": []}');
"""


def head():
    return ScriptDirectory(str(next(iter(migrations.__path__)))).get_current_head()


def revision(url):
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    return found


def make_old(url):
    """A database of the first version: its tables, without Alembic's, and some rows."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            _FIRST.upgrade()
        for statement in _ROWS.strip().split(";\n"):
            connection.execute(sa.text(statement.replace(":00", r"\:00").rstrip(";\n")))
    engine.dispose()
    assert revision(url) is None


def keeps_its_rows(url):
    ledger = Ledger(url)
    (good,) = ledger.granules("gnss", "final", _NOON)
    assert good == Granule("gnss", "final", "a.up", "1", date(2017, 6, 1), date(2017, 6, 1), _NOON,
                           _NOON, "aa", 10)
    assert [g.quarantine_reason for g in ledger.quarantined_now()] == ["line 3: text"]
    (product,) = ledger.products()
    assert (product.product_id, product.day, product.tier, product.revision, product.as_of) == (
        "p_r00", date(2017, 6, 1), "final_gnss", 0, _NOON)
    assert (product.path, product.sha256, dict(product.parts), product.newest_granule) == (
        "daily/p.nc", "cc", {}, 0)
    assert ledger.ticks() == [Tick(_NOON, _NOON, "done", {"published": []})]
    return ledger


def test_a_ledger_of_the_first_version_is_migrated_with_its_rows(ledger_url):
    make_old(ledger_url)
    ledger = keeps_its_rows(ledger_url)
    assert revision(ledger_url) == head()
    ledger.add_granule(Granule("gnss", "rapid", "c.up", "1", date(2017, 6, 1), date(2017, 6, 1),
                               _NOON, _NOON, "dd", 10))
    assert ledger.newest_granule() == 8
    ledger.close()
    keeps_its_rows(ledger_url).close()


def test_a_migration_that_dies_half_way_leaves_the_old_ledger(ledger_url, monkeypatch):
    make_old(ledger_url)

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("alembic.op.add_column", die)
        with pytest.raises(KeyboardInterrupt):
            Ledger(ledger_url)
    assert revision(ledger_url) is None
    engine = sa.create_engine(ledger_url)
    assert set(sa.inspect(engine).get_table_names()) == {"granules", "products", "ticks"}
    engine.dispose()
    keeps_its_rows(ledger_url).close()


@pytest.mark.parametrize("begin", [lambda _: None, make_old], ids=["fresh", "old"])
def test_the_migrated_tables_are_those_that_the_code_expects(ledger_url, begin):
    begin(ledger_url)
    engine = database.open_database(ledger_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
        inspector = sa.inspect(connection)
        for table in tables.metadata.sorted_tables:
            found = {column["name"]: column["nullable"]
                     for column in inspector.get_columns(table.name)}
            assert found == {column.name: column.nullable for column in table.columns}
    engine.dispose()


def test_a_ledger_of_a_newer_version_is_refused_and_left_alone(ledger_url):
    Ledger(ledger_url).close()
    engine = sa.create_engine(ledger_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreError, match=r"newer version.*got 9999"):
        Ledger(ledger_url)
    assert revision(ledger_url) == "9999"


def test_opening_again_changes_nothing(ledger_url, monkeypatch):
    Ledger(ledger_url).close()
    monkeypatch.setattr(database.command, "upgrade", lambda *_: pytest.fail("migrated again"))
    Ledger(ledger_url).close()


def open_at_once(url, name, barrier):
    barrier.wait(timeout=30)
    ledger = Ledger(url)
    ledger.beat(name, _NOON)
    ledger.close()


def test_processes_that_open_a_fresh_ledger_at_once_all_succeed(ledger_url):
    forked = multiprocessing.get_context("fork")
    names, barrier = ("one", "two", "three"), forked.Barrier(3)
    processes = [forked.Process(target=open_at_once, args=(ledger_url, name, barrier))
                 for name in names]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    ledger = Ledger(ledger_url)
    assert ledger.heartbeats().keys() == set(names)
    ledger.close()


def test_every_migration_follows_the_one_before():
    assert (_FIRST.down_revision, _SECOND.down_revision) == (None, _FIRST.revision)
    assert len(ScriptDirectory(str(next(iter(migrations.__path__)))).get_heads()) == 1
