"""Trim two stations with modelled loading to the columns and days that the tests need.

Usage: python trim.py SOURCE_FOLDER, the folder with `AHID/` and `CRCN/`.

AHID: repository jzshhh/lsf; raw up (mm), NTAL and NTOL up (mm) and the producer's result (m).
CRCN: repository eknappe/hydrogeodesy_teaching; NGL up (mm), NTAL and NTOL up (m).
GNSS solutions: Nevada Geodetic Laboratory, Blewitt et al. 2018, doi:10.1029/2018EO104623;
loading: ESMGFZ. Every third day is kept.
"""

import gzip
import sys
from pathlib import Path

import pandas as pd

EVERY = 3


def ahid(folder: Path) -> pd.DataFrame:
    def column(name: str, number: int, label: str) -> pd.Series:
        table = pd.read_csv(folder / name, sep=r"\s+", header=None, index_col=0)
        return table[number].rename(label).rename_axis("date")

    return pd.concat(
        [column("AHID.pos", 3, "raw_up_mm"), column("AHID.pos", 6, "raw_up_sigma_mm"),
         column("AHID.ntal", 3, "ntal_up_mm"), column("AHID.ntol", 3, "ntol_up_mm"),
         column("ahid.up", 1, "processed_up_m")], axis=1, join="inner")


def crcn(folder: Path) -> pd.DataFrame:
    series = pd.read_csv(folder / "CRCN_UNR.txt", index_col="Date")[["vertical", "v_std"]]
    parts = [series.set_axis(["raw_up_mm", "raw_up_sigma_mm"], axis=1)]
    parts += [pd.read_csv(folder / f"{kind}21.CRCN.txt", index_col="Date")["vertical"].rename(
        f"{kind.lower()}_up_m") for kind in ("NTAL", "NTOL")]
    return pd.concat(parts, axis=1, join="inner").dropna().rename_axis("date")


def main() -> None:
    source, target = Path(sys.argv[1]), Path(__file__).parent
    for name, table in (("ahid", ahid(source / "AHID")), ("crcn", crcn(source / "CRCN"))):
        text = table.sort_index().iloc[::EVERY].to_csv(float_format="%.6g")
        (target / f"{name}.csv.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main()
