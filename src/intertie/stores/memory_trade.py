"""The trade in memory: the twin of stores/sqlite_trade.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from intertie.exchange.outbound import DELIVERED, State
from intertie.gateway.ports import MessageRow
from intertie.gateway.trading.trade_ports import EVENTS_AT_ONCE, Shared, SharedRow, Underway
from intertie.model.ids import MessageId, PartyId


class MemoryTrade:
    """What `gateway.trading.trade_ports.TradeStore` says, in a list; part of MemoryStore."""

    _open: Callable[[], AbstractContextManager[None]]
    _rows: list[MessageRow]
    _out: dict[MessageId, int]

    def __init__(self) -> None:
        super().__init__()
        self._trade: list[tuple[int, PartyId, datetime]] = []  # seq, partner, received

    def _keep_shared(self, seq: int, partner: PartyId, received: datetime) -> None:
        if all(kept != seq for kept, _, _ in self._trade):
            self._trade.append((seq, partner, received))

    def _keep_delivered(
        self, partner: PartyId, shared: Shared, outcomes: Sequence[tuple[MessageId, State, str]]
    ) -> None:
        for message, state, _ in outcomes:
            if message in shared.messages and state in DELIVERED:
                self._keep_shared(self._out[message], partner, shared.received)

    def shared_messages(
        self, partner: PartyId, *, after: int, limit: int = EVENTS_AT_ONCE
    ) -> list[SharedRow]:
        """Messages that both hold."""
        with self._open():
            numbered = list(enumerate(self._trade, 1))[after:]
            found = [
                (number, received, self._rows[seq - 1])
                for number, (seq, with_, received) in numbered
                if with_ == partner
            ]
            return [SharedRow(number, at, row.outgoing, row.body) for number, at, row in found[:limit]]

    def unreceipted_messages(self, partner: PartyId) -> list[Underway]:
        """Messages in parcels without a receipt."""
        with self._open():
            return [
                Underway(row.document, row.agreement, row.conversation, row.created, row.body)
                for row in self._rows
                if row.outgoing and row.recipient == partner and row.state is State.SENDING
            ]
