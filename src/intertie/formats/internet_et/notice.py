"""The Error Notification: what was wrong with a package whose receipt had said `ok`, told within the hour."""

from __future__ import annotations

import html
import re
from typing import NamedTuple

from intertie.formats.internet_et.codes import clean
from intertie.formats.internet_et.receipt import VALUE_MOST

REPORT = "gisb-error-notification"
# Some hundred bytes, and a comment.
MOST_BYTES = 64 * 1024


class Notice(NamedTuple):
    """What is wrong, and with which package: by the receipt that was given for it."""

    time_c: str
    server: str
    trans: str
    status: str
    comments: str = ""

    @property
    def said(self) -> str:
        """In words."""
        return f"{self.status} {self.comments}".strip()


def read_notice(body: bytes) -> Notice | None:
    """The elements, the first of each name; None where a needed one is missing."""
    if len(body) > MOST_BYTES:
        return None
    text = body.decode("utf-8", "replace").replace("\r", "").replace("\n", "")
    found = {name: _first(text, name) for name in ("time-c", "server-id", "trans-id")}
    status, comments = _any(text, "request-status"), _any(text, "comments")
    if not all(found.values()) or not re.match(r"[EW]EDM[0-9]{3}", status):
        return None
    return Notice(found["time-c"], found["server-id"], found["trans-id"], status, comments)


def _first(text: str, name: str) -> str:
    return _any(text, f"resp-{name}")


def _any(text: str, name: str) -> str:
    found = re.search(rf"(?<![\w-]){name}=([^*]{{0,{VALUE_MOST}}})\*", text)
    return clean(html.unescape(found[1])).strip() if found else ""
