"""Write the look-alikes of this folder: python make_gnss_formats.py

One invented station, TST1, in every format, over the turn of the century; `truth.csv` says what
each file holds. No value is real. The byte layouts follow the formats' own descriptions.
"""

import datetime
from pathlib import Path

import numpy as np
from pyproj import Transformer

HERE = Path(__file__).parent
FIRST, N_DAYS = datetime.date(1999, 12, 15), 40
LATITUDE, LONGITUDE, HEIGHT = 29.6573392384, 91.1039857924, 105.2
OTHER = ("TST2", -12.4666414661, -49.1, 33.4)
MJD_OF_ORDINAL = 678576
J2000_NOON = datetime.datetime(2000, 1, 1, 12, tzinfo=datetime.UTC)
TO_XYZ = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)

POS_HEADER = """\
PBO Station Position Time Series. Reference Frame : ITRF14
Format Version: 1.1.0
4-character ID: TST1
Station name  : Invented
First Epoch   : 19991215 120000
Last Epoch    : 20000123 120000
Release Date  : 20000201 094353
XYZ Reference position :   {xyz} (ITRF14)
NEU Reference position :    {latitude:.10f} {longitude:15.10f} {height:10.5f} (ITRF14/WGS84)
Start Field Description
YYYYMMDD      Year, month, day for the given position epoch
du            Difference in vertical component from NEU reference position, meters
End Field Description
*YYYYMMDD HHMMSS JJJJJ.JJJJ         X             Y             Z
"""
TENV3_HEADER = (
    "site YYMMMDD yyyy.yyyy __MJD week d reflon _e0(m) __east(m) ____n0(m) _north(m) u0(m) "
    "____up(m) _ant(m) sig_e(m) sig_n(m) sig_u(m) __corr_en __corr_eu __corr_nu")
PLACE_HEADER = " _latitude(deg) _longitude(deg) __height(m)"


def days() -> list[datetime.date]:
    return [FIRST + datetime.timedelta(days=n) for n in range(N_DAYS)]


def truth() -> tuple[np.ndarray, np.ndarray]:
    """Up and sigma, mm, to 0.01 mm."""
    random = np.random.default_rng(20261122)
    up = 8.0 * np.sin(2 * np.pi * np.arange(N_DAYS) / 30) + random.normal(0.0, 3.0, N_DAYS)
    return up.round(2), random.uniform(2.0, 5.0, N_DAYS).round(2)


def network(up: float, sigma: float) -> tuple[tuple[str, float, float, float, float], ...]:
    """TST1, and TST2 that moves the other way."""
    name, latitude, longitude, height = OTHER
    return (("TST1", LATITUDE, LONGITUDE, HEIGHT + up / 1000, sigma),
            (name, latitude, longitude, height - up / 1000, sigma + 1.0))


def xyz(longitude: float, latitude: float, height: float) -> tuple[float, float, float]:
    return TO_XYZ.transform(longitude, latitude, height)


def decimal_year(day: datetime.date) -> float:
    first = datetime.date(day.year, 1, 1)
    length = (datetime.date(day.year + 1, 1, 1) - first).days
    return day.year + ((day - first).days + 0.5) / length


def tenv3(columns: int) -> list[str]:
    lines = [TENV3_HEADER + (PLACE_HEADER if columns == 23 else "")]
    for day, up, sigma in zip(days(), *truth(), strict=True):
        mjd = day.toordinal() - MJD_OF_ORDINAL
        line = (
            f"TST1 {day:%y%b%d} {2000 + (mjd - 51544) / 365.25:.4f} {mjd} "
            f"{(mjd - 44244) // 7:4d} {(mjd - 44244) % 7}   91.1    385  0.888603   3282129 "
            f" 0.602585   105  {0.2 + up / 1000:.6f}  0.0580 0.000777 0.000857 {sigma / 1000:.6f}"
            f"  0.030645 -0.124019 -0.262550").replace(day.strftime("%b"),
                                                       day.strftime("%b").upper())
        if columns == 23:
            line += (f"  {LATITUDE:.10f} {LONGITUDE - 360:.10f} "
                     f"{HEIGHT + up / 1000:10.5f}")
        lines.append(line)
    return lines


