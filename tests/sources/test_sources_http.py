"""The fetch layer against servers on this machine: `127.0.0.1` and `localhost` are two hosts."""

import base64
import contextlib
import datetime
import gzip
import io
import logging
import socket
import ssl
import threading
import traceback
import zipfile

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from dwlim_ops.contracts import Received, Validators
from dwlim_ops.errors import ConfigError, MalformedInputError, SourceError
from dwlim_ops.sources.http import (
    Client,
    Endpoint,
    NotFoundError,
    RefusedError,
    UnavailableError,
    safe_zip_member,
)
from dwlim_ops.sources.http.failures import server_message
from dwlim_ops.sources.http.redact import one_line, redacted

TOKEN, PASSWORD = "tok-5ecret-aaaaaaaa", "pa55-word-bbbbbbbb"
AGENT = "dwlim-ops-tests (nobody@example.org)"
LAW = settings(derandomize=True, deadline=None, max_examples=60)
HDF = b"\x89HDF\r\n\x1a\n"


class FakeTime:
    def __init__(self):
        self.now_s = 0.0
        self.waits_s = []

    def clock(self):
        return self.now_s

    def sleep(self, seconds):
        self.waits_s.append(seconds)
        self.now_s += seconds


@pytest.fixture(name="time")
def _time():
    return FakeTime()


@pytest.fixture(scope="module", name="servers")
def _servers():
    with (HTTPServer(host="127.0.0.1", threaded=True) as data,
          HTTPServer(host="localhost") as other, HTTPServer(host="127.0.0.1") as second):
        yield data, other, second


@pytest.fixture(name="data")
def _data(servers):
    servers[0].clear()
    return servers[0]


@pytest.fixture(name="other")
def _other(servers):
    servers[1].clear()
    return servers[1]


@pytest.fixture(name="second")
def _second(servers):
    """The same host as `data`, another port."""
    servers[2].clear()
    return servers[2]


@pytest.fixture(name="client")
def _client(time):
    opened = []

    def make(server, *, proxies=None, ca_file=None, **facts):
        base = server if isinstance(server, str) else server.url_for("/data")
        facts = {"requests_per_second": 1e6, "read_timeout_s": 10, **facts}
        client = Client(Endpoint(base, **facts), user_agent=AGENT, clock=time.clock,
                        sleep=time.sleep, proxies=proxies, ca_file=ca_file)
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


@pytest.fixture(name="raw")
def _raw():
    """A server that answers connection n with the n-th list of bytes, and pauses in seconds."""
    stop, threads, listeners = threading.Event(), [], []

    def serve(*answers):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        thread = threading.Thread(target=_serve, args=(listener, answers, stop), daemon=True)
        threads.append(thread)
        thread.start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield serve
    stop.set()
    for listener in listeners:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(timeout=5)


def _serve(listener, answers, stop):
    for answer in answers:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            try:
                asked = b""
                while b"\r\n\r\n" not in asked:
                    asked += connection.recv(65536)
                for piece in answer:
                    if isinstance(piece, float):
                        stop.wait(piece)
                    else:
                        connection.sendall(piece)
                    if stop.is_set():
                        return
            except OSError:
                continue
    listener.close()


def _answer(body, *headers, status="200 OK"):
    return b"\r\n".join([f"HTTP/1.1 {status}".encode(), *headers, b"Connection: close", b"", body])


def _paths(server):
    return [request.full_path.rstrip("?") for request, _ in server.log]


def _sent(server, name):
    return [request.headers.get(name) for request, _ in server.log]


# --- a good answer


def test_a_file_comes_with_its_validators_and_our_name(data, client):
    data.expect_request("/data/a.nc").respond_with_data(
        HDF + b"x", headers={"ETag": '"7"', "Last-Modified": "Sun, 22 Nov 2026 00:00:00 GMT"})
    got = client(data).get("a.nc", magic=(HDF,), expected_bytes=9)
    assert got == Received(HDF + b"x", Validators('"7"', "Sun, 22 Nov 2026 00:00:00 GMT"))
    assert _sent(data, "User-Agent") == [AGENT]


def test_what_has_not_changed_is_not_sent_again(data, client):
    def handler(request: Request) -> Response:
        same = request.headers.get("If-None-Match") == '"7"'
        return Response(status=304) if same else Response(b"new", headers={"ETag": '"7"'})

    data.expect_request("/data/a").respond_with_handler(handler)
    asker = client(data)
    first = asker.get("a")
    assert asker.get("a", known=first.validators) == Received(None, first.validators)
    asker.get("a", known=Validators(last_modified="Sun, 22 Nov 2026 00:00:00 GMT"))
    assert _sent(data, "If-Modified-Since")[-1] == "Sun, 22 Nov 2026 00:00:00 GMT"


def test_an_unasked_304_is_refused(data, client):
    data.expect_request("/data/a").respond_with_data(b"", status=304)
    with pytest.raises(SourceError, match="304"):
        client(data).get("a")


def test_validators_that_cannot_be_headers_are_left_out(data, client):
    data.expect_request("/data/a").respond_with_data(b"x")
    client(data).get("a", known=Validators(etag="a\r\nX-Evil: 1", last_modified="\u4e2d"))
    assert _sent(data, "If-None-Match") == [None]
    assert _sent(data, "X-Evil") == [None]


