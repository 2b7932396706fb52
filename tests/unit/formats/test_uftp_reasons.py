"""Every rejection reason of the specification has a rule or a code, and every rule of the market a reason."""

from __future__ import annotations

import pytest

from intertie.formats.uftp.reasons import (
    BY_CODE,
    INVALID_MESSAGE,
    REASONS,
    code_of,
    of_rule,
    reason_of,
    rules_of,
)
from intertie.market import offer_rules
from intertie.model.errors import Code

# As standards.md 6.1 lists them; "Unknown …MessageID" is one for each kind of reference.
LISTED = [
    "Unknown SenderDomain",
    "Invalid SenderRole",
    "Invalid Sender combination",
    "Mismatch SenderDomain",
    "Invalid SignedMessage",
    "Invalid Message",
    "Unknown RecipientDomain",
    "Barred Sender",
    "Duplicate Identifier",
    "Already Submitted",
    "ISP duration rejected",
    "TimeZone rejected",
    "Invalid CongestionPoint",
    "Unknown FlexRequestMessageID",
    "Unknown FlexOfferMessageID",
    "Unknown D-PrognosisMessageID",
    "Reference Period mismatch",
    "Reference message expired",
    "Reference message revoked",
    "ISPs out of bounds",
    "ISP conflict",
    "Period out of bounds",
    "ExpirationDateTime out of bounds",
    "Missing Settlement Items",
    "PeriodStart/End rejected",
]


@pytest.mark.parametrize("reason", LISTED)
def test_each_reason_is_said_here(reason: str) -> None:
    assert reason in REASONS


@pytest.mark.parametrize("rule", offer_rules.RULES, ids=lambda rule: rule.name)
def test_a_rule_is_said_and_found_again(rule: offer_rules.Rule) -> None:
    said = reason_of(Code.TRADE_RULE, f"{rule.name}: because")
    assert said == f"{of_rule(rule)} ({rule.name}: because)"
    assert rules_of(said) == (rule.name,)
    if of_rule(rule) != INVALID_MESSAGE:
        assert rule.name in rules_of(of_rule(rule).upper()), "without our detail, in other letters"
        assert code_of(said) in (
            Code.TRADE_RULE,
            Code.WRONG_ROLE,
            Code.PARCEL_ID_REUSED,
            Code.AGREEMENT_NOT_IN_FORCE,
        )


@pytest.mark.parametrize("code", list(BY_CODE))
def test_a_code_is_said_and_read_as_one_with_the_same_words(code: Code) -> None:
    assert BY_CODE[code_of(reason_of(code.value, "why"))] == BY_CODE[code]


def test_what_reading_found_is_said_as_it_was_found() -> None:
    assert (
        reason_of(Code.SCHEMA, "ISP conflict: 3 stands there twice") == "ISP conflict: 3 stands there twice"
    )
    assert reason_of(Code.SCHEMA, "something else") == "Invalid Message (something else)"
    assert reason_of("no_such_code", "x") == "Invalid Message (x)"
    assert len(reason_of(Code.SCHEMA, "x" * 2000)) == 500


def test_reasons_of_other_libraries() -> None:
    assert code_of("Barred Sender") is Code.SENDER_SUSPENDED
    assert "offer.intervals" in rules_of("ISPs Out Of Bounds")
    assert "need.point" in rules_of("Invalid Congestion Point")
    assert rules_of("Unauthorized") == ()
