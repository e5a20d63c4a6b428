"""What one scenario measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """One measurement beside its baseline.

    Attributes:
        value: What was measured, in `unit`.
        baseline: What it is compared with, in the same unit, measured in the same run.
        ratio: `value / baseline`, or for times the other way round where the goal says so.
        goal: What the ratio must reach (`>=`) or keep (`<=`).
    """

    scenario: str
    database: str
    value: float
    unit: str
    baseline: float
    ratio: float
    goal: str

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        word, number = self.goal.split()
        return self.ratio >= float(number) if word == ">=" else self.ratio <= float(number)

    def as_dict(self) -> dict[str, object]:
        """Return the measurement as JSON wants it, rounded to three significant decimals."""
        rounded = {
            name: round(value, 3) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }
        return {**rounded, "met": self.met}
