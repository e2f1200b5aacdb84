"""What a process is told before it works."""

import os
import subprocess
import sys

import pytest

TOLD_OR_NOT = """
import os
import sys
from pathlib import Path
import numpy as np
from flows.runtime import give_memory_back
if sys.argv[1] == "told":
    give_memory_back()
"""
#: Arrays of 2 to 5 MiB, with small ones between them that stay: MiB held once the large are freed.
CHURN = TOLD_OR_NOT + """
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
print((resident() - first) / 2**20)
"""


#: Threads that are all there at once and take memory: the heaps that they have in the end.
THREADS = TOLD_OR_NOT + """
import ctypes
import re
import threading
meet, kept = threading.Barrier(6), []
def take():
    meet.wait()
    kept.append(np.ones(2000))
    meet.wait()
threads = [threading.Thread(target=take) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
said = ctypes.c_void_p(libc.fopen(sys.argv[2].encode(), b"w"))
libc.malloc_info(0, said)
libc.fclose(said)
print(len(re.findall("<heap nr=", Path(sys.argv[2]).read_text())))
"""


@pytest.fixture
def found(tmp_path):
    """What a program finds in a process that was told of memory, and in one that was not."""
    # Dask's nanny leaves MALLOC_TRIM_THRESHOLD_ in the environment, by which glibc holds less.
    untold = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}

    def run(program):
        return [float(subprocess.run([sys.executable, "-c", program, mode, tmp_path / "said"],
                                     capture_output=True, text=True, check=True, env=untold).stdout)
                for mode in ("told", "not told")]

    return run


def test_freed_arrays_go_back_to_the_system(found):
    told, not_told = found(CHURN)
    assert told < 5.0
    assert not_told > 20.0


def test_what_a_thread_leaves_is_there_for_the_next(found):
    told, not_told = found(THREADS)
    assert told == 1
    assert not_told > 1
