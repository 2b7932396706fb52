"""The eighteen files say what the mission documents say."""

from __future__ import annotations

import re

import pytest

from intertie.catalogue.flow import Category, Direction, Flow, Interface, Level
from intertie.catalogue.load import load_catalogue
from intertie.model.documents import DOCUMENTS
from intertie.model.ids import DocumentName, InterfaceCode
from intertie.model.message import Mode
from intertie.model.party import Role

CATALOGUE = load_catalogue()
INTERFACES = list(CATALOGUE.interfaces.values())
FLOWS = CATALOGUE.flows()
ET = [interface for interface in INTERFACES if interface.code != "DA"]
U, A = Role.DISTRIBUTION_UTILITY, Role.DER_AGGREGATOR

# "Actor #1" and "Actor #2" of each table of 002, and the two parties of 000.
ACTORS = {
    "DA": ({U}, {A}),
    "ET1": ({Role.ISO_RTO}, {Role.SCADA_DMS}),
    "ET2": ({Role.MARKET_CLEARINGHOUSE}, {Role.SCADA_DMS, A}),
    "ET3": ({Role.SCADA_DMS}, {Role.GATEWAY_ESI}),
    "ET4": ({Role.BACK_OFFICE}, {Role.GATEWAY_ESI}),
    "ET5": ({Role.GATEWAY_ESI}, {Role.CUSTOMER_EMS}),
    "ET6": ({Role.ISO_RTO}, {A}),
    "ET7": ({Role.CUSTOMER_EMS}, {Role.EVSE_PEV}),
    "ET8": ({A}, {Role.GATEWAY_ESI}),
    "ET9": ({Role.CUSTOMER_EMS}, {Role.SUBMETER_EUMD}),
    "ET10": ({Role.SUBMETER_EUMD}, {Role.EVSE_PEV}),
    "ET11": ({Role.MARKET_CLEARINGHOUSE}, {A}),
    "ET12": ({Role.BACK_OFFICE}, {A}),
    "ET13": ({Role.SCADA_DMS}, {Role.UTILITY_APPS}),
    "ET14": ({Role.SCADA_DMS}, {A}),
    "ET15": ({Role.METER}, {Role.GATEWAY_ESI, Role.SUBMETER_EUMD}),
    "ET16": ({Role.AGENCY}, {Role.ISO_RTO, Role.SCADA_DMS, A}),
    "ET17": ({Role.GATEWAY_ESI}, {Role.THIRD_PARTY}),
}
BOTH_WAYS = {
    "base_contract",
    "contract_signature",
    "contract_notice",
    "confirmation",
    "confirmation_response",
    "der_suspension",
    "der_resumption",
    "meter_readings",
    "meter_request",
    "invoice",
    "remittance_advice",
    "dispute",
    "dispute_answer",
    "credit_memo",
    "account_statement",
}


def interface(code: str) -> Interface:
    return CATALOGUE.interfaces[InterfaceCode(code)]


def flow(code: str, document: str, mode: Mode, sender: Role | None = None) -> Flow:
    found = [
        f
        for f in interface(code).flows
        if (f.document, f.mode) == (document, mode) and sender in (None, f.sender)
    ]
    assert len(found) == 1, found
    return found[0]


def sent(code: str, sender: Role) -> set[str]:
    return {f.document for f in interface(code).flows if f.sender is sender}


def test_the_actors_are_those_of_the_mission() -> None:
    assert {i.code: (set(i.actors[0]), set(i.actors[1])) for i in INTERFACES} == ACTORS


def test_the_order_is_that_of_the_mission() -> None:
    assert list(CATALOGUE.interfaces) == list(ACTORS)


def test_every_role_sends_and_receives() -> None:
    assert {f.sender for f in FLOWS} == set(Role)
    assert {f.recipient for f in FLOWS} == set(Role)


def test_every_category_is_used() -> None:
    assert {f.category for f in FLOWS} == set(Category)


def test_every_document_of_the_catalogue_exists() -> None:
    assert {f.document for f in FLOWS} <= set(DOCUMENTS)


def test_every_document_is_in_the_catalogue() -> None:
    assert set(DOCUMENTS) <= {f.document for f in FLOWS}


@pytest.mark.parametrize("one", INTERFACES, ids=lambda i: i.code)
def test_flows_go_both_ways_where_the_mission_names_both(one: Interface) -> None:
    forth = {f for f in one.flows if f.sender in one.actors[0]}
    back = set(one.flows) - forth
    if one.code == "ET10":  # 002 section 1.10 names only the status of the vehicle
        assert not forth
        assert any("no flow that way" in doubt for doubt in one.doubts)
        assert back
    else:
        assert forth
        assert back


