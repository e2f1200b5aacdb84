"""When an alert begins and ends, what it says of its sender, and who receives it."""

from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

Severity = Literal["Minor", "Moderate", "Severe", "Extreme"]
Language = Literal["en", "zh"]
Status = Literal["Actual", "Exercise", "Test"]

#: From the mildest to the worst.
SEVERITIES: Final[tuple[Severity, ...]] = ("Minor", "Moderate", "Severe", "Extreme")
LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")
#: Ending of a sender that nobody owns (RFC 2606).
NOBODY: Final = ".invalid"

_Variable = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
_Probability = Annotated[float, Field(gt=0, lt=1)]
_Days = Annotated[int, Field(ge=1, le=366)]
_MailAddress = Annotated[str, Field(pattern=r"^[^\s@<>,]+@[^\s@<>,]+$")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Smtp(_Section):
    """The server that takes our e-mail.

    `password_variable` names the environment variable that holds the password of `user`.
    """

    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: _MailAddress
    user: str = ""
    password_variable: _Variable | None = None

    @model_validator(mode="after")
    def _complete(self) -> "Smtp":
        if bool(self.user) != (self.password_variable is not None):
            raise ValueError("user and password_variable go together")
        if self.user and self.security == "none":
            raise ValueError("a password is sent over TLS only: security = 'starttls' or 'tls'")
        return self


class Recipient(_Section):
    """One address that alerts go to.

    From `minimum_severity` on a message is sent; who has received one message of an alert receives
    all that follow. `secret_variable` names the environment variable whose value signs what a
    webhook receives. `languages` are those of an e-mail, in this order; a webhook receives the
    CAP message, which holds all of them.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    kind: Literal["webhook", "email"]
    address: str
    languages: Annotated[tuple[Language, ...], Field(min_length=1)] = LANGUAGES
    minimum_severity: Severity = "Minor"
    secret_variable: _Variable | None = None

    @model_validator(mode="after")
    def _reachable(self) -> "Recipient":
        if self.kind == "email":
            name, _, domain = self.address.partition("@")
            if not (name and domain) or any(sign in self.address for sign in " \r\n\t,<>"):
                raise ValueError(f"recipient {self.name}: address is not name@domain")
            if self.secret_variable is not None:
                raise ValueError(f"recipient {self.name}: an e-mail carries no signature")
            return self
        parts = urlsplit(self.address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"recipient {self.name}: address does not begin with https://")
        if parts.username is not None:
            raise ValueError(f"recipient {self.name}: no password in the address; sign with "
                             "secret_variable")
        return self


class AlertSettings(_Section):
    """Table `[alerts]`.

    Parameters
    ----------
    status
        "Actual" once the desk relies on it. A synthetic region sends "Test" instead of "Actual".
    sender, sender_name, contact, public_url
        Who sends (a domain name or an address that the operator owns; no blank, comma, `<`, `&`),
        how he is called and reached, and where the published tree can be read.
    drought_class, wet_class
        Mildest class of alerts.
    on_probability, dwell_days
        A class holds once the probability of being at or beyond it has been at least so large on
        so many consecutive days with evidence.
    off_probability, dwell_days_off
        It holds no more once that probability has been at most so large on so many days.
    renew_days
        While an alert lasts, an update follows at the latest so many days after the last message.
    expiry_days
        A message holds so many days beyond its own; without new evidence the alert then expires.
        More than the delay of the inputs and `renew_days` together.
    """

    status: Status = "Test"
    sender: Annotated[str, Field(pattern=r"^[^\s,<&]+$")] = "dwlim-ops.invalid"
    sender_name: str = "DWLIM-ops"
    contact: str = ""
    public_url: str = ""
    drought_class: Literal["D0", "D1", "D2", "D3", "D4"] = "D2"
    wet_class: Literal["W0", "W1", "W2", "W3", "W4"] = "W2"
    on_probability: _Probability = 0.6
    off_probability: _Probability = 0.4
    dwell_days: _Days = 5
    dwell_days_off: _Days = 10
    renew_days: _Days = 7
    expiry_days: _Days = 30
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 10.0
    smtp: Smtp | None = None
    recipients: tuple[Recipient, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> "AlertSettings":
        if not self.off_probability < self.on_probability:
            raise ValueError("off_probability must be below on_probability")
        if not self.renew_days < self.expiry_days:
            raise ValueError("renew_days must be below expiry_days")
        names = [one.name for one in self.recipients]
        if len(set(names)) < len(names):
            raise ValueError("two recipients have the same name")
        if self.smtp is None and any(one.kind == "email" for one in self.recipients):
            raise ValueError("a recipient of kind 'email' needs the table [alerts.smtp]")
        if self.status == "Actual" and self.sender.endswith(NOBODY):
            raise ValueError("status = 'Actual' needs a sender that the operator owns")
        parts = urlsplit(self.public_url)
        if self.public_url and (parts.scheme not in ("http", "https") or not parts.hostname
                                or any(sign in self.public_url for sign in " <>\"\r\n\t")):
            raise ValueError("public_url begins with https:// and holds no blank")
        return self

    def status_for(self, *, synthetic: bool) -> Status:
        """What messages say of themselves: made-up water never raises an actual alert."""
        return "Test" if synthetic and self.status == "Actual" else self.status

    def recipient(self, name: str) -> Recipient | None:
        """The recipient of that name; None if there is none any more."""
        return next((one for one in self.recipients if one.name == name), None)


def at_least(severity: str, minimum: str) -> bool:
    """A severity reaches another.

    >>> at_least("Severe", "Moderate"), at_least("Minor", "Moderate")
    (True, False)
    """
    return SEVERITIES.index(_severity(severity)) >= SEVERITIES.index(_severity(minimum))


def _severity(text: str) -> Severity:
    return next(one for one in SEVERITIES if one == text)
