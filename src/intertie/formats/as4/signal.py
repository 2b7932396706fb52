"""Signals: receipts that repeat what was signed (non-repudiation of receipt, AS4 profile s.5.1.8), and errors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from lxml import etree

from intertie.formats.as4.flaws import As4Error, Ebms, Flaw, in_words
from intertie.formats.as4.names import EBBP, PREFIXES, ds, eb
from intertie.formats.as4.user_message import read_id
from intertie.formats.as4.xml import add, at_most_one, only, parse_xml, read_time, text_of, write_time
from intertie.seal.xml_signature import REFERENCES_MAX, Reference, read_reference

# What a partner says in its error is shown to people: so much of it.
DETAIL_MAX = 300
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_NRI, _PART = f"{{{EBBP}}}NonRepudiationInformation", f"{{{EBBP}}}MessagePartNRInformation"


class Said(NamedTuple):
    """An error as it came."""

    code: str
    text: str
    failure: bool


class Signal(NamedTuple):
    """A receipt, with what its sender says to have received, or errors. `about` is empty only in an error."""

    message_id: str
    at: datetime
    about: str
    references: tuple[Reference, ...] = ()
    errors: tuple[Said, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether it refuses nothing. A warning is no refusal (ebMS s.6.2.5), and no receipt."""
        return not any(one.failure for one in self.errors)

    @property
    def words(self) -> str:
        """Its errors, for people."""
        return "; ".join(f"{one.code} {one.text}".strip() for one in self.errors)


def write_receipt(message_id: str, at: datetime, about: str, references: Sequence[bytes]) -> Any:
    """As `eb:Messaging`. `references` are those of the message's signature, canonical."""
    messaging, signal = _signal(message_id, at, about)
    receipt = add(signal, "Receipt")
    information = etree.SubElement(receipt, _NRI, nsmap={"ebbp": EBBP})
    for one in references:
        etree.SubElement(information, _PART).append(parse_xml(one))
    return messaging


def write_error(message_id: str, at: datetime, about: str, error: Ebms, detail: str) -> Any:
    """As `eb:Messaging`; `detail` is for people."""
    messaging, signal = _signal(message_id, at, about)
    said = add(
        signal,
        "Error",
        category=error.category,
        errorCode=error.code,
        origin=error.origin,
        refToMessageInError=about,
        severity="failure",
        shortDescription=error.short,
    )
    add(said, "Description", error.short).set(_LANGUAGE, "en")
    add(said, "ErrorDetail", plain(detail))
    return messaging


def _signal(message_id: str, at: datetime, about: str) -> tuple[Any, Any]:
    messaging = etree.Element(eb("Messaging"), nsmap=dict(PREFIXES))
    signal = add(messaging, "SignalMessage")
    info = add(signal, "MessageInfo")
    add(info, "Timestamp", write_time(at))
    add(info, "MessageId", message_id)
    add(info, "RefToMessageId", about)
    return messaging, signal


def plain(text: str) -> str:
    """What people may be shown of it."""
    return re.sub(r"[^ -~]+", " ", text).strip()[:DETAIL_MAX]


def is_signal(messaging: Any) -> bool:
    """Whether it is no message; what is in it is not verified."""
    return messaging.find(eb("SignalMessage")) is not None and messaging.find(eb("UserMessage")) is None


def read_signal(messaging: Any, *, sha1: bool = False) -> Signal:
    """What `eb:Messaging` says. Raises As4Error(BAD_RECEIPT | BAD_HEADER)."""
    signal = only(messaging, "SignalMessage")
    info = only(signal, "MessageInfo")
    ref, receipt = at_most_one(info, "RefToMessageId"), at_most_one(signal, "Receipt")
    errors = tuple(_said(one) for one in signal.findall(eb("Error")))
    if (receipt is None) == (not errors):
        raise As4Error(Flaw.BAD_RECEIPT, "neither a receipt nor an error, or both")
    about = "" if ref is None else read_id(ref)
    if not about:
        about = next((one.get("refToMessageInError") or "" for one in signal.findall(eb("Error"))), "")
    return Signal(
        read_id(only(info, "MessageId")),
        read_time(text_of(only(info, "Timestamp"))),
        about,
        () if receipt is None else _references(receipt, sha1=sha1),
        errors,
    )


def _said(error: Any) -> Said:
    detail = at_most_one(error, "ErrorDetail")
    short = error.get("shortDescription") or ""
    text = f"{short}: {text_of(detail)}" if detail is not None and len(detail) == 0 and detail.text else short
    code = plain(error.get("errorCode") or "")
    return Said(code, plain(text), (error.get("severity") or "failure").lower() != "warning")


def _references(receipt: Any, *, sha1: bool) -> tuple[Reference, ...]:
    found = receipt.findall(f"{_NRI}/{_PART}/{ds('Reference')}")
    if not 0 < len(found) <= REFERENCES_MAX:
        raise As4Error(Flaw.BAD_RECEIPT, "it does not say what was received")
    with in_words():
        return tuple(read_reference(one, sha1=sha1) for one in found)


def check_receipt(signal: Signal, about: str, sent: Sequence[Reference]) -> None:
    """Held to what was sent: about that message, and each digest is the one that was signed; none is missing, none is more.
    Raises As4Error(BAD_RECEIPT | OTHER_DIGESTS)."""
    if signal.about != about:
        raise As4Error(Flaw.BAD_RECEIPT, "it is about another message")
    if signal.accepted and signal.errors:
        raise As4Error(Flaw.BAD_RECEIPT, f"a warning, and no receipt: {signal.words}")
    if signal.accepted and set(signal.references) != set(sent):
        do = "The partner holds other bytes than we sent: settle with it which, and send again."
        raise As4Error(
            Flaw.OTHER_DIGESTS, "the receipt is for other digests than those of what was sent", do=do
        )
