"""What checks the signatures of UFTP in evidence, offline: nothing but the signed bytes and the key."""

from __future__ import annotations

from intertie.formats.uftp import messages as m
from intertie.formats.uftp.codec import NotUftpError
from intertie.formats.uftp.terms import ids_of
from intertie.model.errors import Code, Refused, SettingsError
from intertie.seal.sodium_sign import ALGORITHM, open_signed, read_public
from intertie.seal.translated_evidence import ForeignFacts


class UftpVerifier:
    """`seal.translated_evidence.ForeignVerifier`."""

    algorithm = ALGORITHM

    def check(self, signed: bytes, key: str) -> ForeignFacts:
        """What they say, if this key signed them. Refused(SIGNATURE_INVALID | SCHEMA)."""
        try:
            xml = open_signed(signed, read_public(key))
            message = m.read_payload(xml)
        except SettingsError as error:
            raise Refused(Code.SIGNATURE_INVALID, f"the key is {error.why}") from error
        except NotUftpError as error:
            raise Refused(Code.SCHEMA, error.why) from error
        answers, result = None, ""
        if isinstance(message, m.Response):
            answers, result = message.answers, message.result.value
            if message.rejection_reason:
                result = f"{result}: {message.rejection_reason}"
        return ForeignFacts(
            names=tuple(ids_of(message.message_id)),
            sender=message.sender_domain,
            recipient=message.recipient_domain,
            created=message.time_stamp,
            answers=tuple(ids_of(answers)) if answers is not None else (),
            result=result,
        )
