"""Which role of the office may do what: the least that its work needs. One table, and every route names a right."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from intertie.catalogue.flow import Category
from intertie.gateway.api_keys import OfficeRole
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
    KEYS = "keys"  # see and revoke API keys


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
        Right.KEYS: frozenset({_ADMIN}),
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


def check_right(role: OfficeRole, right: Right) -> None:
    """NotAllowed if a key of this role may not do it."""
    if role not in MATRIX[right]:
        allowed = ", ".join(sorted(MATRIX[right]))
        raise NotAllowed(
            f"a key of the role {role} may not do this ({right})", do=f"Use a key of the role {allowed}."
        )


def check_category(role: OfficeRole, category: Category) -> None:
    """NotAllowed if documents of this category are not this role's to send, take back or send again."""
    if category not in SENDS[role]:
        whose = sorted(known for known, all in SENDS.items() if category in all)
        raise NotAllowed(
            f"a key of the role {role} may not send documents of the category {category}",
            do=f"Use a key of the role {', '.join(whose)}.",
        )
