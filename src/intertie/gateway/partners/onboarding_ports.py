"""What the portal needs to make somebody a partner: the acts of onboarding, as `run/onboarding.py` does them on files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from intertie.exchange.joining import Terms
from intertie.gateway.gateway import Agreement
from intertie.gateway.partners.join_partner import Joining
from intertie.gateway.partners.prove_partner import Line
from intertie.model.ids import PartyId


class Asked(NamedTuple):
    """What an invitation is to say. `covers`: interfaces or documents; empty: every flow that the roles of both allow."""

    party: PartyId | None
    agreement: Agreement | None
    covers: tuple[str, ...]
    until: datetime


class Invited(NamedTuple):
    """An invitation, and its code, which is seen this once."""

    code: str
    joining: Joining


class Onboarding(Protocol):
    """Each act may be done again after a crash. All raise SettingsError or another IntertieError that says what to do."""

    def joinings(self) -> Sequence[Joining]:
        """All invitations and joinings, oldest first."""

    def invite(self, asked: Asked, now: datetime, by: str) -> Invited:
        """Open the joining door for somebody."""

    def join(self, code: str, party: PartyId | None, now: datetime) -> Joining:
        """Become a partner of whoever gave us the code; its words are to be compared then. Goes over the network."""

    def confirm(self, party: PartyId, words: str, now: datetime, by: str) -> None:
        """The words were the same on both sides: this is the partner."""

    def prove(self, party: PartyId, now: datetime) -> Sequence[Line]:
        """Send what is not proven yet; how the proof stands."""

    def proof(self, party: PartyId) -> Sequence[Line]:
        """How the proof stands; nothing for a partner that is live."""

    def live(self, party: PartyId, now: datetime, by: str) -> None:
        """Business may begin, if every agreed flow is proven."""

    def suspend(self, party: PartyId, suspended: bool, now: datetime, by: str) -> None:
        """Let nothing go or come for now; or again."""

    def cancel(self, which: str, now: datetime, by: str) -> Joining:
        """Take back an invitation, a joining, or a partner that is not live."""


def terms_of(asked: Asked) -> Terms:
    """What is proposed, as it goes to the other side."""
    agreement = asked.agreement
    return Terms(
        agreement=agreement.id if agreement else None,
        start=agreement.start if agreement else None,
        until=agreement.end if agreement else None,
        covers=asked.covers,
        party=asked.party,
    )
