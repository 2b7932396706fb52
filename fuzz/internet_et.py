"""Internet ET as a stranger reaches it: requests, receipts and notifications, up to where a package would be opened: rPGP does
that, in a process of its own."""

from __future__ import annotations

import base64
import contextlib
import json
from functools import cache
from pathlib import Path

from intertie.bindings.internet_et.kept import read_kept
from intertie.formats.as2.flaws import As2Error
from intertie.formats.internet_et import receipt as receipts
from intertie.formats.internet_et.fields import Agreed, flaw, warnings
from intertie.formats.internet_et.form import FormError, read_form
from intertie.formats.internet_et.notice import read_notice
from intertie.formats.internet_et.package import read_inside, read_package
from intertie.formats.internet_et.signed import read_signed
from intertie.seal.pgp import PgpError, PgpKey, verify_detached

VECTORS = Path(__file__).parent.parent / "vectors"
AGREED = Agreed(refnums=True, sets=frozenset({"RXQ36102"}))


@cache
def partner() -> str:
    """Its public key."""
    said = json.loads((VECTORS / "internet_et_keys.json").read_text(encoding="utf-8"))
    return PgpKey(base64.b64decode(said["partner"])).public


def read_exchange(data: bytes) -> object:
    """A content type on the first line, and the body: as a request, and as an answer."""
    kind, _, body = data.partition(b"\n")
    said = kind.decode("latin-1").strip()
    found: list[object] = []
    try:
        form = read_form(said, body)
        found += [flaw(form.fields, file=form.data is not None, agreed=AGREED), warnings(form.fields, AGREED)]
        found += [read_inside(read_package(form.kind, form.data or b"")), read_notice(form.data or b"")]
    except FormError:
        pass
    try:
        # One that embeds a message would begin a process for each input.
        report = read_signed(said, body.replace(b"BEGIN PGP MESSAGE", b"BEGIN PGP MASSAGE"), (partner(),))
        if report.signed is not None:
            again = verify_detached(report.over, report.signature, [partner()])
            if again != report.signed:
                raise AssertionError("signed by one, and by another")
        found.append(receipts.read(report.body))
    except PgpError:
        pass
    with contextlib.suppress(As2Error):
        found.append(read_kept(data))
    return found


def exchanges() -> list[bytes]:
    """Those of vectors/."""
    cases = [json.loads(path.read_text("utf-8")) for path in sorted((VECTORS / "internet_et").glob("*.json"))]
    return [case["type"].encode("latin-1") + b"\n" + base64.b64decode(case["body"]) for case in cases]
