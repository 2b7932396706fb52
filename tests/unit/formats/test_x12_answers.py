"""The answers: a 997 names each error by segment and element, an 824 what our business says; both are sets themselves."""

from __future__ import annotations

import pytest
from tests.unit.formats.x12_world import (
    NOW,
    UTILITY,
    body_of,
    invoice,
    one_set,
    there_and_back,
    trading,
    written,
)

from intertie.formats.x12.acknowledge_997 import FunctionalAcknowledgement, SetVerdict, SyntaxNote
from intertie.formats.x12.advice_824 import Advice, AdviceError
from intertie.formats.x12.answers import answer_business, answer_syntax, judge, reference_of
from intertie.formats.x12.findings import X12Error
from intertie.formats.x12.interchange import read_sets
from intertie.formats.x12.layout import profile
from intertie.formats.x12.sets import read_document, write_document, write_file
from intertie.model.errors import Code, IntertieError, Refused
from intertie.model.ids import MessageId

NY = profile("ny")
DATA = written(invoice(3))


def answered(data: bytes) -> FunctionalAcknowledgement:
    [answer] = answer_syntax(read_sets(data), NY)
    return answer


def test_a_right_set_is_accepted() -> None:
    answer = answered(DATA)
    assert answer.verdict == "accepted"
    assert (answer.functional, answer.group_control, answer.accepted, answer.received) == ("IN", "1", 1, 1)
    assert b"AK1*IN*1~AK2*810*0001~AK5*A~AK9*A*1*1*1~" in written(answer)
    assert there_and_back(answer) == answer


@pytest.mark.parametrize(
    "old, new, segments",
    [
        (b"*ENC002*4675", b"*ENC009*46x5", b"AK3*SAC*15**8~AK4*4**7~AK4*5**6~AK5*R*5~"),
        (b"CUR*SE*USD~", b"", b"AK3*CUR*28**3~AK5*R*4*5~"),
        (b"CUR*SE*USD~", b"CUR*SE*USDX~", b"AK3*CUR*3**8~AK4*2**5~AK5*R*5~"),
        (b"CUR*SE*USD~", b"CUR*SE*U~", b"AK3*CUR*3**8~AK4*2**4~AK5*R*5~"),
        (b"CUR*SE*USD~", b"CUR*SE~", b"AK3*CUR*3**8~AK4*2**1~AK5*R*5~"),
        (b"CUR*SE*USD~", b"CUR*SE*USD*X~", b"AK3*CUR*3**8~AK4*3**3~AK5*R*5~"),
        (b"ITD******20260831", b"ITD******20260231", b"AK3*ITD*7**8~AK4*6**8~AK5*R*5~"),
        (b"DTM*150*20260701", b"DTM*150*20260701*2561", b"AK3*DTM*8**8~AK4*3**9~AK5*R*5~"),
        (b"TDS*", b"ZZZ*1~TDS*", b"AK3*ZZZ*27**2~AK5*R*4*5~"),
        (b"TDS*", b"z*1~TDS*", b"AK3*UNK*27**1~AK5*R*4*5~"),
        (b"CTT*3~", b"CTT*3~CUR*SE*USD~", b"AK3*CUR*29**7~AK5*R*4*5~"),
        (b"CTT*3~", b"CTT*3~CTT*3~", b"AK3*CTT*29**5~AK5*R*4*5~"),
        (b"SE*29", b"SE*28", b"AK5*R*4~"),
        (b"SE*29*0001", b"SE*29*0009", b"AK5*R*3~"),
        (b"ST*810", b"ST*850", b"AK2*850*0001~AK5*R*1~"),
    ],
)
def test_errors_are_located_in_the_997(old: bytes, new: bytes, segments: bytes) -> None:
    assert old in DATA
    answer = answered(DATA.replace(old, new, 1))
    assert answer.verdict == "rejected" and answer.accepted == 0
    assert segments in written(answer)
    assert there_and_back(answer) == answer


def test_sets_that_are_right_pass_beside_those_that_are_not() -> None:
    made = [write_document(invoice(n), trading(), reference="R", at=NOW) for n in (1, 2)]
    data = write_file(made, trading(), UTILITY, control=1, at=NOW).replace(b"TDS*", b"TDS*x", 1)
    answer = answered(data)
    assert (answer.verdict, answer.accepted, answer.received) == ("partly", 1, 2)
    assert [one.accepted for one in answer.sets] == [False, True]
    assert b"AK9*P*2*2*1~" in written(answer)


def test_each_group_has_its_answer_and_acknowledgements_have_none() -> None:
    ours = written(answered(DATA))
    assert answer_syntax(read_sets(ours), NY) == []
    both = read_sets(DATA + written(body_of("remittance_advice")))
    assert [answer.functional for answer in answer_syntax(both, NY)] == ["IN", "RA"]


