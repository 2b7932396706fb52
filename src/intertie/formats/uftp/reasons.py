"""UFTP's rejection reasons and our rules: which reason says which rule is broken, and what a reason that we are given means.

The rules of the market name the reason in their source (market/offer_rules.py); what they do not name is an Invalid Message. The
text after the reason says our rule, so that nothing is lost on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from intertie.market.book import RULES as TRADE_RULES
from intertie.market.event import Broken, Rule
from intertie.model.errors import Code

SOURCE = "UFTP rejection reason: "
INVALID_MESSAGE = "Invalid Message"
# As long as a reason is read by people.
REASON_MAX = 500

# By the code of a refusal that is no rule of the trade.
BY_CODE: Mapping[Code, str] = MappingProxyType(
    {
        Code.UNKNOWN_SENDER: "Unknown SenderDomain",
        Code.SENDER_SUSPENDED: "Barred Sender",
        Code.PROTECTION_TOO_WEAK: "Barred Sender",
        Code.WRONG_RECIPIENT: "Unknown RecipientDomain",
        Code.TRANSPORT_NOT_SENDER: "Invalid Sender combination",
        Code.HEADER_NOT_PARCEL: "Mismatch SenderDomain",
        Code.WRONG_ROLE: "Invalid SenderRole",
        Code.BAD_MANIFEST: "Invalid SignedMessage",
        Code.PARCEL_ID_REUSED: "Duplicate Identifier",
        Code.MESSAGE_ID_REUSED: "Duplicate Identifier",
        Code.AGREEMENT_NOT_IN_FORCE: "Unknown ContractID",
    }
)
# Reasons of the specification for what only reading finds.
BY_READING = (
    "ISP duration rejected",
    "TimeZone rejected",
    "ISPs out of bounds",
    "ISP conflict",
    "Period out of bounds",
    "Invalid CongestionPoint",
    "PeriodStart/End rejected",
    "Missing Settlement Items",
    "Unknown ContractID",
    "Unknown MessageID",
    INVALID_MESSAGE,
)


def of_rule(rule: Rule) -> str:
    """The reason that says this rule."""
    return rule.source.removeprefix(SOURCE) if rule.source.startswith(SOURCE) else INVALID_MESSAGE


_BY_NAME = {rule.name: of_rule(rule) for rule in TRADE_RULES}
REASONS: tuple[str, ...] = tuple(sorted({*_BY_NAME.values(), *BY_CODE.values(), *BY_READING}))


def reason_of(code: str, detail: str) -> str:
    """What we answer for a refusal by this code. The detail of a rule of the trade begins with its name."""
    if code == Code.TRADE_RULE:
        reason = _BY_NAME.get(detail.partition(":")[0], INVALID_MESSAGE)
    elif any(detail.startswith(reason) for reason in BY_READING):
        return detail[:REASON_MAX]
    else:
        reason = next((text for known, text in BY_CODE.items() if known == code), INVALID_MESSAGE)
    return f"{reason} ({detail})"[:REASON_MAX]


def code_of(reason: str) -> Code:
    """Our code for a reason that a partner gave; its words differ in case and spaces between libraries."""
    said = _plain(reason)
    for code, text in BY_CODE.items():
        if said.startswith(_plain(text)):
            return code
    return Code.TRADE_RULE


def rules_of(reason: str) -> tuple[str, ...]:
    """The names of our rules that this reason may say; the name itself, if one of ours wrote it."""
    said = _plain(reason)
    named = reason.partition("(")[2].partition(":")[0]
    if named in _BY_NAME:
        return (named,)
    return tuple(
        name for name, text in _BY_NAME.items() if text != INVALID_MESSAGE and said.startswith(_plain(text))
    )


def detail_of(broken: Broken) -> str:
    """As the detail of a refusal says a broken rule."""
    return f"{broken.rule.name}: {broken.detail or broken.rule.text}"


def _plain(text: str) -> str:
    return "".join(text.split()).lower()
