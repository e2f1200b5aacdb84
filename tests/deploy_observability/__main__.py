"""Draw the pictures of the dashboards from a replay of the Australian sample.

python -m tests.deploy_observability [N_DAYS]

The daemon is made up: each day's tick runs at the time as of which it works, and the real exporter
is scraped every twenty minutes in between. Queries are answered by a real Prometheus.
"""

import sys
import tempfile
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "deploy" / "grafana")]

LAST = datetime(2017, 6, 27, tzinfo=UTC)
EVERY = timedelta(minutes=20)
#: A tick keeps so many days up to date; the region's own horizon would take an hour.
DAYS_BACK = 8


def replayed(workspace, n_days, history_of):
    """One tick a day, half an hour after the providers' noon; scrapes in between."""
    from synthetic import run_tick

    from dwlim_ops.session import Session

    session = Session(workspace)
    history = history_of(session)
    for number in range(n_days, 0, -1):
        at = datetime.combine(LAST - timedelta(days=number), time(12, 30), UTC)
        run_tick(session, at, now=at, first=(at - timedelta(days=DAYS_BACK)).date())
        history.fill(at, at + timedelta(days=1), EVERY)
    session.close()
    return history


def main():
    """Replay, fill a Prometheus, draw."""
    import draw_pictures
    from observability import History, backfill, prometheus
    from panels import BOARDS

    from dwlim_ops.scaffold import scaffold
    from dwlim_ops.workspace import Workspace
    from flows.runtime import single_threaded

    single_threaded()
    n_days = int(sys.argv[1]) if len(sys.argv) > 1 else 14
    with tempfile.TemporaryDirectory() as place:
        workspace, folder = Workspace(Path(place) / "ws"), Path(place) / "prometheus"
        scaffold(workspace.root, "australia")
        history = replayed(workspace, n_days, lambda session: History(
            session.ledger, "australia", workspace))
        first = LAST - timedelta(days=n_days) + timedelta(hours=12, minutes=30)
        last = LAST + timedelta(hours=12)
        backfill(folder, history, first=first, last=last, lookback="30m")
        with prometheus(folder, targets={}, lookback="30m") as server:
            for board in BOARDS:
                draw_pictures.draw_board(server, board, draw_pictures.HERE / "pictures",
                                         last.timestamp(), n_days - 1)


if __name__ == "__main__":
    main()
