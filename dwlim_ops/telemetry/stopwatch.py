"""How long the stages of a piece of work take, by a clock that the caller brings."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Stopwatch:
    """Seconds by stage; stages follow one another, and one that comes again is added to.

    `clock` gives seconds that never run backwards.
    """

    clock: Callable[[], float]
    _seconds: dict[str, float] = field(default_factory=dict)
    _running: tuple[str, float] | None = None

    def begin(self, stage: str) -> None:
        """End the stage that runs, if any, and begin another."""
        self._seconds = self.seconds()
        self._running = stage, self.clock()

    def seconds(self) -> dict[str, float]:
        """Seconds of every stage so far, the running one included."""
        if self._running is None:
            return dict(self._seconds)
        stage, since = self._running
        taken = self._seconds.get(stage, 0.0) + self.clock() - since
        return {**self._seconds, stage: taken}