def test_query_and_json(data, client):
    data.expect_request("/data/j", query_string={"day": "2026-11-22", "box": "1,2 3"}
                        ).respond_with_json({"hits": 3})
    assert client(data).get_json("j", {"day": "2026-11-22", "box": "1,2 3"}) == {"hits": 3}


@pytest.mark.parametrize("body", [b"<html>", b"", b"[" * 100_000, b"1" * 5000, b"\xff\xfe"])
def test_what_is_not_json_is_a_source_error(data, client, body):
    data.expect_request("/data/j").respond_with_data(body)
    with pytest.raises(SourceError, match="not JSON"):
        client(data).get_json("j")


def test_post_and_delete(data, client):
    data.expect_request("/data/jobs", method="POST", json={"a": 1}).respond_with_data(
        b'{"jobID":"1"}', status=201)
    data.expect_request("/data/jobs/1", method="DELETE").respond_with_data(b"", status=204)
    asker = client(data)
    assert asker.post("jobs", json={"a": 1}).content == b'{"jobID":"1"}'
    asker.delete("jobs/1")
    assert _paths(data) == ["/data/jobs", "/data/jobs/1"]


def test_a_byte_range_must_be_the_one_asked_for(data, client):
    def handler(request: Request) -> Response:
        headers = {"Content-Range": "bytes 2-4/10"}
        return Response(b"234", status=206, headers=headers)

    data.expect_request("/data/a").respond_with_handler(handler)
    data.expect_request("/data/whole").respond_with_data(b"0123456789")
    asker = client(data)
    assert asker.get("a", headers={"Range": "bytes=2-4"}).content == b"234"
    with pytest.raises(SourceError, match="another range"):
        asker.get("a", headers={"Range": "bytes=3-5"})
    with pytest.raises(SourceError, match="200"):
        asker.get("whole", headers={"Range": "bytes=2-4"})
    with pytest.raises(SourceError, match="206"):
        asker.get("a")


def test_the_server_tells_its_time_without_being_told_who_asks(data, client):
    data.expect_request("/data/").respond_with_data(b"", status=401)
    told = client(data, auth="bearer", token=TOKEN).server_date()
    assert abs(told - datetime.datetime.now(datetime.UTC)) < datetime.timedelta(hours=1)
    assert _sent(data, "Authorization") == [None]


def test_the_time_of_the_server_is_read_from_its_header(raw, client):
    answer = _answer(b"", b"Date: Sun, 22 Nov 2026 12:00:00 GMT")
    assert client(raw([answer])).server_date() == datetime.datetime(
        2026, 11, 22, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize("header", [b"X: y", b"Date: yesterday", b"Date: Sun, 22 Nov 2026"])
def test_a_server_without_a_usable_date_is_still_reached(raw, client, header):
    assert client(raw([_answer(b"", b"Content-Length: 0", header)])).server_date() is None


# --- the body is what was wanted


PAGE = b"<!DOCTYPE html><title>Earthdata Login</title><input type=password>"


def test_a_login_page_with_status_200_is_a_refusal(data, client):
    data.expect_request("/data/a").respond_with_data(PAGE, content_type="text/html")
    with pytest.raises(RefusedError, match="login page"):
        client(data, login_host="urs.example.org").get("a", magic=(HDF,))


def test_a_web_page_of_an_open_service_is_no_refusal(data, client):
    data.expect_request("/data/a").respond_with_data(b"\n<html><a>Login</a>No such entry</html>")
    with pytest.raises(SourceError, match="web page") as caught:
        client(data).get("a", magic=(HDF,))
    assert not isinstance(caught.value, RefusedError)


def test_another_kind_of_file_is_refused_at_once(data, client):
    data.expect_request("/data/a").respond_with_data(b"PK\x03\x04....")
    with pytest.raises(SourceError, match="kind of file"):
        client(data).get("a", magic=(HDF, b"CDF\x01"))
    assert len(data.log) == 1


@pytest.mark.parametrize(("body", "options"), [
    (b"GRIB.....77", {"magic": (b"GRIB",)}),
    (b"", {"magic": (HDF,)}),
    (b"123", {"expected_bytes": 4}),
    (b"12345", {"expected_bytes": 4}),
])
def test_a_cut_file_is_asked_for_again_and_then_refused(data, client, body, options):
    data.expect_request("/data/a").respond_with_data(body)
    with pytest.raises(UnavailableError):
        client(data, attempts=3).get("a", **options)
    assert len(data.log) == 3


def test_a_whole_grib_file_passes(data, client):
    data.expect_request("/data/a").respond_with_data(b"GRIB....7777")
    assert client(data).get("a", magic=(b"GRIB",)).content == b"GRIB....7777"


CUT = [
    [_answer(b"short", b"Content-Length: 100")],
    [_answer(b"5\r\nshort\r\n", b"Transfer-Encoding: chunked")],
    [_answer(b"5\r\nsho", b"Transfer-Encoding: chunked")],
    [_answer(b"zz\r\nshort", b"Transfer-Encoding: chunked")],
    [_answer(gzip.compress(b"short" * 999)[:-9], b"Content-Encoding: gzip")],
    [_answer(b"not gzip", b"Content-Encoding: gzip", b"Content-Length: 8")],
    [b"HTTP/1.1 200"],
    [b"SSH-2.0-OpenSSH\r\n"],
    [],
]


@pytest.mark.parametrize("cut", CUT, ids=range(len(CUT)))
def test_a_broken_answer_is_followed_by_another_attempt(raw, client, cut):
    whole = [_answer(b"whole", b"Content-Length: 5")]
    assert client(raw(cut, whole)).get("a").content == b"whole"


@pytest.mark.parametrize("cut", CUT, ids=range(len(CUT)))
def test_broken_answers_for_ever_end_in_an_error(raw, client, cut):
    with pytest.raises(UnavailableError):
        client(raw(cut, cut), attempts=2).get("a")


@pytest.mark.parametrize("headers", [
    [b"Content-Length: 5", b"Content-Length: 7"], [b"Content-Length: -5"],
    [b"Content-Length: five"], [b"Content-Length: " + "\u0665".encode()],
])
def test_lengths_that_make_no_sense_are_errors(raw, client, headers):
    with pytest.raises(UnavailableError, match="makes no sense"):
        client(raw([_answer(b"whole", *headers)]), attempts=1).get("a")


def test_chunks_without_a_length_and_compressed_members(raw, client):
    chunked = [_answer(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"Transfer-Encoding: chunked")]
    members = gzip.compress(b"abc") + gzip.compress(b"de") + b"\0" * 7
    zipped = [_answer(members, b"Content-Encoding: GZIP", b"Content-Length: %d" % len(members))]
    asker = client(raw(chunked, zipped))
    assert asker.get("a").content == b"abcde"
    assert asker.get("a").content == b"abcde"


@given(content=st.binary(max_size=300_000), step=st.integers(1, 70_000))
@settings(derandomize=True, deadline=None, max_examples=20)
def test_compression_is_undone_whatever_the_pieces(content, step):
    from dwlim_ops.sources.http.body import _gunzipped

    packed = gzip.compress(content, compresslevel=1)
    pieces = (packed[i:i + step] for i in range(0, len(packed), step))
    assert b"".join(_gunzipped(pieces)) == content


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "deflate"])
def test_encodings_that_nobody_asked_for_are_refused(data, client, encoding):
    data.expect_request("/data/a").respond_with_data(b"x", headers={"Content-Encoding": encoding})
    with pytest.raises(SourceError, match="encoded"):
        client(data).get("a")


