"""What the rules of the trade are about: a message that both sides have, and a rule that one of them would break.

Both gateways hold the same set of accepted messages, each with the time at which its recipient says, in its signed receipt, that
it arrived. Folding them in the order of (received, message id) gives both the same state, whatever crossed on the way.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from intertie.model.errors import IntertieError
from intertie.model.ids import AgreementId, ConversationId, MessageId, PartyId
from intertie.model.record import Record


class Rule(NamedTuple):
    """A rule of the trade. `name` is what receipts and errors say; `source` a clause, or the term of the contract it follows."""

    name: str
    text: str
    source: str


class Event(NamedTuple):
    """A message as the rules see it. `received` is the recipient's time, `at` which it counts; both are aware."""

    message: MessageId
    sender: PartyId
    recipient: PartyId
    created: datetime
    received: datetime
    body: Record
    agreement: AgreementId | None = None
    conversation: ConversationId | None = None
    in_reply_to: MessageId | None = None

    @property
    def order(self) -> tuple[datetime, MessageId]:
        """The place of the event among all others of the same two parties, equal on both sides."""
        return self.received, self.message


class Broken(IntertieError):
    """A message that a rule of the trade forbids. It has no effect on either side."""

    def __init__(self, rule: Rule, detail: str = "", *, do: str = "") -> None:
        super().__init__(f"{rule.name}: {detail or rule.text}", do=do or rule.text)
        self.rule = rule
        self.detail = detail
