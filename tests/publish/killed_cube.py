"""Kills refreshes of a cube at random moments, looks at it after each, and lets the last one end.

Run by `test_publish_cube.py` in a process of its own: Icechunk's threads do not live through a
fork, so that only children, never this process, may use it.
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
from cube_days import REGION, grid, issues

from dwlim_ops.publish.cube import CubeSettings, content_sha256, update

SETTINGS = CubeSettings()
N_DAYS = 90


def in_child(act, *, seconds: float | None = None) -> tuple[bool, str]:
    """Run in a fork that may be killed; whether it ended by itself, and what it said."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        if seconds is not None:
            signal.setitimer(signal.ITIMER_REAL, seconds)
        code = 1
        try:
            os.write(writing, (act() or "").encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    status = os.waitpid(process, 0)[1]
    with os.fdopen(reading) as stream:
        said = stream.read()
    if not os.WIFSIGNALED(status) and os.WEXITSTATUS(status) != 0:
        raise SystemExit(f"a child failed: {said}")
    return not os.WIFSIGNALED(status), said


def refresh(folder: Path, revision: int) -> str:
    wanted = issues(*((number, revision) for number in range(N_DAYS)))
    return "; ".join(update(SETTINGS, folder, wanted, grid, region=REGION))


def main(root: Path, n_kills: int) -> None:
    random = np.random.default_rng(20170624)
    expected = {}
    for revision in range(2):
        in_child(lambda r=revision: refresh(root / f"whole{r}", r))
        expected[revision] = in_child(lambda r=revision: content_sha256(root / f"whole{r}"))[1]
    n_killed, n_wrong, remarks = 0, 0, []
    standing, wanted, folder = None, 0, root / "cube"
    while n_killed < n_kills:
        ended, said = in_child(lambda revision=wanted: refresh(folder, revision),
                               seconds=float(random.uniform(0.01, 0.35)))
        n_killed += not ended
        remarks += [said] if said else []
        seen = (in_child(lambda: content_sha256(folder))[1]
                if standing is not None or ended else None)
        if seen is not None and seen not in (standing, expected[wanted]):
            n_wrong += 1
        if seen == expected[wanted]:
            standing, wanted = seen, 1 - wanted
    in_child(lambda: refresh(folder, wanted))
    ends_right = in_child(lambda: content_sha256(folder))[1] == expected[wanted]
    sys.stdout.write(json.dumps({"killed": n_killed, "wrong": n_wrong, "remarks": remarks,
                                 "ends_right": ends_right}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