def tenv() -> list[str]:
    lines = []
    for row in tenv3(20)[1:]:
        f = row.split()
        up = float(f[12]) - 0.2
        lines.append(" ".join([*f[:6], "  0.024545", "-0.005246", f" {up:.6f}", f[13], *f[14:]]))
    return lines


def pos() -> list[str]:
    x, y, z = xyz(LONGITUDE, LATITUDE, HEIGHT)
    head = POS_HEADER.format(xyz=f"{x:.5f} {y:.5f} {z:.5f}", latitude=LATITUDE,
                             longitude=LONGITUDE, height=HEIGHT)
    lines = head.splitlines()
    for number, (day, up, sigma) in enumerate(zip(days(), *truth(), strict=True)):
        mjd = day.toordinal() - MJD_OF_ORDINAL + 0.5
        solution = " final" if number % 2 else "      "
        lines.append(
            f" {day:%Y%m%d} 120000 {mjd:.4f} {x:14.5f} {y:14.5f} {z:14.5f}  0.00524  0.00799  "
            f"0.00709  0.845 -0.808 -0.830 {LATITUDE:18.10f} {LONGITUDE:15.10f} "
            f"{HEIGHT + up / 1000:10.5f}    -0.12280   0.06265 {up / 1000:10.5f}    0.00312  "
            f"0.00246 {sigma / 1000:8.5f} -0.159 -0.205  0.127{solution}")
    return lines


def neu_by_day_of_year(scale: float, decimals: int, up_from: float = 0.0) -> list[str]:
    lines = ["##########", "# Refined Model Terms:", "#     slope 1: -0.0105 +/- 0.0002 m/yr"]
    for day, up, sigma in zip(days(), *truth(), strict=True):
        lines.append(
            f"{decimal_year(day):.4f} {day.year} {day.timetuple().tm_yday:03d}  "
            f"{0.0537 * scale:.{decimals}f} {-0.1458 * scale:.{decimals}f} "
            f"{(up_from + up / 1000) * scale:.{decimals}f}  {0.0054 * scale:.{decimals}f}  "
            f"{0.0051 * scale:.{decimals}f}  {sigma / 1000 * scale:.{decimals}f}")
    return lines


def neu_by_date(time: bool) -> list[str]:
    lines = ["4-character ID: TST1", "Units          : mm"]
    for day, up, sigma in zip(days(), *truth(), strict=True):
        epoch = f" 120000\t {decimal_year(day):.4f}" if time else ""
        lines.append(f" {day:%Y%m%d}{epoch}  53.70  -145.80  {up:.2f}  5.40  5.10  {sigma:.2f}")
    return lines


def series() -> list[str]:
    lines = []
    for day, up, sigma in zip(days(), *truth(), strict=True):
        epoch = datetime.datetime.combine(day, datetime.time(11, 57, 30, tzinfo=datetime.UTC))
        seconds = (epoch - J2000_NOON).total_seconds()
        lines.append(
            f"{decimal_year(day):.8f}        -1.258996        -0.444594 {up / 1000:16.6f} "
            f"        0.002232         0.001823 {sigma / 1000:16.6f}        -0.005389        "
            f"-0.043038        -0.165253 {seconds:16.2f}  {epoch.year} {epoch.month:2d} "
            f"{epoch.day:2d} 11 57 30")
    return lines


def org(number: int) -> list[str]:
    day, up, sigma = days()[number], truth()[0][number], truth()[1][number]
    lines = ["", " GLOBK Ver 5.34, Global solution", "",
             f" Solution commenced with: {day:%Y}/{day.month:2d}/{day.day:2d}  0: 0    (2000.0000)",
             f" Solution ended with    : {day:%Y}/{day.month:2d}/{day.day:2d} 23:59    (2000.0000)",
             f" Solution refers to     : {day:%Y}/{day.month:2d}/{day.day:2d} 11:59    (2000.0000)"
             " [Seconds tag  45.000]", ""]
    for name, latitude, longitude, height, own_sigma in network(up, sigma):
        x, y, z = xyz(longitude, latitude, height)
        lines += [
            f"Int. {name}_GPS  {x:.5f} {y:.5f} {z:.5f}   -0.01975   -0.00129    0.00848 2010.001",
            f"    1. {name}_GPS X coordinate  (m)          {x:.5f}     -0.01703      0.00446",
            f"Unc. {name}_GPS  {x:.5f} {y:.5f} {z:.5f}   -0.01975   -0.00129    0.00848 2022.473"
            "  0.0045  0.0040  0.0095",
            f"Loc.   {name}_GPS N coordinate  (m)          7139897.14746      0.00132      0.00371",
            f"Loc.   {name}_GPS E coordinate  (m)         16413892.49099     -0.04765      0.00393",
            f"Loc.   {name}_GPS U coordinate  (m)             {height:.5f}      0.00463      "
            f"{own_sigma / 1000:.5f}",
            "     NE,NU,EU position correlations         -0.3275       0.3130      -0.2621", ""]
    return [*lines, " Loc. PRN_32   Semimajor axis      (m)     26559478.3139       0.0313  0.14"]


