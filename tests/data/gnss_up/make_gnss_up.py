"""Trim real station files for the tests: python make_gnss_up.py DATA_FOLDER.

Source: repositories jzshhh/gg2tws_slepian (Australia, mm) and jzshhh/lsf (AHID, metres); solutions
of the Nevada Geodetic Laboratory (Blewitt et al. 2018) processed by Z. Jiang et al.; no licence
stated, so 40 lines each.
"""

import gzip
import sys
from pathlib import Path

N_LINES = 40
HERE = Path(__file__).parent


def main(source: Path) -> None:
    australia = source / "australia"
    for station in ("alby", "darw", "kma1"):
        text = gzip.decompress((australia / "gnss_up" / f"{station}.up.gz").read_bytes())
        write(f"{station}.up", text.splitlines(keepends=True))
    ahid = source / "formats" / "loading" / "AHID" / "ahid.up"
    write("ahid_in_metres.txt", ahid.read_bytes().splitlines(keepends=True))
    places = (australia / "sites.all").read_bytes().splitlines(keepends=True)
    write("sites.all", [p for p in places if p.split()[0] in (b"ALBY", b"DARW", b"KMA1")])


def write(name: str, lines: list[bytes]) -> None:
    (HERE / name).write_bytes(b"".join(lines[:N_LINES]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
