"""What was agreed with a partner that uploads files over HTTPS and fetches ours there."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Annotated, Protocol

from msgspec import Meta

from intertie.formats.sftp_terms import User
from intertie.model.record import Record

# Of a secret only this is kept: it has 256 bits of chance, so nothing slower is needed.
Hashed = Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}(?!\n)$")]


class UploadTerms(Record, frozen=True, kw_only=True):
    """The `[upload]` section of `partners/PARTY.legacy`."""

    user: User
    # A second one is there while the partner changes from the one to the other.
    secrets: Annotated[tuple[Hashed, ...], Meta(min_length=1, max_length=4)]


class Comes(Protocol):
    """A partner that comes with a secret."""

    @property
    def secrets(self) -> Sequence[str]:
        """What of them is kept."""


def new_secret() -> str:
    """A secret for a partner."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """What of it stands in the legacy file."""
    return "sha256:" + hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def is_secret_of(terms: Comes, secret: str) -> bool:
    """Whether it is one of this partner's."""
    return is_hashed_secret(terms.secrets, secret)


def is_hashed_secret(known: Sequence[str], secret: str) -> bool:
    """Whether it is one of those of which this is kept; in the same time for each."""
    said = hash_secret(secret)
    return sum(hmac.compare_digest(said, one) for one in known) > 0
