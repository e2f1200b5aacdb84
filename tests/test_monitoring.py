"""What the daemon shows over HTTP, asked as strangers ask: by raw bytes."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import synthetic
from prometheus_client.parser import text_string_to_metric_families
from synthetic import AS_OF, DAY

from dwlim_ops.errors import ConfigError
from dwlim_ops.health_facts import HealthFacts
from dwlim_ops.monitoring import serve_metrics, serve_tree
from dwlim_ops.state.ledger import Ledger
from dwlim_ops.telemetry.facts import Facts
from dwlim_ops.workspace import TEMPORARY, Workspace

HOST = "127.0.0.1"
#: All that a scrape gives while the ledger cannot be read.
UNREADABLE = {("dwlim_ledger_readable", frozenset()): 0.0}


def ask(port, target, *, method="GET", version="HTTP/1.0"):
    """Status and body; status 0 where the connection ended without an answer."""
    with socket.create_connection((HOST, port), timeout=20) as connection:
        connection.sendall(f"{method} {target} {version}\r\nHost: {HOST}\r\n\r\n".encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split()[1] if head.startswith(b"HTTP/") else b"0"
    return int(status), head.decode("latin-1"), body


@contextmanager
def metrics_of(workspace, *, url=None, lock_timeout_s=30.0):
    with (closing(Ledger(url or workspace.ledger_url, lock_timeout_s=lock_timeout_s)) as ledger,
          serve_metrics(HealthFacts(ledger, synthetic.REGION, workspace), host=HOST,
                        port=0) as port):
        yield ledger, port


def scrape(port):
    status, _, body = ask(port, "/metrics")
    assert status == 200
    return {(sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(body.decode())
            for sample in family.samples}


def without_disk(found):
    """Other processes write to the disk meanwhile."""
    return {key: value for key, value in found.items() if key[0] != "dwlim_disk_free_bytes"}


def value(found, name, **labels):
    return found[f"dwlim_{name}", frozenset(labels.items())]


def seconds(day):
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


# --- metrics


def test_metrics_of_a_workspace_that_ticked_are_those_of_its_ledger(ticked):
    with metrics_of(ticked) as (ledger, port):
        ledger.beat("daemon", AS_OF + timedelta(seconds=30))
        found = scrape(port)
        newest = ledger.newest_revisions()
        streams = ledger.newest_of_streams()
    assert value(found, "heartbeat_timestamp_seconds", part="tick") == AS_OF.timestamp()
    assert value(found, "heartbeat_timestamp_seconds", part="daemon") == AS_OF.timestamp() + 30
    assert value(found, "last_tick_timestamp_seconds") == AS_OF.timestamp()
    assert value(found, "last_tick_outcome", outcome="done") == 1
    assert value(found, "last_tick_outcome", outcome="failed") == 0
    assert value(found, "newest_published_day_timestamp_seconds") == seconds(DAY)
    (tier,) = {record.tier for record in newest.values()}
    assert value(found, "published_products", tier=tier) == len(newest) == 2
    assert set(streams) == {("gnss", "final"), ("weather", "final")}
    for (source, stream), (at, day) in streams.items():
        labels = {"source": source, "stream": stream}
        assert value(found, "granule_retrieved_timestamp_seconds", **labels) == at.timestamp()
        assert value(found, "input_newest_day_timestamp_seconds", **labels) == seconds(day)
        assert value(found, "input_missed_epochs", **labels) == 0
        assert value(found, "refused_granules", source=source) == 0
    assert value(found, "build_info", region=synthetic.REGION, version="0.1.0") == 1


def test_a_scrape_sees_what_came_after_the_last_one(ticked, open_session):
    (ticked.root / "inbox/gnss/nova.up").write_text("20160101 1.0 1.0\n")
    with metrics_of(ticked) as (_, port):
        assert value(scrape(port), "refused_granules", source="gnss") == 0
        synthetic.run_tick(open_session(ticked), AS_OF + timedelta(hours=1))
        found = scrape(port)
    assert value(found, "refused_granules", source="gnss") == 1
    assert value(found, "last_tick_outcome", outcome="degraded") == 1
    assert value(found, "last_tick_timestamp_seconds") == AS_OF.timestamp() + 3600


def test_metrics_of_an_empty_ledger(ledger_url, tmp_path):
    with metrics_of(Workspace(tmp_path), url=ledger_url) as (_, port):
        found = scrape(port)
    names = {name for name, _ in found}
    assert names == {"dwlim_ledger_readable", "dwlim_build_info", "dwlim_last_tick_outcome",
                     "dwlim_ticks_total", "dwlim_revisions_total", "dwlim_disk_free_bytes",
                     "dwlim_disk_size_bytes", "dwlim_workspace_size_bytes",
                     "dwlim_alert_messages_total", "dwlim_alert_deliveries_total",
                     "dwlim_alert_delivery_attempts_total", "dwlim_outbox_waiting_deliveries"}
    assert value(found, "ticks_total", outcome="failed") == 0
    assert value(found, "last_tick_outcome", outcome="done") == 0


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_scrape_while_the_ledger_is_locked_says_so_and_the_next_one_is_answered(ticked, capfd):
    path = ticked.state / "ledger.db"
    with metrics_of(ticked, lock_timeout_s=0.2) as (ledger, port):
        before = without_disk(scrape(port))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("DELETE FROM heartbeats")
            assert without_disk(scrape(port)) == before
            other.execute("ROLLBACK")
        ledger.close()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("PRAGMA locking_mode=EXCLUSIVE")
            other.execute("BEGIN EXCLUSIVE")
            other.execute("DELETE FROM heartbeats")
            assert scrape(port) == UNREADABLE
            other.execute("ROLLBACK")
        assert without_disk(scrape(port)) == before


def test_a_scrape_while_the_ledger_is_broken_says_so_and_the_next_one_is_answered(ticked, capfd):
    path = ticked.state / "ledger.db"
    with metrics_of(ticked) as (ledger, port):
        before = without_disk(scrape(port))
        ledger.close()
        whole = path.read_bytes()
        path.write_bytes(b"rot" * 5000)
        assert scrape(port) == UNREADABLE
        path.write_bytes(whole)
        ledger.close()
        assert without_disk(scrape(port)) == before


def test_promtool_has_nothing_to_say(ticked, served):
    promtool = shutil.which("promtool")
    if promtool is None:
        missing = "promtool is not there: apt-get install prometheus"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    for workspace in (ticked, served):
        with metrics_of(workspace) as (ledger, port):
            ledger.beat("daemon", AS_OF)
            _, _, body = ask(port, "/metrics")
        assert body.count(b"# HELP dwlim_") > 30
        checked = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True,
                                 check=False, timeout=60)
        said = (checked.stdout + checked.stderr).decode().splitlines()
        assert said == []


@pytest.mark.parametrize("key", ["metrics_port", "web_port"])
def test_a_port_that_is_taken_names_the_key(ticked, key):
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        serving = (serve_metrics(lambda: Facts(synthetic.REGION), host=HOST, port=port)
                   if key == "metrics_port" else
                   serve_tree(ticked.published, host=HOST, port=port))
        with pytest.raises(ConfigError) as caught, serving:
            pass
    assert caught.value.where == f"daemon.{key}"
    assert f"{HOST}:{port}" in caught.value.expected
    assert "another port" in caught.value.remedy


def test_the_ports_are_free_again_afterwards(ticked):
    with metrics_of(ticked) as (_, port):
        scrape(port)
    with serve_tree(ticked.published, host=HOST, port=port) as again:
        assert again == port
    with pytest.raises(OSError, match="refused"):
        ask(port, "/")


# --- the published tree


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a published tree, beside what nobody may see."""
    tmp_path = tmp_path_factory.mktemp("place")
    published = tmp_path / "published"
    (published / "daily" / "2016").mkdir(parents=True)
    (published / "latest.json").write_bytes(b'{"day": "2016-12-31"}')
    (published / "daily" / "2016" / "a b.nc").write_bytes(bytes(range(256)) * 400)
    (published / f".latest.json.x1{TEMPORARY}").write_text("hidden")
    (published / ".git").mkdir()
    (published / ".git" / "config").write_text("hidden")
    (published / "daily" / ".part").write_text("hidden")
    (tmp_path / "dwlim.toml").write_text("hidden")
    (tmp_path / "published-not").mkdir()
    (tmp_path / "published-not" / "file").write_text("hidden")
    (published / "out").symlink_to(tmp_path / "dwlim.toml")
    (published / "up").symlink_to(tmp_path, target_is_directory=True)
    (published / "newest.json").symlink_to(published / "latest.json")
    (published / "shown").symlink_to(published / ".git" / "config")
    return tmp_path


