"""What sealed offers need: a place that keeps the key of each until its gate has closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from intertie.model.errors import SettingsError
from intertie.model.ids import AgreementRef, Name, PartyName
from intertie.model.interval import Instant
from intertie.model.offers import Offer, Secret
from intertie.model.record import Record


class KeptKey(Record, frozen=True, kw_only=True):
    """The key of one revision of a sealed offer, what is inside it, and until when it can be given."""

    partner: PartyName
    agreement: AgreementRef
    need: Name
    offer: Name
    revision: int
    key: Secret
    salt: Secret
    keys_by: Instant
    inside: Offer


class SealedKeys(Protocol):
    """Keys of sealed offers. Whoever reads one can read its offer: they are kept for their owner only."""

    def keep(self, key: KeptKey) -> None:
        """Keep a key; it is on disk when this returns. SettingsError if it cannot be, or is there already."""

    def all(self) -> Sequence[KeptKey | SettingsError]:
        """All keys that are kept; in the place of one that cannot be read, why not."""

    def destroy(self, key: KeptKey) -> None:
        """Let go of a key that was given, or is of no use any more."""
