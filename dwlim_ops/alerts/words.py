"""The words of a message in every language, from the templates in `texts/`."""

import math
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from string import Template
from typing import Any, Final

from dwlim_ops.alerts.settings import LANGUAGES, Language

#: Longest name of a basin or region in a message.
LONGEST_NAME: Final = 120
_BIDI_CONTROLS: Final = {chr(code) for code in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F),
                                                *range(0x2066, 0x206A))}


@dataclass(frozen=True)
class Words:
    """What a message says in one language."""

    language: str
    event: str
    headline: str
    description: str
    instruction: str
    note: str


@dataclass(frozen=True)
class Saying:
    """What is to be said; `template` is the kind of message or "drill"."""

    template: str
    status: str
    hazard: str
    category: str
    basin: str
    region: str
    day: str
    onset: str
    percentile: float
    anomaly: float
    probability: float
    product_id: str


def clean(text: str) -> str:
    """A name as it may stand in XML, a header or a line: one line, no sign that is not seen.

    >>> clean("  North\\nPlain\\x00 \\u202egnp.exe ")
    'North Plain gnp.exe'
    """
    seen = [" " if sign.isspace() else sign for sign in text
            if sign.isspace() or not (sign in _BIDI_CONTROLS or _unseen(sign))]
    return " ".join("".join(seen).split())[:LONGEST_NAME].strip()


def _unseen(sign: str) -> bool:
    return unicodedata.category(sign) in ("Cc", "Cs", "Cn")


def in_words(saying: Saying) -> dict[Language, Words]:
    """The words of a message in every language."""
    return {language: _in(_templates(language), saying) for language in LANGUAGES}


def _in(templates: Mapping[str, Any], saying: Saying) -> Words:
    event = templates["event"][saying.hazard]
    unknown = templates["unknown"]
    values = {
        "status": templates["status"][saying.status], "event": event,
        "category": saying.category, "class_name": templates["class"][saying.category],
        "basin": clean(saying.basin), "region": clean(saying.region),
        "day": saying.day, "onset": saying.onset, "product_id": saying.product_id,
        "percentile": _number(saying.percentile, "{:.0f}", unknown),
        "anomaly": _number(saying.anomaly, "{:+.1f}", unknown),
        "probability": _number(100.0 * saying.probability, "{:.0f}", unknown)}

    def said(part: str) -> str:
        drill = saying.template == "drill"
        text = templates["drill"][part] if drill else templates[part][saying.template]
        return Template(text).substitute(values)

    return Words(templates["language"], event, said("headline"), said("description"),
                 said("instruction"), templates["note"].get(saying.status, ""))


def _number(value: float, form: str, unknown: str) -> str:
    return form.format(value) if math.isfinite(value) else unknown


@cache
def _templates(language: Language) -> Mapping[str, Any]:
    file = resources.files("dwlim_ops") / "alerts" / "texts" / f"{language}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))