@pytest.fixture(scope="module")
def tree(place):
    """Port at which the tree is served."""
    with serve_tree(place / "published", host=HOST, port=0) as port:
        yield port


def test_files_are_served_whole(tree):
    status, head, body = ask(tree, "/latest.json")
    assert (status, json.loads(body)) == (200, {"day": "2016-12-31"})
    assert "Content-type: application/json" in head
    assert ask(tree, "/daily/2016/a%20b.nc")[2] == bytes(range(256)) * 400
    assert ask(tree, "/latest.json?time=/.5#top")[0] in (200, 404)
    assert ask(tree, "/newest.json")[2] == body


def test_the_head_of_a_file_comes_without_its_body(tree):
    status, head, body = ask(tree, "/daily/2016/a%20b.nc", method="HEAD")
    assert (status, body) == (200, b"")
    assert "Content-Length: 102400" in head
    assert "Python" not in head
    assert ask(tree, "/.git/config", method="HEAD")[0] == 404


@pytest.mark.parametrize("target", ["/", "/daily/", "/daily/2016/", "/daily", "/./", "//", "/?"])
def test_nothing_is_listed(tree, target):
    status, _, body = ask(tree, target)
    assert status in (301, 400, 404)
    assert b"a b.nc" not in body
    assert b"a%20b.nc" not in body


