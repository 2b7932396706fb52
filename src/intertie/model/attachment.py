"""Files that ride beside a message: what the message says of each, and with that, the key to it."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Literal, NewType

from msgspec import Meta

from intertie.model.ids import UUID7
from intertie.model.record import Record, RuleError

AttachmentId = NewType("AttachmentId", str)

# 2 GB: a year of 15-minute readings of ten thousand meters as CSV is 1.5 GB, and agencies take no larger filings.
ATTACHMENT_BYTES_MAX = 2**31
# As many files as the largest tariff filings have (model/filing.py).
ATTACHMENTS_MAX = 200
# The layout and cipher of the sealed file, docs/attachments.md.
Cipher = Literal["A256GCM-STREAM-1M"]
CIPHER: Cipher = "A256GCM-STREAM-1M"

# A file's name, never a path: no slash, no '..', does not begin with a dot, a dash or a blank.
_NAME = r"^(?!.*\.\.)[A-Za-z0-9_(][A-Za-z0-9 ._()+-]{0,127}(?!\n)$"
NAME_MAX = 128


class AttachmentRef(Record, frozen=True, kw_only=True):
    """One file, named in a message. Whoever reads the message can open the file; its digest is signed with the message."""

    id: Annotated[AttachmentId, Meta(pattern=UUID7)]
    name: Annotated[str, Meta(pattern=_NAME)]
    media_type: Annotated[str, Meta(pattern=r"^[a-z0-9.+-]{1,64}/[A-Za-z0-9.+-]{1,127}(?!\n)$")]
    size: Annotated[int, Meta(ge=1, le=ATTACHMENT_BYTES_MAX)]  # bytes of the file itself
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")]  # of the file itself
    cipher: Cipher
    # 256 bits, base64url without padding; the last character has no bits that no byte uses.
    key: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048](?!\n)$")]


def check_attachments(refs: tuple[AttachmentRef, ...]) -> None:
    """Each file, each name and each key once, and not too many; RuleError."""
    if len(refs) > ATTACHMENTS_MAX:
        raise RuleError(f"attachments: more than {ATTACHMENTS_MAX}")
    if any(len({getattr(ref, what) for ref in refs}) != len(refs) for what in ("id", "name", "key")):
        raise RuleError("attachments: an id, a name or a key stands twice")


def attachment_name(text: str) -> str:
    """A file's name as an attachment may have it: accents dropped, what else does not fit is `_`."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    fitting = re.sub(r"[^A-Za-z0-9 ._()+-]", "_", plain)
    fitting = re.sub(r"\.\.+", ".", fitting)[-NAME_MAX:].strip()
    return fitting if re.match(_NAME, fitting) else f"_{fitting}"[:NAME_MAX]