def test_sizes_are_capped(data, client, raw):
    bomb = gzip.compress(b"\0" * 50_000_000)
    data.expect_request("/data/bomb").respond_with_data(bomb, headers={"Content-Encoding": "gzip"})
    data.expect_request("/data/long").respond_with_data(b"x" * 2000)
    asker = client(data, max_bytes=1000)
    for path in ("long", "bomb"):
        with pytest.raises(SourceError, match="too large"):
            asker.get(path)
    assert len(data.log) == 2
    assert len(bomb) < 60_000
    with pytest.raises(SourceError, match="too large"):
        asker.get("bomb", max_bytes=60_000)
    assert len(asker.get("long", max_bytes=2000).content) == 2000
    endless = [_answer(b"ffffff\r\n" + b"x" * 200_000, b"Transfer-Encoding: chunked")]
    with pytest.raises(SourceError, match="too large"):
        client(raw(endless), max_bytes=1000).get("a")


def test_a_bomb_does_not_unfold_in_memory():
    from dwlim_ops.sources.http.body import _gunzipped

    bomb = gzip.compress(b"\0" * 20_000_000)
    assert max(map(len, _gunzipped(iter([bomb])))) <= 65536


# --- patience


DRIP = [b"x", 0.05] * 400


@pytest.mark.parametrize("answer", [
    [_answer(b"", b"Content-Length: 400"), *DRIP],
    [b"HTTP/1.1 200 OK\r\nX-Drip: ", *DRIP],
    [*DRIP],
    [_answer(b"", b"Transfer-Encoding: chunked"), *([b"1\r\nx\r\n", 0.05] * 400)],
    [_answer(b"", b"Transfer-Encoding: chunked"), *([b"0", 0.05] * 400)],
    [_answer(b"", b"Content-Length: 400", status="500 X"), *DRIP],
    [_answer(b"", b"Content-Length: 400", status="404 X"), *DRIP],
], ids=["body", "header", "status line", "chunks", "chunk size", "retried page", "error page"])
def test_a_dripping_server_is_left_at_the_deadline(raw, answer):
    endpoint = Endpoint(raw(answer), deadline_s=0.25, read_timeout_s=5)
    with Client(endpoint, user_agent=AGENT) as asker, pytest.raises(SourceError) as caught:
        asker.get("a")
    assert isinstance(caught.value, NotFoundError if b"404" in answer[0] else UnavailableError)


def test_a_silent_server_is_left_at_the_read_time_out(raw):
    endpoint = Endpoint(raw([30.0]), deadline_s=60, read_timeout_s=0.2, attempts=1)
    with Client(endpoint, user_agent=AGENT) as asker, pytest.raises(UnavailableError):
        asker.get("a")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_passing_troubles_are_tried_again(data, client, time, status):
    data.expect_ordered_request("/data/a").respond_with_data(b"", status=status)
    data.expect_ordered_request("/data/a").respond_with_data(b"", status=status)
    data.expect_ordered_request("/data/a").respond_with_data(b"good")
    assert client(data).get("a").content == b"good"
    assert len(time.waits_s) == 2
    assert 0 <= time.waits_s[0] <= 1
    assert 0 <= time.waits_s[1] <= 2


