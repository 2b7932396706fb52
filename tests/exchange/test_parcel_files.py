"""Sealed parcels as files: taken as the parcels they are by any door for files, receipted by a file, and put out for who has
them so; and a relay that takes a parcel at one door hands it on at another."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from tests.exchange.parcel_files import Trays, by_file
from tests.exchange.relay_world import AGGREGATOR, HOME, HUB, World, make_world

from intertie.exchange.outbound import State
from intertie.exchange.relaying import Back, Passage
from intertie.formats.custodian_terms import CustodianTerms
from intertie.formats.espi.terms import EspiTerms
from intertie.gateway.sending.choosing import choose
from intertie.gateway.translating.files import Purpose
from intertie.model.record import RuleError
from intertie.seal.hop import read_hop
from intertie.seal.jws import read_jws
from intertie.seal.receipt import RECEIPT_BYTES_MAX, RECEIPT_TYP, read_receipt


@pytest.fixture
def two() -> Trays:
    """The aggregator and the customer's gateway exchange files, and nobody stands between."""
    world = make_world()
    world.partner(AGGREGATOR, HOME, via=None)
    world.partner(HOME, AGGREGATOR, via=None)
    trays = Trays(world)
    trays.agree(AGGREGATOR, HOME)
    return trays


def test_a_message_goes_as_a_file_and_its_receipt_comes_as_one(two: Trays) -> None:
    message = two.world.say()
    sent = two.send(AGGREGATOR, HOME)
    assert sent is not None and sent.receipted and sent.detail == "put out as a file; no receipt yet"
    parcel = two.world.parcel(message)
    (file,) = two.lying[AGGREGATOR, HOME]
    assert file.name == f"{parcel}.itp" and file.content.startswith(b"ITP1")
    text, receipt = two.take(HOME, AGGREGATOR)
    assert two.world.received() == [message]
    assert (receipt.name, receipt.purpose) == (f"{parcel}.receipt.json", Purpose.RECEIPT)
    assert b"result: 1 taken, 0 refused" in text.content
    assert two.world.state(message)[0] is State.SENDING
    (said,) = two.take(AGGREGATOR, HOME)
    assert two.world.state(message) == (State.ACCEPTED, "") and b"1 taken" in said.content
    stored = two.world.gateways[AGGREGATOR].store.parcel(parcel, outgoing=True)
    assert stored is not None and stored.receipt == receipt.content
    read_receipt(read_jws(receipt.content, RECEIPT_TYP, limit=RECEIPT_BYTES_MAX).payload)


def test_it_is_put_out_again_only_after_a_while_and_a_repeat_changes_nothing(two: Trays) -> None:
    message = two.world.say()
    two.send(AGGREGATOR, HOME)
    assert two.send(AGGREGATOR, HOME) is None
    two.world.now += timedelta(minutes=11)
    two.send(AGGREGATOR, HOME)
    one, other = two.lying[AGGREGATOR, HOME]
    assert one.content == other.content
    first, second = two.drop(HOME, AGGREGATOR, "a", one.content), two.drop(HOME, AGGREGATOR, "b", one.content)
    assert first == second and two.world.received() == [message]
    for _ in range(2):
        two.drop(AGGREGATOR, HOME, "receipt", first[1].content)
    assert two.world.state(message)[0] is State.ACCEPTED


def test_a_file_of_another_partner_is_refused_as_over_its_connection(two: Trays) -> None:
    message = two.world.say()
    two.send(AGGREGATOR, HOME)
    (file,) = two.lying[AGGREGATOR, HOME]
    two.agree(HUB, HOME)
    (said,) = two.drop(HOME, HUB, file.name, file.content)
    assert said.purpose is Purpose.REFUSAL and b"transport_not_sender" in said.content
    assert not two.world.received()
    two.take(HOME, AGGREGATOR)
    assert two.world.received() == [message]


def test_a_parcel_that_was_changed_is_refused_and_the_right_one_still_taken(two: Trays) -> None:
    message = two.world.say()
    two.send(AGGREGATOR, HOME)
    (file,) = two.lying[AGGREGATOR, HOME]
    changed = file.content[:-1] + bytes([file.content[-1] ^ 1])
    (said,) = two.drop(HOME, AGGREGATOR, file.name, changed)
    assert b"the parcel: refused: cannot_open" in said.content
    (again,) = two.drop(HOME, AGGREGATOR, file.name, changed)
    assert again.purpose is Purpose.REFUSAL
    two.take(HOME, AGGREGATOR)
    assert two.world.received() == [message]


def test_a_receipt_for_nothing_that_was_sent_is_refused(two: Trays) -> None:
    message = two.world.say()
    two.send(AGGREGATOR, HOME)
    (file,) = two.lying[AGGREGATOR, HOME]
    receipt = two.drop(HOME, AGGREGATOR, file.name, file.content)[1]
    (said,) = two.drop(HOME, AGGREGATOR, "receipt", receipt.content)  # its own, back
    assert b"refused: not_relayed" in said.content
    altered = receipt.content.replace(b'"signature":"A', b'"signature":"B').replace(
        b'"signature":"M', b'"signature":"N'
    )
    if altered != receipt.content:
        (said,) = two.drop(AGGREGATOR, HOME, "receipt", altered)
        assert b"refused: bad_manifest" in said.content
    assert two.world.state(message)[0] is State.SENDING


