"""`dwlim doctor`: what it looks at in one workspace, and how it ends."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest
import synthetic
from synthetic import AS_OF

from dwlim_ops.examination import examine
from dwlim_ops.services import Services
from dwlim_ops.sources.http import UnavailableError

GIB = 2**30
PLENTY, LITTLE, TOO_LITTLE = 100 * GIB, 7 * GIB, 1 * GIB


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home without secrets, a machine without tokens."""
    for name in ("EARTHDATA_TOKEN", "ECMWF_DATASTORES_KEY", "ECMWF_DATASTORES_URL",
                 "EARTHSCOPE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def free(monkeypatch):
    """Says how much room the disk has."""
    usage = shutil.disk_usage(".")

    def set_free(number):
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=number))

    set_free(PLENTY)
    return set_free


class Provider:
    """Stands for every host: what it answers, and who was asked."""

    def __init__(self):
        self.answer, self.asked, self.n_open = None, [], 0

    def open(self, endpoint):
        self.asked.append(endpoint.host)
        self.n_open += 1
        return self

    def server_date(self):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer or datetime.now(UTC)

    def close(self):
        self.n_open -= 1


@pytest.fixture
def provider(monkeypatch):
    """The host that every service is at, its clock like ours; nobody else is asked."""
    made = Provider()
    monkeypatch.setattr(Services, "open", made.open)
    yield made
    assert made.n_open == 0


@pytest.fixture
def serviced(ticked, provider, free):
    """A workspace whose stations come from a service, on a disk with much room."""
    content = synthetic.configuration()
    content["sources"]["gnss"] = {"kind": "ngl", "sites": "region/stations.csv"}
    synthetic.write_config(ticked.root, content)
    return ticked


@pytest.fixture
def at(monkeypatch, provider):
    """Sets our clock and that of the providers."""
    def set_time(now):
        provider.answer = now
        monkeypatch.setattr("dwlim_ops.cli.main.clock", lambda: now)

    return set_time


def states(text):
    return {check["name"]: check["state"] for check in json.loads(text)}


# --- exit codes


def test_all_is_well(serviced, command, provider):
    code, out, err = command("doctor", serviced.root)
    assert (code, err) == (0, "")
    assert {line[:8] for line in out.splitlines()} == {"ok      "}
    assert "ok      reaching ngl: geodesy.unr.edu" in out
    assert f"ok      writing to {serviced.published}: can be written" in out
    assert provider.asked == ["geodesy.unr.edu"]


def test_a_warning_ends_with_3_and_a_remedy(serviced, command, free):
    free(LITTLE)
    code, out, _ = command("doctor", serviced.root)
    assert code == 3
    (line,) = [line for line in out.splitlines() if not line.startswith("ok ")]
    assert line == ("warning disk: 7.0 GiB free, 5.0 GiB needed; make room, or move the workspace")


def test_a_failure_ends_with_4(serviced, command, free):
    free(TOO_LITTLE)
    code, out, _ = command("doctor", serviced.root, "--json")
    assert code == 4
    assert {name for name, state in states(out).items() if state != "ok"} == {"disk"}


def test_a_failure_outweighs_a_warning(serviced, command, free, provider):
    provider.answer = AS_OF
    free(LITTLE)
    code, out, _ = command("doctor", serviced.root, "--json")
    found = states(out)
    assert (code, found["disk"], found["clock"]) == (4, "warning", "failed")


def test_a_service_that_is_down_fails_and_the_rest_is_still_looked_at(
        serviced, command, provider):
    provider.answer = UnavailableError("no answer", where="ngl", got="connection refused")
    code, out, _ = command("doctor", serviced.root, "--json")
    found = states(out)
    assert (code, found["reaching ngl"], found["clock"]) == (4, "failed", "warning")
    assert found["disk"] == found["credentials of ngl"] == "ok"


# --- for machines


