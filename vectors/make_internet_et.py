"""Write the cases of vectors/internet_et anew: requests and receipts of NAESB Internet ET as partners' programs write them, each
with one thing that is strange, or wrong. Packages are made by `gpg`. Signatures are random, so all files change; it is run
only when the set of cases does.

    python vectors/make_internet_et.py --write
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pysequoia
from pysequoia import CipherSuite, Profile, SignatureMode, Tsk

from intertie.bindings.internet_et.door import PATHS
from intertie.bindings.internet_et.kept import Names
from intertie.bindings.internet_et.replies import read_told
from intertie.bindings.internet_et.translator import CODES
from intertie.formats.internet_et.fields import Agreed, flaw
from intertie.formats.internet_et.form import FormError, read_form, write_form
from intertie.formats.internet_et.package import read_inside, read_package, write_package
from intertie.formats.internet_et.terms import InternetEtTerms, Quirk
from intertie.model.errors import PartnerError
from intertie.seal.pgp import PgpError, PgpFlaw, PgpKey, open_package, verify_detached

HERE = Path(__file__).parent / "internet_et"
KEYS = Path(__file__).parent / "internet_et_keys.json"
NOW = datetime(2026, 11, 27, tzinfo=UTC)
LIMIT = 100_000
US, THEM = "006982359", "123456789"
FILE = b"ISA*00*~\r\nbytes \x00\xff\r\n"
INSIDE = b"content-type: application/EDI-X12\r\n\r\n" + FILE
TIME = "20260115120001"
FORM = "--boundary1--200309090001"
INNER = "--boundary2--200309090001"


def keys() -> dict[str, PgpKey]:
    """Of us, the partner, and a stranger."""
    said = json.loads(KEYS.read_text(encoding="utf-8"))
    return {name: PgpKey(base64.b64decode(raw)) for name, raw in said.items()}


def verdict(case: dict[str, Any]) -> dict[str, Any]:
    """What this program says of a case."""
    party = keys()
    quirks = frozenset(Quirk(one) for one in case["quirks"])
    terms = InternetEtTerms(
        code=THEM,
        url="https://p.example/",
        keys=(party["partner"].public,),
        zone=case.get("zone", "UTC"),
        quirks=quirks,
    )
    body = base64.b64decode(case["body"])
    if urlsplit(case.get("target", "/")).path not in PATHS:
        return {"verdict": "no such address"}
    return (_receipt if case["kind"] == "receipt" else _request)(case["type"], body, terms, party["us"])


def _receipt(kind: str, body: bytes, terms: InternetEtTerms, _: PgpKey) -> dict[str, Any]:
    try:
        told = read_told(kind, body, Names(US, THEM, "1"), terms, US, NOW)
    except PartnerError:
        return {"verdict": "no receipt"}
    said = told.receipt
    taken = "taken" if said.good else "refused"
    return {"verdict": taken, "status": said.status, "trans": said.trans, "at": told.received.isoformat()}


def _request(kind: str, body: bytes, terms: InternetEtTerms, us: PgpKey) -> dict[str, Any]:
    try:
        form = read_form(kind, body)
    except FormError:
        return {"verdict": "cut off"}
    found = flaw(form.fields, file=form.data is not None, agreed=Agreed(refnums=True))
    if found is not None:
        return {"verdict": found.value}
    try:
        opened = open_package(read_package(form.kind, form.data or b""), [us], LIMIT)
        if not opened.signatures:
            raise PgpError(PgpFlaw.NOT_SIGNED)
        verify_detached(opened.content, opened.signatures[0], terms.keys, sha1=terms.sha1)
    except PgpError as error:
        return {"verdict": CODES[error.flaw].value}
    said, file = read_inside(opened.content)
    return {"verdict": "taken", "kind": said, "sha256": hashlib.sha256(file).hexdigest()}


def case(
    kind: str, name: str, origin: str, media: str, body: bytes, *quirks: Quirk, **more: Any
) -> dict[str, Any]:
    said = {"kind": kind, "name": name, "origin": origin, "type": media}
    return said | {"body": base64.b64encode(body).decode(), "quirks": [one.value for one in quirks]} | more


# Receipts

ELEMENTS = f"time-c={TIME}*\r\nrequest-status=ok*\r\nserver-id=p.example*\r\ntrans-id=42*\r\n"
REPORT_TYPE = 'multipart/report; report-type="gisb-acknowledgement-receipt"; boundary="NAESB7867"'


def report(elements: str = ELEMENTS, boundary: str = "NAESB7867", plain: str = "text/plain") -> bytes:
    """The report of the manual's example."""
    page = f"<HTML><HEAD><TITLE>Receipt</TITLE></HEAD><BODY><P>\r\n{elements}</P></BODY></HTML>"
    return (
        f"--{boundary}\r\ncontent-type: text/html\r\n\r\n{page}\r\n"
        f"--{boundary}\r\ncontent-type: {plain}\r\n\r\n{elements}--{boundary}--"
    ).encode()