def sinex() -> list[str]:
    lines = ["%=SNX 2.01 TST 00:024:00000 TST 99:349:00000 00:023:86370 P 00012 1 S",
             "+FILE/REFERENCE", " DESCRIPTION        invented", "-FILE/REFERENCE",
             "+SOLUTION/ESTIMATE",
             "*INDEX TYPE__ CODE PT SOLN _REF_EPOCH__ UNIT S __ESTIMATED VALUE____ _STD_DEV___"]
    index = 0
    for day, up, sigma in zip(days(), *truth(), strict=True):
        for name, latitude, longitude, height, own_sigma in network(up, sigma):
            for axis, value in zip("XYZ", xyz(longitude, latitude, height), strict=True):
                index += 1
                lines.append(
                    f"{index:6d} STA{axis}   {name}  A    1 {day:%y}:{day:%j}:43200 m    1 "
                    f"{value:21.14E} {own_sigma / 1000 / 1.5:.5E}")
    return [*lines, "-SOLUTION/ESTIMATE", "%ENDSNX"]


STEPS = """\
TST1  99DEC20  1  Antenna_Type_Changed
TST1  99DEC20  1  Receiver_Make_and_Model_Changed
TST1  00JAN03  2   575.440   465.105  7.1 ci00000001
TST1  00JAN04  2    57.544    57.153  5.1 nn00000002
TST1  00JAN10  3  Orbit_Product_Changed
TST2  00JAN11  1  Radome_Code_Changed
"""


def holdings() -> str:
    lines = ["Sta  Lat(deg)   Long(deg) Hgt(m)  X(m)           Y(m)         Z(m)          Dtbeg   "
             "   Dtend      Dtmod      NumSol StaOrigName"]
    for name, latitude, longitude, height, original in (
            ("TST1", LATITUDE, LONGITUDE, HEIGHT, ""), (*OTHER, "T2 OLD"),
            ("TST3", 52.0, 13.0, 80.0, "TST3")):
        x, y, z = xyz(longitude, latitude, height)
        lines.append(f"{name}  {latitude:.4f}   {longitude % 360:.4f} {height:.3f} {x:.4f} {y:.4f} "
                     f" {z:.4f} 1999-12-15 2000-01-23 2000-01-30     40 {original}".rstrip())
    return "\n".join(lines)


def write(name: str, lines: list[str]) -> None:
    (HERE / name).write_text("\n".join([*lines, ""]), encoding="ascii")


def main() -> None:
    up, sigma = truth()
    write("truth.csv", ["day,up_mm,up_sigma_mm"] + [
        f"{d},{u},{s}" for d, u, s in zip(days(), up, sigma, strict=True)])
    write("TST1.tenv3", tenv3(23))
    write("TST1_20columns.tenv3", tenv3(20))
    write("TST1.tenv", tenv())
    write("TST1.pos", pos())
    write("tst1CleanTrend.neu", neu_by_day_of_year(1.0, 5))
    write("tst1CleanTrend_mm.neu", neu_by_day_of_year(1000.0, 2))
    write("tst1_absolute.neu", neu_by_day_of_year(1.0, 5, up_from=HEIGHT))
    write("tst1_date_and_time.neu", neu_by_date(time=True))
    write("tst1_date.neu", neu_by_date(time=False))
    write("TST1.series", series())
    write("first_day.org", org(0))
    write("second_day.org", org(1))
    write("network.snx", sinex())
    write("steps.txt", STEPS.splitlines())
    write("DataHoldings.txt", holdings().splitlines())


if __name__ == "__main__":
    main()