def test_a_folder_redirects_to_itself_and_nowhere_else(tree):
    _, head, _ = ask(tree, "/daily")
    assert "Location: /daily/\r\n" in f"{head}\r\n"
    _, head, _ = ask(tree, "//example.org/..%2fdaily")
    assert "Location: //" not in head


OUTSIDE = [
    "/../dwlim.toml", "/daily/../../dwlim.toml", "../dwlim.toml", "/%2e%2e/dwlim.toml",
    "/%2E%2E%2Fdwlim.toml", "/..%2fdwlim.toml", "/daily/%2e%2e/%2e%2e/dwlim.toml",
    "/%252e%252e/dwlim.toml", "/..\\dwlim.toml", "/..%5cdwlim.toml", "\\..\\dwlim.toml",
    "/....//dwlim.toml", "/..;/dwlim.toml", "/../published-not/file", "/%c0%ae%c0%ae/dwlim.toml",
    "//..//dwlim.toml", "http://127.0.0.1/../dwlim.toml", "file:///dwlim.toml", "/up/dwlim.toml",
    "/out", "/up/published-not/file", "/latest.json/../../dwlim.toml",
]
HIDDEN = [
    f"/.latest.json.x1{TEMPORARY}", f"/%2elatest.json.x1{TEMPORARY}", "/.git/config",
    "/%2Egit/config", "/%2egit%2fconfig", "/daily/.part", "/daily/%2epart", "//.git/config",
    "/daily/../.git/config", "/./.git/config", "/up/published/latest.json/../.git/config", "/shown",
    "/up/published/.git/config",
]
IMPOSSIBLE = ["/latest.json%00", "/%00", "/%00/../dwlim.toml", "/latest.json%00.png",
              "/%ed%a0%80", "/%ff", "/" + "a" * 5000, "/" + "%2e%2e/" * 300, "/latest.json/",
              "/latest.json/x", "/%0d%0aX-Header:%20x", "/%zz", "*"]


@pytest.mark.parametrize("target", [*OUTSIDE, *HIDDEN, *IMPOSSIBLE])
def test_what_is_not_published_is_not_there(tree, target, capfd):
    status, head, body = ask(tree, target)
    assert status in (400, 404)
    assert b"hidden" not in body
    assert "X-Header" not in head
    assert ask(tree, "/latest.json")[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_a_raw_path_to_a_file_of_the_machine_is_a_path_in_the_tree(tree, place):
    for target in (f"{place}/dwlim.toml", f"/{place}/dwlim.toml", f"file://{place}/dwlim.toml",
                   f"/{place}/dwlim.toml".replace("/", "%2f")):
        status, _, body = ask(tree, target)
        assert status in (400, 404)
        assert b"hidden" not in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT",
                                    "PROPFIND", "get"])
def test_nothing_can_be_done_but_reading(tree, method):
    assert ask(tree, "/latest.json", method=method)[0] in (400, 405, 501)
    assert json.loads(ask(tree, "/latest.json")[2])["day"] == "2016-12-31"


def test_what_is_no_request_does_not_disturb(tree, capfd):
    for sent in (b"\0\xff\r\n\r\n", b"GET\r\n\r\n", b"", b"GET / HTTP/9.9\r\n\r\n",
                 b"GET /" + b"x" * 70000 + b" HTTP/1.0\r\n\r\n",
                 b"GET / HTTP/1.0\r\n" + b"a: b\r\n" * 300 + b"\r\n"):
        with socket.create_connection((HOST, tree), timeout=20) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65536)
        assert b" 200 " not in answer.partition(b"\r\n")[0]
    assert ask(tree, "/latest.json")[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_a_tree_that_is_not_there_yet_is_made(tmp_path):
    with serve_tree(tmp_path / "a" / "published", host=HOST, port=0) as port:
        assert ask(port, "/latest.json")[0] == 404
        (tmp_path / "a" / "published" / "latest.json").write_text("{}")
        assert ask(port, "/latest.json")[0] == 200
