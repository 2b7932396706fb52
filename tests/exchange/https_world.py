"""Parties with keys of one trial authority, and a street door that really listens on loopback."""

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import msgspec

from intertie.bindings.oauth import TOKEN
from intertie.bindings.parcel_https import PARCEL
from intertie.bindings.parcel_https.client import HttpsLink
from intertie.bindings.parcel_https.server import StreetDoor
from intertie.bindings.parcel_https.serving import StreetServer, uvicorn_config
from intertie.catalogue.load import load_catalogue
from intertie.gateway.configuration.settings import Delivery, Pull, Quota, Settings, Street
from intertie.gateway.gateway import Agreement, FixedKeys, FixedTrust, Gateway, Limits, Partner
from intertie.gateway.receiving.accept_parcel import new_message
from intertie.gateway.receiving.authorize import authority_of
from intertie.model.documents import example
from intertie.model.ids import AgreementId, MessageId, PartyId, new_message_id, new_parcel_id
from intertie.model.message import read_envelope, write_message
from intertie.model.party import Party, Role
from intertie.seal.descriptor import Descriptor
from intertie.seal.keys import generate_keys
from intertie.seal.parcel import SealedParcel, _assemble
from intertie.seal.profile import PROFILES
from intertie.seal.tls import Tls
from intertie.seal.tls_groups import TlsOptions
from intertie.seal.token_keys import FixedTokenKeys, new_token_keys
from intertie.seal.tree import leaf_hash
from intertie.seal.trial_ca import TrialCa
from intertie.stores.memory import MemoryStore

UTILITY, AGGREGATOR, THIRD = (PartyId(f"{name}.example") for name in ("utility", "aggregator", "third"))
ROLES = {
    UTILITY: frozenset({Role.DISTRIBUTION_UTILITY}),
    AGGREGATOR: frozenset({Role.DER_AGGREGATOR}),
    THIRD: frozenset({Role.DISTRIBUTION_UTILITY, Role.DER_AGGREGATOR}),
}
AGREEMENT = AgreementId("BASE-1")
TOKEN_KEYS = new_token_keys()


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Book:
    """A partner book that a test can write in."""

    partners: dict[PartyId, Partner] = field(default_factory=dict)

    def find(self, party: PartyId) -> Partner | None:
        return self.partners.get(party)

    def all(self) -> Sequence[Partner]:
        return list(self.partners.values())

    def renew(self, raw: bytes, descriptor: Descriptor, now: datetime) -> bool:
        known = self.partners[descriptor.party]
        self.partners[descriptor.party] = known._replace(keys=descriptor.keys, url=descriptor.url)
        return known.keys != descriptor.keys


@dataclass
class House:
    """One organisation: its folder with keys and trust, and its gateway."""

    directory: Path
    gateway: Gateway
    book: Book

    def tls(self, options: TlsOptions | None = None) -> Tls:
        gateway = self.gateway
        return Tls(lambda: (gateway.keys.tls, gateway.trust), now, options or TlsOptions())

    def plain_context(self, *, server: bool = False) -> ssl.SSLContext:
        """Someone else's program with this house's certificate: Python's own TLS, nothing of ours."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=ca_text(self))
        context.verify_mode = ssl.CERT_REQUIRED
        with tempfile.TemporaryDirectory() as folder:
            key, chain = Path(folder) / "key", Path(folder) / "chain"
            key.write_bytes(self.gateway.keys.tls.key)
            chain.write_bytes(self.gateway.keys.tls.chain)
            context.load_cert_chain(chain, key)
        return context

    def knows(self, other: House, url: str = "https://127.0.0.1:1", *, suspended: bool = False) -> Partner:
        party = other.gateway.party
        start = now() - timedelta(days=1)
        partner = Partner(
            party=party.id,
            name=party.name,
            roles=party.roles,
            keys=other.gateway.keys.public(),
            url=url,
            agreements=(Agreement(id=AGREEMENT, start=start),),
            suspended=suspended,
        )
        self.book.partners[party.id] = partner
        return partner


def make_house(directory: Path, ca: TrialCa, party: PartyId, **keys: datetime) -> House:
    (directory / "keys").mkdir(parents=True)
    (directory / "trust").mkdir()
    made = generate_keys(party, ROLES[party], ca, now(), hosts=["127.0.0.1", "localhost"], **keys)
    (directory / "keys" / "tls.key.pem").write_bytes(made.tls.key)
    (directory / "keys" / "tls.crt.pem").write_bytes(made.tls.chain)
    (directory / "trust" / "root.pem").write_bytes(ca.trust().pem())
    book = Book()
    gateway = Gateway(
        party=Party(id=party, name=party, roles=ROLES[party]),
        ring=FixedKeys(made),
        trust_book=FixedTrust(ca.trust()),
        partners=book,
        catalogue=load_catalogue(),
        store=MemoryStore(),
        limits=Limits(),
    )
    return House(directory, gateway, book)


def make_ca(name: str = "Trial") -> TrialCa:
    return TrialCa.create(name, now() - timedelta(days=400), now() + timedelta(days=400))


def with_limits(house: House, **limits: int) -> House:
    return replace(house, gateway=replace(house.gateway, limits=Limits(**limits)))


def a_message(sender: PartyId = UTILITY, recipient: PartyId = AGGREGATOR) -> bytes:
    """An outage notice, new each time."""
    header, body = example("outage_notice")
    fresh = msgspec.structs.replace(
        header,
        id=new_message_id(now()),
        interface="DA",
        sender=sender,
        recipient=recipient,
        agreement=AGREEMENT,
        created=now(),
        expires=now() + timedelta(hours=1),
    )
    return write_message(fresh, body)


def a_parcel(sender: House, recipient: House, *messages: bytes, seq: int = 1) -> SealedParcel:
    return _assemble(
        messages or [a_message(sender.gateway.party.id, recipient.gateway.party.id)],
        parcel=new_parcel_id(now()),
        recipient=recipient.gateway.keys.public(),
        seq=seq,
        created=now(),
        profile=PROFILES["hybrid"],
        keys=sender.gateway.keys,
    )


def queue_one(sender: House, recipient: House) -> MessageId:
    """A message in the sender's outbox, as `send` would put it there."""
    raw = a_message(sender.gateway.party.id, recipient.gateway.party.id)
    header = read_envelope(raw).header
    sender.gateway.store.add_outgoing([new_message(raw, leaf_hash(raw), 0, header)], [], now())
    return header.id


