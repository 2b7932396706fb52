"""Which role of the office may do what: the least that its work needs. One table, and every route names a right."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from intertie.catalogue.flow import Category
from intertie.gateway.office.api_keys import OfficeRole
from intertie.model.errors import IntertieError

_O, _T, _S, _A, _ADMIN = (
    OfficeRole.OPERATOR,
    OfficeRole.TRADER,
    OfficeRole.SETTLEMENT,
    OfficeRole.AUDITOR,
    OfficeRole.ADMIN,
)


class Right(StrEnum):
    """What can be done over the office API."""

    KNOW = "know"  # the catalogue, and who one is
    LOOK = "look"  # partners, and the lines of messages, without what they say
    READ = "read"  # bodies, books, events
    PROVE = "prove"  # evidence
    SEND = "send"  # a document; of which categories, SENDS says
    REPAIR = "repair"  # take back, send again
    CONTRACT = "contract"  # sign, notice, answers to deals
    DECLARE = "declare"  # availability
    CALL = "call"  # dispatches: instruct, take back
    ANSWER = "answer"  # dispatches: answer, report, measure
    REGISTER = "register"  # decide on DERs
    MARKET = "market"  # needs, offers, counters, orders, awards
    OUTAGE = "outage"  # tell what is out, and that it is back
    SETTLE = "settle"  # statements, invoices, payments, disputes and their answers
    METER = "meter"  # take readings into our own
    KEYS = "keys"  # see and revoke API keys, and turn our own
    PEOPLE = "people"  # who comes in at the portal
    CONSENT = "consent"  # a customer's readings to third parties: settlement's, who keep them
    PARTNERS = "partners"  # on-board, prove, make live, pause


# An administrator looks after keys and partners, and reads nothing of the business; an auditor reads and changes nothing.
MATRIX: Mapping[Right, frozenset[OfficeRole]] = MappingProxyType(
    {
        Right.KNOW: frozenset(OfficeRole),
        Right.LOOK: frozenset(OfficeRole),
        Right.READ: frozenset({_O, _T, _S, _A}),
        Right.PROVE: frozenset({_S, _A}),
        Right.SEND: frozenset({_O, _T, _S}),
        Right.REPAIR: frozenset({_O, _T, _S}),
        Right.CONTRACT: frozenset({_T}),
        Right.DECLARE: frozenset({_O, _T}),
        Right.CALL: frozenset({_O, _T}),
        Right.ANSWER: frozenset({_O, _T}),
        Right.REGISTER: frozenset({_T}),
        Right.MARKET: frozenset({_T}),
        Right.OUTAGE: frozenset({_O}),
        Right.SETTLE: frozenset({_S}),
        Right.METER: frozenset({_S}),
        Right.KEYS: frozenset({_ADMIN}),
        Right.PEOPLE: frozenset({_ADMIN}),
        Right.PARTNERS: frozenset({_ADMIN}),
        Right.CONSENT: frozenset({_S}),
    }
)
# Whose business a document is.
SENDS: Mapping[OfficeRole, frozenset[Category]] = MappingProxyType(
    {
        _O: frozenset(
            {
                Category.SYSTEM_OUTAGE,
                Category.AVAILABILITY,
                Category.DISPATCH,
                Category.OPERATIONS,
                Category.VEHICLE,
            }
        ),
        _T: frozenset(
            {
                Category.CONTRACT,
                Category.AGGREGATION,
                Category.AVAILABILITY,
                Category.MARKET,
                Category.DISPATCH,
                Category.CONSENT,
            }
        ),
        _S: frozenset({Category.BILLING, Category.METERING, Category.FILING}),
        _A: frozenset(),
        _ADMIN: frozenset(),
    }
)


class NotAllowed(IntertieError):
    """The key's role does not do this."""


# A key has one role; a person of a small house may have several.
Roles = frozenset[OfficeRole]


def may(roles: Roles, right: Right) -> bool:
    """Whether one of these roles has the right."""
    return not roles.isdisjoint(MATRIX[right])


def check_right(roles: Roles, right: Right) -> None:
    """NotAllowed if none of these roles may do it."""
    if not may(roles, right):
        raise NotAllowed(
            f"the role {_named(roles)} may not do this ({right})",
            do=f"It needs the role {' or '.join(sorted(MATRIX[right]))}.",
        )


def may_send(roles: Roles, category: Category) -> bool:
    """Whether documents of this category are one of these roles' to send."""
    return any(category in SENDS[role] for role in roles)


def check_category(roles: Roles, category: Category) -> None:
    """NotAllowed if documents of this category are not these roles' to send, take back or send again."""
    if not may_send(roles, category):
        whose = sorted(known for known, all in SENDS.items() if category in all)
        raise NotAllowed(
            f"the role {_named(roles)} may not send documents of the category {category}",
            do=f"It needs the role {' or '.join(whose)}.",
        )


def _named(roles: Roles) -> str:
    return " and ".join(sorted(roles))