def signed(body: bytes, proof: bytes, *, header: str = REPORT_TYPE) -> bytes:
    """Around a report, as the manual has it: the delimiters begin with four dashes."""
    head = f"content-type: {header}\r\n\r\n".encode()
    mark = f"--{INNER}".encode()
    kind = b"content-type: application/pgp-signature\r\n\r\n"
    return mark + b"\r\n" + head + body + b"\r\n" + mark + b"\r\n" + kind + proof + b"\r\n" + mark + b"--\r\n"


MEDIA = f'multipart/signed; micalg=pgp-sha512; protocol="application/pgp-signature"; boundary={INNER}'


def all_receipts(party: dict[str, PgpKey]) -> Iterator[dict[str, Any]]:
    partner, stranger = party["partner"], party["stranger"]
    head = f"content-type: {REPORT_TYPE}\r\n\r\n".encode()

    def one(name: str, trap: str, over: bytes, body: bytes | None = None, **more: Any) -> dict[str, Any]:
        by = more.pop("by", partner)
        whole = signed(report() if body is None else body, by.sign(over)[0].rstrip())
        return case("receipt", name, trap, more.pop("media", MEDIA), whole, *more.pop("quirks", ()), **more)

    first = "trap 1: what is signed"
    yield one("signed without the headers of the part", first, report())
    yield one("signed without headers and with the last line end", first, report() + b"\r\n")
    yield one("signed with the headers of the part", first, head + report())
    yield one("signed with headers and the last line end", first, head + report() + b"\r\n")
    yield one("signed over lines that end in lf", first, report().replace(b"\r\n", b"\n"))
    yield one("signed by a stranger", first, report(), by=stranger)
    yield one("signed over another report", first, report(ELEMENTS.replace("42", "43")))
    tsk = Tsk.from_bytes(partner.raw)

    def embedded(name: str, inside: bytes, body: bytes, by: Tsk = tsk) -> dict[str, Any]:
        proof = pysequoia.sign(by.signer(), inside, mode=SignatureMode.INLINE).rstrip()
        return case(
            "receipt", name, "trap 2: a copy of the report within the signature", MEDIA, signed(body, proof)
        )

    yield embedded("a signed message with a copy of the report", report(), report())
    changed = report(ELEMENTS.replace("EEDM", "ok"))
    refused = report(ELEMENTS.replace("=ok", "=EEDM699: Decryption error"))
    yield embedded("a signed message with a copy of another report", refused, changed)
    yield embedded("a signed message of a stranger", report(), report(), Tsk.from_bytes(stranger.raw))
    bare = "multipart/signed; micalg=pgp-sha512"
    yield one("no boundary in the header", "trap 3: the boundary is sniffed", report(), media=bare)
    unsigned = report(boundary="GISB7866")
    media = 'multipart/report; report-type="gisb-acknowledgement-receipt"; boundary=GISB7866'
    fourth = "trap 4: reports without a signature"
    yield case("receipt", "a report that is not signed", fourth, media, unsigned)
    yield case(
        "receipt", "a report that is not signed and allowed", fourth, media, unsigned, Quirk.UNSIGNED_RECEIPT
    )
    pre = f"<HTML><BODY><PRE>\r\n{ELEMENTS}</PRE></BODY></HTML>".encode()
    oncor = 'multipart/report; boundary="----=_NAESB_Report_1"'
    wrapped = (
        b"------=_NAESB_Report_1\r\ncontent-type: text/html\r\n\r\n"
        + pre
        + b"\r\n------=_NAESB_Report_1--\r\n"
    )
    yield case("receipt", "a report in pre and allowed", fourth, oncor, wrapped, Quirk.UNSIGNED_RECEIPT)
    blank = ELEMENTS.replace("request-status=ok", "request-status= ok ")
    odd = report(blank, plain="text/plain.")
    yield one("a full stop after the type and blanks", "trap 5: loose spelling", odd, odd)
    evil = report(ELEMENTS.replace("=ok*", "=EEDM702: " + "x;a&lt;b request-status=ok*"))
    yield one("a name of an element within another", "trap 7: what is echoed", evil, evil)
    twice = report(ELEMENTS.replace("=ok*", "=EEDM699: Decryption error*\r\nrequest-status=ok*"))
    yield one("an element twice", "trap 7: the first counts", twice, twice)
    for zone in ("UTC", "America/Chicago"):
        yield one(f"a time in {zone}", "trap 8: time-c has no zone", report(), zone=zone)
    nothing = report(ELEMENTS.replace("trans-id=42*", ""))
    yield one("without a trans id", "manual: four elements", nothing, nothing)


# Requests


