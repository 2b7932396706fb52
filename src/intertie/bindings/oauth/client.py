"""Access tokens of our partners: found by their metadata, fetched over mutual TLS, held until shortly before their end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Protocol, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from intertie.bindings.oauth import METADATA
from intertie.gateway.gateway import LinkAnswer, Partner
from intertie.model.errors import Code, PartnerError
from intertie.model.ids import PartyId

# A token is renewed this part of its life before its end, but at most so long before: a parcel under way takes a while.
RENEW_PART = 5
RENEW_MAX = timedelta(seconds=30)
# A partner that grants nothing is asked again after this: its operators may have changed something.
NOTHING_SECONDS = 60
# Nobody grants for longer than a day; a longer time is a mistake, and held too long.
EXPIRES_MAX = 86_400

T = TypeVar("T")
Send = Callable[[Mapping[str, str]], Awaitable[LinkAnswer]]


class Ask(Protocol):
    """Makes a request to a partner's door; with `hybrid` only over a connection that a hybrid group protects."""

    async def __call__(
        self,
        partner: Partner,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        *,
        hybrid: bool = False,
    ) -> LinkAnswer:
        """The answer; PartnerError if there was none."""


class _Endpoints(msgspec.Struct, frozen=True):
    token_endpoint: str = ""


class _Metadata(msgspec.Struct, frozen=True):
    issuer: str
    token_endpoint: str
    mtls_endpoint_aliases: _Endpoints = _Endpoints()


class _Answer(msgspec.Struct, frozen=True):
    access_token: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._~+/-]+=*(?!\n)$", max_length=8192)]
    token_type: str
    expires_in: Annotated[float, Meta(gt=0)] = 60.0
    scope: str | None = None


class _Refusal(msgspec.Struct, frozen=True):
    error: str = ""
    error_description: str = ""


class _Problem(msgspec.Struct, frozen=True):
    code: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Grant:
    """A token and what it is good for. `token` empty: the partner grants us nothing. `scopes` None: it did not say."""

    url: str
    token: str
    scopes: frozenset[str] | None
    renew: datetime


class PartnerTokens:
    """The tokens of all partners. For one event loop."""

    def __init__(self, party: PartyId, clock: Callable[[], datetime], ask: Ask) -> None:
        self._party = party
        self._clock = clock
        self._ask = ask
        self._grants: dict[PartyId, Grant] = {}
        self._locks: dict[PartyId, asyncio.Lock] = {}

    async def scopes(self, partner: Partner) -> frozenset[str] | None:
        """What the partner grants us, None if it does not say; PartnerError if it cannot be asked."""
        return (await self._grant(partner)).scopes

    async def send(self, partner: Partner, send: Send, *, hybrid: bool = False) -> LinkAnswer:
        """The answer to a request with a token; once more with a new one if the partner does not take the held one."""
        grant = await self._grant(partner, hybrid=hybrid)
        answer = await send(_bearer(partner, grant))
        problem = _read(answer.body, _Problem) if answer.status in (401, 403) else None
        code = problem.code if problem is not None else ""
        if code in (Code.INVALID_TOKEN, Code.INSUFFICIENT_SCOPE):
            self._drop(partner, grant)
        if code != Code.INVALID_TOKEN:
            return answer
        return await send(_bearer(partner, await self._grant(partner, hybrid=hybrid)))

    def _drop(self, partner: Partner, grant: Grant) -> None:
        if self._grants.get(partner.party) is grant:  # another request may have brought a new one meanwhile
            del self._grants[partner.party]

    async def _grant(self, partner: Partner, *, hybrid: bool = False) -> Grant:
        """The held token, or a new one; one request at a time to one partner."""
        async with self._locks.setdefault(partner.party, asyncio.Lock()):
            held = self._grants.get(partner.party)
            if held is None or held.url != partner.url or self._clock() >= held.renew:
                held = self._grants[partner.party] = await self._fetch(partner, hybrid=hybrid)
            return held

    async def _fetch(self, partner: Partner, *, hybrid: bool) -> Grant:
        path = await self._token_path(partner, hybrid=hybrid)
        form = urlencode({"grant_type": "client_credentials", "client_id": self._party}).encode()
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        asked = self._clock()
        answer = await self._ask(partner, "POST", path, form, headers, hybrid=hybrid)
        if answer.status != 200:
            return self._without(partner, answer, asked)
        said = _read(answer.body, _Answer)
        if said is None or said.token_type.lower() != "bearer":
            raise _failed(partner, "its token endpoint's answer is not an RFC 6749 token answer")
        life = timedelta(seconds=min(said.expires_in, EXPIRES_MAX))
        scopes = frozenset(said.scope.split()) if said.scope is not None else None
        return Grant(partner.url, said.access_token, scopes, asked + life - min(life / RENEW_PART, RENEW_MAX))

    def _without(self, partner: Partner, answer: LinkAnswer, asked: datetime) -> Grant:
        """An error of the token endpoint: nothing is granted, or it says why not."""
        said = _read(answer.body, _Refusal) or _Refusal()
        if answer.status == 400 and said.error == "invalid_scope":
            return Grant(partner.url, "", frozenset(), asked + timedelta(seconds=NOTHING_SECONDS))
        why = f"its token endpoint answers {answer.status} {said.error} {said.error_description}".strip()
        do = "It is asked again by itself."
        if said.error == "invalid_client":
            do = "Ask its operators: our descriptor may be missing there, or we are suspended."
        raise _failed(partner, why[:300], do)

    async def _token_path(self, partner: Partner, *, hybrid: bool) -> str:
        """The path of the token endpoint by the partner's metadata (RFC 8414 s.3), which must be about this very door."""
        accept = {"accept": "application/json"}
        answer = await self._ask(partner, "GET", METADATA, None, accept, hybrid=hybrid)
        metadata = _read(answer.body, _Metadata) if answer.status == 200 else None
        if metadata is None:
            problem = _read(answer.body, _Problem) or _Problem()
            said = f"HTTP {answer.status} {problem.code} {problem.detail}".strip()[:300]
            raise _failed(partner, f"its door gives no authorization metadata: {said}")
        url = partner.url.rstrip("/")
        if metadata.issuer.rstrip("/") != url:
            raise _failed(
                partner,
                f"its metadata is about {metadata.issuer[:200]}",
                "Its settings and its descriptor name two addresses; ask for its present descriptor.",
            )
        endpoint = metadata.mtls_endpoint_aliases.token_endpoint or metadata.token_endpoint
        if not endpoint.startswith(f"{url}/"):
            raise _failed(partner, "its token endpoint is at another door than its parcels")
        return endpoint.removeprefix(url)


def _bearer(partner: Partner, grant: Grant) -> dict[str, str]:
    if not grant.token:
        raise _failed(
            partner, "it grants us no scope", "Ask its operators which documents we may send to them."
        )
    return {"authorization": f"Bearer {grant.token}"}


def _failed(partner: Partner, why: str, do: str = "It is asked again by itself.") -> PartnerError:
    return PartnerError(f"no access token from {partner.party}: {why}", do=do)


def _read(body: bytes, kind: type[T]) -> T | None:
    """What a JSON body says, or None if it is not that."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
