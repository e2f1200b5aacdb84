"""Text from outside, and addresses, as they may stand in a message or a log: no secrets."""

import logging
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

LONGEST_MESSAGE: Final = 200
_LONGEST_READ: Final = 4096
_TELLING: Final = "token|key|passw|pwd|code|secret|sig|credential|auth|session|state"
_SECRET_QUERY: Final = re.compile(
    rf"\b([\w.%\[\]-]{{0,40}}(?:{_TELLING})[\w.%\[\]-]{{0,40}})=[^&;\s'\"#]+", re.IGNORECASE)
_USER: Final = re.compile(r"(?<=://)[^/?#\s@]*@")
_SCHEME_AND_SECRET: Final = re.compile(
    r"\b(bearer|basic|private-token:?)\s+[\w.~+/=-]{4,}", re.IGNORECASE)
_JWT: Final = re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?")


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without the given secrets, tokens, users in URLs and telling query values.

    >>> redacted("https://user:pw@host/a?day=1&access_token=abc")
    'https://host/a?day=1&access_token=***'
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = _JWT.sub("***", _USER.sub("", text))
    return _SECRET_QUERY.sub(r"\1=***", _SCHEME_AND_SECRET.sub(r"\1 ***", text))


def one_line(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` redacted, on one line, without control characters, trimmed to 200 characters."""
    plain = "".join(" " if _moves_the_cursor(c) else c for c in text[:_LONGEST_READ])
    plain = " ".join(redacted(plain, secrets).split())
    return plain if len(plain) <= LONGEST_MESSAGE else plain[: LONGEST_MESSAGE - 3] + "..."


def _moves_the_cursor(character: str) -> bool:
    category = unicodedata.category(character)
    return category.startswith("C") or category in {"Zl", "Zp"}


class _Redact(logging.Filter):
    """Takes secrets out of what urllib3 logs: it writes whole addresses at level DEBUG."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redacted(record.getMessage()), ()
        record.exc_info = None
        return True


_REDACT: Final = _Redact()


def redact_library_logs() -> None:
    """Let no logger of urllib3 write a secret of an address; calling twice changes nothing."""
    for name in ("connection", "connectionpool", "poolmanager", "response", "util.retry"):
        logging.getLogger(f"urllib3.{name}").addFilter(_REDACT)
