"""Table of known steps of GNSS series."""

import csv
from datetime import date
from pathlib import Path

from dwlim_ops.errors import ConfigError


def read_steps(path: Path) -> tuple[tuple[date, str], ...]:
    """Read CSV with columns `date,station`; the day is the first one after the step.

    Raises
    ------
    ConfigError
        Unreadable, columns missing, or not a date.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            return tuple((date.fromisoformat(row["date"]), row["station"].strip().upper())
                         for row in csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError("not readable as a table of steps", where=str(path), got=repr(error),
                          expected="CSV with columns date (yyyy-mm-dd) and station") from error
