"""The trade from both offices: contract, deal, registration, availability, dispatch and outage, each act by its role, and the
book as both then show it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_acts_dispatch import instruction
from tests.exchange.test_trade import GSA, TEXT
from tests.exchange.trade_stage import AGG, DEAL_TERMS, DERS, HOUR, NWS, P7, P9, Stage, dealt, kw, registered
from tests.portal.two_offices import Offices, offices, one

from intertie.client import NotAllowed, NotHere, RuleBroken, Wrong
from intertie.gateway.office.api_keys import OfficeRole
from intertie.market.contract import terms_hash
from intertie.model.agreement import ContractAction, DefaultReason
from intertie.model.availability import AvailabilityDeclaration
from intertie.model.contract import ObjectionReason
from intertie.model.dispatch import CancelReason, DispatchAnswer, RefusalReason, ReportKind
from intertie.model.interval import Window
from intertie.model.message import Mode
from intertie.model.office import Queued
from intertie.model.system import AssetOutage, AssetOutageCause, OutageCause, OutageKind, OutageNotice


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Offices]:
    """Both offices, and a deal that both are bound by."""
    with offices(tmp_path, dealt()) as both:
        yield both


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Offices]:
    """Both offices, and nothing agreed."""
    with offices(tmp_path, Stage()) as both:
        yield both


def declaration(at: Offices, *values: float, point: str = P7) -> AvailabilityDeclaration:
    start = at.stage.now + HOUR
    series = kw(start, *values)
    return AvailabilityDeclaration(
        aggregation=AGG,
        service=DEAL_TERMS.service,
        point=P7 if point == P7 else P9,
        window=Window(start=start, end=series.end),
        revision=1,
        up_kw=series,
        down_kw=kw(start, *(0 for _ in values)),
    )


def call(at: Offices, power: float = 5) -> str:
    """A dispatch that the utility's trader calls."""
    body = instruction(at.stage, power)
    at.utility.accepted(at.utility.trader.instruct(AGGREGATOR, body))
    return body.dispatch


def test_a_contract_is_proposed_signed_and_suspended(fresh: Offices) -> None:
    utility, aggregator = fresh.utility, fresh.aggregator
    utility.accepted(utility.trader.send(AGGREGATOR, TEXT))
    proposed = one(fresh.book().contracts, GSA)
    assert proposed.state == "proposed" and proposed.more["terms"] == terms_hash(TEXT)
    assert proposed.document["agreement"] == GSA and proposed.document["buyer"] == UTILITY
    aggregator.accepted(aggregator.trader.sign(UTILITY, GSA, signatory="A. Person"))
    assert one(fresh.book().contracts, GSA).state == "partly_signed"
    utility.accepted(utility.trader.sign(AGGREGATOR, GSA))
    signed = one(fresh.book().contracts, GSA)
    assert signed.state == "in_force" and signed.more["signed_at"]
    with pytest.raises(Wrong, match="waits to be signed"):
        utility.trader.sign(AGGREGATOR, GSA)
    utility.accepted(utility.trader.notice(AGGREGATOR, GSA, ContractAction.SUSPEND, text="storm"))
    rests = one(fresh.book().contracts, GSA)
    assert rests.state == "suspended" and rests.more["suspended_by"] == UTILITY
    with pytest.raises(RuleBroken) as broken:
        aggregator.trader.notice(UTILITY, GSA, ContractAction.RESUME)
    assert broken.value.rule == "contract.lifted_by" and broken.value.problem.status == 422
    utility.accepted(utility.trader.notice(AGGREGATOR, GSA, ContractAction.RESUME))
    default = aggregator.trader.notice(
        UTILITY, GSA, ContractAction.DEFAULT, reason=DefaultReason.FAILURE_TO_PAY
    )
    aggregator.accepted(default)
    assert one(fresh.book().contracts, GSA).state == "in_default"