def test_json_says_the_same_and_nothing_else(serviced, command):
    code, out, err = command("doctor", serviced.root, "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert {tuple(check) for check in found} == {("name", "state", "found", "remedy")}
    assert {check["state"] for check in found} <= {"ok", "warning", "failed"}
    names = [check["name"] for check in found]
    assert len(set(names)) == len(names)
    lines = command("doctor", serviced.root)[1].splitlines()
    assert [line[8:].partition(": ")[0] for line in lines] == [
        check["name"].partition(": ")[0] for check in found]


def test_an_error_of_usage_is_no_finding(tmp_path, command):
    code, out, err = command("doctor", tmp_path / "nowhere", "--json")
    assert (code, out) == (2, "")
    assert "no such file" in err
    assert not (tmp_path / "nowhere").exists()


# --- what is asked


def test_a_region_without_services_asks_nobody_and_reads_no_secret(
        ticked, command, free, home, monkeypatch):
    for name in (".netrc", ".ecmwfdatastoresrc"):
        (home / name).write_text("machine geodesy.unr.edu login user password shibboleth\n")
        (home / name).chmod(0o644)
    monkeypatch.setattr(Services, "open", lambda *_: pytest.fail("somebody was asked"))
    monkeypatch.setattr(Services, "endpoints", property(lambda _: pytest.fail("netrc was read")))
    _, out, err = command("doctor", ticked.root, "--json")
    found = states(out)
    assert {state for name, state in found.items() if name != "clock"} == {"ok"}
    assert not [name for name in found if name.startswith(("reaching", "credentials", "permiss"))]
    assert "netrc" not in out + err
    assert "shibboleth" not in out + err


def test_each_service_that_the_region_uses_is_asked_once(serviced, open_session):
    names = [check.name for check in examine(open_session(serviced), datetime.now(UTC))]
    assert [name for name in names if name.startswith("reaching")] == ["reaching ngl"]
    assert [name for name in names if name.startswith("credentials")] == ["credentials of ngl"]


def test_secrets_that_others_can_read_are_named_with_the_remedy(serviced, command, home):
    netrc = home / ".netrc"
    netrc.write_text("machine geodesy.unr.edu login user password shibboleth\n")
    netrc.chmod(0o604)
    code, out, err = command("doctor", serviced.root)
    assert code in (2, 4)
    assert f"chmod 600 {netrc}" in out + err
    assert "shibboleth" not in out + err
    netrc.chmod(0o600)
    code, out, err = command("doctor", serviced.root)
    assert (code, err) == (0, "")
    assert f"ok      permissions of {netrc}: mode 600" in out
    assert "shibboleth" not in out


# --- the workspace


@pytest.mark.parametrize(("behind", "state"), [
    (timedelta(0), "ok"), (timedelta(minutes=2), "warning"), (timedelta(hours=1), "failed")])
def test_a_clock_behind_the_ledger(serviced, command, at, behind, state):
    at(AS_OF - behind)
    code, out, _ = command("doctor", serviced.root, "--json")
    (check,) = [one for one in json.loads(out) if one["name"] == "clock against the ledger"]
    assert (code, check["state"]) == ({"ok": 0, "warning": 3, "failed": 4}[state], state)
    assert states(out)["clock"] == "ok"
    assert ("2017-01-02 18:00:00 UTC" in check["found"]) == (state != "ok")


def test_a_folder_that_cannot_be_written(serviced, command):
    shutil.rmtree(serviced.published)
    serviced.published.write_text("a file where the folder should be")
    code, out, _ = command("doctor", serviced.root, "--json")
    assert code == 4
    assert {name for name, state in states(out).items() if state != "ok"} == {
        f"writing to {serviced.published}"}


def test_a_workspace_that_never_ran(workspace, command, free):
    code, out, _ = command("doctor", workspace.root, "--json")
    found = states(out)
    assert code in (0, 3)
    assert found["clock against the ledger"] == "ok"
    assert found[f"writing to {workspace.published}"] == "ok"


def test_looking_changes_nothing(ticked, command, free):
    before = synthetic.published_files(ticked)
    held = {path for path in ticked.root.rglob("*") if path.is_file()}
    command("doctor", ticked.root)
    assert synthetic.published_files(ticked) == before
    assert {path for path in ticked.root.rglob("*") if path.is_file()} == held
