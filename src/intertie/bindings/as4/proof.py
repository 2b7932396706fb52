"""What checks the signatures of AS4 in evidence, offline: nothing but what was kept and the certificate.

A message's signature covers its names, its id, its time and its file. A receipt's covers its id and the digests that it repeats,
and has no names of parties in it: those stand beside, as our journal has them.
"""

from __future__ import annotations

import re

from intertie.bindings.as4.kept import KeptAnswers, KeptMessage, KeptSignal, read_kept
from intertie.formats.as4.flaws import As4Error, Flaw
from intertie.formats.as4.message import file_of, verify_message, verify_signal
from intertie.formats.as4.signal import read_signal
from intertie.formats.as4.terms import Quirk
from intertie.formats.as4.user_message import UserMessage, read_user
from intertie.gateway.translating.said_ids import ANSWERED, ids_in, ids_of_file
from intertie.model.errors import Code, Refused, SettingsError
from intertie.model.ids import UUID7, MessageId, derived_uuid7
from intertie.model.message import MESSAGE_BYTES_MAX
from intertie.seal.smime_keys import Certificate, read_certificate
from intertie.seal.translated_evidence import ForeignFacts

SCHEME = "as4"
# What was weak was judged when it came: here it only has to be what it was.
_ALL = frozenset(Quirk)
_UNSIGNED = (Flaw.SIGNATURE_INVALID, Flaw.NOT_SIGNED)


def foreign_id(user: UserMessage) -> str:
    """How a partner's message is named here: its MessageId is unique among its own."""
    return _id(str(user.sender), user.message_id)


def _id(sender: str, message_id: str) -> str:
    return f"{sender}|{message_id}"


def ids_of(sender: str, message_id: str) -> tuple[str, ...]:
    """The ids that a message may have here: ours goes out under its own, a partner's is derived."""
    own, derived = message_named(message_id), derived_uuid7(SCHEME, _id(sender, message_id))
    return (own, derived) if own is not None else (derived,)


def message_named(message_id: str) -> MessageId | None:
    """The id of ours that a MessageId begins with, if it does."""
    own = message_id.partition("@")[0]
    return MessageId(own) if re.fullmatch(UUID7, own) else None


class As4Verifier:
    """`seal.translated_evidence.ForeignVerifier`. A key is a certificate, in PEM."""

    algorithm = "WS-Security (RSA or ECDSA)"

    def check(self, signed: bytes, key: str) -> ForeignFacts:
        """What they say, if the holder of this certificate signed them. Refused(SIGNATURE_INVALID | SCHEMA)."""
        try:
            return _facts(read_kept(signed), read_certificate(key))
        except SettingsError as error:
            raise Refused(Code.SIGNATURE_INVALID, f"the key is {error.why}") from error
        except As4Error as error:
            code = Code.SIGNATURE_INVALID if error.flaw in _UNSIGNED else Code.SCHEMA
            raise Refused(code, error.detail) from error


def _facts(kept: KeptMessage | KeptSignal | KeptAnswers, certificate: Certificate) -> ForeignFacts:
    if isinstance(kept, KeptAnswers):  # the receipt is what is evidence; what goes with it is not
        kept = kept.receipt
    if isinstance(kept, KeptMessage):
        verified = verify_message(kept.envelope, kept.attached, [certificate], _ALL)
        user = read_user(verified.elements["messaging"])
        file = file_of(user.payloads[0], kept.attached, MESSAGE_BYTES_MAX) if user.payloads else b""
        names = (*ids_of(str(user.sender), user.message_id), *ids_of_file(file))
        return ForeignFacts(names, str(user.sender), str(user.recipient), user.at, ids_in(file), ANSWERED)
    signal = read_signal(verify_signal(kept.envelope, [certificate], _ALL), sha1=True)
    return ForeignFacts(
        names=ids_of(kept.sender, signal.message_id),
        sender=kept.sender,
        recipient=kept.recipient,
        created=signal.at,
        answers=ids_of(kept.recipient, signal.about),
        result=signal.words or "received",
    )