def test_a_partner_whose_descriptor_we_do_not_have_brings_no_parcels(two: Trays) -> None:
    two.world.say()
    two.send(AGGREGATOR, HOME)
    (file,) = two.lying[AGGREGATOR, HOME]
    two.forget(HOME, AGGREGATOR)
    (said,) = two.drop(HOME, AGGREGATOR, file.name, file.content)
    assert said.purpose is Purpose.REFUSAL and b"we have no descriptor of it" in said.content
    assert not two.world.received()


def test_after_its_end_date_nothing_is_put_out(two: Trays) -> None:
    two.agree(AGGREGATOR, HOME, until=date(2026, 1, 14))
    message = two.world.say()
    two.send(AGGREGATOR, HOME)
    assert not two.lying[AGGREGATOR, HOME] and "ended on 2026-01-14" in two.world.state(message)[1]


def test_nor_is_anything_taken_as_a_file_then_neither_a_parcel_nor_a_receipt(two: Trays) -> None:
    message = two.world.say()
    two.send(AGGREGATOR, HOME)
    (file,) = two.lying[AGGREGATOR, HOME]
    receipt = two.drop(HOME, AGGREGATOR, file.name, file.content)[1]
    assert two.world.received() == [message]
    other = two.world.say()
    two.send(AGGREGATOR, HOME)
    late = two.lying[AGGREGATOR, HOME][-1]
    two.agree(AGGREGATOR, HOME, until=date(2026, 1, 14))
    for party, sender, content in (
        (HOME, AGGREGATOR, late.content),
        (AGGREGATOR, HOME, receipt.content),
    ):
        (said,) = two.drop(party, sender, "late", content)
        assert said.purpose is Purpose.REFUSAL and b"protection_too_weak" in said.content
        assert b"ended on 2026-01-14" in said.content
    assert two.world.received() == [message]
    assert {two.world.state(one)[0] for one in (message, other)} == {State.SENDING}
    two.agree(AGGREGATOR, HOME)
    two.drop(AGGREGATOR, HOME, "in time again", receipt.content)
    two.drop(HOME, AGGREGATOR, "in time again", late.content)
    assert two.world.state(message)[0] is State.ACCEPTED and two.world.received() == [message, other]


def test_the_partner_page_says_so(two: Trays) -> None:
    partner = two.world.gateways[AGGREGATOR].partners.find(HOME)
    assert partner is not None and partner.by_file and not partner.fetches
    assert choose(partner, (), date(2026, 1, 15)).binding == "parcels as files"
    ended = choose(partner, (), date(2028, 1, 1))
    assert ended.binding == "nothing" and "ended on 2027-12-31" in ended.why


def test_by_what_only_fetches_go_no_parcels() -> None:
    at = "https://home.example/espi"
    terms = CustodianTerms(resources=at, token=at, client_id="app", secret_file="secret.txt")
    with pytest.raises(RuleError, match="goes with one of sftp, upload, ftps, as2, as4, internet_et"):
        by_file(HOME, sftp_terms=None, custodian_terms=terms, espi=EspiTerms(zone="UTC"))


# By a relay, from one door to another


def by_hub(file_side: str) -> tuple[World, Trays]:
    world = make_world()
    trays = Trays(world)
    trays.agree(AGGREGATOR if file_side == "sender" else HOME, HUB)
    return world, trays


def test_what_came_as_a_file_goes_on_over_a_connection_and_back_as_a_file() -> None:
    world, trays = by_hub("sender")
    message = world.say()
    trays.send(AGGREGATOR, HOME)
    assert world.state(message)[1] == "put out as a file for hub.example; no answer yet"
    trays.take(HUB, AGGREGATOR)
    trays.take(AGGREGATOR, HUB)
    parcel = world.parcel(message)
    (hop,) = world.gateways[AGGREGATOR].store.hops(parcel, outgoing=True, partner=HOME)
    assert read_hop(hop).hop.by == HUB
    trays.hand_on(HUB, HOME)
    assert world.received() == [message]
    put = trays.hand_on(HUB, AGGREGATOR)
    assert put is not None and put.detail == "put out as a file; no answer yet"
    (file,) = trays.lying[HUB, AGGREGATOR]
    assert file.name == f"{parcel}.itr"
    trays.take(AGGREGATOR, HUB)
    assert world.state(message) == (State.ACCEPTED, "")
    trays.take(HUB, AGGREGATOR)
    row = world.relayed(HUB, parcel)
    assert (row.passage, row.back) == (Passage.RECEIPTED, Back.GIVEN)


def test_what_came_over_a_connection_goes_on_as_a_file() -> None:
    world, trays = by_hub("recipient")
    message = world.say()
    world.send(AGGREGATOR)
    trays.hand_on(HUB, HOME)
    (file,) = trays.lying[HUB, HOME]
    assert file.name == f"{world.parcel(message)}.itc"
    trays.take(HOME, HUB)
    assert world.received() == [message]
    trays.take(HUB, HOME)
    assert world.relayed(HUB, world.parcel(message)).passage is Passage.RECEIPTED
    world.hand_on(HUB, AGGREGATOR)
    assert world.state(message)[0] is State.ACCEPTED
