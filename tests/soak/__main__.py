"""Run the soak: python -m tests.soak WORK_FOLDER [--days 130] [--seed N] [--page]."""

import argparse
import logging
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "deploy" / "grafana")]

DAYS, SEED = 130, 20261106


def main() -> int:
    """Soak, look at the dashboards, write the report; the exit code is 1 if a law was broken."""
    from tests.soak import report, schedule
    from tests.soak.soak import Soak

    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("folder", type=Path, help="work folder; must not exist")
    parser.add_argument("--days", type=int, default=DAYS, help="days with faults")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--page", action="store_true",
                        help="write numbers and pictures into deploy/")
    parser.add_argument("--report-only", action="store_true", help="of a soak that has ended")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    for name in ("alembic", "urllib3", "matplotlib"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if not asked.report_only:
        asked.folder.mkdir(parents=True)
        incidents = schedule.draw(asked.days, asked.seed)
        Soak(asked.folder, incidents, asked.days, asked.seed).run()
    return 1 if report.write(asked.folder, into_page=asked.page) else 0


if __name__ == "__main__":
    sys.exit(main())
