"""Between the gateway's acts and Internet ET: whose a package is, what its file says, our receipts, and the receipts for ours."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from intertie.bindings.internet_et.kept import (
    KeptMessage,
    KeptReceipt,
    KeptSigned,
    Names,
    keep_answers,
    keep_message,
    keep_receipt,
    keep_signed,
    read_kept,
)
from intertie.bindings.internet_et.keys import OwnKeys
from intertie.bindings.internet_et.proof import SCHEME, InternetEtVerifier, foreign_id
from intertie.formats.internet_et import receipt as receipts
from intertie.formats.internet_et.codes import Code, EtError, status
from intertie.formats.internet_et.fields import REPORT, warnings
from intertie.formats.internet_et.form import Form
from intertie.formats.internet_et.package import read_inside, read_package, write_inside
from intertie.formats.internet_et.refnums import number
from intertie.formats.internet_et.signed import write_signed
from intertie.formats.internet_et.terms import InternetEtTerms, Quirk
from intertie.formats.x12.carried import KIND as X12_KIND
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.translating.accept_file import Brought
from intertie.gateway.translating.file_formats import write_file
from intertie.gateway.translating.files import File, FileError, Judged, carried_id
from intertie.gateway.translating.foreign import Foreign, ForeignKeys, Known, check_legacy
from intertie.model import errors
from intertie.model.errors import Refused, SettingsError
from intertie.model.ids import new_uuid7
from intertie.model.message import MESSAGE_BYTES_MAX, Header
from intertie.model.record import Record
from intertie.seal.pgp import (
    PgpError,
    PgpFlaw,
    Signed,
    alive,
    armored_signature,
    fingerprint,
    open_package,
    verify_detached,
)
from intertie.seal.translated_evidence import ForeignVerifier

LOG = logging.getLogger("intertie.internet_et")
# What is kept of a message is base64 in it, with the translation beside.
KEPT_BYTES_MAX = MESSAGE_BYTES_MAX * 3 // 4 - 512 * 1024
BINDING = SCHEME
X12, FLAT = "X12", "FF"
CODES = {
    PgpFlaw.BAD_KEY: Code.BAD_KEY,
    PgpFlaw.NOT_ENCRYPTED: Code.NOT_ENCRYPTED,
    PgpFlaw.TRUNCATED: Code.TRUNCATED,
    PgpFlaw.NOT_SIGNED: Code.NOT_SIGNED,
    PgpFlaw.DECRYPTION: Code.DECRYPTION,
    PgpFlaw.TOO_LARGE: Code.DECRYPTION,
}


class Stamp(NamedTuple):
    """When the last byte of a request came, and its number: both before anything is looked at."""

    at: datetime
    trans: int


class Verified(NamedTuple):
    """A package whose author is known."""

    partner: Partner
    foreign: Foreign
    fields: dict[str, str]
    signed: KeptSigned
    key: str  # that verified it
    kind: str
    file: bytes

    @property
    def name(self) -> str:
        """How it is named here, and its resends."""
        return foreign_id(self.signed.names.sender, self.signed.names.name)


class InternetEt:
    """`gateway.translating.foreign.Translator`, and the same for what arrives."""

    verifier: ForeignVerifier = InternetEtVerifier()

    def __init__(self, code: str, server: str, file_bytes: int, keys: OwnKeys) -> None:
        self.code, self.server = code, server
        self._file_bytes = file_bytes
        self._keys = keys

    def public_key(self) -> str:
        """By which partners verify us, and encrypt for us."""
        return self._keys.signing().public

    def keys(self, foreign: Foreign, now: datetime) -> ForeignKeys:
        """By which either side's signatures verify."""
        ours = (self._keys.signing(foreign.internet_et.our_key), *self._keys.all())
        return ForeignKeys(tuple(dict.fromkeys(key.public for key in ours)), foreign.internet_et.keys)

    # Out

    def write(self, foreign: Foreign, header: Header, body: Record, known: Known) -> bytes:
        """What is kept of a message of ours: what was signed, and the message of OpenPGP that goes."""
        file = write_file(foreign, header, body, known)
        return self._write(foreign, file, header.id, header.created)

    def carry(self, foreign: Foreign, file: File, now: datetime) -> bytes:
        """A sealed parcel as a package, under the same first refnum each time. Nobody waits for its receipt: the parcel has its
        own. FileError."""
        return self._write(foreign, file, carried_id(BINDING, file), now)

    def _write(self, foreign: Foreign, file: File, name: str, at: datetime) -> bytes:
        terms = foreign.internet_et
        bare = Quirk.NO_INNER_HEADER in terms.quirks
        content = file.content if bare else write_inside(file.content, file.kind)
        key = self._keys.signing(terms.our_key)
        names = Names(self.code, terms.code, name)
        # The signature within the message is not to be had apart from it; this one is by the same key over the same bytes.
        signed = KeptSigned(names, _input_format(file.kind), content, key.sign(content)[0])
        kept = keep_message(KeptMessage(signed, key.seal(content, terms.keys[0], at)))
        if len(kept) > KEPT_BYTES_MAX:
            raise FileError("the file does not fit a message", do="Send it in parts.")
        return kept

    # In

    def find(self, gateway: Gateway, fields: dict[str, str]) -> tuple[Partner, Foreign]:
        """Who says that it wrote, and that it is for us. EtError."""
        for partner in gateway.partners.all():
            foreign = partner.foreign
            if (
                foreign is not None
                and foreign.binding == BINDING
                and foreign.internet_et.code == fields["from"]
            ):
                break
        else:
            raise EtError(Code.NOT_PARTNERS)
        if fields["to"] != self.code:
            raise EtError(Code.BAD_TO)
        return partner, foreign

    def verify(self, form: Form, partner: Partner, foreign: Foreign, now: datetime) -> Verified:
        """The file of a package. EtError; SettingsError, KeyPortError if our keys cannot be had."""
        fields, terms = form.fields, foreign.internet_et
        try:
            check_legacy(partner.party, foreign, now.date())
        except Refused as refused:
            raise EtError(Code.NOT_ESTABLISHED, str(refused)) from refused
        if partner.suspended or fields["input-format"].upper() not in _input_formats(foreign):
            raise EtError(Code.NOT_ESTABLISHED)
        try:
            message = read_package(form.kind, form.data or b"")
            opened = open_package(message, self._keys.all(), self._file_bytes)
            pinned = alive(terms.keys, now)
            signed, signature = _signer(opened.content, opened.signatures, pinned, sha1=terms.sha1)
        except PgpError as error:
            more = "" if error.flaw is PgpFlaw.NOT_SIGNED else error.why
            raise EtError(CODES[error.flaw], more) from error
        kind, file = read_inside(opened.content)
        name = number(fields.get("refnum-orig", "")) if terms.refnums else None
        names = Names(terms.code, self.code, name or f"sha256-{hashlib.sha256(opened.content).hexdigest()}")
        kept = KeptSigned(names, fields["input-format"], opened.content, armored_signature(signature))
        if len(keep_signed(kept)) > KEPT_BYTES_MAX:
            raise EtError(Code.DECRYPTION, "the file does not fit a message")
        key = next(one for one in terms.keys if fingerprint(one) == signed.fingerprint)
        return Verified(partner, foreign, fields, kept, key, kind, file)

    def brought(self, verified: Verified, now: datetime) -> Brought:
        """A file that wants to be taken in. A repeat has the same first refnum, or the same content: it is encrypted anew."""
        return Brought(
            partner=verified.partner.party,
            content=verified.file,
            created=now,
            kind=verified.kind,
            carrier_id=verified.name,
            same=verified.signed.content,
            signed=keep_signed(verified.signed),
            key=verified.key,
            content_of=content_of,
        )

    def answer(self, verified: Verified, stamp: Stamp) -> Callable[[Sequence[Judged], Sequence[File]], bytes]:
        """Writes the receipt, once what became of the file is known, and the format's answers as packages of their own."""
        names = verified.signed.names
        terms = verified.foreign.internet_et

        def write(judged: Sequence[Judged], files: Sequence[File]) -> bytes:
            said = _status(judged) or _warning(verified.fields, terms)
            kind, body = self.receipt(said, stamp, terms)
            back = Names(names.recipient, names.sender, names.name)
            messages = []
            with contextlib.suppress(SettingsError):  # its key has ended: the receipt goes all the same
                messages = [
                    self._write(verified.foreign, file, new_uuid7(stamp.at), stamp.at) for file in files
                ]
            return keep_answers(keep_receipt(KeptReceipt(back, kind, body)), messages)

        return write

    def receipt(self, said: str, stamp: Stamp, terms: InternetEtTerms | None) -> tuple[str, bytes]:
        """The receipt of a package: content type and body. Who is unknown has it by our newest key, in UTC."""
        zone = terms.zone if terms is not None else "UTC"
        time_c = stamp.at.astimezone(ZoneInfo(zone)).strftime("%Y%m%d%H%M%S")
        said_of = receipts.Receipt(time_c, said, self.server, str(stamp.trans))
        inner, outer = f"NAESB{stamp.trans}", f"--signed--{stamp.trans}"
        return write_signed(
            receipts.report(said_of, inner),
            REPORT,
            inner,
            outer,
            self._keys.signing(terms.our_key if terms is not None else None).sign,
            headers=terms is not None and Quirk.SIGNED_WITH_HEADERS in terms.quirks,
        )


