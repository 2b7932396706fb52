"""Admission takes exactly what the flows say, and of several flows the one that demands most."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.catalogue.admit import Catalogue, catalogue_of
from intertie.catalogue.flow import Flow, Level
from intertie.catalogue.load import load_catalogue
from intertie.model.errors import Code, Refused
from intertie.model.ids import DocumentName, InterfaceCode, MessageId, PartyId
from intertie.model.message import Header, Mode, Verb
from intertie.model.party import Role

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MESSAGE = MessageId("01936b2e-7c00-7000-8000-000000000001")
SENDER, RECIPIENT = PartyId("sender.example"), PartyId("recipient.example")
CATALOGUE = load_catalogue()
FLOWS = CATALOGUE.flows()
UTILITY, AGGREGATOR = frozenset({Role.DISTRIBUTION_UTILITY}), frozenset({Role.DER_AGGREGATOR})


def header(interface: str, document: str, mode: Mode) -> Header:
    return Header(
        id=MESSAGE,
        verb=Verb.CREATED,
        document=DocumentName(document),
        version=1,
        interface=InterfaceCode(interface),
        mode=mode,
        sender=SENDER,
        recipient=RECIPIENT,
        created=NOW,
        expires=NOW + timedelta(hours=1),
    )


def refused(
    interface: str, document: str, mode: Mode, sender: frozenset[Role], recipient: frozenset[Role]
) -> Refused:
    with pytest.raises(Refused) as caught:
        CATALOGUE.admit(header(interface, document, mode), sender, recipient)
    error = caught.value
    assert (error.message, error.partner, error.step) == (MESSAGE, SENDER, 9)
    return error


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.key)
def test_every_flow_is_admitted(flow: Flow) -> None:
    asked = header(flow.interface, flow.document, flow.mode)
    assert CATALOGUE.admit(asked, frozenset({flow.sender}), frozenset({flow.recipient})) == flow


some_roles = st.frozensets(st.sampled_from(Role), max_size=4)


@given(
    st.sampled_from([*CATALOGUE.interfaces, InterfaceCode("NONE")]),
    st.sampled_from([*sorted({flow.document for flow in FLOWS}), DocumentName("poem")]),
    st.sampled_from(Mode),
    some_roles,
    some_roles,
)
def test_admits_exactly_the_flows(
    interface: InterfaceCode,
    document: DocumentName,
    mode: Mode,
    sender: frozenset[Role],
    recipient: frozenset[Role],
) -> None:
    there = [f for f in FLOWS if (f.interface, f.document, f.mode) == (interface, document, mode)]
    fitting = [f for f in there if f.sender in sender and f.recipient in recipient]
    if not fitting:
        wanted = Code.WRONG_ROLE if there else Code.UNKNOWN_FLOW
        assert refused(interface, document, mode, sender, recipient).code is wanted
        return
    admitted = CATALOGUE.admit(header(interface, document, mode), sender, recipient)
    assert admitted in fitting
    assert all(admitted.demands_at_least(other) for other in fitting)


def test_each_pair_of_roles_is_admitted_where_a_flow_joins_it_and_nowhere_else() -> None:
    places = {(f.interface, f.document, f.mode) for f in FLOWS}
    admitted = set()
    for (interface, document, mode), sender, recipient in product(places, Role, Role):
        try:
            flow = CATALOGUE.admit(
                header(interface, document, mode), frozenset({sender}), frozenset({recipient})
            )
        except Refused as error:
            assert error.code is Code.WRONG_ROLE
            continue
        assert (flow.sender, flow.recipient) == (sender, recipient)
        admitted.add(flow.key)
    assert admitted == {flow.key for flow in FLOWS}


@given(st.sampled_from(FLOWS), some_roles, some_roles)
def test_more_roles_never_lower_the_demand(
    flow: Flow, more_sender: frozenset[Role], more_recipient: frozenset[Role]
) -> None:
    asked = header(flow.interface, flow.document, flow.mode)
    admitted = CATALOGUE.admit(asked, more_sender | {flow.sender}, more_recipient | {flow.recipient})
    assert admitted.demands_at_least(flow)


@given(st.sampled_from(FLOWS))
def test_a_flow_is_not_admitted_backwards_unless_it_is_there(flow: Flow) -> None:
    back = [
        f
        for f in FLOWS
        if (f.interface, f.document, f.mode, f.sender, f.recipient)
        == (flow.interface, flow.document, flow.mode, flow.recipient, flow.sender)
    ]
    asked = header(flow.interface, flow.document, flow.mode)
    if back:
        assert CATALOGUE.admit(asked, frozenset({flow.recipient}), frozenset({flow.sender})) == back[0]
    else:
        error = refused(
            flow.interface, flow.document, flow.mode, frozenset({flow.recipient}), frozenset({flow.sender})
        )
        assert error.code is Code.WRONG_ROLE


def test_the_refusal_says_what_is_wrong() -> None:
    no_interface = refused("NONE", "invoice", Mode.SCHEDULED, AGGREGATOR, UTILITY)
    assert no_interface.detail == "there is no interface NONE"
    no_document = refused("DA", "tariff_filing", Mode.SCHEDULED, AGGREGATOR, UTILITY)
    assert no_document.detail == "interface DA does not carry tariff_filing"
    no_mode = refused("DA", "composition_change", Mode.SCHEDULED, AGGREGATOR, UTILITY)
    assert (
        no_mode.detail
        == "interface DA carries composition_change in mode real_time, registration, not scheduled"
    )
    role = refused("DA", "availability_declaration", Mode.SCHEDULED, UTILITY, AGGREGATOR | {Role.METER})
    assert role.detail == (
        "availability_declaration on DA goes from der_aggregator to distribution_utility; "
        "sender.example holds distribution_utility, recipient.example holds der_aggregator, meter"
    )
    assert "holds no role" in refused("DA", "offer", Mode.SCHEDULED, frozenset(), UTILITY).detail


def raised(flow: Flow, sender: Role, **needs: object) -> Flow:
    return msgspec.structs.replace(flow, sender=sender, **needs)


def test_of_several_flows_the_one_that_demands_most() -> None:
    interface = CATALOGUE.interfaces[InterfaceCode("ET2")]
    bid = next(f for f in interface.flows if f.document == "bid" and f.sender is Role.SCADA_DMS)
    low = raised(bid, Role.SCADA_DMS, confidentiality=Level.LOW, protect_for_days=30)
    high = raised(bid, Role.DER_AGGREGATOR, confidentiality=Level.HIGH, protect_for_days=31)
    both = frozenset({Role.SCADA_DMS, Role.DER_AGGREGATOR})
    for flows in ((low, high), (high, low)):
        catalogue = catalogue_of([msgspec.structs.replace(interface, flows=flows)])
        asked = header("ET2", "bid", Mode.SCHEDULED)
        assert catalogue.admit(asked, both, frozenset({Role.MARKET_CLEARINGHOUSE})) == high
        assert (
            catalogue.admit(asked, frozenset({Role.SCADA_DMS}), frozenset({Role.MARKET_CLEARINGHOUSE})) == low
        )


def test_find_flows() -> None:
    everywhere = CATALOGUE.find_flows(DocumentName("invoice"))
    assert {flow.document for flow in everywhere} == {"invoice"}
    assert len({flow.interface for flow in everywhere}) > 1
    here = CATALOGUE.find_flows(DocumentName("invoice"), InterfaceCode("DA"))
    assert {flow.sender for flow in here} == {Role.DISTRIBUTION_UTILITY, Role.DER_AGGREGATOR}
    assert set(here) < set(everywhere)
    assert CATALOGUE.find_flows(DocumentName("invoice"), InterfaceCode("ET1")) == ()
    assert CATALOGUE.find_flows(DocumentName("poem")) == ()


def test_an_empty_catalogue_admits_nothing() -> None:
    empty: Catalogue = catalogue_of([])
    assert empty.flows() == ()
    with pytest.raises(Refused) as caught:
        empty.admit(header("DA", "invoice", Mode.SCHEDULED), AGGREGATOR, UTILITY)
    assert caught.value.code is Code.UNKNOWN_FLOW


def test_the_catalogue_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        CATALOGUE.interfaces[InterfaceCode("DA")] = CATALOGUE.interfaces[InterfaceCode("ET1")]  # type: ignore[index]
