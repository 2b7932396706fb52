"""The way between two sites: a `Link` whose every question stops at the simulator, which decides what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from intertie.gateway.gateway import LinkAnswer, Partner
from intertie.model.errors import PartnerError
from intertie.model.ids import PartyId


@dataclass(frozen=True)
class Post:
    """A parcel that wants to go; its answer comes back by `send` or `throw`."""

    to: PartyId
    blob: bytes

    def __await__(self) -> Generator[Post, Any, LinkAnswer]:
        answer: LinkAnswer = yield self
        return answer


class SimLink:
    """`gateway.gateway.Link`: parcels stop at the simulator; descriptors are not told. What a partner grants is everything,
    as long as it can be asked: `reached` says so."""

    def __init__(self, reached: Callable[[], bool]) -> None:
        self._reached = reached

    async def granted(self, partner: Partner) -> frozenset[str] | None:
        """All scopes."""
        if not self._reached():
            raise PartnerError("it cannot be asked")
        return None

    async def post(
        self, partner: Partner, blob: bytes, *, hybrid: bool = False, urgency: int | None = None
    ) -> LinkAnswer:
        """Wait for what the simulator says."""
        return await Post(partner.party, blob)

    async def post_descriptor(self, partner: Partner, raw: bytes) -> LinkAnswer:
        """Nobody answers."""
        raise PartnerError("no descriptors here")

    async def get_descriptor(self, partner: Partner) -> bytes:
        """Nobody answers."""
        raise PartnerError("no descriptors here")
