"""A PostgreSQL server of our own for the time of a test session."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

import sqlalchemy as sa

#: Nothing here has to survive a power cut.
_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
             "shared_buffers": "16MB", "max_connections": "30", "autovacuum": "off",
             "listen_addresses": "''"}


@dataclass(frozen=True)
class Server:
    """A running server that listens on a socket in `folder` and nowhere else."""

    folder: Path
    _numbers: Iterator[int] = field(default_factory=count)

    def url(self, database: str) -> str:
        """SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def new_database(self) -> str:
        """URL of an empty database."""
        name = f"test_{next(self._numbers)}"
        engine = sa.create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE template0"))
        engine.dispose()
        return self.url(name)


def binaries() -> Path | None:
    """Folder of `initdb` and `pg_ctl` of the newest version; None if there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"),
                   key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).resolve().parent if elsewhere else None


@contextmanager
def running(folder_of_binaries: Path) -> Iterator[Server]:
    """A fresh server; it and its data are gone afterwards.

    PostgreSQL refuses to run as root: then it runs as the user `postgres`. The folder is not one of
    pytest's, which only the user of the tests may enter.
    """
    folder = Path(mkdtemp(prefix="dwlim-postgresql-", dir="/tmp"))  # short: a socket
    as_root = os.geteuid() == 0
    if as_root:
        shutil.chown(folder, "postgres", "postgres")
    user = ["runuser", "-u", "postgres", "--"] if as_root else []
    data = folder / "data"

    def call(*command: object) -> None:
        done = subprocess.run([*user, *map(str, command)], cwd=folder, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stdout}")

    options = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
    control = (folder_of_binaries / "pg_ctl", "-D", data, "-w", "-s")
    try:
        call(folder_of_binaries / "initdb", "-D", data, "-U", "postgres", "--auth=trust",
             "--no-sync", "--encoding=UTF8", "--locale=C")
        call(*control, "-l", folder / "log", "-o", f"{options} -k {folder}", "start")
        try:
            yield Server(folder)
        finally:
            call(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)