@pytest.mark.parametrize(("status", "kind"), [
    (400, SourceError), (401, RefusedError), (403, RefusedError), (404, NotFoundError),
    (407, RefusedError), (410, NotFoundError), (418, SourceError), (501, UnavailableError),
    (204, SourceError), (300, SourceError),
])
def test_final_answers_are_not_asked_for_twice(data, client, status, kind):
    data.expect_request("/data/a").respond_with_data(b"" if status == 204 else b"because",
                                                     status=status)
    with pytest.raises(kind, match=str(status)):
        client(data).get("a")
    assert len(data.log) == 1


def test_attempts_and_deadline_end_the_trying(data, client, time):
    data.expect_request("/data/a").respond_with_data(b"", status=503)
    with pytest.raises(UnavailableError, match="attempt 5 of 5"):
        client(data).get("a")
    assert len(data.log) == 5
    with pytest.raises(UnavailableError):
        client(data, attempts=1000, deadline_s=20).get("a")
    assert time.now_s <= sum(time.waits_s[:4]) + 20


def test_waits_grow_and_differ(data, client, time):
    data.expect_request("/data/a").respond_with_data(b"", status=503)
    with pytest.raises(UnavailableError):
        client(data, attempts=30, deadline_s=1e6).get("a")
    assert all(w <= min(60, 2**n) for n, w in enumerate(time.waits_s))
    assert len(set(time.waits_s)) == 29


@pytest.mark.parametrize("headers", [
    [b"Retry-After: 17"],
    [b"Date: Sun, 01 Nov 2026 12:00:00 GMT", b"Retry-After: Sun, 01 Nov 2026 12:00:17 GMT"],
])
def test_retry_after_is_honoured(raw, client, time, headers):
    busy = [_answer(b"", b"Content-Length: 0", *headers, status="429 Busy")]
    good = [_answer(b"good", b"Content-Length: 4")]
    assert client(raw(busy, good)).get("a").content == b"good"
    assert 17 <= time.waits_s[0] <= 18


@pytest.mark.parametrize("asked", ["-3", "soon", "Sun, 99 Nov 2026", "", "\u0663", "1e9"])
def test_senseless_retry_after_falls_back_to_the_usual_wait(data, client, time, asked):
    headers = {"Retry-After": asked.encode("utf-8").decode("latin-1")}
    data.expect_ordered_request("/data/a").respond_with_data(b"", status=503, headers=headers)
    data.expect_ordered_request("/data/a").respond_with_data(b"good")
    assert client(data).get("a").content == b"good"
    assert time.waits_s[0] <= 1


def test_a_wait_beyond_the_deadline_is_not_begun(data, client, time):
    data.expect_request("/data/a").respond_with_data(
        b"", status=429, headers={"Retry-After": "9" * 40})
    with pytest.raises(UnavailableError, match="asks to wait 999999999 s"):
        client(data).get("a")
    assert time.waits_s == []


def test_a_post_is_repeated_only_if_it_was_turned_away(data, client, raw):
    data.expect_ordered_request("/data/j").respond_with_data(b"", status=429)
    data.expect_ordered_request("/data/j").respond_with_data(b"", status=504)
    with pytest.raises(UnavailableError, match="504"):
        client(data).post("j", json={})
    assert len(data.log) == 2
    again = [_answer(b"second", b"Content-Length: 6")]
    with pytest.raises(UnavailableError):
        client(raw([_answer(b"x", b"Content-Length: 9")], again)).post("j", json={})
    damaged = [_answer(b"not gzip", b"Content-Encoding: gzip")]
    with pytest.raises(UnavailableError):
        client(raw(damaged, again)).post("j", json={})


def test_a_closed_port_and_an_unknown_name_are_unavailable(client, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UnavailableError, match=r"(?i)refused"):
        client(f"http://127.0.0.1:{port}", attempts=2).post("a", json={})

    def unknown(*_args, **_options):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(UnavailableError, match="not known"):
        client("http://no-such-host.invalid", attempts=2).get("a")


def test_requests_to_a_host_keep_their_distance(data, client, time):
    data.expect_request("/data/a").respond_with_data(b"x")
    asker = client(data, requests_per_second=4)
    for _ in range(5):
        asker.get("a")
    assert time.waits_s == pytest.approx([0.25] * 4)


