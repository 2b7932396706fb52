"""A receipt that is lost until its message has expired is asked for again, and two books that differed are one."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from tests.exchange.house import AGGREGATOR, STRANGER, UTILITY
from tests.exchange.two_sides import DEAL, GSA, Two, Y, other

from intertie.exchange.outbound import State
from intertie.gateway.gateway import LinkAnswer, Partner
from intertie.gateway.proving.export_evidence import export
from intertie.gateway.proving.witness import NoSuchReceipt, WitnessDesk
from intertie.gateway.sending.ask_receipt import Asked, ask_receipts, unanswered
from intertie.model.errors import PartnerError
from intertie.model.ids import ParcelId, PartyId
from intertie.seal.evidence_file import verify_file
from intertie.seal.evidence_report import EvidenceReport

WEEK = timedelta(days=7)


class Page:
    """The partner's page, without a door."""

    def __init__(self, two: Two, asker: PartyId, instead: LinkAnswer | None = None) -> None:
        self.two, self.asker, self.instead = two, asker, instead
        self.desk = WitnessDesk(two.gateways[other(asker)])

    async def get(self, partner: Partner, path: str) -> LinkAnswer:
        if self.instead is not None:
            return self.instead
        parcel = ParcelId(path.partition("parcel=")[2])
        try:
            return LinkAnswer(200, self.desk.receipt(self.asker, parcel, self.two.now), None)
        except NoSuchReceipt:
            return LinkAnswer(404, b'{"code":"no_such_receipt"}', None)


def lost(two: Two) -> str:
    """A deal that the aggregator accepted, and of which the utility never heard: the receipts are lost until it has expired."""
    two.agree()
    message = two.say(UTILITY, DEAL, GSA)
    two.carry(UTILITY, lose=True)
    two.now += WEEK
    two.carry(UTILITY, lose=True)
    assert two.state(UTILITY, message)[0] is State.EXPIRED
    assert DEAL.confirmation in two.book(AGGREGATOR).deals
    assert DEAL.confirmation not in two.book(UTILITY).deals
    assert two.digest(UTILITY) != two.digest(AGGREGATOR)
    return message


def ask(two: Two, party: PartyId = UTILITY, instead: LinkAnswer | None = None) -> list[Asked]:
    gateway = two.gateways[party]
    return asyncio.run(ask_receipts(gateway, Page(two, party, instead), other(party), two.now))


@pytest.mark.parametrize("on_disk", [False, True])
def test_books_that_differ_are_one_again(on_disk: bool, tmp_path: Path) -> None:
    two = Two(folder=tmp_path if on_disk else None)
    message = lost(two)
    (asked,) = ask(two)
    assert asked.messages == [(message, State.ACCEPTED)] and asked.why == ""
    assert two.digest(UTILITY) == two.digest(AGGREGATOR)
    deals = [two.book(party).deals[DEAL.confirmation] for party in (UTILITY, AGGREGATOR)]
    assert deals[0] == deals[1]  # received at the time of the receipt, whenever it came
    two.restart(UTILITY)
    assert two.digest(UTILITY) == two.digest(AGGREGATOR)
    assert ask(two) == []
    if on_disk:
        two.close(UTILITY, AGGREGATOR)


def test_business_goes_on_as_if_it_had_come_and_it_is_evidence() -> None:
    two = Two()
    message = lost(two)
    ask(two)
    gateway = two.gateways[UTILITY]
    report = verify_file(export(gateway, gateway.store.message(message).id, two.now), gateway.trust, two.now)  # type: ignore[union-attr, arg-type]
    assert isinstance(report, EvidenceReport) and report.outcome == "accepted"
    again = two.book(AGGREGATOR).deals[DEAL.confirmation]
    assert again.state == "open" and two.now > again.deadline
    with pytest.raises(Exception, match=r"confirmation\.deadline"):
        two.say(AGGREGATOR, Y, GSA)


def test_what_never_arrived_stays_what_it_is() -> None:
    two = Two()
    two.agree()
    message = two.say(UTILITY, DEAL, GSA)
    gateway = two.gateways[UTILITY]
    two.gateways[UTILITY] = gateway
    wire_down = LinkAnswer(503, b"", None)
    with pytest.raises(PartnerError, match="answers 503"):
        lost_to_nowhere(two, message)
        ask(two, instead=wire_down)
    with pytest.raises(PartnerError, match="answers 404"):  # a gateway of before, without the page
        ask(two, instead=LinkAnswer(404, b"Not Found", None))
    (asked,) = ask(two)
    assert asked.messages == [(message, State.EXPIRED)] and "never took" in asked.why
    assert two.digest(UTILITY) == two.digest(AGGREGATOR)


def lost_to_nowhere(two: Two, message: str) -> None:
    """Sealed, and nobody was there until it expired: the other side's clock is so far ahead that it refuses nothing else."""
    gateway, there = two.gateways[UTILITY], two.gateways[AGGREGATOR]
    two.gateways[AGGREGATOR] = Two().gateways[AGGREGATOR]  # another house answers nothing that counts
    two.now += timedelta(seconds=1)
    two.carry(UTILITY, lose=True)
    two.now += WEEK
    two.carry(UTILITY, lose=True)
    two.gateways[AGGREGATOR] = there
    assert gateway.store.message(message, outgoing=True).state is State.EXPIRED  # type: ignore[union-attr, arg-type]


def test_what_is_no_receipt_changes_nothing() -> None:
    two = Two()
    message = lost(two)
    (asked,) = ask(two, instead=LinkAnswer(200, b"{}", None))
    assert "no receipt" in asked.why and two.state(UTILITY, message)[0] is State.EXPIRED
    (parcel,) = unanswered(two.gateways[UTILITY], AGGREGATOR)
    assert parcel.receipt is None


def test_nobody_is_given_the_receipt_of_another() -> None:
    two = Two()
    lost(two)
    (parcel,) = unanswered(two.gateways[UTILITY], AGGREGATOR)
    desk = WitnessDesk(two.gateways[AGGREGATOR])
    assert desk.receipt(UTILITY, parcel.id, two.now).startswith(b"{")
    with pytest.raises(NoSuchReceipt):
        desk.receipt(STRANGER, parcel.id, two.now)