@pytest.mark.parametrize("one", ET, ids=lambda i: i.code)
def test_sources_name_the_section_of_the_interface(one: Interface) -> None:
    """ETn is section 1.n of 002; other sections are named only beside it."""
    section = f"002 section 1.{one.code.removeprefix('ET')}"
    here = re.compile(re.escape(section) + r"(?![0-9])")
    assert one.source == section
    assert all(here.search(f.source) for f in one.flows)
    sentences = one.requirements + one.constraints + one.media + one.threats + one.doubts
    assert all(re.search(r"\(00[12] [^()]+\)$", sentence) for sentence in sentences)
    assert all(here.search(sentence) for sentence in one.requirements)


def test_sources_of_the_use_case_are_the_use_case_and_the_minutes() -> None:
    one = interface("DA")
    sentences = one.requirements + one.constraints + one.media + one.threats + one.doubts
    assert all(re.search(r"\(00[01] [^()]+\)$", sentence) for sentence in sentences)
    assert all(re.match(r"00[01] ", f.source) for f in one.flows)
    assert any("(001 " in sentence for sentence in one.requirements)


@pytest.mark.parametrize("one", ET, ids=lambda i: i.code)
def test_the_five_security_requirements(one: Interface) -> None:
    words = ("Integrity", "Availability", "Confidentiality", "Authentication", "Non-repudiation")
    assert tuple(sentence.split()[0] for sentence in one.requirements) == words


def test_the_four_categories_of_the_use_case() -> None:
    ways = {(f.category, f.sender) for f in interface("DA").flows}
    assert {(c, r) for c in (Category.BILLING, Category.SYSTEM_OUTAGE) for r in (U, A)} <= ways
    assert {(Category.AGGREGATION, A), (Category.AVAILABILITY, A)} <= ways


def test_the_documents_of_the_use_case() -> None:
    assert sent("DA", U) & sent("DA", A) >= BOTH_WAYS
    assert sent("DA", U) - BOTH_WAYS == {
        "registration_decision",
        "outage_notice",
        "outage_update",
        "restoration_notice",
        "system_condition",
        "feeder_model",
        "need",
        "need_withdrawal",
        "counter_offer",
        "order",
        "need_result",
        "dispatch_instruction",
        "dispatch_cancel",
        "performance_statement",
    }
    assert sent("DA", A) - BOTH_WAYS == {
        "aggregation_registration",
        "composition_change",
        "availability_declaration",
        "load_prognosis",
        "asset_outage",
        "asset_return",
        "offer",
        "sealed_offer",
        "offer_key",
        "offer_revocation",
        "counter_answer",
        "dispatch_response",
        "dispatch_report",
        "dispatch_telemetry",
    }


@pytest.mark.parametrize(
    ("document", "calm"),
    [
        ("composition_change", Mode.REGISTRATION),
        ("availability_declaration", Mode.SCHEDULED),
        ("outage_notice", Mode.SCHEDULED),
        ("dispatch_instruction", Mode.SCHEDULED),
    ],
)
def test_real_time_has_other_needs(document: str, calm: Mode) -> None:
    """Minutes of 20 November 2024, item 2: registration and real-time messages have different considerations."""
    slow, fast = flow("DA", document, calm), flow("DA", document, Mode.REAL_TIME)
    assert fast.latency_seconds < slow.latency_seconds
    assert fast.priority <= slow.priority
    assert fast.protect_for_days <= slow.protect_for_days
    assert fast.integrity is slow.integrity is Level.HIGH


def test_real_time_composition_stays_confidential() -> None:
    assert flow("DA", "composition_change", Mode.REAL_TIME).confidentiality is Level.HIGH


def test_what_is_urgent_goes_first() -> None:
    ranks = {
        category: [f.priority for f in interface("DA").flows if f.category is category]
        for category in Category
    }
    assert max(ranks[Category.SYSTEM_OUTAGE] + ranks[Category.DISPATCH]) < min(ranks[Category.AVAILABILITY])
    assert max(ranks[Category.AVAILABILITY]) < min(ranks[Category.MARKET])
    assert max(ranks[Category.MARKET]) < min(ranks[Category.METERING])
    assert max(ranks[Category.METERING]) < min(ranks[Category.BILLING])


def test_money_is_protected_for_years_and_confidential() -> None:
    for one in FLOWS:
        if one.category in (Category.BILLING, Category.CONTRACT):
            assert one.protect_for_days >= 7 * 365
            assert (one.confidentiality, one.integrity, one.non_repudiation) == (Level.HIGH, Level.HIGH, True)


def test_real_time_is_protected_no_longer_than_a_dispute_can_last() -> None:
    assert all(f.protect_for_days <= 2 * 366 for f in FLOWS if f.mode is Mode.REAL_TIME)
    assert any(f.protect_for_days == 1 for f in FLOWS)