def test_a_deal_is_objected_to_revised_and_accepted(tmp_path: Path) -> None:
    with offices(tmp_path, registered()) as at:
        utility, aggregator = at.utility, at.aggregator
        utility.accepted(utility.trader.send(AGGREGATOR, DEAL_TERMS))
        assert one(at.book().confirmations, NWS).state == "open"
        said = aggregator.trader.answer_deal(
            UTILITY, NWS, objection=ObjectionReason.WRONG_PRICE, detail="too low"
        )
        aggregator.accepted(said)
        talked = one(at.book().confirmations, NWS)
        assert talked.state == "objected" and talked.more["objections"][0]["reason"] == "wrong_price"
        utility.accepted(utility.trader.send(AGGREGATOR, replace(DEAL_TERMS, revision=2)))
        assert one(at.book().confirmations, NWS).document["revision"] == 2
        aggregator.accepted(aggregator.trader.answer_deal(UTILITY, NWS))
        assert one(at.book().confirmations, NWS).state == "accepted"


def test_the_deal_and_the_registration_in_the_book(at: Offices) -> None:
    book = at.book()
    deal = one(book.confirmations, NWS)
    assert deal.state == "accepted" and deal.document["contracted_kw"] == "20"
    assert deal.more["confirmer"] in (UTILITY, AGGREGATOR) and deal.more["deadline"]
    registered = one(book.registrations, AGG)
    assert registered.state == "registered" and registered.more["services"] == [DEAL_TERMS.service.value]
    ders = {der["der"]["id"]: der for der in registered.more["ders"]}
    assert set(ders) == {der.id for der in DERS}
    assert all(der["state"] == "accepted" and der["counts"] for der in ders.values())
    assert registered.more["history"] and book.void == [] and book.unread == 0
    assert at.utility.trader.void(AGGREGATOR).items == []


def test_an_answer_to_a_deal_that_is_not_there(at: Offices) -> None:
    with pytest.raises(Wrong, match="no deal NOTHING"):
        at.aggregator.trader.answer_deal(UTILITY, "NOTHING")
    with pytest.raises(RuleBroken) as broken:
        at.aggregator.trader.answer_deal(UTILITY, NWS)
    assert broken.value.rule == "confirmation.step" and broken.value.problem.do


def test_availability_is_declared_revised_and_withdrawn(at: Offices) -> None:
    aggregator = at.aggregator
    first = declaration(at, 15, 14, 13)
    again = replace(first, up_kw=kw(first.window.start, 12, 12, 12))
    aggregator.accepted(aggregator.operator.declare(UTILITY, first))
    aggregator.accepted(aggregator.trader.declare(UTILITY, again))
    declared = at.book().availability
    assert declared[-1].document["revision"] == 2 and declared[-1].more["message"]
    assert declared[-1].document["up_kw"]["values"] == [12000, 12000, 12000]
    with pytest.raises(RuleBroken) as broken:
        aggregator.operator.declare(UTILITY, replace(declaration(at, 1), point="NOWHERE"))
    assert broken.value.rule == "availability.point"
    aggregator.accepted(aggregator.operator.withdraw(UTILITY, AGG))
    gone = at.book().availability[-1].document
    assert gone["revision"] == 3 and set(gone["up_kw"]["values"]) == {0}
    with pytest.raises(Wrong, match="nothing is declared"):
        aggregator.operator.withdraw(UTILITY, AGG)


def test_several_windows_are_withdrawn_at_once(at: Offices) -> None:
    aggregator = at.aggregator
    first, second = declaration(at, 5), declaration(at, 4, point=P9)
    for body in (first, second):
        aggregator.accepted(aggregator.operator.declare(UTILITY, body))
    taken = aggregator.operator.withdraw(UTILITY, AGG, key="withdraw-all-1")
    assert len(taken.messages) == 2 == len(set(taken.messages))
    assert aggregator.operator.withdraw(UTILITY, AGG, key="withdraw-all-1") == taken
    aggregator.accepted(taken)


