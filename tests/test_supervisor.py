"""Children under supervision: real processes, tiny; a made-up clock where time matters."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dwlim_ops.supervisor import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    WELL_AFTER_S,
    Child,
    TooManyRestartsError,
    supervise,
)

PATIENCE_S = 20.0
TOLD = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: {then}); "


def python(code):
    return [sys.executable, "-I", "-S", "-c", code]


def wait_for(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def ended(pid):
    """The process is gone, or dead and waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture
def diary(tmp_path):
    """A file to which children write lines."""
    path = tmp_path / "diary"
    path.touch()
    return path


@pytest.fixture
def child():
    """Makes children and leaves none behind."""
    made = []

    def make(code, *, name="child", stop_timeout_s=5.0, **more):
        made.append(Child(name, python(code), dict(os.environ), stop_timeout_s, **more))
        return made[-1]

    yield make
    for one in made:
        if one.alive:
            os.killpg(one._process.pid, signal.SIGKILL)
            one._process.wait()


def lines(diary):
    return diary.read_text().splitlines()


def living(diary, name, *, before="pass"):
    """Code of a child that says when it starts and when it is told to end."""
    return (f"diary = open({str(diary)!r}, 'a', buffering=1); {before}; "
            + TOLD.format(then=f"(diary.write('{name} ends\\n'), sys.exit())")
            + f"diary.write('{name} starts\\n'); time.sleep(60)")


def brief(_):
    time.sleep(0.01)


# --- order


def test_children_start_one_after_the_other_is_ready_and_stop_in_the_opposite_order(child, diary):
    asked = []

    def ready():
        asked.append(lines(diary))
        return len(asked) > 5 and "first starts" in lines(diary)

    children = [child(living(diary, "first"), name="first", ready=ready),
                child(living(diary, "second"), name="second")]
    supervise(children, stopping=lambda: "second starts" in lines(diary), beat=lambda: None,
              sleep=brief)
    assert lines(diary) == ["first starts", "second starts", "second ends", "first ends"]
    assert all("second starts" not in before for before in asked[:6])
    assert [one.alive for one in children] == [False, False]
    assert [one.n_restarts for one in children] == [0, 0]


def test_nothing_starts_once_it_is_told_to_stop(child, diary):
    supervise([child(living(diary, "first"))], stopping=lambda: True, beat=lambda: None)
    assert lines(diary) == []


def test_a_child_that_dies_is_replaced_and_the_others_stay(child, diary):
    first = child(living(diary, "first"), name="first")
    second = child(living(diary, "second"), name="second")
    killed = []

    def stopping():
        if not killed and "second starts" in lines(diary):
            killed.append(second._process.pid)
            os.kill(second._process.pid, signal.SIGKILL)
        return lines(diary).count("second starts") == 2

    supervise([first, second], stopping=stopping, beat=lambda: None, sleep=brief)
    assert lines(diary).count("first starts") == 1
    assert (first.n_restarts, second.n_restarts) == (0, 1)
    assert killed
    assert ended(killed[0])


def test_children_are_stopped_when_supervision_breaks(child, diary):
    one = child(living(diary, "first"), ready=lambda: "first starts" in lines(diary))

    def beat():
        wait_for(lambda: lines(diary))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        supervise([one], stopping=lambda: False, beat=beat, sleep=brief)
    assert lines(diary) == ["first starts", "first ends"]


# --- restarts


def pauses(one, number):
    """Pauses between the end of a child and its next start, by a clock of whole seconds."""
    found, now_s = [], 0.0
    one.keep(now_s)
    for _ in range(number):
        one._process.wait()
        died_s = now_s
        one.keep(now_s)
        while one._process is None:
            now_s += 1.0
            one.keep(now_s)
        found.append(now_s - died_s)
    return found


def test_pauses_grow_to_a_limit(child):
    one = child("raise SystemExit(7)")
    assert pauses(one, 9) == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    assert one.n_restarts == 9


def test_a_child_that_lived_well_is_trusted_again(child, caplog):
    one = child("import time; time.sleep(60)")
    now_s = 0.0
    one.keep(now_s)
    for _ in range(3):
        one._process.kill()
        one._process.wait()
        one.keep(now_s)
        now_s += LONGEST_PAUSE_S
        one.keep(now_s)
    assert (one._pause_s, one.n_restarts) == (8 * FIRST_PAUSE_S, 3)
    one.keep(now_s + WELL_AFTER_S)
    assert (one._pause_s, one.n_restarts) == (8 * FIRST_PAUSE_S, 3)
    one.keep(now_s + WELL_AFTER_S + 1)
    assert (one._pause_s, one.n_restarts) == (FIRST_PAUSE_S, 0)
    assert "child ended with code -9; it is started again in 4 s" in caplog.text


