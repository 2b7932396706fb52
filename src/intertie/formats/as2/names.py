"""The names of the protocol: AS2-From and AS2-To, message ids, and what a sender asks of a receipt (RFC 4130 s.6.2, 7.3)."""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple

from msgspec import Meta

from intertie.formats.as2.flaws import As2Error, Flaw
from intertie.formats.as2.mime import Entity, header
from intertie.seal.cms import Digest, digest_named

# RFC 4130 s.6.2: 1 to 128 printable characters of ASCII; names are compared as they stand, case included. A name that is all
# blanks, or begins or ends with one, is read differently by different programs.
As2Name = Annotated[str, Meta(pattern=r"^[!-~]([ -~]{0,126}[!-~])?(?!\n)$", max_length=128)]
PRINTABLE = re.compile(r"^[!-~](?:[ -~]{0,126}[!-~])?\Z")
ATOMIC = re.compile(r"^[!#-\[\]-~]+\Z")
# RFC 4130 s.5.3.3: 255 characters fit everywhere, 998 must be taken.
MESSAGE_ID = re.compile(r"^<[!-;=?-~][ -;=?-~]{0,994}[!-;=?-~]?>\Z")
PROTOCOL = "pkcs7-signature"


class Asked(NamedTuple):
    """What a sender wants of the receipt. `digests`: in its order, of those that we know; empty: it need not be signed."""

    wanted: bool
    signed: bool
    digests: tuple[Digest, ...]
    address: str  # where it is to be posted; empty: it is the answer of the connection


class Names(NamedTuple):
    """From whom, to whom, and which message."""

    sender: str
    recipient: str
    message_id: str


def write_name(name: str) -> str:
    """As a header has it: quoted if it has blanks, quotes or backslashes."""
    if ATOMIC.match(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def read_name(text: str) -> str:
    """The name of a header; As2Error."""
    plain = text
    if text.startswith('"'):
        if len(text) < 2 or not re.fullmatch(r'"(?:[^"\\]|\\["\\])*"', text):
            raise As2Error(Flaw.BAD_HEADER, "the quotes of a name do not close")
        plain = re.sub(r'\\(["\\])', r"\1", text[1:-1])
    if not PRINTABLE.match(plain):
        raise As2Error(Flaw.BAD_HEADER, "AS2-From and AS2-To have 1 to 128 printable characters")
    return plain


def same_name(one: str, other: str) -> bool:
    """Whether two names are one: some programs (pyas2lib) quote a quoted name again when they answer. Who a message is from is
    decided by its signature, so this only finds whose it has to be."""
    return one == other or one.strip('"') == other.strip('"')


def read_names(found: Entity) -> Names:
    """Of a message or of a receipt. Raises As2Error."""
    version = header(found, "as2-version") or "1.0"
    if not re.fullmatch(r"1\.\d{1,3}", version):
        raise As2Error(Flaw.BAD_HEADER, "AS2-Version is not 1.x")
    sender, recipient = (read_name(header(found, name)) for name in ("as2-from", "as2-to"))
    return Names(sender, recipient, read_id(header(found, "message-id")))


def read_id(text: str) -> str:
    """A message id, in its brackets; As2Error. Some programs leave them out, and then they are put back."""
    bracketed = text if text.startswith("<") else f"<{text}>"
    if not MESSAGE_ID.match(bracketed):
        raise As2Error(Flaw.BAD_HEADER, "Message-ID is missing, or is no <id>")
    return bracketed


def read_asked(found: Entity) -> Asked:
    """What the headers ask of a receipt (RFC 8098 s.2.2, RFC 4130 s.7.3). Raises As2Error."""
    wanted = bool(header(found, "disposition-notification-to"))
    options = _options(header(found, "disposition-notification-options"))
    importance, protocols = options.get("signed-receipt-protocol", ("", ()))
    signed = wanted and PROTOCOL in protocols
    if wanted and protocols and not signed and importance == "required":
        raise As2Error(
            Flaw.UNSUPPORTED, "a receipt signed by another protocol than pkcs7-signature is required"
        )
    digests = tuple(
        d for name in options.get("signed-receipt-micalg", ("", ()))[1] if (d := digest_named(name))
    )
    address = header(found, "receipt-delivery-option") if wanted else ""
    return Asked(wanted, signed, digests if signed else (), address)


def _options(text: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """`name=importance, value, value; …`, in small letters."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for one in text.split(";"):
        name, _, said = one.partition("=")
        values = [value.strip(' "').lower() for value in said.split(",")]
        importance = values.pop(0) if values[0] in ("optional", "required") else "optional"
        found[name.strip().lower()] = (importance, tuple(value for value in values if value))
    return found


def write_options(digest: Digest) -> str:
    """Asks for a receipt that is signed, and a MIC by this digest."""
    return f"signed-receipt-protocol=required, {PROTOCOL}; signed-receipt-micalg=required, {digest}"