def test_a_dispatch_from_its_call_to_its_end(at: Offices) -> None:
    utility, aggregator = at.utility, at.aggregator
    name = call(at, 6)
    waits = one(at.book().dispatches, name)
    assert waits.state == "issued" and waits.document["confirmation"] == NWS and "answered" not in waits.more
    asked = aggregator.operator.message(
        aggregator.operator.inbox(document="dispatch_instruction").items[-1].id
    )
    assert asked.body is not None and asked.body["dispatch"] == name
    begins = datetime.fromisoformat(waits.document["window"]["start"])
    part = kw(begins, 4, 4, step=timedelta(minutes=15))
    with pytest.raises(Wrong, match="reason"):
        aggregator.operator.answer_dispatch(UTILITY, name, DispatchAnswer.PARTIAL, committed_kw=part)
    said = aggregator.operator.answer_dispatch(
        UTILITY, name, DispatchAnswer.PARTIAL, reason=RefusalReason.NOT_AVAILABLE, committed_kw=part
    )
    aggregator.accepted(said)
    partly = one(at.book().dispatches, name)
    assert partly.state == "partial" and partly.more["reason"] == "not_available"
    assert partly.more["committed_kw"]["values"] == [4000, 4000] and not partly.more["late"]
    at.stage.now = begins
    aggregator.accepted(
        aggregator.operator.report_dispatch(UTILITY, name, ReportKind.STARTED, at.stage.now, ders=2)
    )
    measured = kw(at.stage.now, 3.9, step=timedelta(minutes=15))
    at.stage.now += timedelta(minutes=15)
    aggregator.accepted(aggregator.operator.measure_dispatch(UTILITY, name, measured, ders_reporting=2))
    at.stage.now += timedelta(minutes=15)
    aggregator.accepted(aggregator.trader.report_dispatch(UTILITY, name, ReportKind.FINISHED, at.stage.now))
    done = one(at.book().dispatches, name)
    assert done.state == "finished" and [report["report"] for report in done.more["reports"]] == [
        "started",
        "finished",
    ]
    with pytest.raises(RuleBroken):
        utility.trader.cancel_dispatch(AGGREGATOR, name, CancelReason.OTHER, at.stage.now)


def test_a_dispatch_is_refused_or_taken_back(at: Offices) -> None:
    utility, aggregator = at.utility, at.aggregator
    first = call(at, 5)
    aggregator.accepted(
        aggregator.operator.answer_dispatch(
            UTILITY, first, DispatchAnswer.REFUSED, reason=RefusalReason.NOT_AVAILABLE
        )
    )
    assert one(at.book().dispatches, first).state == "refused"
    second = call(at, 4)
    utility.accepted(
        utility.trader.cancel_dispatch(
            AGGREGATOR, second, CancelReason.NO_LONGER_NEEDED, at.stage.now + HOUR, text="load is low"
        )
    )
    taken = one(at.book().dispatches, second)
    assert taken.state == "cancelled" and taken.more["cancel_reason"] == "no_longer_needed"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"power": 50}, "dispatch.above_contracted"),
        ({"after": timedelta(minutes=5)}, "dispatch.under_notice"),
        ({"after": timedelta(days=200)}, "dispatch.outside_term"),
    ],
)
def test_a_call_that_breaks_a_rule_leaves_nothing(at: Offices, changes: dict[str, object], rule: str) -> None:
    with pytest.raises(RuleBroken) as broken:
        at.utility.trader.instruct(AGGREGATOR, instruction(at.stage, **changes))  # type: ignore[arg-type]
    assert broken.value.rule == rule and not broken.value.retry
    assert at.book().dispatches == [] and at.utility.trader.messages(state="queued").items == []


def test_an_aggregator_cannot_call(at: Offices) -> None:
    with pytest.raises(Wrong):
        at.aggregator.trader.instruct(UTILITY, instruction(at.stage))
    with pytest.raises(Wrong, match="no dispatch"):
        at.aggregator.operator.answer_dispatch(UTILITY, "D-NONE", DispatchAnswer.ACCEPTED)


def test_the_effects_of_an_outage_on_both_sides(at: Offices) -> None:
    aggregator = at.aggregator
    name = call(at, 12)
    lost = AssetOutage(
        outage="A-1",
        aggregation=AGG,
        ders=(DERS[0].id, DERS[1].id),
        kind=OutageKind.UNPLANNED,
        starts=at.stage.now,
        cause=AssetOutageCause.FAILURE,
        unavailable_kw=DEAL_TERMS.contracted_kw,
    )
    aggregator.accepted(aggregator.operator.send(UTILITY, lost, mode=Mode.REAL_TIME, agreement=GSA))
    ours, theirs = (side.trader.effects(side.them, hours=3) for side in (at.utility, aggregator))
    assert ours == theirs and {lack.der for lack in ours.lacks} == {"DER-1", "DER-2"}
    assert all(lack.kw == "0" or float(lack.kw) == 0 for lack in ours.lacks)
    whats = {short.what for short in ours.short}
    assert f"deal {NWS}" in whats, whats
    assert all(float(short.short_kw) > 0 and short.why for short in ours.short)
    assert name in {item.name for item in at.book().dispatches}


