"""What checks the signatures of Internet ET in evidence, offline: nothing but what was kept and the key.

OpenPGP signs what is in a package, and the report that is a receipt. Codes, refnum, and which package a receipt is for, are not
signed: they stand beside, as they came, and the journal's line says when.
"""

from __future__ import annotations

import re

from intertie.bindings.internet_et.kept import (
    KeptAnswers,
    KeptMessage,
    KeptReceipt,
    KeptSigned,
    Names,
    read_kept,
)
from intertie.formats.as2.flaws import As2Error
from intertie.formats.internet_et.package import read_inside
from intertie.formats.internet_et.receipt import read
from intertie.formats.internet_et.signed import read_signed
from intertie.gateway.translating.said_ids import ANSWERED, ids_in, ids_of_file
from intertie.model.errors import Code, Refused
from intertie.model.ids import UUID7, derived_uuid7
from intertie.seal.pgp import PgpError, verify_detached
from intertie.seal.translated_evidence import ForeignFacts

SCHEME = "internet_et"
# A receipt does not say how many messages its file had; each id costs some microseconds.
MESSAGES_MAX = 10_000


def foreign_id(sender: str, name: str) -> str:
    """How a partner's package is named here: its name alone is unique among its own only."""
    return f"{sender}|{name}"


def ids_of(sender: str, name: str, count: int = 1) -> tuple[str, ...]:
    """The ids that a message may have here: ours goes out under its own, a partner's is derived, for as many as a file has."""
    whole = foreign_id(sender, name)
    derived = (derived_uuid7(SCHEME, f"{whole}#{n}" if n else whole) for n in range(count))
    return (name, *derived) if re.fullmatch(UUID7, name) else tuple(derived)


class InternetEtVerifier:
    """`seal.translated_evidence.ForeignVerifier`. A key is a public key of OpenPGP, armored."""

    algorithm = "OpenPGP (RSA or ECC)"

    def check(self, signed: bytes, key: str) -> ForeignFacts:
        """What they say, if the holder of this key signed them. Refused(SIGNATURE_INVALID | SCHEMA)."""
        try:
            return _facts(signed, key)
        except PgpError as error:
            raise Refused(Code.SIGNATURE_INVALID, error.why) from error
        except As2Error as error:
            raise Refused(Code.SCHEMA, error.detail) from error


def _facts(raw: bytes, key: str) -> ForeignFacts:
    found = read_kept(raw)
    if isinstance(found, KeptAnswers):  # the receipt is what is evidence; what goes with it is not
        found = found.receipt
    if isinstance(found, KeptMessage):
        found = found.signed
    if isinstance(found, KeptReceipt):
        return _receipt(found, key)
    return _package(found, key)


def _package(found: KeptSigned, key: str) -> ForeignFacts:
    # What was weak was judged when it came: here it only has to be what it was.
    signed = verify_detached(found.content, found.signature, [key], sha1=True)
    names = found.names
    file = read_inside(found.content)[1]
    ids = (*ids_of(names.sender, names.name, _most(found.content)), *ids_of_file(file))
    return ForeignFacts(ids, names.sender, names.recipient, signed.created, ids_in(file), ANSWERED)


def _most(content: bytes) -> int:
    """As many messages as there may be in a file: each has a line or a segment of its own."""
    return min(content.count(b"\n") + content.count(b"~") + 1, MESSAGES_MAX)


def _receipt(found: KeptReceipt, key: str) -> ForeignFacts:
    report = read_signed(found.kind, found.body, (key,), sha1=True)
    said = read(report.body)
    if report.signed is None or said is None:
        raise Refused(Code.SIGNATURE_INVALID, "the receipt is not signed, or says nothing")
    names = found.names
    about = Names(names.recipient, names.sender, names.name)
    return ForeignFacts(
        names=ids_of(names.sender, f"receipt {said.trans}"),
        sender=names.sender,
        recipient=names.recipient,
        created=report.signed.created,
        answers=ids_of(about.sender, about.name, MESSAGES_MAX),
        result=said.status,
    )
