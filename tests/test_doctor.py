"""Each check at its good, its doubtful and its bad end."""

import base64
import datetime
import json
import shutil
import sys
from importlib import metadata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops import doctor
from dwlim_ops.doctor import Check, checks
from dwlim_ops.sources.endpoints import endpoint_table
from dwlim_ops.sources.http import Client, Endpoint, UnavailableError

NOW = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
MINUTE, DAY = datetime.timedelta(minutes=1), datetime.timedelta(days=1)
GIB = 2**30


class FakeProbe:
    def __init__(self, answer):
        self.answer, self.closed = answer, False

    def server_date(self):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def close(self):
        self.closed = True


def _jwt(claims):
    encoded = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJh.{encoded}.c2ln"


def _bearer(token):
    return (Endpoint("https://data.example.org", auth="bearer", token=token),)


def _inputs(tmp_path, **changed):
    return {"now": NOW, "newest": NOW - DAY, "endpoints": {}, "open_client": FakeProbe,
            "workspace": tmp_path, "folders": [tmp_path], "needed_bytes": 1, "secret_files": [],
            "requirements": [], **changed}


def _reached(tmp_path, answers, groups):
    """`answers` by host."""
    probes = []

    def open_client(endpoint):
        probes.append(FakeProbe(answers[endpoint.host]))
        return probes[-1]

    endpoints = {name: tuple(Endpoint(f"http://{host}") for host in hosts)
                 for name, hosts in groups.items()}
    found = checks(**_inputs(tmp_path, endpoints=endpoints, open_client=open_client))
    assert all(p.closed for p in probes)
    return {check.name: check for check in found}


def test_a_healthy_machine_has_nothing_to_remedy(tmp_path):
    found = checks(**_inputs(
        tmp_path, endpoints={"ngl": (Endpoint("https://geodesy.unr.edu"),)},
        open_client=lambda endpoint: FakeProbe(NOW), secret_files=[tmp_path / "netrc"],
        requirements=metadata.requires("dwlim-ops")))
    assert {c.state for c in found} == {"ok"}
    assert {c.remedy for c in found} == {""}
    names = [c.name for c in found]
    assert {"credentials of ngl", "reaching ngl", "clock", "clock against the ledger", "disk",
            "python", "package fastapi", "package sqlalchemy", "package prefect"} <= set(names)
    assert len(names) == len(set(names))


# --- credentials


@pytest.mark.parametrize(("left", "state"), [
    (8 * DAY, "ok"), (7 * DAY, "warning"), (MINUTE, "warning"), (0 * DAY, "failed"),
    (-DAY, "failed"),
])
def test_a_token_is_renewed_in_time(left, state):
    token = _jwt({"exp": (NOW + left).timestamp()})
    check = doctor.check_credentials("gesdisc", _bearer(token), now=NOW)
    assert check.state == state
    assert bool(check.remedy) == (state != "ok")
    assert token not in repr(check)


@pytest.mark.parametrize("token", [
    "opaque", "a.b.c", "a.!!.c", _jwt({}), _jwt({"exp": "soon"}), _jwt({"exp": 1e300}),
    _jwt({"exp": None}), _jwt([1]), _jwt({"exp": float("nan")}), "..", "eyJh.w\u00e4.c",
])
def test_a_token_without_a_date_counts_as_good(token):
    if not token.isascii():
        assert doctor.token_expiry(token) is None
        return
    check = doctor.check_credentials("gesdisc", _bearer(token), now=NOW)
    assert (check.state, check.found) == ("ok", "bearer, without a date of expiry")


@given(st.text(max_size=80))
@settings(derandomize=True, deadline=None, max_examples=80)
def test_any_text_is_a_token_with_or_without_a_date(text):
    for token in (text, f"a.{text}.b"):
        expiry = doctor.token_expiry(token)
        assert expiry is None or expiry.tzinfo is datetime.UTC


def test_missing_credentials_are_told_apart_from_none_needed():
    table = endpoint_table({}, {}, {"urs.earthdata.nasa.gov": ("me", "pw-5ecret")})
    states = {name: doctor.check_credentials(name, group, now=NOW).state
              for name, group in table.items()}
    assert {name for name, state in states.items() if state == "failed"} == {"cds"}
    check = doctor.check_credentials("gesdisc", table["gesdisc"], now=NOW)
    assert (check.state, check.found) == ("ok", "basic, without a date of expiry")


# --- hosts and clock


