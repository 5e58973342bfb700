"""When each step of a call was done: for the demo's table, ``--dump-timing`` and the benchmarks."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Timing:
    """Marks in the order they were made."""

    began: float = field(default_factory=time.perf_counter)
    began_at: float = field(default_factory=time.time)
    """Unix seconds: marks of two processes of one machine can be laid side by side."""
    marks: list[tuple[str, float]] = field(default_factory=list)
    """Name and seconds since the beginning."""

    def mark(self, name: str) -> None:
        """This step is done now."""
        self.marks.append((name, time.perf_counter() - self.began))

    def seconds(self, name: str) -> float | None:
        """When a step was done, since the beginning; None if it wasn't."""
        return next((at for mark, at in self.marks if mark == name), None)

    def as_dict(self) -> dict[str, object]:
        """For a JSON file."""
        return {
            "began": self.began_at,
            "steps": [
                {"step": name, "milliseconds": round(at * 1000, 2)} for name, at in self.marks
            ],
        }
