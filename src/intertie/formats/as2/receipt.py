"""Receipts (MDN): written and signed for what came, read and held to what was sent (RFC 3798, RFC 4130 s.7, RFC 8098)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import NamedTuple

from intertie.formats.as2 import mime
from intertie.formats.as2.flaws import As2Error, Flaw
from intertie.formats.as2.message import Post, protocol_headers, signed_entity, verified_parts
from intertie.formats.as2.names import Names, read_id, read_names, same_name, write_name
from intertie.formats.as2.terms import Encoding, Quirk
from intertie.seal.cms import Digest, digest_named
from intertie.seal.smime_keys import Certificate, SmimeKey

AGENT = "Intertie"
# Sent by a program, as all of AS2 is.
MODE = "automatic-action/MDN-sent-automatically"
DISPOSITION = re.compile(
    r"^[a-z-]+ */ *[a-z-]+ *; *(processed|failed|displayed|deleted|dispatched)(?: */ *(.*))?\Z", re.I
)
# What a partner says in its receipt is shown to people: so much of it.
DETAIL_MAX = 300


class Fields(NamedTuple):
    """What a receipt says. `modifier`: empty if all is well, else as `error: authentication-failed` or `warning: …`."""

    original_id: str
    processed: bool
    modifier: str = ""
    mic: bytes = b""
    digest: Digest | None = None
    text: str = ""

    @property
    def repeated(self) -> bool:
        """Whether it says that the message was here before; some programs have no MIC then."""
        return (
            self.processed
            and re.fullmatch(r"warning ?: ?duplicate-document", self.modifier, re.I) is not None
        )

    @property
    def accepted(self) -> bool:
        """Whether the message arrived and was taken. A warning is no refusal (RFC 4130 s.7.5.3)."""
        return self.processed and not self.modifier.lower().startswith(("error", "failure"))


@dataclass(frozen=True)
class Receipt:
    """A partner's receipt, whose signature verified if it has one."""

    names: Names
    fields: Fields
    signature: bytes = field(default=b"", repr=False)


def write_receipt(
    fields: Fields,
    names: Names,
    keys: SmimeKey,
    digest: Digest | None,
    encoding: Encoding = Encoding.BINARY,
) -> Post:
    """Signed by this digest, or, for who did not ask for a signature, as it is. Raises As2Error."""
    report = _report(fields, names)
    entity = mime.entity(report if digest is None else signed_entity(report, keys, digest, encoding))
    kind = str(entity.headers["content-type"])
    return Post((*protocol_headers(names), ("Content-Type", kind)), entity.body)


def _report(fields: Fields, names: Names) -> bytes:
    said = "processed" if fields.processed else "failed"
    lines = [
        ("Reporting-UA", AGENT),
        ("Original-Recipient", f"rfc822; {write_name(names.sender)}"),
        ("Final-Recipient", f"rfc822; {write_name(names.sender)}"),
        ("Original-Message-ID", fields.original_id),
        ("Disposition", f"{MODE}; {said}" + (f"/{fields.modifier}" if fields.modifier else "")),
    ]
    if fields.mic and fields.digest is not None:
        lines.append(("Received-Content-MIC", f"{base64.b64encode(fields.mic).decode()}, {fields.digest}"))
    text = mime.write(
        [("Content-Type", "text/plain; charset=us-ascii"), ("Content-Transfer-Encoding", "7bit")],
        (_plain(fields.text) + "\r\n").encode("ascii", "replace"),
    )
    machine = mime.write(
        [("Content-Type", "message/disposition-notification"), ("Content-Transfer-Encoding", "7bit")],
        mime.write(lines, b""),
    )
    boundary = f"report-{hashlib.sha256(text + machine).hexdigest()[:40]}"
    kind = f'multipart/report; report-type=disposition-notification; boundary="{boundary}"'
    return mime.write([("Content-Type", kind)], mime.multipart(boundary, [text, machine]))


def _plain(text: str) -> str:
    return re.sub(r"[^ -~]+", " ", text).strip()[:DETAIL_MAX]


