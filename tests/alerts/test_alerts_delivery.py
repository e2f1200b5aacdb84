"""One attempt, against real servers on this machine."""

import socket
import time
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from alert_examples import DRY, days, messages_of, run
from werkzeug import Response

from dwlim_ops.alerts.cap import to_xml
from dwlim_ops.alerts.delivery import (
    Parcel,
    Route,
    as_mail,
    delivery_id,
    mail,
    post,
    signature,
    wait_after,
)
from dwlim_ops.alerts.settings import Recipient, Smtp

NOW = datetime(2017, 1, 4, 19, tzinfo=UTC)
(MESSAGE,) = messages_of(run(days((3, DRY)))[1])
PARCEL = Parcel(delivery_id(MESSAGE.identifier, "desk"), MESSAGE, to_xml(MESSAGE))
ROUTE = Route(0.5, "dwlim-ops/test", {})
SIGNED = "a key of the desk"
MAILBOX = Recipient(name="mail", kind="email", address="desk@example.org")


def desk(address):
    return Recipient(name="desk", kind="webhook", address=address)


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_webhook_receives_the_document_its_key_and_a_signature(httpserver):
    httpserver.expect_request("/hook", method="POST").respond_with_data("", status=202)
    outcome = post(PARCEL, desk(httpserver.url_for("/hook")), ROUTE, secret=SIGNED, now=NOW)
    assert outcome.delivered
    ((request, _),) = httpserver.log
    assert request.data == PARCEL.document
    assert request.headers["Content-Type"] == "application/cap+xml"
    assert request.headers["Idempotency-Key"] == PARCEL.delivery_id
    assert request.headers["X-DWLIM-Signature"] == signature(SIGNED, PARCEL.delivery_id,
                                                             PARCEL.document)


def test_without_a_secret_nothing_is_signed(httpserver):
    httpserver.expect_request("/hook").respond_with_data("")
    post(PARCEL, desk(httpserver.url_for("/hook")), ROUTE, secret="", now=NOW)
    assert "X-DWLIM-Signature" not in httpserver.log[0][0].headers


@pytest.mark.parametrize("status", [301, 400, 404, 429, 500, 503])
def test_any_other_answer_is_no_delivery(httpserver, status):
    elsewhere = {"Location": httpserver.url_for("/elsewhere")}
    httpserver.expect_request("/elsewhere").respond_with_data("")
    httpserver.expect_request("/hook").respond_with_data("no", status=status, headers=elsewhere)
    outcome = post(PARCEL, desk(httpserver.url_for("/hook")), ROUTE, secret="", now=NOW)
    assert (outcome.delivered, outcome.unreachable) == (False, False)
    assert outcome.remark == f"answered with status {status}"
    assert len(httpserver.log) == 1


@pytest.mark.parametrize(("text", "expected"), [
    ("120", timedelta(minutes=2)), ("Wed, 04 Jan 2017 19:30:00 GMT", timedelta(minutes=30)),
    ("Wed, 04 Jan 2017 18:30:00 GMT", timedelta(0)), ("soon", None), ("-5", None), ("", None),
    ("9" * 30, timedelta(days=1))])
def test_a_server_may_ask_for_patience(httpserver, text, expected):
    httpserver.expect_request("/hook").respond_with_data(
        "", status=429, headers={"Retry-After": text})
    outcome = post(PARCEL, desk(httpserver.url_for("/hook")), ROUTE, secret="", now=NOW)
    assert outcome.retry_after == expected


def test_a_server_that_is_down_or_slow_is_unreachable(httpserver):
    down = post(PARCEL, desk(f"http://127.0.0.1:{closed_port()}/"), ROUTE, secret="", now=NOW)
    assert (down.delivered, down.unreachable) == (False, True)
    assert "refused" in down.remark

    def slow(_):
        time.sleep(0.4)
        return Response("")

    httpserver.expect_request("/slow").respond_with_handler(slow)
    late = post(PARCEL, desk(httpserver.url_for("/slow")), Route(0.1, "x", {}), secret="", now=NOW)
    assert (late.delivered, late.unreachable) == (False, True)
    assert "timed out" in late.remark


def test_waits_double_within_bounds_and_heed_the_server():
    assert [wait_after(number) for number in (1, 3, 40)] == [
        timedelta(minutes=5), timedelta(minutes=20), timedelta(hours=6)]
    assert wait_after(1, retry_after=timedelta(hours=9)) == timedelta(hours=9)
    assert wait_after(2, retry_after=timedelta(seconds=1)) == timedelta(minutes=10)
    assert wait_after(1, retry_after=timedelta(days=400)) == timedelta(days=1)


class Mailbox:
    """Keeps what comes in, and answers as it is told."""

    def __init__(self):
        self.letters = []
        self.answers = {}

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if "RCPT" in self.answers:
            return self.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if "DATA" in self.answers:
            return self.answers["DATA"]
        self.letters.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


@pytest.fixture
def mailbox():
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=closed_port())
    controller.start()
    box.smtp = Smtp(host="127.0.0.1", port=controller.port, security="none",
                    sender="water@example.org")
    yield box
    controller.stop()


def test_an_e_mail_arrives_with_text_in_both_languages_and_the_document(mailbox):
    outcome = mail(PARCEL, MAILBOX, mailbox.smtp, password="", timeout_s=5)
    assert outcome.delivered
    (letter,) = mailbox.letters
    assert letter["Subject"] == "TEST: Drought, class D2 (severe drought), in West River"
    assert letter["Message-ID"] == f"<{PARCEL.delivery_id}@example.org>"
    assert letter["To"] == "desk@example.org"
    assert letter["Date"].datetime == MESSAGE.sent
    text = letter.get_body().get_content()
    assert MESSAGE.words["en"].description in text
    assert MESSAGE.words["zh"].description in text
    (attached,) = letter.iter_attachments()
    assert attached.get_content() == PARCEL.document
    assert (attached.get_content_type(), attached.get_filename()) == (
        "application/cap+xml", f"{MESSAGE.identifier}.xml")


def test_languages_are_in_the_recipients_order():
    letter = as_mail(PARCEL, MAILBOX.model_copy(update={"languages": ("zh",)}), sender="a@b.org")
    assert letter["Subject"] == MESSAGE.words["zh"].headline
    assert "Water storage" not in letter.get_body().get_content()


@pytest.mark.parametrize(("answers", "remark", "unreachable"), [
    ({"RCPT": "550 no such user"}, "refused: 550 no such user", False),
    ({"RCPT": "451 try later"}, "refused: 451 try later", False),
    ({"DATA": "554 rejected"}, "SMTPDataError: (554, b'rejected')", True)])
def test_a_server_that_refuses_says_why(mailbox, answers, remark, unreachable):
    mailbox.answers = answers
    outcome = mail(PARCEL, MAILBOX, mailbox.smtp, password="", timeout_s=5)
    assert (outcome.delivered, outcome.remark, outcome.unreachable) == (False, remark, unreachable)
    assert mailbox.letters == []


def test_a_mail_server_that_is_down_or_offers_no_tls_is_unreachable(mailbox):
    down = mailbox.smtp.model_copy(update={"port": closed_port()})
    assert mail(PARCEL, MAILBOX, down, password="", timeout_s=1).unreachable
    tls = mailbox.smtp.model_copy(update={"security": "starttls"})
    outcome = mail(PARCEL, MAILBOX, tls, password="", timeout_s=5)
    assert (outcome.delivered, outcome.unreachable) == (False, True)
    assert "STARTTLS" in outcome.remark
    assert mailbox.letters == []
