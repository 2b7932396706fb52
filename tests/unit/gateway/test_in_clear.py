"""What may go without TLS, and by which secret: one rule, each refusal with the partner and what it broke."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from intertie.formats.file_terms import JsonTerms
from intertie.formats.ftps_terms import FtpsTerms
from intertie.formats.parcel_terms import ParcelTerms
from intertie.formats.upload_terms import UploadTerms, hash_secret
from intertie.gateway.gateway import Partner
from intertie.gateway.translating.foreign import Foreign
from intertie.gateway.translating.in_clear import (
    check_in_clear,
    check_opens_nothing_else,
    check_sealed,
    check_secrets_apart,
)
from intertie.model.errors import Code, Refused
from intertie.model.ids import PartyId
from intertie.model.party import Role
from intertie.seal.keys import PublicKeys

HOME, OTHER = PartyId("home.example"), PartyId("other.example")
HEARD, SAFE = hash_secret("heard"), hash_secret("safe")
END = date(2027, 12, 31)


def foreign(**said: Any) -> Foreign:
    return Foreign(
        **(
            {"name": "Home", "roles": (Role.GATEWAY_ESI,), "legacy_until": END, "parcel": ParcelTerms()}
            | said
        )
    )


def comes(**said: Any) -> Foreign:
    return foreign(ftps_terms=FtpsTerms(user="home", **said))


def partner(party: PartyId, what: Foreign | None) -> Partner:
    return Partner(
        party, party, frozenset(), PublicKeys(party, frozenset(), {}, {}), "", (), False, foreign=what
    )


PLAIN = comes(plain_secrets=(HEARD,))


def refusal(act: Any, *given: Any, **more: Any) -> str:
    with pytest.raises(Refused) as caught:
        act(HOME, *given, **more)
    assert caught.value.code is Code.PROTECTION_TOO_WEAK and caught.value.partner == HOME
    return caught.value.why


def test_it_may_until_its_end_date_and_on_it() -> None:
    check_in_clear(HOME, PLAIN, END, allowed=True)


def test_else_it_may_not_and_is_told_why() -> None:
    assert "ended on 2027-12-31" in refusal(check_in_clear, PLAIN, date(2028, 1, 1), allowed=True)
    assert "plain is not set" in refusal(check_in_clear, PLAIN, END, allowed=False)
    unflagged = comes(secrets=(SAFE,))
    assert "does not flag it" in refusal(check_in_clear, unflagged, END, allowed=True)
    posts = foreign(upload_terms=UploadTerms(user="home", secrets=(SAFE,)))
    assert "does not flag it" in refusal(check_in_clear, posts, END, allowed=True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ITP1",
        b"ITP1" + b"\0" * 40,
        b'{"payload":"',
        b'{"payload":"e30","signatures":[]}',
        b"%PDF-1.7",
        b"a,b\n",
    ],
)
def test_what_is_not_sealed_is_refused(content: bytes) -> None:
    assert "only sealed parcels and their signed receipts" in refusal(check_sealed, content)


def test_a_secret_of_its_own_is_good() -> None:
    others = [
        partner(HOME, PLAIN),
        partner(OTHER, comes(secrets=(SAFE,))),
        partner(PartyId("third.example"), None),
    ]
    check_opens_nothing_else(HOME, HEARD, others)
    check_secrets_apart(HOME, PLAIN, others)


@pytest.mark.parametrize(
    "other",
    [
        comes(secrets=(HEARD,)),
        comes(plain_secrets=(HEARD,)),
        foreign(upload_terms=UploadTerms(user="o", secrets=(SAFE, HEARD)), parcel=None, json=JsonTerms()),
    ],
)
def test_one_that_opens_another_door_is_not(other: Foreign) -> None:
    known = [partner(HOME, PLAIN), partner(OTHER, other)]
    assert "opens a door to other.example" in refusal(check_opens_nothing_else, HEARD, known)
    assert "opens a door to other.example" in refusal(check_secrets_apart, PLAIN, known)


def test_nor_one_of_another_partner_that_is_added_later() -> None:
    known = [partner(OTHER, PLAIN)]
    assert "what other.example says without TLS" in refusal(
        check_secrets_apart, comes(secrets=(HEARD,)), known
    )
