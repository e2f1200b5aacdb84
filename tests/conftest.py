"""Workspaces of the synthetic region: built once, copied for each test."""

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import postgresql
import pytest
import synthetic

from dwlim_ops.reconcile import observe
from dwlim_ops.session import Session
from dwlim_ops.simulate.bundle import write_bundle
from dwlim_ops.simulate.store import promote
from dwlim_ops.training import train_bundle
from dwlim_ops.workspace import Workspace
from flows.runtime import single_threaded

single_threaded()

Open = Callable[[Workspace], Session]


@pytest.fixture
def open_session(monkeypatch) -> Iterator[Open]:
    """Opens sessions and closes them when the test ends; nothing waits for the disk."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    opened: list[Session] = []

    def open_one(workspace: Workspace) -> Session:
        opened.append(Session(workspace))
        return opened[-1]

    yield open_one
    for session in opened:
        session.close()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[postgresql.Server]:
    """A PostgreSQL server of the test session, from Debian's package."""
    binaries = postgresql.binaries()
    if binaries is None:
        missing = "PostgreSQL's initdb is not there: apt-get install postgresql"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with postgresql.running(binaries) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request, tmp_path) -> str:
    """URL of an empty database, of each kind that a ledger may have."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    return request.getfixturevalue("postgresql_server").new_database()


@pytest.fixture(scope="session")
def _untouched(tmp_path_factory) -> Path:
    return synthetic.build_workspace(tmp_path_factory.mktemp("untouched")).root


@pytest.fixture(scope="session")
def _ticked(tmp_path_factory, _untouched) -> Path:
    root = tmp_path_factory.mktemp("ticked") / "ws"
    shutil.copytree(_untouched, root)
    session = Session(Workspace(root))
    synthetic.run_tick(session)
    session.close()
    return root


@pytest.fixture(scope="session")
def _trained(tmp_path_factory, _ticked, trained_bundle) -> Path:
    root = tmp_path_factory.mktemp("trained") / "ws"
    shutil.copytree(_ticked, root)
    bundle_id = write_bundle(root / "models", trained_bundle)
    promote(root / "models", synthetic.REGION, bundle_id)
    return root


@pytest.fixture(scope="session")
def _served(tmp_path_factory, _trained) -> Path:
    root = tmp_path_factory.mktemp("served") / "ws"
    shutil.copytree(_trained, root)
    session = Session(Workspace(root))
    synthetic.run_tick(session)
    session.close()
    return root


@pytest.fixture(scope="session")
def trained_bundle(tmp_path_factory, _ticked):
    """The tiny bundle of the synthetic region."""
    root = tmp_path_factory.mktemp("training") / "ws"
    shutil.copytree(_ticked, root)
    session = Session(Workspace(root))
    bundle = train(session)
    session.close()
    return bundle


def train(session: Session):
    """Train the table `small` of a workspace that has ingested its files."""
    known = observe(session, synthetic.AS_OF)
    assert known is not None
    return train_bundle(known, session.geometry, session.config.training["small"], name="small",
                        region=synthetic.REGION, progress=lambda *_: None)


def _copy(source: Path, target: Path) -> Workspace:
    shutil.copytree(source, target)
    return Workspace(target)


@pytest.fixture
def workspace(tmp_path, _untouched) -> Workspace:
    """Never ticked; without a bundle."""
    return _copy(_untouched, tmp_path / "fresh")


@pytest.fixture
def ticked(tmp_path, _ticked) -> Workspace:
    """Ticked at `synthetic.AS_OF`: two days are published, without a bundle."""
    return _copy(_ticked, tmp_path / "ticked")


@pytest.fixture
def trained(tmp_path, _trained) -> Workspace:
    """As `ticked`, with a bundle since, not used yet."""
    return _copy(_trained, tmp_path / "trained")


@pytest.fixture
def served(tmp_path, _served) -> Workspace:
    """As `trained`, ticked again: the second revision of both days comes from the bundle."""
    return _copy(_served, tmp_path / "served")


@pytest.fixture
def command(monkeypatch, capsys) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Runs `dwlim` in this process, its flows and tasks as plain functions, without a server.

    Gives the exit code and what went to standard output and standard error.
    """
    import flows.daily
    import flows.ingest
    import flows.replay
    import flows.train
    import flows.verify
    from dwlim_ops.cli import main as cli

    for module in (flows.ingest, flows.daily, flows.replay, flows.train, flows.verify):
        for name, value in list(vars(module).items()):
            if hasattr(value, "fn"):
                monkeypatch.setattr(module, name, value.fn)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    environment, root = dict(os.environ), logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["dwlim", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        return (code if isinstance(code, int) else 0, *capsys.readouterr())

    yield run
    root.handlers[:], root.level = handlers, level
    os.environ.clear()
    os.environ.update(environment)
