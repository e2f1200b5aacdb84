"""What `[alerts]` may say."""

import pytest
from pydantic import ValidationError

from dwlim_ops.alerts.settings import AlertSettings, at_least

HOOK = {"name": "desk", "kind": "webhook", "address": "https://desk.example.org/hook"}
MAIL = {"name": "mail", "kind": "email", "address": "desk@example.org"}
SMTP = {"host": "mail.example.org", "sender": "water@example.org"}


def test_the_defaults_are_a_test_that_nobody_receives():
    default = AlertSettings()
    assert (default.status, default.recipients) == ("Test", ())


def test_recipients_are_read():
    read = AlertSettings.model_validate({
        "smtp": SMTP | {"user": "water", "password_variable": "SMTP_PASSWORD"},
        "recipients": [HOOK | {"minimum_severity": "Severe", "secret_variable": "DESK_SECRET"},
                       MAIL | {"languages": ["zh"]}]})
    assert read.recipient("mail").languages == ("zh",)
    assert read.recipient("nobody") is None


@pytest.mark.parametrize(("content", "said"), [
    ({"on_probability": 0.4, "off_probability": 0.4}, "off_probability must be below"),
    ({"on_probability": 1.2}, "less than 1"),
    ({"renew_days": 30, "expiry_days": 30}, "renew_days must be below"),
    ({"dwell_days": 0}, "greater than or equal to 1"),
    ({"status": "Actual"}, "a sender that the operator owns"),
    ({"status": "Draft"}, "'Actual', 'Exercise' or 'Test'"),
    ({"sender": "two words"}, "should match pattern"),
    ({"sender": "a,b"}, "should match pattern"),
    ({"public_url": "ftp://x"}, "public_url begins with"),
    ({"drought_class": "W2"}, "Input should be"),
    ({"recipients": [HOOK, HOOK]}, "the same name"),
    ({"recipients": [MAIL]}, r"needs the table \[alerts.smtp\]"),
    ({"recipients": [HOOK | {"address": "desk.example.org"}]}, "does not begin with https"),
    ({"recipients": [HOOK | {"address": "https://u:p@desk.example.org"}]}, "no password"),
    ({"recipients": [HOOK | {"secret": "x"}]}, "Extra inputs"),
    ({"recipients": [HOOK | {"secret_variable": "not a name"}]}, "should match pattern"),
    ({"recipients": [HOOK | {"languages": []}]}, "at least 1 item"),
    ({"smtp": SMTP, "recipients": [MAIL | {"address": "a@b\nBcc: c@d"}]}, "not name@domain"),
    ({"smtp": SMTP, "recipients": [MAIL | {"secret_variable": "X"}]}, "carries no signature"),
    ({"smtp": SMTP | {"user": "water"}}, "go together"),
    ({"smtp": SMTP | {"user": "w", "password_variable": "P", "security": "none"}}, "over TLS"),
])
def test_what_cannot_be_served_is_refused(content, said):
    with pytest.raises(ValidationError, match=said):
        AlertSettings.model_validate(content)


def test_severities_are_ordered():
    assert at_least("Extreme", "Severe")
    assert not at_least("Moderate", "Severe")
