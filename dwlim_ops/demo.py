"""The demonstration: the last 14 days of the embedded sample."""

from datetime import date
from typing import Final

from rich.table import Table

from dwlim_ops.session import Session

#: The last 14 days for which the sample holds both displacement and weather.
DAYS: Final = (date(2017, 6, 11), date(2017, 6, 24))


def summary_table(session: Session) -> Table:
    """Water storage of every basin on the newest day, both estimates, mm with one sigma."""
    rows = [row for row, _ in session.ledger.basin_rows()]
    newest = max(row.day for row in rows)
    methods = sorted({row.method for row in rows}, reverse=True)
    table = Table(title=f"{session.config.region.title}, {newest}: water storage anomaly, mm")
    table.add_column("basin")
    for method in methods:
        table.add_column(method, justify="right")
    values = {(row.basin, row.method): row for row in rows if row.day == newest}
    basins = session.geometry.basins
    for basin, name in zip(basins.identifier, basins.name, strict=True):
        cells = [values.get((basin, method)) for method in methods]
        table.add_row(f"{name} ({basin})", *(
            "-" if cell is None else f"{cell.twsa_mm:+.0f} \N{PLUS-MINUS SIGN} {cell.sigma_mm:.0f}"
            for cell in cells))
    return table
