"""What a connection costs: TLS 1.3 with certificates on both sides, over loopback, on either engine.

A handshake is timed from connecting until the door, having judged the caller's certificate as it does for each request,
has answered one byte. Both ends run on uvloop, as in operation: the door in a thread of its own.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import NamedTuple

import uvloop

from bench import primitives
from bench.measure import OURS, PRIMITIVES, Call, Case, Job, Scale
from bench.world import NOW, World, issuer_of, world
from intertie.model.ids import PartyId
from intertie.seal.algorithms import SigningPrivateKey, generate_signing_key
from intertie.seal.certificates import TrustStore
from intertie.seal.keys import KEY_LIFE, TlsKey, chain_pem, key_pem
from intertie.seal.profile import PROFILES
from intertie.seal.tls import Tls, describe
from intertie.seal.tls_groups import TlsOptions
from intertie.seal.transport import Transport

HOST = "localhost"
DOOR, CALLER = PartyId("door.example"), PartyId("caller.example")
# What every variant is compared with, in the same turns: Python's own `ssl`, with the groups of this machine's OpenSSL.
STANDARD_LIBRARY = "standard library, ES256"
# What is signed at the end of each side's certificates (RFC 8446 s.4.4.3): 64 blanks, a label, a hash.
CERTIFICATE_VERIFY = bytes(64 + 34 + 48)


class Variant(NamedTuple):
    """An engine's options, the algorithm of both certificates, and the profile whose key agreement the group has."""

    name: str
    options: TlsOptions
    alg: str
    agreement: str


CLASSICAL, HYBRID = ("x25519",), ("X25519MLKEM768",)
STDLIB = Variant("stdlib", TlsOptions(engine="stdlib"), "ES256", "classical")
VARIANTS = (
    Variant("x25519, ES256", TlsOptions(engine="openssl", groups=CLASSICAL), "ES256", "classical"),
    Variant("X25519MLKEM768, ES256", TlsOptions(engine="openssl", groups=HYBRID), "ES256", "hybrid"),
    Variant("x25519, ML-DSA-65", TlsOptions(engine="openssl", groups=CLASSICAL), "ML-DSA-65", "classical"),
    Variant("X25519MLKEM768, ML-DSA-65", TlsOptions(engine="openssl", groups=HYBRID), "ML-DSA-65", "hybrid"),
)


def plan(scale: Scale) -> list[Job]:
    """Each variant of groups and certificates."""
    return [partial(case, variant) for variant in VARIANTS]


@contextmanager
def case(variant: Variant) -> Iterator[Case]:
    """One handshake of ours, the primitives of both its sides, and one on the standard library."""
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        ours = stack.enter_context(Pair.of(variant).open())
        theirs = stack.enter_context(Pair.of(STDLIB).open())
        calls: dict[str, Call] = {
            OURS: lambda: runner.run(ours.shake()),
            PRIMITIVES: floor(variant),
            STANDARD_LIBRARY: lambda: runner.run(theirs.shake()),
        }
        yield Case(variant.name, 1, "µs", calls)


def floor(variant: Variant) -> Call:
    """Both sides: the key agreement; a signature made and verified; the authority's under the certificate verified."""
    here, profile = world(), PROFILES[variant.agreement]
    key, tls = tls_key(here, DOOR, variant.alg)
    side = (
        primitives.sign(key, CERTIFICATE_VERIFY),
        primitives.verify(key, CERTIFICATE_VERIFY),
        primitives.verify_certificate(issuer_of(here, variant.alg), leaf_of(tls)),
    )
    agreement = (
        primitives.encapsulate(profile),
        primitives.generate(profile),
        primitives.decapsulate(profile),
    )
    return primitives.together(*agreement, *side, *side)


def tls_key(here: World, party: PartyId, alg: str) -> tuple[SigningPrivateKey, TlsKey]:
    """A TLS key of any signature algorithm, with its certificate."""
    key = generate_signing_key(alg)
    chain = here.ca.issue_tls(party, key, [HOST], NOW, NOW + KEY_LIFE)
    return key, TlsKey(key_pem(key), chain_pem(chain))


def leaf_of(key: TlsKey) -> bytes:
    """The certificate as DER."""
    return ssl.PEM_cert_to_DER_cert(key.chain.decode("ascii"))


class Pair:
    """A door and a caller of one variant."""

    def __init__(self, door: Tls, caller: Tls) -> None:
        self._door = door
        self._server = door.server_context()
        self._client = caller.client_context(DOOR)
        self._port = 0

    @classmethod
    def of(cls, variant: Variant) -> Pair:
        """With fresh keys; whatever is judged, is judged by the clock of the benchmark's world."""
        here = world()
        keys: Sequence[TlsKey] = [tls_key(here, party, variant.alg)[1] for party in (DOOR, CALLER)]
        door, caller = (Tls(partial(_present, key), lambda: NOW, variant.options) for key in keys)
        return cls(door, caller)

    @contextmanager
    def open(self) -> Iterator[Pair]:
        """With the door listening in a thread of its own."""
        loop = uvloop.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="door", daemon=True)
        thread.start()
        listen = asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=self._server)
        server = asyncio.run_coroutine_threadsafe(listen, loop).result()
        self._port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(server.close)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    async def shake(self) -> Transport:
        """Connect, and wait for the door's answer; what was negotiated."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=self._client, server_hostname=HOST
        )
        await reader.readexactly(1)
        negotiated = describe(writer.get_extra_info("ssl_object"), HOST).transport
        writer.transport.abort()
        return negotiated

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = describe(writer.get_extra_info("ssl_object")).party(world().trust, NOW)
        writer.write(b"1" if caller == CALLER else b"")
        writer.close()


def _present(key: TlsKey) -> tuple[TlsKey, TrustStore]:
    return key, world().trust