class Gpg:
    """The program, with the partner's and the stranger's keys."""

    def __init__(self, party: dict[str, PgpKey]) -> None:
        self.home = tempfile.mkdtemp(prefix="gpg")
        for key in party.values():
            self("--import", given=key.raw)

    def __call__(self, *arguments: str, given: bytes) -> bytes:
        always = ["gpg", "--homedir", self.home, "--batch", "--quiet", "--trust-model", "always"]
        return subprocess.run([*always, *arguments], input=given, capture_output=True, check=True).stdout

    def close(self) -> None:
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], check=False)
        shutil.rmtree(self.home)


def all_requests(party: dict[str, PgpKey], gpg: Gpg) -> Iterator[dict[str, Any]]:
    elements = {
        "from": THEM,
        "to": US,
        "version": "1.6",
        "receipt-disposition-to": THEM,
        "receipt-report-type": "gisb-acknowledgement-receipt",
        "input-format": "X12",
        "receipt-security-selection": "signed-receipt-protocol=required,pgp-signature;"
        "signed-receipt-micalg=required,md5",
        "refnum": "2",
        "refnum-orig": "1",
    }
    media = f"multipart/form-data; boundary={FORM}"

    def package(*options: str, given: bytes = INSIDE, by: str = "partner", to: str = "us") -> bytes:
        return gpg("-r", to, "-u", by, "--armor", "--sign", "--encrypt", *options, given=given)

    def one(name: str, origin: str, message: bytes, *, last: bool = False, **changed: str) -> dict[str, Any]:
        kind, data = write_package(message, INNER)
        said = elements | {name.replace("_", "-"): text for name, text in changed.items()}
        return case("request", name, origin, media, write_form(said, "x.pgp", kind, data, FORM, last=last))

    yield one("as the manual has it", "manual: request", package())
    sixth = "trap 6: an address that is a query alone, the connection closed, no login"
    bare = write_package(package(), INNER)
    whole = write_form(elements, "x.pgp", *bare, FORM)
    target = {"target": "/?package=naesb", "headers": {"connection": "close"}}
    yield case("request", "a query for an address", sixth, media, whole, **target)
    yield one("the file last", "standards 3.2: TIBCO", package(), last=True)
    yield one("lower case and a blank", "standards 3.2", package(), input_format="x12")
    yield one("without compression", "gpg -z 0", package("-z", "0"))
    yield one("compressed by bzip2", "gpg --compress-algo bzip2", package("--compress-algo", "bzip2"))
    yield one("no header inside", "standards 3.2", package(given=FILE))
    yield one("a text signature", "gpg --textmode", package("--textmode", given=b"ISA*\r\n"))
    raw = write_form(elements, "c:\\temp\\x.bin", "application/octet-stream", package(), FORM)
    yield case("request", "the message alone as the file", "standards 3.2", media, raw)
    yield case("request", "cut off", "manual: content-length and boundary", media, raw[:-60])
    yield one("signed by a stranger", "manual: EEDM604", package(by="stranger"))
    yield one("encrypted for a stranger", "manual: EEDM601", package(to="stranger"))
    alone = gpg("-r", "us", "--armor", "--encrypt", given=INSIDE)
    yield one("not signed", "manual: EEDM604", alone)
    yield one("not encrypted", "manual: EEDM602", gpg("-u", "partner", "--armor", "--sign", given=INSIDE))
    whole = package()
    yield one("an armor without an end", "manual: EEDM603", whole[: len(whole) // 2])
    flipped = base64.b64encode(base64.b64decode(b"".join(whole.split(b"\n")[2:-3]))[:-40] + bytes(40))
    broken = b"-----BEGIN PGP MESSAGE-----\n\n" + flipped + b"\n-----END PGP MESSAGE-----\n"
    yield one("changed on its way", "manual: EEDM699", broken)
    yield one("a bomb", "issue 7: bombs", package("--compress-algo", "bzip2", given=bytes(300_000_000)))


def main() -> None:
    """Write keys and cases."""
    made = {
        name: Tsk.generate(user_id=name, cipher_suite=CipherSuite.Cv25519, profile=Profile.RFC4880)
        for name in ("us", "partner", "stranger")
    }
    fresh = {name: PgpKey(bytes(one)) for name, one in made.items()}
    said = {name: base64.b64encode(one.raw).decode() for name, one in fresh.items()}
    KEYS.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    HERE.mkdir(exist_ok=True)
    for old in HERE.glob("*.json"):
        old.unlink()
    gpg = Gpg(fresh)
    try:
        for each in (*all_receipts(fresh), *all_requests(fresh, gpg)):
            name = f"{each['kind']}_" + "".join(c if c.isalnum() else "_" for c in each["name"])
            (HERE / f"{name}.json").write_text(
                json.dumps(each | {"expect": verdict(each)}, indent=1) + "\n", encoding="utf-8"
            )
    finally:
        gpg.close()


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    main()