def test_a_child_that_does_not_stay_alive_is_given_up(child, diary):
    steady = child(living(diary, "steady"), name="steady")
    poor = child("raise SystemExit(7)", name="poor", _pause_s=0.0)
    with pytest.raises(TooManyRestartsError, match="poor"):
        supervise([steady, poor], stopping=lambda: False, beat=lambda: None, most_restarts=2,
                  sleep=brief)
    assert poor.n_restarts == 3
    assert not steady.alive


# --- the end


def test_a_child_that_will_not_end_is_killed_with_its_descendants(child, diary):
    stubborn = TOLD.format(then="None") + "time.sleep(60)"
    one = child(TOLD.format(then="None") + "import subprocess; "
                f"other = subprocess.Popen([sys.executable, '-I', '-S', '-c', {stubborn!r}]); "
                f"open({str(diary)!r}, 'w').write(f'{{other.pid}}\\n'); time.sleep(60)",
                stop_timeout_s=0.2)
    one.keep(0.0)
    wait_for(lambda: lines(diary))
    (grandchild,) = map(int, lines(diary))
    assert not ended(grandchild)
    one.stop()
    assert not one.alive
    assert one._process.returncode == -signal.SIGKILL
    wait_for(lambda: ended(grandchild))


def test_a_child_may_finish_its_work_before_it_ends(child, diary):
    one = child(living(diary, "first").replace("sys.exit()", "time.sleep(0.3), sys.exit(0)"))
    one.keep(0.0)
    wait_for(lambda: lines(diary))
    one.stop()
    assert lines(diary) == ["first starts", "first ends"]
    assert one._process.returncode == 0


def test_stopping_what_does_not_run_is_nothing(child):
    one = child("pass")
    one.stop()
    one.keep(0.0)
    one._process.wait()
    one.stop()
    assert one._process.returncode == 0


SUPERVISOR = """
import os, sys
from dwlim_ops.supervisor import Child, supervise
child = Child("child", [sys.executable, "-I", "-S", "-c", sys.argv[2]], dict(os.environ), 5.0)
supervise([child], stopping=lambda: False, beat=lambda: None)
"""


def test_a_child_ends_when_its_supervisor_is_killed(diary):
    if shutil.which("setpriv") is None:
        missing = "setpriv is not there: apt-get install util-linux"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    code = f"import os, time; open({str(diary)!r}, 'w').write(f'{{os.getpid()}}\\n'); " \
           "time.sleep(60)"
    supervisor = subprocess.Popen([sys.executable, "-c", SUPERVISOR, "", code])
    try:
        wait_for(lambda: lines(diary))
        (pid,) = map(int, lines(diary))
        assert not ended(pid)
    finally:
        supervisor.kill()
        supervisor.wait()
    wait_for(lambda: ended(pid))


# --- the heart


def test_the_heart_beats_at_once_and_then_as_often_as_asked(child, monkeypatch):
    now_s, beats = [1000.0], []
    monkeypatch.setattr("dwlim_ops.supervisor.time.monotonic", lambda: now_s[0])

    def sleep(seconds):
        now_s[0] += seconds

    supervise([], stopping=lambda: now_s[0] >= 1100.0, beat=lambda: beats.append(now_s[0]),
              beat_every_s=30.0, sleep=sleep)
    assert beats == [1000.0, 1030.0, 1060.0, 1090.0]


def test_the_heart_beats_while_a_child_is_not_ready(child):
    beats = []
    supervise([child("import time; time.sleep(60)", ready=lambda: False)],
              stopping=lambda: len(beats) > 2, beat=lambda: beats.append(None), beat_every_s=0.0,
              sleep=brief)
    assert len(beats) == 3


STUBBORN = TOLD.format(then="None") + "print('up', flush=True); time.sleep(60)"


@pytest.mark.parametrize(("busy", "killed_by"), [(False, "idle"), (True, "busy")])
def test_a_child_that_ignores_the_signal_is_waited_for_only_while_it_works(child, busy, killed_by):
    limits = {"idle": 0.3, "busy": 1.5}
    one = child(STUBBORN, stop_timeout_s=limits["busy"], idle_timeout_s=limits["idle"],
                busy=lambda: busy)
    one.keep(0.0)
    time.sleep(0.5)
    asked = time.monotonic()
    one.stop()
    assert not one.alive
    assert time.monotonic() - asked >= limits[killed_by]
