"""What the portal needs to turn our own keys: the acts of `intertie keys`, as `run/turning.py` does them on files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

import msgspec

from intertie.seal.new_keys import Part

# Time enough for a partner that is away over a long weekend, and for a certificate authority's mistakes.
OVERLAP = timedelta(days=14)


class KeyLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One key of one generation. `age_days` counts against `period_days`, how long such a key is used."""

    generation: int
    use: str
    algorithm: str
    id: str
    private_key: str
    state: str
    since: datetime | None = None
    until: datetime | None = None
    certificate_end: datetime | None = None
    age_days: int | None = None
    period_days: int = 0


class Turned(NamedTuple):
    """A generation in use, and until when older keys are accepted; None for the first."""

    generation: int
    until: datetime | None


class TurningKeys(Protocol):
    """Each act is whole or not there. All raise SettingsError, KeyPortError."""

    def lines(self, now: datetime) -> Sequence[KeyLine]:
        """Every key of every generation, the newest first. Opens none of them."""

    def sequence(self) -> int:
        """Of the descriptor that announced the newest keys in use."""

    def protection(self) -> str:
        """What protects them at rest."""

    def can_issue(self) -> bool:
        """Whether a trial authority of ours is here, to issue certificates."""

    def made_at(self, at: datetime) -> Turned | None:
        """The generation that was made at this moment, if one was: an act that is done again finds what it did."""

    def rotate(self, only: Part | None, overlap: timedelta, now: datetime, *, in_token: bool) -> Turned:
        """The next generation, with certificates of our own trial authority."""

    def request(self, only: Part | None, now: datetime, *, in_token: bool) -> int:
        """The next generation, which waits for certificates of an external authority; its number."""

    def requests(self) -> Mapping[str, bytes]:
        """The requests (PKCS#10, PEM) of the generation that waits, by part; nothing if none does."""

    def install(self, chains: Mapping[str, bytes], overlap: timedelta, now: datetime) -> Turned:
        """Put the waiting generation to use with the authority's answers (PEM), by part."""

    def retire(self, generation: int, now: datetime) -> Sequence[str]:
        """Destroy the private keys of an old generation, or of one that waits, now; which parts."""