def test_components_in_a_997() -> None:
    note = SyntaxNote(segment="SAC", at=5, code="8", element=2, component=1, element_code="7")
    base = answered(DATA)
    verdict = SetVerdict(set_id="810", control="0001", accepted=False, codes=("5",), notes=(note,))
    body = FunctionalAcknowledgement(
        functional=base.functional,
        group_control="1",
        verdict="rejected",
        included=1,
        received=1,
        accepted=0,
        sets=(verdict,),
    )
    assert b"AK4*2>1**7~" in written(body)
    assert there_and_back(body) == body


def test_what_is_in_our_books_is_accepted_by_an_824() -> None:
    one = one_set(DATA)
    advice = answer_business(one, NY)
    assert advice == Advice(
        original="INV-2026-07", set_id="810", answer="accepted", group_control="1", set_control="0001"
    )
    assert b"OTI*TA*TN*INV-2026-07*****1*0001*810~" in written(advice)
    assert there_and_back(advice) == advice


def test_a_rule_of_the_trade_is_the_reason_of_an_824() -> None:
    error = Refused(
        Code.TRADE_RULE,
        "invoice.rate: not the rate of the deal",
        message=MessageId("019c14c8-5800-733f-a81f-9b0cbf4e7af6"),
    )
    advice = answer_business(one_set(DATA), NY, error)
    data = written(advice)
    assert b"OTI*TR*TN*INV-2026-07*****1*0001*810~" in data
    assert b"REF*7G*TRADE_RULE*invoice.rate: not the rate of the deal~" in data
    assert there_and_back(advice) == advice


def test_a_set_that_makes_no_document_is_told_where() -> None:
    data = DATA.replace(b"TDS*", b"TDS*1")
    with pytest.raises(X12Error) as caught:
        read_document(one_set(data), NY)
    advice = answer_business(one_set(data), NY, caught.value)
    assert advice.answer == "refused" and advice.reason == "DOCUMENT"
    [error] = advice.errors
    assert (error.segment, error.segment_at) == ("ST", 1) and "add up" in error.text
    assert there_and_back(advice) == advice


def test_other_errors_and_awkward_words() -> None:
    advice = answer_business(one_set(DATA), NY, IntertieError("a*b~c>d é " + "word " * 60))
    assert advice.reason == "OTHER" and len(advice.text) == 200
    back = there_and_back(advice)
    assert isinstance(back, Advice) and back.text.split() == advice.text.split()


def test_errors_have_their_places_in_ted() -> None:
    errors = (
        AdviceError(text="not this rate", segment="IT1", segment_at=10, element_at=4),
        AdviceError(text="late"),
    )
    body = Advice(original="R", set_id="810", answer="with_errors", errors=errors)
    assert b"TED*848*not this rate*IT1*10*4~TED*848*late~" in written(body)
    assert there_and_back(body) == body


def test_whoever_refuses_says_why() -> None:
    with pytest.raises(ValueError, match="a refusal has one"):
        Advice(original="R", set_id="810", answer="refused")


@pytest.mark.parametrize(
    "document, reference",
    [
        ("invoice", "INV-2026-01"),
        ("remittance_advice", "TRACE-091000019-4471"),
        ("dispute", "REF0001"),
        ("outage_notice", "REF0001"),
    ],
)
def test_sets_are_called_what_their_writer_calls_them(document: str, reference: str) -> None:
    assert reference_of(one_set(written(body_of(document))), NY) == reference


def test_an_unknown_set_is_judged_too() -> None:
    one = one_set(DATA.replace(b"ST*810", b"ST*850"))
    assert [found.code.value for found in judge(one, NY).findings] == ["unknown_set"]
    assert reference_of(one, NY) == "NONE"
    with pytest.raises(X12Error, match="unknown_set"):
        read_document(one, NY)


def test_a_set_in_the_wrong_group() -> None:
    one = one_set(DATA.replace(b"GS*IN", b"GS*PT"))
    assert [found.code.value for found in judge(one, NY).findings] == ["unknown_set"]


@pytest.mark.parametrize(
    "change", [(b"OTI*IR*IV*", b"OTI*TR*TN*"), (b"AMT*AD*98.30~", b""), (b"OTI*IR*IV*", b"OTI*IR*TN*")]
)
def test_an_824_that_is_neither(change: tuple[bytes, bytes]) -> None:
    data = written(body_of("dispute")).replace(*change)
    try:
        body = read_document(one_set(data), NY)
    except X12Error:
        return
    assert isinstance(body, Advice) and body.answer == "refused"
