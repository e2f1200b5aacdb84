"""Station files of the Nevada Geodetic Laboratory against a plain `pandas.read_csv`."""

import datetime
import io

import numpy as np
import pandas as pd

from dwlim_ops.sources.formats.gnss.ngl import parse_tenv3
from tests.bench.measure import Row, seconds, timed

N_STATIONS, N_YEARS = 263, 18
N_MEASURED = 20
FIRST = datetime.date(2008, 1, 1)
LAST = FIRST + datetime.timedelta(days=round(N_YEARS * 365.25) - 1)
_MJD_OF_ORDINAL = 678576
_HEADER = (
    "site YYMMMDD yyyy.yyyy __MJD week d reflon _e0(m) __east(m) ____n0(m) _north(m) u0(m) "
    "____up(m) _ant(m) sig_e(m) sig_n(m) sig_u(m) __corr_en __corr_eu __corr_nu _latitude(deg) "
    "_longitude(deg) __height(m)")


def station_file(seed: int) -> bytes:
    """A `tenv3` file of invented values, one row a day."""
    n_days = (LAST - FIRST).days + 1
    up_m = 0.3 + np.random.default_rng(seed).normal(0.0, 0.005, n_days)
    lines = [_HEADER]
    for number, up in enumerate(up_m.tolist()):
        day = FIRST + datetime.timedelta(days=number)
        mjd = day.toordinal() - _MJD_OF_ORDINAL
        week, day_of_week = divmod(mjd - 44244, 7)
        lines.append(
            f"TST1 {day.strftime('%y%b%d').upper()} {2000 + (mjd - 51544) / 365.25:.4f} {mjd} "
            f"{week:4d} {day_of_week}   91.1    385  0.888603   3282129  0.602585  3624 "
            f"{up:9.6f}  0.0580 0.000777 0.000857 0.003613  0.030645 -0.124019 -0.262550  "
            f"29.6573392384 -268.8960142076 {3624 + up:11.5f}")
    return "\n".join([*lines, ""]).encode("ascii")


def parsing_row() -> Row:
    """All stations, from so many measured; both read from memory."""
    files = [station_file(seed) for seed in range(N_MEASURED)]
    ours, found = timed(lambda: [
        parse_tenv3(content, not_after=LAST, where="TST1")[0] for content in files])
    theirs, tables = timed(lambda: [_with_pandas(content) for content in files])
    worst = max(float(np.abs(one.up_mm / 1000.0 + one.taken_off_m - table).max())
                for one, table in zip(found, tables, strict=True))
    times = N_STATIONS / N_MEASURED
    return Row(
        f"parse {N_STATIONS} tenv3 files of {N_YEARS} years", ours.times(times),
        theirs.times(times),
        f"{N_MEASURED} measured, {len(files[0]) / 1e6:.1f} MB each; wanted <= "
        f"{seconds(15.0)}; ours checks every day and height; difference {worst * 1000:.1g} mm")


def _with_pandas(content: bytes) -> np.ndarray:
    table = pd.read_csv(io.BytesIO(content), sep=r"\s+")
    table.index = pd.to_datetime(table["YYMMMDD"], format="%y%b%d")
    return (table["u0(m)"] + table["____up(m)"]).to_numpy()
