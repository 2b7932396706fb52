"""The ways to partners that speak a protocol of their own: by each partner's legacy file."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from intertie.gateway.translating.deliver_translated import PostAnswer
from intertie.gateway.translating.files import File
from intertie.gateway.translating.foreign import Foreign
from intertie.model.errors import PartnerError
from intertie.run.as2 import as2_client
from intertie.run.as4 import as4_client
from intertie.run.by_name import MAILBOXES, mailbox_posts
from intertie.run.internet_et import internet_et_client
from intertie.run.opening import Opened
from intertie.run.uftp import uftp_client


@runtime_checkable
class _Carries(Protocol):
    """A way by which files go as they are."""

    async def put(self, foreign: Foreign, file: File) -> PostAnswer:
        """As `gateway.translating.file_link` wants it."""


class _Nothing:
    """To a custodian: a feed that was fetched wants no answer."""

    async def post(self, foreign: Foreign, signed: bytes) -> PostAnswer:
        """It is settled."""
        return PostAnswer(200)

    async def aclose(self) -> None:
        """There is nothing to let go of."""


class ForeignPosts:
    """Posts what was kept in the protocol of its partner; close it when done."""

    def __init__(self, it: Opened) -> None:
        ways = {
            "uftp": uftp_client(it),
            "as2": as2_client(it),
            "as4": as4_client(it),
            "green_button": _Nothing() if it.settings.espi.fetch else None,
            "internet_et": internet_et_client(it),
            **{name: mailbox_posts(name, it) for name in MAILBOXES},
        }
        self._ways = {name: way for name, way in ways.items() if way is not None}

    async def post(self, foreign: Foreign, signed: bytes) -> PostAnswer:
        """What its door said; PartnerError when it said nothing, or we have no settings for its protocol."""
        way = self._ways.get(foreign.binding)
        if way is None:
            raise PartnerError(f"[{foreign.binding}] of intertie.toml does not say who we are")
        return await way.post(foreign, signed)

    async def put(self, foreign: Foreign, file: File) -> PostAnswer:
        """A sealed parcel, as a file in the protocol of its partner; as `post`."""
        way = self._ways.get(foreign.binding)
        if not isinstance(way, _Carries):
            raise PartnerError(f"[{foreign.binding}] of intertie.toml does not say how files go")
        return await way.put(foreign, file)

    async def aclose(self) -> None:
        """Let go of connections."""
        for way in self._ways.values():
            await way.aclose()
