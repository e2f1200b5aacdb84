"""One attempt to bring one message to one recipient: by webhook or by e-mail.

An attempt may reach the recipient although we never learn of it (the connection broke, we were
killed). It is then made again with the same key: `Idempotency-Key` of a webhook, `Message-ID` of
an e-mail. A recipient who looks at the key gets each message exactly once; more than that no
sender can promise over a network.
"""

import hashlib
import hmac
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final
from uuid import NAMESPACE_URL, uuid5

import requests

from dwlim_ops.alerts.cap import MEDIA_TYPE
from dwlim_ops.alerts.messages import Message
from dwlim_ops.alerts.settings import Recipient, Smtp

SIGNATURE_HEADER: Final = "X-DWLIM-Signature"
FIRST_RETRY: Final = timedelta(minutes=5)
LONGEST_RETRY: Final = timedelta(hours=6)
LONGEST_RETRY_AFTER: Final = timedelta(days=1)
_LONGEST_REMARK: Final = 300


@dataclass(frozen=True)
class Parcel:
    """What is sent: the message, its document, and the key under which it is sent."""

    delivery_id: str
    message: Message
    document: bytes


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    `unreachable`: the recipient did not answer, so that another message would fare no better.
    """

    delivered: bool
    remark: str = ""
    unreachable: bool = False
    retry_after: timedelta | None = None


@dataclass(frozen=True)
class Route:
    """How webhooks are reached: time-out, proxies, bundle of certificates, name of the sender."""

    timeout_s: float
    user_agent: str
    proxies: Mapping[str, str]
    ca_file: str | None = None


def delivery_id(identifier: str, recipient: str) -> str:
    """Key of a delivery: the same for the same message and recipient, on every machine."""
    return str(uuid5(NAMESPACE_URL, f"dwlim/delivery/{identifier}/{recipient}"))


def signature(secret: str, parcel_id: str, body: bytes) -> str:
    """HMAC-SHA256 over key, full stop and body, as `X-DWLIM-Signature` carries it.

    >>> signature("secret", "id", b"body")[:15]
    'sha256=fd4166e8'
    """
    digest = hmac.new(secret.encode(), parcel_id.encode() + b"." + body, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


def wait_after(n_attempts: int, *, retry_after: timedelta | None = None) -> timedelta:
    """How long to wait after so many attempts: doubling, within bounds.

    >>> [str(wait_after(number)) for number in (1, 2, 9)]
    ['0:05:00', '0:10:00', '6:00:00']
    """
    doubled = min(FIRST_RETRY * 2 ** min(n_attempts - 1, 16), LONGEST_RETRY)
    return max(doubled, min(retry_after or timedelta(0), LONGEST_RETRY_AFTER))


def post(parcel: Parcel, recipient: Recipient, route: Route, *, secret: str, now: datetime
         ) -> Outcome:
    """Send the CAP document to a webhook. Nothing but a status of 2xx counts as received.

    Redirections are not followed, the body of the answer is not read.
    """
    headers = {"Content-Type": MEDIA_TYPE, "Idempotency-Key": parcel.delivery_id,
               "User-Agent": route.user_agent}
    if secret:
        headers[SIGNATURE_HEADER] = signature(secret, parcel.delivery_id, parcel.document)
    try:
        with requests.post(
                recipient.address, data=parcel.document, headers=headers, stream=True,
                timeout=route.timeout_s, allow_redirects=False, proxies=dict(route.proxies),
                verify=route.ca_file or True) as answer:
            if 200 <= answer.status_code < 300:
                return Outcome(True)
            return Outcome(False, f"answered with status {answer.status_code}",
                           retry_after=_retry_after(answer.headers.get("Retry-After", ""), now))
    except (requests.RequestException, OSError) as error:
        return Outcome(False, _short(f"{type(error).__name__}: {error}"), unreachable=True)


def mail(parcel: Parcel, recipient: Recipient, smtp: Smtp, *, password: str, timeout_s: float
         ) -> Outcome:
    """Hand an e-mail to the SMTP server, which answers for it from then on."""
    letter = as_mail(parcel, recipient, sender=smtp.sender)
    try:
        with _connected(smtp, timeout_s) as server:
            if smtp.security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if smtp.user:
                server.login(smtp.user, password)
            server.send_message(letter)
    except smtplib.SMTPRecipientsRefused as error:
        answers = [f"{code} {text.decode('utf-8', 'replace')}"
                   for code, text in error.recipients.values()]
        return Outcome(False, _short(f"refused: {'; '.join(answers)}"))
    except (smtplib.SMTPException, OSError) as error:
        return Outcome(False, _short(f"{type(error).__name__}: {error}"), unreachable=True)
    return Outcome(True)


def as_mail(parcel: Parcel, recipient: Recipient, *, sender: str) -> EmailMessage:
    """The message as an e-mail: text in the recipient's languages, the CAP document attached."""
    message = parcel.message
    words = [message.words[language] for language in recipient.languages]
    letter = EmailMessage()
    letter["Subject"] = words[0].headline
    letter["From"] = Address(display_name=message.sender_name, addr_spec=sender)
    letter["To"] = recipient.address
    letter["Date"] = format_datetime(message.sent)
    letter["Message-ID"] = f"<{parcel.delivery_id}@{sender.rpartition('@')[2]}>"
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content("\n\n".join(
        "\n\n".join(part for part in (one.headline, one.description, one.instruction, one.note)
                    if part) for one in words) + "\n")
    letter.add_attachment(parcel.document, *MEDIA_TYPE.split("/"),
                          filename=f"{message.identifier}.xml")
    return letter


def _connected(smtp: Smtp, timeout_s: float) -> smtplib.SMTP:
    if smtp.security == "tls":
        return smtplib.SMTP_SSL(smtp.host, smtp.port, timeout=timeout_s,
                                context=ssl.create_default_context())
    return smtplib.SMTP(smtp.host, smtp.port, timeout=timeout_s)


def _retry_after(text: str, now: datetime) -> timedelta | None:
    """Seconds or a date (RFC 9110, 10.2.3); None if it says neither."""
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(moment.replace(tzinfo=moment.tzinfo or UTC) - now, timedelta(0))


def _short(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_REMARK]
