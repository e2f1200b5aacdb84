"""The page and the exporter against whoever asks: strange, never ending, very many requests."""

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.monitoring import serve_tree
from dwlim_ops.workspace import TEMPORARY

HOST = "127.0.0.1"
HIDDEN = b"not for you"
PIECES = ["..", ".", "", "%2e%2e", "%2E.", "..%2f", "%2f", "..\\", "%5c", "%00", "%0d%0a", "daily",
          "latest.json", "dwlim.toml", "out", "in", ".hidden", "%2ehidden", "published", "%252e",
          "%c0%ae", "\u2025", "~root", "etc", "passwd", "?", "#", ";", ":", "//", "*"]
HEADERS = {b"server", b"date", b"connection", b"content-type", b"content-length", b"last-modified",
           b"location", b"x-content-type-options", b"cache-control"}
METHODS = st.one_of(
    st.sampled_from(["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "MOVE",
                     "PROPFIND", "get", "GETT", "HEA", "__INIT__", "send_head"]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12))


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Port of a served tree beside which, hidden in which and linked from which lie other files."""
    root = tmp_path_factory.mktemp("served")
    published = root / "published"
    (published / "daily").mkdir(parents=True)
    (published / "latest.json").write_bytes(b'{"day": "2016-12-31"}')
    for path in (root / "dwlim.toml", published / ".hidden", published / "daily" / ".x.part",
                 published / f".latest.json.{TEMPORARY}"):
        path.write_bytes(HIDDEN)
    (published / "out").symlink_to(root / "dwlim.toml")
    (published / "in").symlink_to(root, target_is_directory=True)
    with serve_tree(published, host=HOST, port=0) as port:
        yield port


def ask(port, target, method="GET"):
    """Status, head and body of the answer to a request that is sent as it is."""
    with socket.create_connection((HOST, port), timeout=20) as connection:
        connection.sendall(f"{method} {target} HTTP/1.0\r\n\r\n".encode())
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head.startswith(b"HTTP/") else 0, head, body


@settings(max_examples=300, derandomize=True, deadline=None)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=8), slash=st.sampled_from(["/", "", "//"]))
def test_no_path_leads_to_what_is_not_published(tree, pieces, slash):
    status, head, body = ask(tree, slash + "/".join(pieces))
    assert status in (0, 200, 301, 400, 404)  # 0: as HTTP 0.9 has it, a body without a head
    assert HIDDEN not in body
    if status:
        assert {line.split(b":")[0].lower() for line in head.splitlines()[1:]} <= HEADERS
    if status == 200:
        assert body == b'{"day": "2016-12-31"}'


@settings(max_examples=80, derandomize=True, deadline=None)
@given(method=METHODS)
def test_no_method_does_anything_but_read(tree, method):
    status, _, body = ask(tree, "/latest.json", method)
    if method not in ("GET", "HEAD"):
        assert status in (0, 400, 404, 405, 501)
        assert b"2016-12-31" not in body
    assert ask(tree, "/latest.json")[0] == 200


def test_an_error_page_repeats_nothing_that_a_browser_would_run(tree):
    for target in ("/<script>alert(1)</script>", "/%3Cscript%3E"):
        assert b"<script>" not in ask(tree, target)[2]
    assert b"<script>" not in ask(tree, "/latest.json", "<script>")[2]


def test_requests_that_never_end_do_not_hinder_others(tree):
    with ExitStack() as stack:
        for sent in (b"", b"GET /latest.json HTTP/1.1\r\nHost: x\r\n", b"GET /lat") * 5:
            idle = stack.enter_context(socket.create_connection((HOST, tree), timeout=20))
            idle.sendall(sent)
        assert ask(tree, "/latest.json")[0] == 200


# --- very many requests

SERVER = """
import sys
from pathlib import Path
from dwlim_ops.health_facts import HealthFacts
from dwlim_ops.monitoring import serve_metrics, serve_tree
from dwlim_ops.state.ledger import Ledger
from dwlim_ops.workspace import Workspace
workspace = Workspace(Path(sys.argv[1]))
ledger = Ledger(workspace.ledger_url)
with (serve_metrics(HealthFacts(ledger, "toyland", workspace), host="127.0.0.1", port=0) as metrics,
      serve_tree(workspace.published, host="127.0.0.1", port=0) as web):
    print(metrics, web, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def serving(ticked):
    """Exporter and tree of a workspace in a process of their own; process and ports."""
    with subprocess.Popen([sys.executable, "-c", SERVER, str(ticked.root)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as process:
        ports = [int(port) for port in process.stdout.readline().split()]
        yield process.pid, *ports
        process.stdin.close()
        assert process.wait(30) == 0


def resident_bytes(pid):
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def n_open(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def n_threads(pid):
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def flood(targets, n_requests):
    """Send so many requests, one connection each."""
    for number in range(n_requests):
        port, path, status = targets[number % len(targets)]
        connection = HTTPConnection(HOST, port, timeout=30)
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        assert answer.status == status


@pytest.mark.slow
def test_ten_thousand_requests_leave_memory_and_files_as_they_were(serving):
    pid, metrics, web = serving
    targets = [(web, "/latest.json", 200), (metrics, "/metrics", 200), (web, "/absent", 404),
               (web, "/status.json", 200), (web, "/basins/basins.csv", 200)]
    flood(targets, 1000)
    before, n_files = resident_bytes(pid), n_open(pid)
    flood(targets, 9000)
    assert resident_bytes(pid) - before < 8 * 2**20
    assert n_open(pid) <= n_files + 2
    assert n_threads(pid) < 12
