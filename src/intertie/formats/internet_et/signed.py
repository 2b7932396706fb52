"""A report that is signed (`multipart/signed`): a receipt or an error notification, written as the manual shows it, and read as
partners really send it.

The manual signs the report's body alone, from its first boundary to its last; RFC 1847 signs the headers of the part with it;
line ends at the end are kept by some and left out by others. Whichever of these the signature is over is what is believed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from intertie.formats.as2 import mime
from intertie.formats.as2.flaws import As2Error
from intertie.seal.pgp import PgpError, PgpFlaw, Signed, open_signed, verify_detached

# A report and its signature are some kilobytes.
MOST_BYTES = 256 * 1024
_FIRST_LINE = re.compile(rb"\A\s*--([^\r\n]{1,70}?)[ \t]*\r?\n")


class Report(NamedTuple):
    """A report as it came, and what was signed of it; nothing, if it has no signature."""

    body: bytes
    signed: Signed | None
    over: bytes = b""
    signature: bytes = b""


# Signs bytes: the signature, armored, and the name of its digest.
Signer = Callable[[bytes], tuple[bytes, str]]


def write_signed(
    report: bytes, report_type: str, boundary: str, outer: str, sign: Signer, *, headers: bool = False
) -> tuple[str, bytes]:
    """The content type and the body of a signed report; `boundary` is that of the report. `headers`: they are signed too."""
    kind = f'multipart/report; report-type="{report_type}"; boundary="{boundary}"'
    part = mime.write([("content-type", kind)], report.removesuffix(b"\r\n"))
    over = part if headers else report.removesuffix(b"\r\n")
    signature, digest = sign(over)
    proof = mime.write([("content-type", "application/pgp-signature")], signature.rstrip(b"\r\n"))
    said = f'multipart/signed; micalg=pgp-{digest}; protocol="application/pgp-signature"; boundary="{outer}"'
    return said, mime.multipart(outer, [part, proof])


def read_signed(kind: str, body: bytes, pinned: tuple[str, ...], *, sha1: bool = False) -> Report:
    """A report and by whom it is signed. Raises PgpError if there is a signature and it verifies over nothing that is here."""
    pieces = _pieces(kind, body) if len(body) <= MOST_BYTES else None
    if pieces is None:
        return Report(body, None)
    raw, content, rest = pieces
    signature = _armored(rest, b"SIGNATURE")
    if signature is not None:
        for over in _candidates(raw, content):
            try:
                signed = verify_detached(over, signature, pinned, sha1=sha1)
            except PgpError:
                continue
            return Report(content, signed, over, signature)
        raise PgpError(PgpFlaw.NOT_SIGNED, "the signature is over something else, or by another key")
    message = _armored(rest, b"MESSAGE")
    if message is None:
        return Report(content, None)
    return _embedded(message, raw, content, pinned, sha1=sha1)


def _embedded(message: bytes, raw: bytes, content: bytes, pinned: tuple[str, ...], *, sha1: bool) -> Report:
    """Signed with a copy of the report inside: the copy has to be the report."""
    inside = open_signed(message, len(raw) + 1024)
    if not any(_bare(inside.content) == _bare(one) for one in _candidates(raw, content)):
        raise PgpError(PgpFlaw.NOT_SIGNED, "what was signed is another report")
    for signature in inside.signatures:
        try:
            signed = verify_detached(inside.content, signature, pinned, sha1=sha1)
        except PgpError:
            continue
        return Report(content, signed, inside.content, signature)
    raise PgpError(PgpFlaw.NOT_SIGNED)


def _armored(text: bytes, what: bytes) -> bytes | None:
    """The first armored block of this kind."""
    begin, end = b"-----BEGIN PGP " + what + b"-----", b"-----END PGP " + what + b"-----"
    start = text.find(begin)
    stop = text.find(end, start) if start >= 0 else -1
    return text[start : stop + len(end)] if stop >= 0 else None


def _pieces(kind: str, body: bytes) -> tuple[bytes, bytes, bytes] | None:
    """The report with its headers, without them, and what comes after it; None if nothing is signed."""
    boundary = _boundary(kind, body)
    if not boundary:
        return None
    try:
        whole = f'Content-Type: multipart/signed; boundary="{boundary}"\r\n\r\n'.encode() + body
        first, *others = mime.parts(mime.entity(whole))
    except (As2Error, ValueError):
        return None
    if not others:
        return None
    return first.raw, first.body, b"\r\n".join(one.raw for one in others)


def _boundary(kind: str, body: bytes) -> str:
    """As the header says it, or as the first line does where the header is silent."""
    try:
        said = mime.entity(f"Content-Type: {kind}\r\n\r\n".encode())
        if said.kind == "multipart/report":  # nothing is signed
            return ""
        if said.kind == "multipart/signed" and said.parameter("boundary"):
            return said.parameter("boundary")
    except As2Error:
        pass
    found = _FIRST_LINE.match(body)
    return found[1].decode("latin-1") if found is not None else ""


def _candidates(raw: bytes, content: bytes) -> Iterator[bytes]:
    """What the signature may be over."""
    for one in (content, raw):
        bare = one.rstrip(b"\r\n")
        for ended in (one, bare, bare + b"\r\n", bare + b"\n"):
            yield ended
            yield ended.replace(b"\r\n", b"\n")
            yield ended.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _bare(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n").rstrip(b"\n")
