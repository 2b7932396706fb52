"""What the acts tell of their work to whoever counts it or traces it: ids, flows and counts, never what a message says."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Protocol

from intertie.gateway.ports import MessageRow, NewMessage
from intertie.model.ids import PartyId
from intertie.seal.receipt import Outcome


class Observer(Protocol):
    """Told by the acts; its methods are quick and raise nothing."""

    def span(self, name: str) -> AbstractContextManager[object]:
        """Around one step of an act, for traces."""

    def accepted(self, partner: PartyId, messages: Sequence[NewMessage], outcomes: Sequence[Outcome]) -> None:
        """A parcel was taken: the new messages in it, and what the receipt says of each message."""

    def receipted(
        self, partner: PartyId, rows: Sequence[MessageRow], outcomes: Sequence[Outcome], now: datetime
    ) -> None:
        """A receipt for these messages of ours verified."""


class Unobserved:
    """Nobody looks."""

    _nothing = nullcontext()

    def span(self, name: str) -> AbstractContextManager[object]:
        """Nothing."""
        return self._nothing

    def accepted(self, partner: PartyId, messages: Sequence[NewMessage], outcomes: Sequence[Outcome]) -> None:
        """Nothing."""

    def receipted(
        self, partner: PartyId, rows: Sequence[MessageRow], outcomes: Sequence[Outcome], now: datetime
    ) -> None:
        """Nothing."""


UNOBSERVED = Unobserved()
