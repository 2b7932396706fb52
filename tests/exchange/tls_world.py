"""Doors and callers whose TLS is as in operation, with pages that say what the connection was."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec
import uvloop
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.exchange.https_world import make_ca, now, wait_until

from intertie.bindings.oauth import METADATA, TOKEN
from intertie.bindings.parcel_https.client import HttpsLink
from intertie.bindings.parcel_https.gate import PeerGate
from intertie.bindings.parcel_https.protocol import PEER
from intertie.bindings.parcel_https.serving import StreetServer, uvicorn_config
from intertie.gateway.configuration.settings import Delivery, Street
from intertie.gateway.gateway import LinkAnswer, Partner
from intertie.model.ids import PartyId, party_id
from intertie.seal.algorithms import generate_signing_key
from intertie.seal.certificates import TrustStore
from intertie.seal.keys import PublicKeys, TlsKey, chain_pem
from intertie.seal.tls import Tls
from intertie.seal.tls_groups import TlsOptions
from intertie.seal.transport import Transport
from intertie.seal.trial_ca import TrialCa

A, B, C = party_id("a.example"), party_id("b.example"), party_id("c.example")
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
QUICK = Delivery(connect_seconds=5.0, answer_seconds=20.0)

__all__ = [
    "LOOPS",
    "QUICK",
    "A",
    "B",
    "C",
    "EchoDoor",
    "TlsHouse",
    "echo_door",
    "make_ca",
    "partner_at",
    "post",
    "said",
]


def make_key(
    ca: TrialCa, party: PartyId, alg: str = "ES256", hosts: Sequence[str] = ("127.0.0.1", "localhost")
) -> TlsKey:
    key = generate_signing_key(alg)
    chain = ca.issue_tls(party, key, hosts, now() - timedelta(hours=1), now() + timedelta(days=9))
    return TlsKey(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), chain_pem(chain))


@dataclass
class TlsHouse:
    """A party whose key, trust and options a test may change while it runs. It is its own trust book."""

    party: PartyId
    key: TlsKey
    trust: TrustStore
    options: TlsOptions = field(default_factory=TlsOptions)

    @classmethod
    def of(cls, ca: TrialCa, party: PartyId, alg: str = "ES256", **options: object) -> TlsHouse:
        return cls(party, make_key(ca, party, alg), ca.trust(), TlsOptions(**options))  # type: ignore[arg-type]

    @property
    def tls(self) -> Tls:
        return Tls(lambda: (self.key, self.trust), now, self.options)

    def present(self) -> TrustStore:
        return self.trust

    def files(self, folder: Path) -> tuple[Path, Path, Path]:
        """Key, chain and roots as files, for other programs."""
        folder.mkdir(parents=True, exist_ok=True)
        key, chain, roots = folder / "key.pem", folder / "chain.pem", folder / "roots.pem"
        key.write_bytes(self.key.key)
        chain.write_bytes(self.key.chain)
        roots.write_bytes(
            b"".join(root.public_bytes(Encoding.PEM) for root in self.trust.family(post_quantum=False))
        )
        return key, chain, roots


class Said(msgspec.Struct):
    """What the door says of a request."""

    party: str
    transport: Transport
    size: int


class EchoDoor:
    """A street door with the real protocol, gate and engine, whose page tells what it saw and gives `back` bytes more."""

    def __init__(self, house: TlsHouse, loop: str, street: Street, port: socket.socket) -> None:
        self.url = street.url
        self.port = port.getsockname()[1]
        self.seen: list[Said] = []
        routes = [
            Route("/parcels", self._page, methods=["POST"]),
            Route("/{any:path}", self._page, methods=["GET", "POST"]),
        ]
        gate = Middleware(PeerGate, trust=house, clock=now)
        app = Starlette(routes=routes, middleware=[gate])
        self.server = StreetServer(uvicorn_config(app, street, house.tls.server_context()))
        self._loop = loop
        self._socket = port
        self._thread = threading.Thread(target=self._run, daemon=True)

    async def _page(self, request: Request) -> Response:
        if request.url.path in (METADATA, TOKEN):
            return self._authorize(request.url.path)
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
        peer = request.scope["extensions"][PEER]
        said = Said(peer["party"], peer["transport"], size)
        self.seen.append(said)
        back = int(request.query_params.get("back", "0"))
        return Response(msgspec.json.encode(said) + bytes(back))

    def _authorize(self, path: str) -> Response:
        """A token for whoever comes: what is looked at here is the connection."""
        metadata = {"issuer": self.url, "token_endpoint": self.url + TOKEN}
        token = {"access_token": "t", "token_type": "Bearer", "expires_in": 300}
        return Response(msgspec.json.encode(metadata if path == METADATA else token))

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=LOOPS[self._loop]) as runner:
            runner.run(self.server.serve(sockets=[self._socket]))

    def start(self) -> None:
        self._thread.start()
        wait_until(lambda: self.server.started)

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()


@contextmanager
def echo_door(house: TlsHouse, loop: str = "uvloop", **street: float) -> Iterator[EchoDoor]:
    port = socket.create_server(("127.0.0.1", 0))
    url = f"https://127.0.0.1:{port.getsockname()[1]}"
    door = EchoDoor(house, loop, Street(url=url, **street), port)  # type: ignore[arg-type]
    door.start()
    try:
        yield door
    finally:
        door.stop()
        port.close()


def partner_at(url: str, party: PartyId = B) -> Partner:
    keys = PublicKeys(party=party, roles=frozenset(), signing={}, sealing={})
    return Partner(
        party=party, name=party, roles=frozenset(), keys=keys, url=url, agreements=(), suspended=False
    )


def post(
    house: TlsHouse,
    url: str,
    blob: bytes = b"blob",
    *,
    party: PartyId = B,
    hybrid: bool = False,
    loop: str = "asyncio",
) -> LinkAnswer:
    async def once() -> LinkAnswer:
        link = HttpsLink(house.tls, QUICK, house.party)
        try:
            return await link.post(partner_at(url, party), blob, hybrid=hybrid)
        finally:
            await link.aclose()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        return runner.run(once())


def said(answer: LinkAnswer) -> Said:
    assert answer.status == 200
    return msgspec.json.decode(answer.body, type=Said)
