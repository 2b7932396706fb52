"""Flows without a way back, and parcels that somebody carries: what left is neither delivered nor given up, and proves itself."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from tests.exchange.house import AGGREGATOR, NOW, UTILITY, Pair, Wire, make_pair
from tests.exchange.relay_world import AGGREGATOR as SENDER
from tests.exchange.relay_world import HOME, HUB, make_world

from intertie.exchange.dead_letters import death_of
from intertie.exchange.escalation import Look, look_at
from intertie.exchange.outbound import State
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import Query
from intertie.gateway.proving.export_evidence import export
from intertie.gateway.sending.carry_parcel import Exported, export_parcel, import_carried
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.expire import expire
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.journal.entry import read_entry
from intertie.model.documents import example
from intertie.model.errors import Code, PartnerError, Refused
from intertie.model.ids import DocumentName, InterfaceCode, MessageId, PartyId
from intertie.model.message import Mode
from intertie.model.party import Role
from intertie.seal.evidence import verify_evidence

DAY = timedelta(days=1)


@pytest.fixture
def pair() -> Pair:
    """A control centre and an ISO, with a diode from the one to the other."""
    pair = make_pair(frozenset({Role.SCADA_DMS}), frozenset({Role.ISO_RTO}))
    change(pair.utility, AGGREGATOR, one_way=True, url="")
    return pair


def change(gateway: Gateway, party: PartyId, **what: object) -> None:
    book = gateway.partners.partners  # type: ignore[attr-defined]
    book[party] = book[party]._replace(**what)


def telemetry(
    gateway: Gateway, document: str = "power_system_data", mode: Mode = Mode.REAL_TIME
) -> MessageId:
    _, body = example(DocumentName(document))
    out = Outgoing(
        body=body,
        recipient=AGGREGATOR,
        interface=InterfaceCode("ET1"),
        mode=mode,
        expires=NOW + timedelta(hours=1),
    )
    return send(gateway, [out], NOW)[0]


def state(gateway: Gateway, message: MessageId) -> tuple[State, str]:
    row = gateway.store.message(message, outgoing=True)
    assert row is not None
    return row.state, row.detail


def exported(gateway: Gateway, party: PartyId = AGGREGATOR) -> Exported:
    one = export_parcel(gateway, party, NOW)
    assert one is not None
    return one


def test_what_was_carried_out_is_handed_over_and_nothing_is_waited_for(pair: Pair) -> None:
    message = telemetry(pair.utility)
    one = exported(pair.utility)
    assert one.done and one.name == f"{one.parcel}.itp"
    said = state(pair.utility, message)
    assert said == (
        State.HANDED_OVER,
        "exported to be carried; nothing comes back from aggregator.example",
    )
    assert export_parcel(pair.utility, AGGREGATOR, NOW + DAY) is None
    assert expire(pair.utility, NOW + DAY) == [] and state(pair.utility, message) == said
    assert not pair.utility.store.dead_letters() and not pair.utility.store.next_partners(NOW + DAY)
    notes = [read_entry(raw).note for _, raw, _ in pair.utility.store.entries()]
    assert notes[-1] == "handed over"


def test_it_is_no_dead_letter_and_escalates_nothing() -> None:
    assert death_of(State.HANDED_OVER, sealed=True) is None
    assert look_at(State.HANDED_OVER) is Look.SETTLE


def test_it_arrives_and_is_receipted_where_it_arrives(pair: Pair) -> None:
    message = telemetry(pair.utility)
    one = exported(pair.utility)
    came = import_carried(pair.aggregator, one.blob, NOW)
    rows = pair.aggregator.store.messages(Query(outgoing=False))
    assert [row.id for row in rows] == [message] and came.answer_name == f"{one.parcel}.receipt.json"
    again = import_carried(pair.aggregator, one.blob, NOW + timedelta(hours=2))
    assert again.answer == came.answer


def test_a_receipt_that_somebody_brings_all_the_same_counts(pair: Pair) -> None:
    message = telemetry(pair.utility)
    came = import_carried(pair.aggregator, exported(pair.utility).blob, NOW)
    assert came.answer is not None
    import_carried(pair.utility, came.answer, NOW + DAY)
    assert state(pair.utility, message) == (State.ACCEPTED, "")


def test_its_evidence_proves_who_said_it_and_says_that_nothing_proves_that_it_arrived(pair: Pair) -> None:
    message = telemetry(pair.utility)
    exported(pair.utility)
    report = verify_evidence(export(pair.utility, message, NOW), pair.utility.trust, NOW)
    assert report.sender == UTILITY and report.received is None
    assert "without a receipt: it proves who said it, not that it arrived" in report.notes


def test_what_expires_before_it_leaves_is_expired(pair: Pair) -> None:
    message = telemetry(pair.utility)
    assert expire(pair.utility, NOW + timedelta(hours=2)) == [message]
    assert state(pair.utility, message)[0] is State.EXPIRED
    assert export_parcel(pair.utility, AGGREGATOR, NOW + timedelta(hours=2)) is None


def test_a_flow_that_needs_a_receipt_does_not_go_one_way() -> None:
    world = make_world()
    world.partner(SENDER, HOME, via=None, one_way=True)
    with pytest.raises(Refused) as caught:
        world.say()
    assert caught.value.code is Code.NO_WAY_BACK


def test_one_that_was_queued_before_fails_before_it_leaves() -> None:
    world = make_world()
    world.partner(SENDER, HOME, via=None)
    message = world.say()
    world.partner(SENDER, HOME, one_way=True)
    assert export_parcel(world.gateways[SENDER], HOME, world.now) is None
    said, detail = world.state(message)
    assert said is State.FAILED and detail.startswith("no_way_back")


def test_nothing_is_posted_to_who_has_no_way_back(pair: Pair) -> None:

    change(pair.utility, AGGREGATOR, url="https://aggregator.example")
    telemetry(pair.utility)
    wire = Wire(pair.aggregator, UTILITY)
    assert asyncio.run(deliver_once(pair.utility, wire, AGGREGATOR, lambda: NOW, lambda: 0.0)) is None
    assert not wire.sent


# By hand, with a way back


def test_a_parcel_by_hand_waits_for_its_receipt_and_is_the_same_the_next_time() -> None:
    world = make_world()
    world.partner(SENDER, HOME, via=None)
    world.partner(HOME, SENDER, via=None)
    message = world.say()
    ours, theirs = world.gateways[SENDER], world.gateways[HOME]
    one = export_parcel(ours, HOME, world.now)
    assert one is not None and not one.done
    assert world.state(message) == (State.SENDING, "exported to be carried; no receipt yet")
    assert export_parcel(ours, HOME, world.now) is None
    again = export_parcel(ours, HOME, world.now + timedelta(minutes=11))
    assert again is not None and again.blob == one.blob
    came = import_carried(theirs, one.blob, world.now)
    assert came.answer is not None
    import_carried(ours, came.answer, world.now)
    assert world.state(message) == (State.ACCEPTED, "") and world.received() == [message]


def test_by_hand_through_a_relay_all_the_way_and_back() -> None:
    world = make_world()
    message = world.say()
    ours, hub, theirs = (world.gateways[party] for party in (SENDER, HUB, HOME))
    one = export_parcel(ours, HOME, world.now)
    assert one is not None and one.name.endswith(".itc")
    hop = import_carried(hub, one.blob, world.now)
    assert hop.answer is not None and hop.answer_name == f"{one.parcel}.taken.json"
    import_carried(ours, hop.answer, world.now)
    assert len(ours.store.hops(one.parcel, outgoing=True, partner=HOME)) == 1
    world.hand_on(HUB, HOME)
    assert world.received() == [message] and theirs.store.counts()
    answer = hub.store.relayed(one.parcel)
    assert answer is not None and answer.answer is not None
    back = import_carried(ours, answer.answer, world.now)
    assert world.state(message)[0] is State.ACCEPTED and back.answer is not None
    import_carried(hub, back.answer, world.now)
    kept = hub.store.relayed(one.parcel)
    assert kept is not None and kept.back.value == "given"


def test_what_nobody_knows_of_is_refused(pair: Pair) -> None:
    telemetry(pair.utility)
    came = import_carried(pair.aggregator, exported(pair.utility).blob, NOW)
    assert came.answer is not None
    with pytest.raises(Refused) as caught:
        import_carried(pair.aggregator, came.answer, NOW)
    assert caught.value.code is Code.NOT_RELAYED
    with pytest.raises(Refused):
        import_carried(pair.aggregator, b"{}", NOW)


def test_a_false_receipt_is_refused_and_the_parcel_waits_on() -> None:
    world = make_world()
    world.partner(SENDER, HOME, via=None)
    world.partner(HOME, SENDER, via=None)
    message = world.say()
    ours, theirs = world.gateways[SENDER], world.gateways[HOME]
    one = export_parcel(ours, HOME, world.now)
    assert one is not None
    came = import_carried(theirs, one.blob, world.now)
    assert came.answer is not None
    lines = came.answer.split(b'"signature":"')
    false = b'"signature":"'.join([*lines[:-1], b"AAAA" + lines[-1][4:]])
    with pytest.raises(Refused):
        import_carried(ours, false, world.now)
    assert world.state(message)[0] is State.SENDING


@pytest.mark.parametrize("what", [{"suspended": True}, {"party": None}])
def test_nothing_is_exported_to_who_is_suspended_or_none(pair: Pair, what: dict[str, object]) -> None:
    telemetry(pair.utility)
    if "suspended" in what:
        change(pair.utility, AGGREGATOR, suspended=True)
        with pytest.raises(PartnerError):
            export_parcel(pair.utility, AGGREGATOR, NOW)
    else:
        with pytest.raises(Refused):
            export_parcel(pair.utility, PartyId("nobody.example"), NOW)
