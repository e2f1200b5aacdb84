"""What a process is told before it works."""

import os
import subprocess
import sys

import pytest

CHURN = """
import os
import sys
from pathlib import Path
import numpy as np
from flows.runtime import give_memory_back
if sys.argv[1] == "told":
    give_memory_back()
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
np.ones(3 * 2**20)
first, small = resident(), []
for size in range(2, 6):
    arrays = []
    for _ in range(20):
        arrays.append(np.ones(size * 2**17))
        small.append(np.ones(2000))
    del arrays
print(resident() - first)
"""


@pytest.fixture
def held_mib():
    # Dask's nanny leaves MALLOC_TRIM_THRESHOLD_ in the environment, by which glibc holds less.
    untold = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}

    def run(mode):
        done = subprocess.run([sys.executable, "-c", CHURN, mode], capture_output=True, text=True,
                              check=True, env=untold)
        return int(done.stdout) / 2**20

    return run


def test_freed_arrays_go_back_to_the_system(held_mib):
    assert held_mib("told") < 5.0
    assert held_mib("not told") > 20.0
