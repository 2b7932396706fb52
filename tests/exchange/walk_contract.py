"""Steps of a contract, of deals and of services: amended, suspended, ended; confirmed, revised, objected to, deemed accepted."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import rule
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, END, UTILITY
from tests.exchange.two_sides import notice, signature
from tests.exchange.walk import NEXT, PARTIES, TERMS, Walk
from tests.unit.market.grid_cases import AGREEMENT, HEAD, POINTS, at, deal, window

from intertie.model.agreement import ContractAction
from intertie.model.contract import (
    ConfirmationAnswer,
    ConfirmationResponse,
    Objection,
    ObjectionReason,
    Service,
)
from intertie.model.ids import ConfirmationId, PartyId
from intertie.model.quantity import Kilowatts

DEALS = st.sampled_from([ConfirmationId("DEAL-1"), ConfirmationId("DEAL-2"), ConfirmationId("DEAL-3")])
SERVICES = st.sampled_from(
    [*[Service.DIST_CAPACITY] * 3, Service.VOLT_VAR, Service.RELIABILITY, Service.ENERGY]
)

# A walk of holidays stops so long before the certificates of the house end: a notice of 40 days, and some settling.
KEYS_LIVE_ON = timedelta(days=60)


class ContractSteps(Walk):
    """Both may amend, sign and give notice; a suspension is soon lifted, so that business goes on."""

    @rule(party=PARTIES, energy=st.booleans(), hours=st.integers(0, 20), off=NEXT)
    def amend(self, party: PartyId, energy: bool, hours: int, off: int) -> None:
        known = self.see(party).contracts[AGREEMENT]
        elections = replace(TERMS.elections, energy=energy)
        text = replace(TERMS, revision=known.revision + off, effective=at(hours - 2), elections=elections)
        self.try_(party, text)

    @rule(party=PARTIES)
    def sign(self, party: PartyId) -> None:
        draft = self.see(party).contracts[AGREEMENT].draft
        if draft is not None:
            self.try_(party, signature(draft.text))

    @rule(party=PARTIES, action=st.sampled_from([ContractAction.SUSPEND, ContractAction.DEFAULT]))
    def rest(self, party: PartyId, action: ContractAction) -> None:
        self._notify(party, action)

    @rule(party=PARTIES, right=st.sampled_from([True, True, True, False]))
    def go_on(self, party: PartyId, right: bool) -> None:
        known = self.see(party).contracts[AGREEMENT]
        by = known.default.declarer if known.default is not None else known.suspended_by
        action = ContractAction.CURE if known.default is not None else ContractAction.RESUME
        if by is not None:
            self._notify(by if right else party, action)

    @rule(party=PARTIES)
    def go_on_again(self, party: PartyId) -> None:
        self.go_on(party, True)

    @rule(party=PARTIES)
    def decline(self, party: PartyId) -> None:
        draft = self.see(party).contracts[AGREEMENT].draft
        if draft is not None:
            self.try_(party, notice(ContractAction.DECLINE, draft.text.revision, AGREEMENT))

    def _notify(self, party: PartyId, action: ContractAction) -> None:
        text = self.see(party).contracts[AGREEMENT].text_at(self.two.now)
        assert text is not None
        self.try_(party, notice(action, text.revision, AGREEMENT))


class EndSteps(Walk):
    """The contract ends in the middle of whatever is going on."""

    @rule(party=PARTIES, days=st.integers(29, 40))
    def terminate(self, party: PartyId, days: int) -> None:
        text = self.see(party).contracts[AGREEMENT].text_at(self.two.now)
        assert text is not None
        body = notice(ContractAction.TERMINATE, text.revision, AGREEMENT)
        self.try_(party, replace(body, effective=self.two.now + timedelta(days=days)))

    @rule(days=st.integers(1, 40))
    def wait_long(self, days: int) -> None:
        """A holiday, or a season; nothing is left on its way, for messages live three days."""
        self.two.settle()
        if self.two.now + timedelta(days=days) < END - KEYS_LIVE_ON:
            self.two.now += timedelta(days=days)


class DealSteps(Walk):
    """Deals of several services at overlapping points."""

    @rule(
        party=st.sampled_from([UTILITY, UTILITY, UTILITY, AGGREGATOR]),
        name=DEALS,
        off=NEXT,
        service=SERVICES,
        kw=st.sampled_from([5, 10, 25, 30]),
        place=st.integers(0, 3),
        days=st.integers(1, 5),
    )
    def confirm(
        self, party: PartyId, name: ConfirmationId, off: int, service: Service, kw: int, place: int, days: int
    ) -> None:
        known = self.see(party).deals.get(name)
        body = deal(
            confirmation=name,
            revision=(known.terms.revision if known is not None else 0) + off or 1,
            service=service,
            contracted_kw=Kilowatts(Decimal(kw)),
            points=((HEAD,), POINTS[:1], POINTS[:2], POINTS[1:])[place],
            term=window(-12, 24 * days),
        )
        self.try_(party, body)

    @rule(
        party=st.sampled_from([AGGREGATOR, AGGREGATOR, UTILITY]),
        name=DEALS,
        accept=st.booleans(),
        back=st.sampled_from([0, 0, 1]),
    )
    def respond(self, party: PartyId, name: ConfirmationId, accept: bool, back: int) -> None:
        known = self.see(party).deals.get(name)
        revision = max(1, (known.terms.revision if known is not None else 1) - back)
        answer = ConfirmationAnswer.ACCEPTED if accept else ConfirmationAnswer.OBJECTED
        reasons = () if accept else (Objection(reason=ObjectionReason.WRONG_QUANTITY),)
        body = ConfirmationResponse(confirmation=name, answer=answer, reasons=reasons, revision=revision)
        self.try_(party, body)
