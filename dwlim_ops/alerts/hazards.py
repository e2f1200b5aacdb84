"""The two hazards, their classes, and what a class means in the words of CAP.

| class  | severity | urgency  |
|--------|----------|----------|
| D0, W0 | Minor    | Future   |
| D1, W1 | Minor    | Future   |
| D2, W2 | Moderate | Future   |
| D3, W3 | Severe   | Expected |
| D4, W4 | Extreme  | Expected |

Certainty follows from the probability of being at or beyond the class: from 0.9 on "Observed",
above 0.5 "Likely" (CAP 1.2: "p > ~50%"), else "Possible". A Cancel has urgency "Past", severity
"Minor".
"""

from dataclasses import dataclass
from typing import Final, Literal

from dwlim_ops.alerts.settings import AlertSettings, Severity
from dwlim_ops.contracts import CATEGORIES, BasinStanding

HazardName = Literal["drought", "wet"]
Urgency = Literal["Expected", "Future", "Past"]
Certainty = Literal["Observed", "Likely", "Possible"]


@dataclass(frozen=True)
class Hazard:
    """A hazard: its classes from the mildest to the worst, and its event code (OET v1.2)."""

    name: HazardName
    classes: tuple[str, ...]
    event_code: str


DROUGHT: Final = Hazard("drought", ("D0", "D1", "D2", "D3", "D4"), "OET-063")
WET: Final = Hazard("wet", ("W0", "W1", "W2", "W3", "W4"), "OET-081")
HAZARDS: Final[dict[HazardName, Hazard]] = {"drought": DROUGHT, "wet": WET}

_SEVERITY: Final[tuple[Severity, ...]] = ("Minor", "Minor", "Moderate", "Severe", "Extreme")
_URGENCY: Final[tuple[Urgency, ...]] = ("Future", "Future", "Future", "Expected", "Expected")


def classes_from(hazard: Hazard, settings: AlertSettings) -> tuple[str, ...]:
    """Classes of a hazard that raise alerts, from the mildest to the worst."""
    mildest = settings.drought_class if hazard is DROUGHT else settings.wet_class
    return hazard.classes[hazard.classes.index(mildest):]


def probability_beyond(standing: BasinStanding, category: str) -> float:
    """Probability that the basin is in this class or in a worse one; "N" has none."""
    probability = dict(zip(CATEGORIES, standing.probabilities, strict=True))
    hazard = DROUGHT if category in DROUGHT.classes else WET
    worse = hazard.classes[hazard.classes.index(category):]
    return min(1.0, max(0.0, sum(probability[one] for one in worse)))


def severity_of(category: str) -> Severity:
    """CAP's severity of a class."""
    return _SEVERITY[int(category[1:])]


def urgency_of(category: str) -> Urgency:
    """CAP's urgency of a class."""
    return _URGENCY[int(category[1:])]


def certainty_of(probability: float) -> Certainty:
    """CAP's certainty of a probability."""
    return "Observed" if probability >= 0.9 else "Likely" if probability > 0.5 else "Possible"