def _signer(
    content: bytes, signatures: Sequence[bytes], pinned: Sequence[str], *, sha1: bool
) -> tuple[Signed, bytes]:
    """The first of the signatures that is by a key of the partner's. PgpError."""
    for signature in signatures:
        with contextlib.suppress(PgpError):
            return verify_detached(content, signature, pinned, sha1=sha1), signature
    raise PgpError(PgpFlaw.NOT_SIGNED)


def content_of(kept: bytes) -> bytes:
    """The file of a message of ours, from what was kept of it. FileError if it was none."""
    found = read_kept(kept)
    if not isinstance(found, KeptMessage):
        raise FileError("not what was kept of a message of ours")
    return read_inside(found.signed.content)[1]


def _input_format(kind: str) -> str:
    """X12, or a flat file, of one of this content type."""
    return X12 if kind == X12_KIND else FLAT


def _input_formats(foreign: Foreign) -> set[str]:
    """Those that were agreed."""
    return {X12 if name == "x12" else FLAT for name in foreign.formats}


def _status(judged: Sequence[Judged]) -> str:
    """A file that is none of its format, or a name used twice; what becomes of its messages, the format's answers say."""
    refused = [one for one in judged if one.outcome.status == "refused"]
    if not refused or len(refused) < len(judged):
        return ""
    if any(one.outcome.code == errors.Code.PARCEL_ID_REUSED for one in refused):
        return status(Code.DUPLICATE_REFNUM)
    if len(judged) == 1 and judged[0].item.error is not None:
        return status(Code.UNKNOWN_FILE, refused[0].outcome.detail or "")
    return ""


def _warning(fields: dict[str, str], terms: InternetEtTerms) -> str:
    found = warnings(fields, terms.agreed)
    return status(found[0]) if found else "ok"