def test_business_of_the_use_case_is_under_an_agreement() -> None:
    """All but the flows that make the agreement."""
    founding = {"base_contract", "contract_signature", "contract_notice"}
    assert {f.document for f in interface("DA").flows if not f.agreement} == founding


def test_commands_requests_and_accepted_deals_cannot_be_denied() -> None:
    """002, security requirements of every interface."""
    commands = re.compile(
        r"request|command|instruction|cancel|bid$|result$|grant|revocation|filing|invoice|confirmation"
    )
    assert [f.key for f in FLOWS if commands.search(f.document) and not f.non_repudiation] == [
        f.key
        for f in FLOWS
        if f.document == "market_result" and f.confidentiality is Level.LOW and not f.non_repudiation
    ]


def test_et1_answers_within_a_few_seconds_and_may_be_one_way() -> None:
    one = interface("ET1")
    assert {f.latency_seconds for f in one.flows} == {4}
    one_way = {f.document for f in one.flows if f.direction is Direction.ONE_WAY}
    assert {"power_system_data", "operating_request"} <= one_way
    assert "operating_response" not in one_way, "an answer supposes a way back"
    assert sum("One-way WAN" in medium for medium in one.media) == 2
    assert all(f.direction is Direction.TWO_WAY for f in FLOWS if f.interface != "ET1")
    assert one.threats


@pytest.mark.parametrize("code", ["ET5", "ET7", "ET8"])
def test_pass_through_interfaces_relay(code: str) -> None:
    assert all(f.relay for f in interface(code).flows)


def test_no_deal_between_two_organisations_is_relayed() -> None:
    for code in ("DA", "ET1", "ET2", "ET6", "ET11", "ET12", "ET14", "ET16", "ET17"):
        assert not any(f.relay for f in interface(code).flows)


def test_et11_is_et2_for_the_aggregator() -> None:
    assert interface("ET11").same_as == "ET2"
    assert all(i.same_as is None for i in INTERFACES if i.code != "ET11")
    mine = {f.key.removeprefix("ET11.") for f in interface("ET11").flows}
    theirs = {f.key.removeprefix("ET2.") for f in interface("ET2").flows if A in (f.sender, f.recipient)}
    assert mine == theirs


@pytest.mark.parametrize("code", ["ET3", "ET4"])
def test_set_up_of_a_vehicle(code: str) -> None:
    first, second = interface(code).actors[0][0], Role.GATEWAY_ESI
    assert {"vehicle_identity", "vehicle_enrolment", "vehicle_capability"} <= sent(code, second)
    assert "enrolment_decision" in sent(code, first)
    assert "cameras" in " ".join(interface(code).constraints)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ET16", ["unclear", "law firm", "unlikely", "State PUC", "tariff"]),
        ("ET17", ["unknown", "unclear"]),
        ("ET2", ["unclear", "missing"]),
        ("ET13", ["internal"]),
    ],
)
def test_doubts_of_the_text_are_kept(code: str, words: list[str]) -> None:
    said = " ".join(interface(code).doubts)
    assert [word for word in words if word not in said] == []


def test_a_named_rule_is_kept() -> None:
    assert any(c.startswith("FERC 889") for c in interface("ET2").constraints)


def test_filings_and_consents_are_where_they_belong() -> None:
    assert {f.interface for f in CATALOGUE.find_flows(DocumentName("tariff_filing"))} == {"ET16"}
    assert {f.interface for f in CATALOGUE.find_flows(DocumentName("consent_grant"))} == {"ET17"}
    assert sent("ET16", Role.AGENCY) == {"filing_decision"}
    assert sent("ET17", Role.THIRD_PARTY) == {"data_request"}


@pytest.mark.parametrize(
    ("code", "sender", "documents"),
    [
        ("ET1", Role.SCADA_DMS, {"power_system_data"}),
        ("ET2", A, {"bid"}),
        ("ET6", Role.ISO_RTO, {"operating_request", "charging_command"}),
        ("ET9", Role.SUBMETER_EUMD, {"meter_readings"}),
        ("ET10", Role.EVSE_PEV, {"charging_status"}),
        ("ET12", Role.BACK_OFFICE, {"meter_readings", "invoice"}),
        ("ET13", Role.UTILITY_APPS, {"application_result"}),
        ("ET14", Role.SCADA_DMS, {"dispatch_instruction", "charging_command", "meter_request"}),
        ("ET15", Role.METER, {"meter_readings"}),
    ],
)
def test_what_the_mission_names_can_be_sent(code: str, sender: Role, documents: set[str]) -> None:
    assert documents <= sent(code, sender)
