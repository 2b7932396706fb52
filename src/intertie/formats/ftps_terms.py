"""What was agreed with a partner that comes for files by FTP over TLS."""

from __future__ import annotations

from typing import Literal

from intertie.formats.upload_terms import UploadTerms


class FtpsTerms(UploadTerms, frozen=True, kw_only=True):
    """The `[ftps]` section of `partners/PARTY.legacy`: user and hashed secrets as for uploads."""

    # When an upload counts: when it gets its name from NAME.part, or already when its writer closes it.
    complete: Literal["renamed", "closed"] = "renamed"