def test_an_outage_of_the_grid_in_the_book(at: Offices) -> None:
    notice = OutageNotice(
        outage="OUT-1",
        kind=OutageKind.PLANNED,
        points=(P9,),
        starts=at.stage.now + HOUR,
        estimated_restoration=at.stage.now + 3 * HOUR,
        cause=OutageCause.MAINTENANCE,
    )
    at.utility.accepted(at.utility.operator.send(AGGREGATOR, notice, mode=Mode.SCHEDULED, agreement=GSA))
    out = one(at.book().outages, "OUT-1")
    assert out.state == "open" and out.more["kind"] == "planned" and list(out.more["points"]) == [P9]
    assert out.more["expected"] > out.more["starts"]


def test_one_call_that_is_repeated_is_one_dispatch(at: Offices) -> None:
    body = instruction(at.stage, 5)
    sent = [at.utility.trader.instruct(AGGREGATOR, body, key="call-number-1") for _ in range(3)]
    assert sent[0] == sent[1] == sent[2]
    at.utility.accepted(sent[0])
    assert [item.name for item in at.book().dispatches] == [body.dispatch]


def test_acts_of_the_trade_by_role(at: Offices) -> None:
    """What the matrix says of routes, seen in their effect: who may not, changes nothing."""
    clients = at.aggregator.clients
    body = declaration(at, 5)
    acts = {
        "declare": lambda office: office.declare(UTILITY, body),
        "withdraw": lambda office: office.withdraw(UTILITY, AGG),
        "sign": lambda office: office.sign(UTILITY, GSA),
        "notice": lambda office: office.notice(UTILITY, GSA, ContractAction.SUSPEND),
        "answer": lambda office: office.answer_dispatch(UTILITY, "D-1", DispatchAnswer.ACCEPTED),
        "deal": lambda office: office.answer_deal(UTILITY, NWS),
    }
    before = at.book().digest
    for role in (OfficeRole.AUDITOR, OfficeRole.ADMIN, OfficeRole.SETTLEMENT):
        for act in acts.values():
            with pytest.raises(NotAllowed):
                act(clients[role])
    for name in ("sign", "notice", "deal"):
        with pytest.raises(NotAllowed):
            acts[name](clients[OfficeRole.OPERATOR])
    at.stage.settle_soon()
    assert at.book().digest == before
    with pytest.raises(NotAllowed):
        clients[OfficeRole.ADMIN].book(UTILITY)
    assert at.aggregator.auditor.book(UTILITY).digest == before


def test_evidence_of_a_call_for_an_auditor(at: Offices) -> None:
    call(at)
    (line,) = at.aggregator.auditor.inbox(document="dispatch_instruction").items
    proof = msgspec.json.decode(at.aggregator.auditor.evidence(line.id))
    assert proof["v"] == 1 and proof["receipt"]
    with pytest.raises(NotAllowed):
        at.aggregator.trader.evidence(line.id)
    with pytest.raises(NotHere):
        at.aggregator.auditor.evidence("01990000-0000-7000-8000-000000000000")


def test_types_of_the_answers(at: Offices) -> None:
    """What the client decodes is what the office meant: every list and every thing, once."""
    office = at.aggregator.trader
    assert office.whoami().party == AGGREGATOR
    assert office.partners().items[0] == office.partner(UTILITY)
    assert office.flows(interface="DA", limit=1).next == 1
    assert office.documents(limit=1).next == office.documents(limit=1).items[0].name
    assert "properties" in office.schema("offer")
    assert office.dead_letters().items == []
    queued = office.declare(UTILITY, declaration(at, 3))
    assert isinstance(queued, Queued)
    assert office.cancel(queued.messages[0]).state == "cancelled"
    admin = at.aggregator.clients[OfficeRole.ADMIN]
    assert {key.name for key in admin.keys().items} == {role.value for role in OfficeRole}
    assert admin.revoke_key("settlement").revoked is not None
    conversation = office.messages("in", partner=UTILITY, document="confirmation").items
    assert [line.document for line in conversation] == ["confirmation"]
