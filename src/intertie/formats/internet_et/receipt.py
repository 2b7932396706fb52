"""The `gisb-acknowledgement-receipt`: its four elements, the report that is signed, and reading what partners really send."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from intertie.formats.internet_et.codes import clean

# A receipt is a few hundred bytes; more than this is no receipt.
MOST_BYTES = 64 * 1024
# Status and supplement; longer ones are none.
VALUE_MOST = 1000
_NAMES = ("time-c", "request-status", "server-id", "trans-id")
_TIME = re.compile(r"[0-9]{14}\Z")
# Assigned one after another, at most fifteen digits.
_TRANS = re.compile(r"[0-9]{1,15}\Z")
_STATUS = re.compile(r"(?:ok|(?:EEDM|WEDM)[0-9]{3}\b.*)\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receiver says of one package. `time_c` is when the last byte came, by its own clock."""

    time_c: str
    status: str
    server: str
    trans: str

    @property
    def good(self) -> bool:
        """Taken: `ok`, or with a warning only."""
        return self.status.lower() == "ok" or self.status.upper().startswith("WEDM")


def _lines(receipt: Receipt) -> str:
    values = (receipt.time_c, receipt.status, receipt.server, receipt.trans)
    return "".join(f"{name}={clean(value)}*\r\n" for name, value in zip(_NAMES, values, strict=True))


def report(receipt: Receipt, boundary: str) -> bytes:
    """The body that is signed: from the first boundary to the last, without the headers of the part around it."""
    said = _lines(receipt)
    page = f"<HTML><HEAD><TITLE>Receipt</TITLE></HEAD><BODY><P>\r\n{html.escape(said, quote=False)}</P></BODY></HTML>\r\n"
    return (
        f"--{boundary}\r\ncontent-type: text/html\r\n\r\n{page}"
        f"--{boundary}\r\ncontent-type: text/plain\r\n\r\n{said}--{boundary}--\r\n"
    ).encode()


def read(body: bytes) -> Receipt | None:
    """The four elements, the first of each name, whatever is around them; None where a needed one is missing or malformed."""
    if len(body) > MOST_BYTES:
        return None
    text = body.decode("utf-8", "replace").replace("\r", "").replace("\n", "")
    found = {name: _first(text, name) for name in _NAMES}
    time_c, said, server, trans = (found[name] for name in _NAMES)
    if time_c is None or said is None or server is None or trans is None:
        return None
    if not (_TIME.match(time_c) and _STATUS.match(said) and server and _TRANS.match(trans)):
        return None
    return Receipt(time_c, said, server, trans)


def _first(text: str, name: str) -> str | None:
    found = re.search(rf"(?<![\w-]){name}=([^*]{{0,{VALUE_MOST}}})\*", text)
    # The first is in the page, where <, > and & are escaped; cleaned again, for &#42; would be a star.
    return clean(html.unescape(found[1])).strip() if found else None