def test_a_host_gets_no_more_than_so_many_requests_at_a_time(data, client):
    under_way, most, lock = 0, 0, threading.Lock()
    both = threading.Barrier(2)

    def handler(request: Request) -> Response:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        both.wait(timeout=10)
        with lock:
            under_way -= 1
        return Response(b"x")

    data.expect_request("/data/a").respond_with_handler(handler)
    asker = client(data, concurrency=2)
    threads = [threading.Thread(target=asker.get, args=("a",)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2


# --- redirects and credentials


def _redirect(server, path, target, **headers):
    server.expect_request(path).respond_with_data(
        b"moved", status=302, headers={"Location": target, **headers})


def test_a_redirect_on_the_same_host_keeps_the_token(data, client):
    _redirect(data, "/data/a", "/data/b")
    data.expect_request("/data/b").respond_with_data(b"good")
    assert client(data, auth="bearer", token=TOKEN).get("a").content == b"good"
    assert _sent(data, "Authorization") == [f"Bearer {TOKEN}"] * 2


@pytest.mark.parametrize("facts", [
    {"auth": "bearer", "token": TOKEN}, {"auth": "private_token", "token": TOKEN},
    {"auth": "basic", "user": "me", "password": PASSWORD},
])
def test_nothing_of_ours_reaches_another_host(data, other, client, facts):
    _redirect(data, "/data/a", other.url_for("/b"), **{"Set-Cookie": "session=abc; Path=/"})
    other.expect_request("/b").respond_with_data(b"good", headers={"Set-Cookie": "theirs=1"})
    data.expect_request("/data/c").respond_with_data(b"good")
    asker = client(data, allowed_hosts=(f"localhost:{other.port}",), **facts)
    assert asker.get("a", headers={"X-Account": TOKEN}).content == b"good"
    asker.get("c")
    for name in ("Authorization", "PRIVATE-TOKEN", "Cookie", "X-Account"):
        assert _sent(other, name) == [None]
    assert _sent(data, "Cookie") == [None, "session=abc"]
    assert "X-Account" in data.log[0][0].headers
    name = "PRIVATE-TOKEN" if facts["auth"] == "private_token" else "Authorization"
    assert None not in _sent(data, name)


@pytest.mark.parametrize("entry", ["", "localhost:1", "ocalhost", "evil.localhost", "*.localhost"])
def test_a_host_that_is_not_listed_is_not_even_asked(data, other, client, entry):
    _redirect(data, "/data/a", other.url_for("/b"))
    with pytest.raises(SourceError, match="leads away"):
        client(data, allowed_hosts=(entry,) if entry else ()).get("a")
    assert other.log == []


def test_another_port_is_another_host(client, data, second):
    _redirect(data, "/data/a", second.url_for("/b"), **{"Set-Cookie": "session=abc; Path=/"})
    second.expect_request("/b").respond_with_data(b"good")
    with pytest.raises(SourceError, match="leads away"):
        client(data, auth="bearer", token=TOKEN).get("a")
    assert second.log == []
    asker = client(data, auth="bearer", token=TOKEN, allowed_hosts=("127.0.0.1",))
    assert asker.get("a").content == b"good"
    assert _sent(second, "Authorization") == _sent(second, "Cookie") == [None]


@pytest.mark.parametrize("target", [
    "http://me:pw@127.0.0.1:{port}/b", "ftp://127.0.0.1/b", "file:///etc/passwd",
    "http://127.0.0.1:{port}\\@evil.invalid/b", "http://127.0.0.1:{port}@evil.invalid/b",
    "http://[::1", "http://127.0.0.1:{port}/../b", "//evil.invalid/b",
    "http://127.0.0.1:99999/b", "http://\u0131.invalid/", "javascript:alert(1)", "http://%00/",
])
def test_redirects_that_play_tricks_are_refused(raw, data, client, time, target):
    location = b"Location: " + target.format(port=data.port).encode()
    with pytest.raises(SourceError):
        client(raw([_answer(b"", location, status="302 Found")])).get("a")
    assert data.log == []
    assert time.waits_s == []


@pytest.mark.parametrize("path", [
    "../secret", "a/../../secret", "%2e%2e/secret", "..%2fsecret", "..\\secret",
    "http://evil.invalid/x", "https://127.0.0.1.evil.invalid/", "http://127.0.0.1@evil.invalid/",
])
def test_paths_that_lead_away_are_refused(data, client, path):
    with pytest.raises(SourceError, match="leads away"):
        client(data).get(path)
    assert data.log == []


def test_an_absolute_address_of_the_provider_will_do(data, client):
    data.expect_request("/elsewhere/b", query_string="q=1").respond_with_data(b"good")
    assert client(data).get(data.url_for("/elsewhere/b?q=1#part")).content == b"good"


def test_redirects_end(data, client):
    for n in range(30):
        _redirect(data, f"/data/{n}", f"/data/{n + 1}")
    with pytest.raises(SourceError, match="lead nowhere"):
        client(data).get("0")
    assert len(data.log) == 11
    _redirect(data, "/data/x", "/data/x")
    with pytest.raises(SourceError, match="lead nowhere"):
        client(data).get("x")
    assert len(data.log) == 13


def test_the_body_of_a_redirect_is_not_read(raw, client, data):
    data.expect_request("/data/b").respond_with_data(b"good")
    endless = [_answer(b"x" * 1000, b"Location: " + data.url_for("/data/b").encode(),
                       b"Content-Length: 999999999", status="302 Found"), 20.0]
    asker = client(raw(endless), allowed_hosts=("127.0.0.1",), read_timeout_s=1)
    assert asker.get("a").content == b"good"


@pytest.mark.parametrize("method", ["post", "delete"])
def test_only_a_get_is_redirected(data, client, method):
    _redirect(data, "/data/a", "/data/b")
    with pytest.raises(SourceError, match="unexpected redirect"):
        getattr(client(data), method)("a", **({"json": {}} if method == "post" else {}))
    assert len(data.log) == 1


def test_a_redirect_without_a_target_is_an_error(data, client):
    data.expect_request("/data/a").respond_with_data(b"", status=302)
    with pytest.raises(SourceError, match="302"):
        client(data).get("a")


# --- Earthdata Login (UPSTREAMS 4.4)


@pytest.fixture(name="earthdata")
def _earthdata(data, other):
    """A data host that sends to a login host, which sends back with a code for a cookie."""
    basic = "Basic " + base64.b64encode(f"me:{PASSWORD}".encode()).decode()

    def file(request: Request) -> Response:
        bearer = request.headers.get("Authorization") == f"Bearer {TOKEN}"
        if bearer or request.cookies.get("session") == "good":
            return Response(HDF + b"data")
        return Response(status=302, headers={
            "Location": other.url_for("/oauth/authorize") + "?client_id=1"})

    def authorize(request: Request) -> Response:
        if request.headers.get("Authorization") is None:
            return Response(PAGE, content_type="text/html")
        if request.headers["Authorization"] != basic:
            return Response(b'{"error":"invalid_credentials"}', status=401)
        target = data.url_for("/login") + "?code=c0de-5ecret"
        return Response(status=302, headers={"Location": target, "Set-Cookie": "urs=1; Path=/"})

    def login(request: Request) -> Response:
        return Response(status=302, headers={
            "Location": "/data/a.nc4", "Set-Cookie": "session=good; Path=/; HttpOnly"})

    data.expect_request("/data/a.nc4").respond_with_handler(file)
    other.expect_request("/oauth/authorize").respond_with_handler(authorize)
    data.expect_request("/login").respond_with_handler(login)
    return {"login_host": f"localhost:{other.port}"}


def test_user_and_password_go_to_the_login_host_alone(earthdata, data, other, client):
    asker = client(data, auth="basic", user="me", password=PASSWORD, **earthdata)
    assert asker.get("a.nc4", magic=(HDF,)).content == HDF + b"data"
    assert _sent(data, "Authorization") == [None] * 3
    assert _sent(data, "Cookie") == [None, None, "session=good"]
    assert len(other.log) == 1
    assert asker.get("a.nc4", magic=(HDF,)).content == HDF + b"data"
    assert len(other.log) == 1


def test_a_good_bearer_needs_no_login(earthdata, data, other, client):
    asker = client(data, auth="bearer", token=TOKEN, **earthdata)
    assert asker.get("a.nc4", magic=(HDF,)).content == HDF + b"data"
    assert other.log == []


@pytest.fixture(name="netrc")
def _netrc(monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine localhost login me password {PASSWORD}\n"
                     f"machine 127.0.0.1 login me password {PASSWORD}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))


@pytest.mark.usefixtures("netrc")
def test_an_expired_bearer_does_not_fall_back_to_the_password(earthdata, data, other, client):
    expired = {"auth": "bearer", "token": "expired", "user": "me", "password": PASSWORD}
    asker = client(data, **expired, **earthdata)
    with pytest.raises(RefusedError, match="asks to log in"):
        asker.get("a.nc4", magic=(HDF,))
    assert other.log == []
    assert _sent(data, "Authorization") == ["Bearer expired"]


def test_without_credentials_the_login_is_reported(earthdata, data, other, client):
    with pytest.raises(RefusedError, match="asks to log in"):
        client(data, **earthdata).get("a.nc4", magic=(HDF,))
    assert other.log == []


def test_a_wrong_password_is_refused_once(earthdata, data, other, client):
    asker = client(data, auth="basic", user="me", password=PASSWORD[1:], **earthdata)
    with pytest.raises(RefusedError, match="invalid_credentials"):
        asker.get("a.nc4", magic=(HDF,))
    assert len(other.log) == 1


def test_a_login_that_sets_no_cookie_is_a_loop(data, other, client):
    _redirect(data, "/data/a", other.url_for("/oauth"))
    _redirect(other, "/oauth", data.url_for("/data/a"))
    asker = client(data, auth="basic", user="me", password=PASSWORD,
                   login_host=f"localhost:{other.port}")
    with pytest.raises(RefusedError, match="lead nowhere"):
        asker.get("a")
    assert len(data.log) + len(other.log) == 3


@pytest.mark.usefixtures("netrc")
def test_the_environment_gives_neither_proxy_nor_password(data, client, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    data.expect_request("/data/a").respond_with_data(b"good")
    assert client(data).get("a").content == b"good"
    assert _sent(data, "Authorization") == [None]


def test_a_proxy_that_is_given_is_used(other, client):
    other.expect_request("/a").respond_with_data(b"by proxy")
    asker = client("http://far.invalid", proxies={"http": other.url_for("")})
    assert asker.get("a").content == b"by proxy"


# --- TLS


@pytest.fixture(scope="module", name="secured")
def _secured(tmp_path_factory):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    with HTTPServer(host="127.0.0.1", ssl_context=context) as server:
        yield server, path


@pytest.fixture(name="secure")
def _secure(secured):
    secured[0].clear()
    return secured


def test_a_server_must_prove_who_it_is(secure, client, time):
    server, authority = secure
    server.expect_request("/data/a").respond_with_data(b"good")
    assert client(server, ca_file=authority).get("a").content == b"good"
    with pytest.raises(UnavailableError, match="cannot prove") as caught:
        client(server).get(f"a?token={TOKEN}")
    assert time.waits_s == []
    assert TOKEN not in str(caught.value)
    assert caught.value.__context__ is None
    with pytest.raises(ConfigError):
        client(server, ca_file=authority.with_name("absent"))


def test_a_redirect_to_clear_text_is_refused(secure, data, client):
    server, authority = secure
    _redirect(server, "/data/a", data.url_for("/data/b"))
    asker = client(server, ca_file=authority, allowed_hosts=("127.0.0.1",), auth="bearer",
                   token=TOKEN)
    with pytest.raises(SourceError, match="from https to http"):
        asker.get("a")
    with pytest.raises(SourceError, match="leads away"):
        asker.get(data.url_for("/data/b"))
    assert data.log == []


def test_a_dripping_tls_server_is_left_at_the_deadline(secure):
    server, authority = secure
    release = threading.Event()

    def drip(request: Request) -> Response:
        def body():
            for _ in range(400):
                yield b"x"
                release.wait(0.05)
        return Response(body())

    server.expect_request("/data/a").respond_with_handler(drip)
    endpoint = Endpoint(server.url_for("/data"), deadline_s=0.6)
    with Client(endpoint, user_agent=AGENT, ca_file=authority) as asker:
        with pytest.raises(UnavailableError):
            asker.get("a")
        release.set()


# --- no secret gets out


def _failures(data, other, client, raw):
    """Calls that fail in every way that could quote an address, a header or a body."""
    echo = (f'{{"detail":"bad token {TOKEN} of Bearer {TOKEN} for {PASSWORD}"}}').encode()
    query = f"?access_token={TOKEN}&day=1&password={PASSWORD}"
    data.expect_request("/data/echo").respond_with_data(echo, status=401)
    data.expect_request("/data/busy").respond_with_data(echo, status=503)
    _redirect(data, "/data/away", f"http://evil.invalid/{query}")
    _redirect(data, "/data/shut", f"http://127.0.0.1:1/{query}")
    _redirect(data, "/data/loop", f"/data/loop{query}")
    facts = {"attempts": 2, "allowed_hosts": ("127.0.0.1",)}
    bearer = client(data, auth="bearer", token=TOKEN, password=PASSWORD, **facts)
    basic = client(data, auth="basic", user="me", password=PASSWORD, token=TOKEN, **facts)
    cut = [_answer(b"x", b"Content-Length: 9")]
    broken = client(raw(cut, cut), auth="bearer", token=TOKEN, password=PASSWORD, attempts=2)
    for asker in (bearer, basic):
        for path in ("echo", "busy", "away", "shut", "loop", "missing"):
            yield lambda asker=asker, path=path: asker.get(path + query)
        yield lambda asker=asker: asker.post("echo" + query, json={"key": TOKEN})
        yield lambda asker=asker: asker.get_json("echo" + query)
        yield lambda asker=asker: asker.get(f"http://me:{PASSWORD}@evil.invalid/")
    yield lambda: broken.get("a" + query)


def test_no_error_log_or_trace_holds_a_secret(data, other, client, raw, caplog):
    caplog.set_level(logging.DEBUG)
    encoded = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    for n, call in enumerate(_failures(data, other, client, raw)):
        with pytest.raises(SourceError) as caught:
            call()
        shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
        context = caught.value.__context__
        for secret in (TOKEN, PASSWORD, encoded):
            assert secret not in shown, n
            assert secret not in repr(context), n
            assert secret not in str(vars(caught.value)), n
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith("werkzeug")]
    assert any(r.name.startswith("urllib3") for r in caplog.records)
    assert not [m for m in ours if TOKEN in m or PASSWORD in m]


def test_the_code_of_a_login_is_not_logged(earthdata, data, client, caplog):
    caplog.set_level(logging.DEBUG)
    client(data, auth="basic", user="me", password=PASSWORD, **earthdata).get("a.nc4")
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith("werkzeug")]
    assert any("/login?code=***" in m for m in ours)
    assert not [m for m in ours if "c0de" in m]


def test_the_message_of_the_server_is_passed_on_without_tricks(data, client):
    body = b'{"title": "no\\n2026-11-22 CRITICAL all lost", "detail": "\\u001b[31m\\u202e x"}'
    data.expect_request("/data/a").respond_with_data(body, status=400)
    with pytest.raises(SourceError) as caught:
        client(data).get("a")
    assert caught.value.got == "400 no 2026-11-22 CRITICAL all lost: [31m x"


@pytest.mark.parametrize(("body", "said"), [
    (b"Rate limit exceeded.", "Rate limit exceeded."),
    (b"<html><head><title>410 Gone</title><body>x", "410 Gone"),
    (b"<p>Just <b>this</b></p>", "Just this"),
    (b'{"errors": ["a", "b"]}', "a; b"),
    (b'{"error": "x", "error_description": "y"}', "y: x"),
    (b'["x"]', "['x']"),
    (b"x" * 999, "x" * 197 + "..."),
    (b"", ""),
])
def test_messages_of_servers(body, said):
    assert server_message(body, ()) == said


@given(st.binary(max_size=500))
@LAW
def test_any_error_page_becomes_one_printable_line(body):
    said = server_message(body, ())
    assert len(said) <= 200
    assert said.isprintable()


@given(before=st.text(max_size=30), after=st.text(max_size=30),
       secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8))
@LAW
def test_known_secrets_never_survive(before, after, secret):
    assert secret not in redacted(before + secret + after, (secret,)).replace("***", "")


@pytest.mark.parametrize("text", [
    "https://u:PASS@host/x", "GET /a?api_key=PASS&day=1", "x?X-Amz-Signature=PASS",
    "x?token=PASS#y", "Authorization: Bearer PASS", "authorization: basic PASS",
    "PRIVATE-TOKEN: PASS", "x?a=1&oauth[code]=PASS", "eyJPASS.eyJPASS.PASS",
])
def test_secrets_that_we_do_not_know_are_found_by_their_look(text):
    assert "PASS" not in one_line(text)


def test_redaction_of_hostile_text_is_quick():
    for text in ("token" * 100_000, "a" * 10**6, "://" * 10**5, "eyJ" * 10**5, "bearer " * 10**5):
        assert len(one_line(text)) <= 200


# --- the endpoint itself


def test_an_endpoint_shows_no_secret():
    endpoint = Endpoint("https://example.org/a", auth="basic", user="me", password=PASSWORD,
                        token=TOKEN)
    assert TOKEN not in repr(endpoint)
    assert PASSWORD not in repr(endpoint)


@pytest.mark.parametrize("facts", [
    {"base_url": "ftp://example.org"}, {"base_url": "example.org"}, {"base_url": "https://"},
    {"base_url": f"https://me:{PASSWORD}@example.org"}, {"base_url": "https://example.org/?a=1"},
    {"base_url": "https://example.org:99999"}, {"base_url": "https://exa mple.org"},
    {"base_url": "https://[::1"}, {"base_url": "https://a\\b"},
    {"auth": "bearer"}, {"auth": "private_token"}, {"auth": "basic", "user": "me"},
    {"auth": "bearer", "token": PASSWORD + "\n"}, {"auth": "bearer", "token": PASSWORD + " x"},
])
def test_endpoints_that_cannot_work_are_refused(facts):
    with pytest.raises(ConfigError) as caught:
        Endpoint(**{"base_url": "https://example.org", **facts})
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(("url", "allowed"), [
    ("https://example.org/x", True), ("https://EXAMPLE.org:443/x", True),
    ("https://example.org:8443/x", False), ("http://example.org/x", False),
    ("https://a.cdn.net/", True), ("https://cdn.net/", False), ("https://evilcdn.net/", False),
    ("https://login.org:44/", True), ("https://store.org:9/", True),
    ("https://store.org/", False),
])
def test_hosts_that_are_allowed(url, allowed):
    endpoint = Endpoint("https://example.org", login_host="login.org",
                        allowed_hosts=("*.cdn.net", "store.org:9"))
    assert endpoint.allows(url) is allowed
    assert endpoint.credentials_for(url) == {}


def test_errors_survive_another_process():
    import pickle

    error = NotFoundError("gone", where="here")
    assert isinstance(pickle.loads(pickle.dumps(error)), NotFoundError)  # noqa: S301


# --- zip files


def _zip(members, **options):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return sink.getvalue()


def _zip_member(content, max_bytes=1000):
    return safe_zip_member(content, endings=(".nc", ".kenv"), max_bytes=max_bytes)


def test_the_one_member_is_taken_out():
    content = _zip({"a/": b"", "a/X.NC": b"data", "notes.txt": b"x"})
    assert _zip_member(content) == ("a/X.NC", b"data")


@pytest.mark.parametrize("members", [
    {}, {"a.txt": b""}, {"a.nc": b"", "b.nc": b""}, {"../a.nc": b""}, {"/a.nc": b""},
    {"a.nc": b"", "x/../../b": b""}, {"..\\a.nc": b""}, {"C:\\a.nc": b""}, {"a.nc": b"x" * 1001},
])
def test_zip_files_with_anything_else_are_refused(members):
    with pytest.raises(MalformedInputError):
        _zip_member(_zip(members))


def test_a_zip_bomb_is_refused_whatever_size_it_claims():
    bomb = _zip({"a.nc": b"\0" * 5_000_000}, compression=zipfile.ZIP_DEFLATED)
    lying = bomb.replace((5_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lying != bomb
    for content in (bomb, lying):
        with pytest.raises(MalformedInputError):
            _zip_member(content)
    with pytest.raises(MalformedInputError, match="members"):
        _zip_member(_zip({f"{n}.txt": b"" for n in range(10_001)}))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_compression_is_refused(method):
    with pytest.raises(MalformedInputError, match="unusual"):
        _zip_member(_zip({"a.nc": b"x"}, compression=method))


def test_a_zip_file_of_an_unknown_version_is_refused():
    content = _zip({"a.nc": b"x"})
    entry = content.index(b"PK\x01\x02")
    with pytest.raises(MalformedInputError, match="version"):
        _zip_member(content[: entry + 6] + b"\xff" + content[entry + 7:])


@given(st.data())
@settings(derandomize=True, deadline=None, max_examples=200)
def test_a_damaged_zip_gives_the_content_or_a_clear_error(data):
    content = bytearray(_zip({"a.nc": b"data" * 9, "b.txt": b"x"},
                             compression=zipfile.ZIP_DEFLATED))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))] or b"x"
    try:
        _, found = _zip_member(bytes(content))
    except MalformedInputError:
        return
    assert found in {b"data" * 9, b""}
