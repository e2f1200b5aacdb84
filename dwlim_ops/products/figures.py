"""What all pictures share: style, size, round limits, and PNG bytes that do not change."""

import io
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK: Final = "#20262b"
SOFT: Final = "#6b747c"
DPI: Final = 110
_STEPS: Final = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 10.0)


def round_step(largest: float, n_steps: int) -> float:
    """Smallest of 1, 1.5, 2, 2.5, 3, 4, 5 x 10^k of which `n_steps` reach `largest`.

    >>> round_step(97.0, 6), round_step(3.1, 5)
    (20.0, 1.0)
    """
    if not (np.isfinite(largest) and largest > 0):
        return 1.0
    decade = 10.0 ** np.floor(np.log10(largest / n_steps))
    return float(next(s * decade for s in _STEPS if s * decade * n_steps >= largest * (1 - 1e-9)))


def styled() -> Any:
    """Context in which a figure is made and drawn."""
    return mpl.rc_context({
        "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 9.0,
        "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": SOFT, "axes.linewidth": 0.6,
        "xtick.color": SOFT, "ytick.color": SOFT, "xtick.labelsize": 8.0, "ytick.labelsize": 8.0,
        "hatch.linewidth": 0.5, "figure.facecolor": "white", "axes.facecolor": "white",
    })


def to_png(figure: Figure) -> bytes:
    """PNG of the figure without date and software version."""
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream, metadata={"Software": None})
    return stream.getvalue()
