"""TLS ends in memory: parties under one trial authority, and handshakes through two buffers."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from intertie.model.ids import PartyId, party_id
from intertie.seal.algorithms import generate_signing_key
from intertie.seal.certificates import TrustStore
from intertie.seal.keys import TlsKey, chain_pem
from intertie.seal.tls import Tls
from intertie.seal.tls_groups import TlsOptions
from intertie.seal.trial_ca import TrialCa

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
A, B = party_id("a.example"), party_id("b.example")
OPENSSL, STDLIB = TlsOptions(engine="openssl"), TlsOptions(engine="stdlib")


def make_ca(name: str = "TLS") -> TrialCa:
    return TrialCa.create(name, NOW - timedelta(days=400), NOW + timedelta(days=400))


def make_key(
    ca: TrialCa,
    party: PartyId,
    alg: str = "ES256",
    hosts: Sequence[str] = ("localhost", "127.0.0.1"),
    since: datetime = NOW - timedelta(days=1),
    until: datetime = NOW + timedelta(days=30),
) -> TlsKey:
    """A TLS key of any signature algorithm, with its certificate."""
    key = generate_signing_key(alg)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return TlsKey(pem, chain_pem(ca.issue_tls(party, key, hosts, since, until)))


@dataclass
class End:
    """One gateway's TLS, whose key, trust and time a test may change."""

    key: TlsKey
    trust: TrustStore
    options: TlsOptions = field(default_factory=TlsOptions)
    now: datetime = NOW

    @property
    def tls(self) -> Tls:
        return Tls(lambda: (self.key, self.trust), lambda: self.now, self.options)


def end(ca: TrialCa, party: PartyId, options: TlsOptions | None = None, alg: str = "ES256") -> End:
    return End(make_key(ca, party, alg), ca.trust(), options or TlsOptions())


class Wire:
    """Two ends and the four buffers between them; `pass_on` says how bytes travel (all at once, if nothing is said)."""

    def __init__(self, server: ssl.SSLContext, client: ssl.SSLContext, host: str = "localhost") -> None:
        self.buffers = [ssl.MemoryBIO() for _ in range(4)]
        client_in, client_out, server_in, server_out = self.buffers
        self.client = client.wrap_bio(client_in, client_out, server_hostname=host)
        self.server = server.wrap_bio(server_in, server_out, server_side=True)
        self.pass_on: Callable[[ssl.MemoryBIO, ssl.MemoryBIO], None] = _all_of_it

    def carry(self) -> None:
        client_in, client_out, server_in, server_out = self.buffers
        self.pass_on(client_out, server_in)
        self.pass_on(server_out, client_in)

    def shake(self) -> Wire:
        """Until both are done; whatever error the first of them has, goes out."""
        waiting = [self.client, self.server]
        for _ in range(100_000):
            for side in list(waiting):
                try:
                    side.do_handshake()
                    waiting.remove(side)
                except ssl.SSLWantReadError:
                    continue
            self.carry()
            if not waiting:
                return self
        raise AssertionError("the handshake never ended")

    def read(self, side: ssl.SSLObject, size: int) -> bytes:
        """That many bytes, however they come."""
        data = b""
        while len(data) < size:
            try:
                part = side.read(size - len(data))
                assert part, "the other end said goodbye"
                data += part
            except ssl.SSLWantReadError:
                self.carry()
        return data


def _all_of_it(source: ssl.MemoryBIO, target: ssl.MemoryBIO) -> None:
    if source.pending:
        target.write(source.read())
