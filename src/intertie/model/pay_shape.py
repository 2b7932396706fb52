"""What share of the pay a performance factor earns, as a deal says it."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from intertie.model.record import Record, RuleError
from intertie.model.rules import between, forbids, needs, not_negative

# A table with a step for each percent is as fine as a factor of two places can tell apart.
STEPS_MAX = 101


class PayShapeKind(StrEnum):
    """Of the programmes in use: all or the factor itself, a least factor, a table, a scale, a grace with a slope."""

    FULL = "full"
    LINEAR = "linear"
    THRESHOLD = "threshold"
    STEP = "step"
    SLIDING = "sliding"
    GRACE = "grace"


class PayStep(Record, frozen=True, kw_only=True):
    """From this factor on, this share."""

    from_fraction: Decimal
    pays_fraction: Decimal

    def check(self) -> None:
        """Both are shares of one."""
        between(self, 0, 1, "from_fraction", "pays_fraction")


class PayShape(Record, frozen=True, kw_only=True):
    """The share of the pay that a factor earns; all fractions are of one, and the share is never over it.

    `full`: all, whatever the factor. `linear`: the factor. `threshold`: the factor, nothing under `low_fraction`. `step`:
    a table, from 0 on. `sliding`: nothing under `low_fraction`, there `pays_at_low_fraction`, from there straight up to
    all at `high_fraction`. `grace`: all down to one less `grace_fraction`, and `slope` less for each one under that.
    """

    kind: PayShapeKind
    low_fraction: Decimal | None = None
    high_fraction: Decimal | None = None
    pays_at_low_fraction: Decimal | None = None
    grace_fraction: Decimal | None = None
    slope: Decimal | None = None
    steps: Annotated[tuple[PayStep, ...], Meta(max_length=STEPS_MAX)] = ()

    def check(self) -> None:
        """What the kind needs and nothing else; ascending."""
        needs(self, self.kind, *NEEDED[self.kind])
        other = sorted(FIELDS - {*NEEDED[self.kind], *MAY[self.kind]})
        forbids(self, self.kind, *other)
        between(self, 0, 1, "low_fraction", "high_fraction", "pays_at_low_fraction", "grace_fraction")
        not_negative(self, "slope")
        if self.kind is PayShapeKind.SLIDING and not 0 < (self.low_fraction or 0) < (self.high_fraction or 0):
            raise RuleError("low_fraction, high_fraction: a scale rises from above zero")
        starts = [step.from_fraction for step in self.steps]
        if starts and (starts[0] != 0 or starts != sorted(set(starts))):
            raise RuleError("steps: begin at 0 and ascend")


NEEDED: dict[PayShapeKind, tuple[str, ...]] = {
    PayShapeKind.FULL: (),
    PayShapeKind.LINEAR: (),
    PayShapeKind.THRESHOLD: ("low_fraction",),
    PayShapeKind.STEP: ("steps",),
    PayShapeKind.SLIDING: ("low_fraction", "high_fraction"),
    PayShapeKind.GRACE: ("grace_fraction", "slope"),
}
MAY: dict[PayShapeKind, tuple[str, ...]] = {
    kind: ("pays_at_low_fraction",) if kind is PayShapeKind.SLIDING else () for kind in PayShapeKind
}
FIELDS = {name for names in (*NEEDED.values(), *MAY.values()) for name in names}
