"""What checks the signatures of AS2 in evidence, offline: nothing but what was kept and the certificate.

AS2 signs the file and the receipt, not the names and the Message-ID that go with them: those stand beside, as they came.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from intertie.bindings.as2.kept import ANSWERS, KIND
from intertie.formats.as2 import mime
from intertie.formats.as2.flaws import As2Error, Flaw
from intertie.formats.as2.message import file_content, protocol_headers, verified_parts
from intertie.formats.as2.names import Names, read_names
from intertie.formats.as2.receipt import is_receipt, read_receipt
from intertie.formats.as2.terms import Quirk
from intertie.gateway.translating.said_ids import ANSWERED, ids_in, ids_of_file
from intertie.model.errors import Code, Refused, SettingsError
from intertie.model.ids import UUID7, MessageId, derived_uuid7
from intertie.model.message import MESSAGE_BYTES_MAX
from intertie.seal.cms import signing_time
from intertie.seal.smime_keys import Certificate, read_certificate
from intertie.seal.translated_evidence import ForeignFacts

SCHEME = "as2"
# What was weak was judged when it came: here it only has to be what it was.
_ALL = frozenset(Quirk)


def foreign_id(names: Names) -> str:
    """How a partner's message is named here: its Message-ID alone is unique among its own only."""
    return f"{names.sender}|{names.message_id}"


def ids_of(sender: str, message_id: str) -> tuple[str, ...]:
    """The ids that a message may have here: ours goes out under its own, a partner's is derived."""
    own = message_named(message_id)
    derived = derived_uuid7(SCHEME, foreign_id(Names(sender, "", message_id)))
    return (own, derived) if own is not None else (derived,)


def message_named(message_id: str) -> MessageId | None:
    """The id of ours that a Message-ID begins with, if it does."""
    own = message_id.strip("<>").partition("@")[0]
    return MessageId(own) if re.fullmatch(UUID7, own) else None


def keep_signed(names: Names, entity: bytes) -> bytes:
    """A partner's signed entity with the names beside it, as one."""
    found = mime.entity(entity)
    kind = ("Content-Type", mime.header(found, "content-type"))
    return mime.write([*protocol_headers(names), kind], found.body)


class As2Verifier:
    """`seal.translated_evidence.ForeignVerifier`. A key is a certificate, in PEM."""

    algorithm = "S/MIME (RSA or ECDSA)"

    def check(self, signed: bytes, key: str) -> ForeignFacts:
        """What they say, if the holder of this certificate signed them. Refused(SIGNATURE_INVALID | SCHEMA)."""
        try:
            return _facts(mime.entity(signed), read_certificate(key))
        except SettingsError as error:
            raise Refused(Code.SIGNATURE_INVALID, f"the key is {error.why}") from error
        except As2Error as error:
            unsigned = error.flaw in (Flaw.SIGNATURE_INVALID, Flaw.NOT_THE_SIGNER, Flaw.RECEIPT_NOT_SIGNED)
            code = Code.SIGNATURE_INVALID if unsigned else Code.SCHEMA
            raise Refused(code, error.detail) from error


def _facts(found: mime.Entity, certificate: Certificate) -> ForeignFacts:
    pinned = (certificate,)
    if found.kind == ANSWERS:  # the receipt is what is evidence; what goes with it is not
        found = mime.parts(found)[0]
    if found.kind == KIND:
        inside, post = mime.parts(found)
        signature, over, _ = verified_parts(inside, pinned, _ALL)
        return _with_file(_message(read_names(post), signature), over)
    names = read_names(found)
    if not is_receipt(found):
        signature, over, _ = verified_parts(found, pinned, _ALL)
        return _with_file(_message(names, signature), over)
    receipt = read_receipt(found, pinned, _ALL)
    if not receipt.signature:
        raise As2Error(Flaw.RECEIPT_NOT_SIGNED, "the receipt is not signed")
    fields = receipt.fields
    facts = _message(names, receipt.signature)
    return facts._replace(
        answers=ids_of(facts.recipient, fields.original_id),
        result=("processed" if fields.processed else "failed")
        + (f"/{fields.modifier}" if fields.modifier else ""),
    )


def _with_file(facts: ForeignFacts, over: mime.Entity) -> ForeignFacts:
    """With what the file itself calls the messages in it, and which of the other side it answers."""
    file = file_content(over.raw, MESSAGE_BYTES_MAX)
    return facts._replace(names=(*facts.names, *ids_of_file(file)), answers=ids_in(file), result=ANSWERED)


def _message(names: Names, signature: bytes) -> ForeignFacts:
    sender, recipient = names.sender.strip('"'), names.recipient.strip('"')
    return ForeignFacts(
        names=ids_of(sender, names.message_id),
        sender=sender,
        recipient=recipient,
        created=signing_time(signature) or datetime.min.replace(tzinfo=UTC),
    )
