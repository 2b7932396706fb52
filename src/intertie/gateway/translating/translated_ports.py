"""What messages in other protocols need of a store: which answers are still to be posted.

All else is kept as ever: an accepted message holds the bytes that its author signed (model/message.py: Original), its parcel
our answer, and the journal has a line about each. But an answer that is posted, and not given to who posts, may have to be
posted again after a crash.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from intertie.model.ids import ParcelId, PartyId

# Answers posted in one go.
ANSWERS_AT_ONCE = 50


class OwedAnswer(NamedTuple):
    """An answer that the partner does not have yet, as far as we know."""

    parcel: ParcelId
    answer: bytes
    attempts: int
    since: datetime


class TranslatedStore(Protocol):
    """`Store.accept` owes the answer of a parcel that says so (`ParcelRow.owes`), in the same transaction."""

    def owe_answer(self, partner: PartyId, parcel: ParcelId, now: datetime) -> None:
        """Post the answer of an incoming parcel (again), from now on, and tell who delivers; also if it is owed already."""

    def owed_answers(self, partner: PartyId, now: datetime) -> Sequence[OwedAnswer]:
        """The answers that are due, the oldest first, at most ANSWERS_AT_ONCE."""

    def defer_answer(self, partner: PartyId, parcel: ParcelId, next_attempt: datetime) -> None:
        """It did not arrive: count the attempt."""

    def settle_answer(self, partner: PartyId, parcel: ParcelId, since: datetime) -> None:
        """It arrived, or nothing helps: what was owed since then is owed no more. What was asked for again meanwhile is."""