def is_receipt(found: mime.Entity) -> bool:
    """Whether a post is a receipt, signed or not; what is in it is not verified. Raises As2Error."""
    kind = found.kind
    if kind == "multipart/signed":
        pieces = mime.parts(found)
        kind = pieces[0].kind if pieces else ""
    return kind == "multipart/report"


def original_id(found: mime.Entity) -> str:
    """Which message a receipt is about, before its signature is verified: to find whom to verify it by. Raises As2Error."""
    inner = mime.parts(found)[0] if found.kind == "multipart/signed" else found
    return _fields(inner).original_id


def read_receipt(found: mime.Entity, pinned: tuple[Certificate, ...], quirks: frozenset[Quirk]) -> Receipt:
    """A receipt that one of these certificates signed. Raises As2Error."""
    names = read_names(found)
    if found.kind == "multipart/signed":
        signature, inner, _ = verified_parts(found, pinned, quirks)
        return Receipt(names, _fields(inner), signature)
    if Quirk.UNSIGNED_RECEIPT not in quirks:
        raise As2Error(Flaw.RECEIPT_NOT_SIGNED, "the receipt is not signed, and proves nothing")
    return Receipt(names, _fields(found))


def _fields(report: mime.Entity) -> Fields:
    if report.kind != "multipart/report":
        raise As2Error(Flaw.BAD_RECEIPT, "not a multipart/report")
    pieces = mime.parts(report)
    machine = next((one for one in pieces if one.kind == "message/disposition-notification"), None)
    if machine is None:
        raise As2Error(Flaw.BAD_RECEIPT, "no message/disposition-notification in it")
    said = mime.entity(machine.content().lstrip(b"\r\n").rstrip() + b"\r\n\r\n")
    found = DISPOSITION.match(mime.header(said, "disposition"))
    if found is None:
        raise As2Error(Flaw.BAD_RECEIPT, "its Disposition is none that RFC 3798 knows")
    mic, digest = _mic(mime.header(said, "received-content-mic"))
    text = pieces[0].content().decode("utf-8", "replace") if pieces[0] is not machine else ""
    return Fields(
        read_id(mime.header(said, "original-message-id")),
        found.group(1).lower() != "failed",
        re.sub(r"\s+", " ", found.group(2) or "").strip(),
        mic,
        digest,
        _plain(text),
    )


def _mic(said: str) -> tuple[bytes, Digest | None]:
    if not said:
        return b"", None
    value, _, name = said.partition(",")
    digest = digest_named(name)
    try:
        mic = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise As2Error(Flaw.BAD_RECEIPT, "Received-Content-MIC is not base64") from error
    if digest is None:
        raise As2Error(Flaw.BAD_RECEIPT, "Received-Content-MIC by a digest that nobody knows")
    return mic, digest


def check_receipt(receipt: Receipt, names: Names, mic: bytes, digest: Digest) -> None:
    """Held to what was sent: about that message, the other way round, and over the same bytes. Raises As2Error. A receipt that
    says that something went wrong, or that the message was there before, may have no MIC to be held to."""
    if receipt.fields.original_id != names.message_id:
        raise As2Error(Flaw.BAD_RECEIPT, "it is about another message")
    back = (receipt.names.sender, names.recipient), (receipt.names.recipient, names.sender)
    if not all(same_name(*pair) for pair in back):
        raise As2Error(Flaw.BAD_RECEIPT, "it goes from and to others than the message went")
    if not receipt.fields.accepted or (receipt.fields.repeated and not receipt.fields.mic):
        return
    if not has_mic(receipt, mic, digest):
        do = "The partner holds other bytes than we sent: settle with it which, and send again."
        raise As2Error(Flaw.MIC_MISMATCH, "the MIC is not the one of what was sent", do=do)


def has_mic(receipt: Receipt, mic: bytes, digest: Digest) -> bool:
    """Whether it is over these bytes: who signed it has seen them."""
    return receipt.fields.digest is digest and hmac.compare_digest(receipt.fields.mic, mic)
