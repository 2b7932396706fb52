"""Settlement of many meters, each a resource of its own, under one deal: calls, terms and rule are the same for all, the
contracted power and the days in which a meter takes part are its own."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from intertie.market.baseline_rule import Reason, Rule
from intertie.market.block_events import BlockEvent, Looked, look, place
from intertie.market.block_payment import Asked, Delivered, Month, Share, deliver, month
from intertie.market.blocks import Block, Flags
from intertie.market.exactly import Whole
from intertie.market.other_methods import before_after
from intertie.market.payment import Terms, terms_of_many
from intertie.model.errors import IntertieError
from intertie.model.interval import IntervalSeries, Window


class Customer(NamedTuple):
    """A meter, what it is contracted for, and the days in which it takes part; None: from the first, to the last."""

    meter: str
    contracted_kw: Decimal
    since: date | None = None
    until: date | None = None


class Call(NamedTuple):
    """A call on all meters: what is asked of each is the same share of its contracted power."""

    name: str
    window: Window
    shares: tuple[Fraction, ...]  # one for each interval of the block
    refused: bool = False


class Programme(NamedTuple):
    """What is the same for all meters."""

    rule: Rule
    terms: Terms  # its capacity is not read
    zone: str
    step_minutes: int
    first: date
    last: date
    calls: tuple[Call, ...]
    not_usable: Mapping[date, Reason]
    delivered_cap: Fraction = Fraction(1)
    before_after: bool = False  # Meter Before / Meter After, over the rule's window, in the place of days

    @property
    def begins(self) -> date:
        """The first day whose readings may matter."""
        return self.first - timedelta(days=self.rule.look_back_days)

    @property
    def days(self) -> int:
        """How many days a block has."""
        return (self.last - self.begins).days + 1


class Settled(NamedTuple):
    """The month of each meter, and what it rests on, call by call."""

    month: Month
    events: tuple[Delivered, ...]
    looked: tuple[Looked, ...]


def shares_of(target_kw: IntervalSeries, contracted_kw: Decimal, step_minutes: int) -> tuple[Fraction, ...]:
    """What an instruction asks for in each interval of the readings, as a share of what is contracted. Raises IntertieError
    if its steps are no whole number of intervals."""
    times, rest = divmod(target_kw.step_seconds, step_minutes * 60)
    if rest or not times:
        raise IntertieError(
            f"steps of {target_kw.step_seconds} seconds are no whole number of {step_minutes} minutes",
            do="Settle with readings of a step that divides the call's.",
        )
    unit = Fraction(10) ** target_kw.power_of_ten / Fraction(contracted_kw)
    return tuple(Fraction(value or 0) * unit for value in target_kw.values for _ in range(times))


def places(programme: Programme) -> tuple[BlockEvent, ...]:
    """Where each call stands. Raises NoBaseline: it is the same for all meters, so none is settled."""
    return tuple(
        place(one.name, one.window, programme.rule, programme.zone, programme.step_minutes)
        for one in programme.calls
    )


def settle_many(block: Block, programme: Programme, customers: Sequence[Customer]) -> Settled:
    """The month of each meter of a block; `customers` are in its order. Without a baseline nothing counts as delivered."""
    terms = terms_of_many([programme.terms._replace(contracted_kw=one.contracted_kw) for one in customers])
    looked, events = [], []
    for event, call in zip(places(programme), programme.calls, strict=True):
        found = (
            before_after(block, event)
            if programme.before_after
            else look(block, event, programme.rule, programme.not_usable)
        )
        hours = Fraction(programme.step_minutes, 60)
        asked = Asked([share * hours * 1000 / terms.per_kw for share in call.shares], terms.contracted)
        here = _takes_part(customers, event.day)
        made = deliver(found, asked, programme.delivered_cap, programme.step_minutes, counts=here)
        events.append(_nothing(made) if call.refused else made)
        looked.append(found)
    return Settled(month(events, terms, share_of(programme, customers)), tuple(events), tuple(looked))


def share_of(programme: Programme, customers: Sequence[Customer]) -> Share:
    """The days of the month in which each meter takes part."""
    of = monthrange(programme.first.year, programme.first.month)[1]
    days = [
        (
            min(one.until or programme.last, programme.last)
            - max(one.since or programme.first, programme.first)
        ).days
        for one in customers
    ]
    return Share(np.maximum(0, np.array(days, np.int64) + 1), of)


def _takes_part(customers: Sequence[Customer], day: date) -> Flags:
    there = [(one.since or day) <= day <= (one.until or day) for one in customers]
    return np.array(there, np.bool_)


def _nothing(made: Delivered) -> Delivered:
    """Of a call that was refused."""
    zero: Whole = np.zeros_like(made.factor)
    return made._replace(energy=zero, factor=zero)