class Door:
    """A street door that listens; `url` is where."""

    def __init__(
        self,
        house: House,
        street: Street,
        quota: Quota,
        port: socket.socket,
        tls: TlsOptions | None = None,
        pull: Pull | None = None,
    ) -> None:
        settings = Settings(
            party=house.gateway.party,
            street=street,
            quota=quota,
            limits=house.gateway.limits,
            pull=pull or Pull(),
        )
        self.url = street.url
        self.authority = authority_of(house.gateway, settings, FixedTokenKeys(TOKEN_KEYS))
        self.stale: list[PartyId] = []
        self.app = StreetDoor(
            self.authority, settings, lambda: b'{"descriptor":true}', now, stale=self.stale.append
        )
        config = uvicorn_config(self.app.app(), street, house.tls(tls).server_context())
        self.server = StreetServer(config)
        self._port = port
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        await self.server.serve(sockets=[self._port])

    def start(self) -> None:
        self._thread.start()
        wait_until(lambda: self.server.started)

    def stop(self) -> None:
        with suppress(RuntimeError):  # it was stopped before
            self.loop.call_soon_threadsafe(self.app.drain)
        self.server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()


@contextmanager
def open_door(
    house: House,
    *,
    quota: Quota | None = None,
    tls: TlsOptions | None = None,
    pull: Pull | None = None,
    **street: float,
) -> Iterator[Door]:
    port = socket.create_server(("127.0.0.1", 0))
    port.setsockopt(
        socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
    )  # as `serve` does: an answer is two small writes
    url = f"https://127.0.0.1:{port.getsockname()[1]}"
    door = Door(house, Street(url=url, **street), quota or Quota(), port, tls, pull)
    door.start()
    try:
        yield door
    finally:
        door.stop()
        port.close()


class Caller(httpx.Client):
    """An HTTP client of a party, or of nobody."""

    party: PartyId | None = None

    def token(self, url: str, **form: str) -> str:
        """A token of this door; empty if it gives none."""
        asked = {"grant_type": "client_credentials", "client_id": self.party or "nobody"} | form
        answer = self.post(f"{url}{TOKEN}", data=asked)
        return str(answer.json().get("access_token", ""))


def caller(house: House | None, trust: House) -> Caller:
    """An HTTP client with the certificate of a house, or with none."""
    own = house.plain_context() if house is not None else None
    context = own or ssl.create_default_context(cadata=ca_text(trust))
    client = Caller(verify=context, timeout=20, trust_env=False)
    client.party = house.gateway.party.id if house is not None else None
    return client


def link_of(house: House, delivery: Delivery | None = None) -> HttpsLink:
    """A house's way to other doors."""
    return HttpsLink(house.tls(), delivery or Delivery(), house.gateway.party.id)


def ca_text(house: House) -> str:
    """The root that TLS can use: the first; OpenSSL may not know the other's algorithm."""
    end = "-----END CERTIFICATE-----\n"
    return (house.directory / "trust" / "root.pem").read_text(encoding="ascii").split(end)[0] + end


def post(client: Caller, url: str, blob: bytes | Iterator[bytes], **headers: str) -> httpx.Response:
    """Hand in bytes as a partner does: with a fresh token, unless the headers say something else of it."""
    if "authorization" not in headers and (token := client.token(url)):
        headers["authorization"] = f"Bearer {token}"
    return client.post(f"{url}/parcels", content=blob, headers={"content-type": PARCEL} | headers)


def wait_until(true: Callable[[], bool], seconds: float = 15.0) -> None:
    end = datetime.now(UTC) + timedelta(seconds=seconds)
    while not true():
        assert datetime.now(UTC) < end, "it did not happen in time"
        threading.Event().wait(0.01)
