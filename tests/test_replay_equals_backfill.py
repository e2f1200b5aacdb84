"""Sixty days replayed, each with what was known then, end as one backfill with all of it."""

from datetime import UTC, datetime, timedelta

import pytest
import synthetic
from synthetic import DAY, run_tick

pytestmark = pytest.mark.slow
N_DAYS = 60
RAPID_DAYS, FINAL_DAYS = 2, 6
END = datetime(2017, 1, 7, 18, tzinfo=UTC)


def two_streams(root):
    """Rapid solutions with an error and with gaps; final ones four days later."""
    content = synthetic.configuration()
    content["sources"]["gnss"].update(rapid_folder="inbox/rapid", rapid_latency_days=RAPID_DAYS,
                                      latency_days=FINAL_DAYS)
    content["schedule"] = {"horizon_days": 20}
    workspace = synthetic.build_workspace(root, content=content)
    (root / "inbox/rapid").mkdir()
    for number, path in enumerate(sorted((root / "inbox/gnss").iterdir())):
        lines = path.read_text().splitlines()[-120:]
        kept = [f"{day} {float(up) + 0.3 * ((number + row) % 5 - 2):.4f} {sigma}"
                for row, (day, up, sigma) in enumerate(map(str.split, lines))
                if (number + row) % 7]
        (root / "inbox/rapid" / path.name).write_text("\n".join([*kept, ""]))
    return workspace


def test_the_last_revisions_of_a_replay_are_those_of_a_backfill(tmp_path, open_session,
                                                                trained_bundle):
    from dwlim_ops.reproduction import reproduce
    from dwlim_ops.simulate.bundle import write_bundle
    from dwlim_ops.simulate.store import promote

    sessions = []
    for name in ("replayed", "backfilled"):
        workspace = two_streams(tmp_path / name)
        bundle_id = write_bundle(workspace.root / "models", trained_bundle)
        promote(workspace.root / "models", synthetic.REGION, bundle_id)
        sessions.append(open_session(workspace))
    replayed, backfilled = sessions
    first = DAY - timedelta(days=N_DAYS - 1)
    tick = datetime(first.year, first.month, first.day, 18, tzinfo=UTC) + timedelta(days=RAPID_DAYS)
    while tick <= END:
        run_tick(replayed, tick, now=END, first=max(first, tick.date() - timedelta(days=20)))
        tick += timedelta(days=1)
    run_tick(backfilled, END, now=END, first=first, last=DAY)

    def content(session):
        return {day: (record.tier, record.content_sha256)
                for day, record in session.ledger.newest_revisions().items()}

    assert len(content(backfilled)) == N_DAYS
    assert content(replayed) == content(backfilled)
    assert len(replayed.ledger.products()) >= 2 * N_DAYS

    def table(session):
        return [(row.day, row.basin, row.method, row.twsa_mm, row.sigma_mm, row.tier)
                for row, _ in session.ledger.basin_rows()]

    assert table(replayed) == table(backfilled)

    every = [record.product_id for record in replayed.ledger.products()]
    for product_id in every[::len(every) // 10][:10]:
        found = reproduce(replayed.workspace, product_id)
        assert found.same_bytes, found
        assert found.differences == ""
