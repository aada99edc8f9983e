"""Figures beside their targets."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal


@dataclass(frozen=True)
class Figure:
    """One row: the values of all rounds, and what their median should be at most or at least."""

    name: str
    values: Sequence[float]
    bound: Literal["<=", ">="]
    target: float
    unit: str = ""

    @property
    def value(self) -> float:
        """The median."""
        return median(self.values)

    @property
    def is_met(self) -> bool:
        """Whether the median keeps the target."""
        return self.value <= self.target if self.bound == "<=" else self.value >= self.target

    def row(self) -> str:
        """The row for people."""
        spread = f"({min(self.values):.2f}-{max(self.values):.2f})" if len(self.values) > 1 else ""
        wanted = f"{self.bound} {self.target:.2f} {self.unit}"
        return f"  {self.name:<56} {self.value:>7.2f} {spread:<13} {wanted:<12} {'met' if self.is_met else 'NOT MET'}"


def print_table(title: str, figures: Sequence[Figure]) -> None:
    """Prints the rows under their title."""
    print(f"\n{title}")
    for figure in figures:
        print(figure.row())