def test_hosts_that_do_not_answer(tmp_path):
    dead = UnavailableError("no whole answer", where="x", got="refused")
    found = _reached(tmp_path, {"a": NOW, "b": dead, "c": dead, "d": None},
                     {"esmgfz": ("b", "a"), "ngl": ("c",), "csr": ("d",)})
    assert found["reaching esmgfz"].state == "warning"
    assert found["reaching esmgfz"].found == "b: refused"
    assert found["reaching ngl"].state == "failed"
    assert found["reaching csr"] == Check("reaching csr", "ok", "d")


def test_probes_are_hasty(tmp_path):
    asked = []

    def open_client(endpoint):
        asked.append(endpoint)
        return FakeProbe(NOW)

    slow = Endpoint("http://a", deadline_s=3000, attempts=9)
    checks(**_inputs(tmp_path, endpoints={"ngl": (slow,)}, open_client=open_client))
    assert asked[0].attempts == 1
    assert asked[0].deadline_s <= 10
    assert asked[0].connect_timeout_s <= 10


@pytest.mark.parametrize(("ahead", "state"), [
    (0 * MINUTE, "ok"), (4 * MINUTE, "ok"), (-6 * MINUTE, "warning"), (6 * MINUTE, "warning"),
    (61 * MINUTE, "failed"), (-61 * MINUTE, "failed"), (400 * DAY, "failed"),
])
def test_the_clock_is_compared_with_the_servers(ahead, state):
    check = doctor.check_clock(NOW + ahead, [NOW] * 3)
    assert check.state == state
    assert ("behind" in check.found) == (ahead < 0 * MINUTE)


def test_one_server_with_a_wrong_clock_does_not_accuse_ours():
    assert doctor.check_clock(NOW, [NOW, NOW - 900 * DAY, NOW]).state == "ok"


def test_a_clock_that_nobody_confirms_is_in_doubt():
    assert doctor.check_clock(NOW, []).state == "warning"


@pytest.mark.parametrize(("newest", "state"), [
    (None, "ok"), (NOW, "ok"), (NOW + MINUTE, "warning"), (NOW + 6 * MINUTE, "failed"),
])
def test_the_clock_must_not_have_gone_back(newest, state):
    assert doctor.check_ledger_time(NOW, newest).state == state


def test_a_real_client_serves_as_probe(tmp_path, httpserver):
    httpserver.expect_request("/").respond_with_data(b"")
    endpoints = {"ngl": (Endpoint(httpserver.url_for("")),)}
    found = {c.name: c for c in checks(**_inputs(
        tmp_path, endpoints=endpoints, now=datetime.datetime.now(datetime.UTC),
        open_client=lambda endpoint: Client(endpoint, user_agent="test")))}
    assert found["reaching ngl"].state == "ok"
    assert found["clock"].state == "ok"


# --- disk and files


def test_disk_is_enough_or_not(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10 * GIB))
    for needed, state in ((5 * GIB, "ok"), (6 * GIB, "warning"), (11 * GIB, "failed")):
        assert doctor.check_disk(tmp_path / "not" / "yet", needed_bytes=needed).state == state


@pytest.mark.parametrize(("mode", "state"), [
    (0o600, "ok"), (0o400, "ok"), (0o640, "failed"), (0o604, "failed")])
def test_files_of_secrets_are_private(tmp_path, mode, state):
    path = tmp_path / "netrc"
    path.touch()
    path.chmod(mode)
    assert doctor.check_private(path).state == state


def test_a_file_of_secrets_that_cannot_be_looked_at(tmp_path):
    (tmp_path / "file").touch()
    assert doctor.check_private(tmp_path / "file" / "netrc").state == "failed"


def test_folders_can_be_written(tmp_path):
    assert doctor.check_writable(tmp_path).found == "can be written"
    assert doctor.check_writable(tmp_path / "state").found == "can be made"
    (tmp_path / "file").touch()
    assert doctor.check_writable(tmp_path / "file" / "published").state == "failed"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


# --- versions


def test_versions_within_and_beyond_their_caps():
    requirements = ["fastapi<0.151", "sqlalchemy<2.1,>=2.0.40", "prefect<3.9", "numpy>=2",
                    'pytest<1; extra == "dev"', "absent==1"]
    versions = {"fastapi": "0.155.0", "sqlalchemy": "2.0.58", "prefect": "3.9.0rc1"}

    def installed(name):
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    found = {c.name: c.state for c in doctor.check_versions(requirements, installed)}
    assert found["package fastapi"] == "failed"
    assert found["package sqlalchemy"] == "ok"
    assert found["package absent"] == "failed"
    assert set(found) == {f"package {n}" for n in ("fastapi", "sqlalchemy", "prefect", "absent")}


def test_python_is_new_enough():
    assert doctor.check_python(">=3.11").found == ".".join(map(str, sys.version_info[:3]))
    assert doctor.check_python(">=3.11", (3, 10, 9)).state == "failed"
