"""One organisation's gateway as the acts see it: who we are, whom we know, what we keep, and how far we go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple, Protocol

from intertie.catalogue.load import Catalogue
from intertie.exchange.joining import Trial
from intertie.gateway.attaching.attachment_ports import Attachments
from intertie.gateway.configuration.quota import OwnQuota
from intertie.gateway.configuration.relay_settings import NO_RELAY, RelayRules
from intertie.gateway.observer import UNOBSERVED, Observer
from intertie.gateway.ports import Store
from intertie.gateway.trading.trade_books import Books
from intertie.gateway.translating.foreign import Foreign, Translator
from intertie.model.ids import AgreementId, AgreementRef, PartyId
from intertie.model.party import Party, Role
from intertie.model.record import Record
from intertie.seal.certificates import TrustStore
from intertie.seal.descriptor import Descriptor
from intertie.seal.keys import PrivateKeys, PublicKeys
from intertie.seal.policy_settings import DEFAULT as DEFAULT_POLICY
from intertie.seal.policy_settings import PolicySettings
from intertie.seal.protect import PolicyOn
from intertie.seal.transport import Transport

NO_QUOTA_OF_ITS_OWN = OwnQuota()


class Agreement(Record, frozen=True, kw_only=True):
    """A base contract with one partner: in force from `start` up to, not including, `end`."""

    id: AgreementRef
    start: datetime
    end: datetime | None = None

    def in_force(self, at: datetime) -> bool:
        """Whether messages may flow under it at this time."""
        return self.start <= at and (self.end is None or at < self.end)


class Partner(NamedTuple):
    """A party we do business with: its identity as its signed descriptor gave it, and what we agreed."""

    party: PartyId
    name: str
    roles: frozenset[Role]
    keys: PublicKeys
    url: str  # empty: it has no door, and comes for its parcels itself
    agreements: tuple[Agreement, ...]
    suspended: bool
    # The test conversation of a partner that is not live yet; nothing else goes to it or comes from it.
    trial: Trial | None = None
    scopes: tuple[str, ...] | None = None  # what it may be granted at most; None: all that its roles allow
    quota: OwnQuota = NO_QUOTA_OF_ITS_OWN
    sequence: int = 0  # of its descriptor
    foreign: Foreign | None = None  # it speaks a protocol of its own, as its legacy file says
    via: PartyId | None = None  # the relay that our parcels to it go by, and its to us may come by
    one_way: bool = False  # nothing comes back from it: behind a data diode, say

    @property
    def fetches(self) -> bool:
        """Whether it comes for its parcels: it is never pushed to then, so that no parcel is in two hands."""
        return not self.url and self.via is None and not self.by_file and not self.one_way

    @property
    def by_file(self) -> bool:
        """Whether its parcels, and ours to it, are brought as files: its legacy file says so."""
        return self.foreign is not None and self.foreign.parcel is not None and bool(self.keys.signing)

    @property
    def has_door(self) -> bool:
        """Whether we call its own door: for parcels, files, descriptors."""
        return bool(self.url) and self.via is None and not (self.by_file or self.one_way or self.translated)

    @property
    def translated(self) -> bool:
        """Whether what goes to it goes in its own protocol: what has a gateway too gets parcels, which are stronger."""
        return self.foreign is not None and not self.keys.signing

    def agreement_in_force(self, agreement: AgreementId | None, at: datetime) -> bool:
        """Whether the named agreement exists with this partner and is in force."""
        return any(a.id == agreement and a.in_force(at) for a in self.agreements)


class PartnerBook(Protocol):
    """The partners of this gateway. May change while the gateway runs."""

    def find(self, party: PartyId) -> Partner | None:
        """The partner with this id, or None."""

    def all(self) -> Sequence[Partner]:
        """All partners, suspended ones too."""

    def renew(self, raw: bytes, descriptor: Descriptor, now: datetime) -> bool:
        """Keep a newer descriptor of a partner, verified now; False (and nothing changed) if it is not newer."""


class Peer(NamedTuple):
    """Who is at the other end of a connection: the party of its verified certificate, and what was negotiated."""

    party: PartyId
    transport: Transport | None = None
    # Of the verified access token. None only for a binding that authorises in another way.
    scopes: frozenset[str] | None = None
    # The flows on the waybill, if the parcel came by a relay: `party` is then its sender, and the connection the relay's.
    waybill: frozenset[str] | None = None


class KeyRing(Protocol):
    """Our own keys, which change while the gateway runs."""

    def present(self) -> PrivateKeys:
        """The newest keys."""

    def known_at(self, sequence: int) -> PrivateKeys:
        """The newest keys that a partner knows who has our descriptor of this sequence number (0: none, so the oldest)."""


class TrustBook(Protocol):
    """Whom we trust, which changes while the gateway runs."""

    def present(self) -> TrustStore:
        """Roots and revocations as they are now."""


class FixedKeys(NamedTuple):
    """A key ring that never turns: for a command, and for tests."""

    keys: PrivateKeys

    def present(self) -> PrivateKeys:
        """These."""
        return self.keys

    def known_at(self, sequence: int) -> PrivateKeys:
        """These."""
        return self.keys


class FixedTrust(NamedTuple):
    """Trust that never changes: for a command, and for tests."""

    trust: TrustStore

    def present(self) -> TrustStore:
        """This."""
        return self.trust


class Limits(Record, frozen=True, kw_only=True):
    """How much this gateway takes and sends at once."""

    # 64 MiB holds eight of the largest messages; a parcel is read into memory whole.
    parcel_bytes: int = 64 * 1024 * 1024
    # One receipt line per message: 4,096 keep a receipt under 1 MB.
    messages_per_parcel: int = 4096
    # Parcels grow to this under load: the cost of signatures is then a few percent.
    parcel_target_bytes: int = 4 * 1024 * 1024
    # NAESB Internet ET asks for ±5 s of clock; networks and virtual machines need more room than that.
    clock_skew_seconds: int = 30
    # First retry after this, then doubling to the ceiling, with jitter, until the message expires.
    retry_first_seconds: float = 1.0
    retry_ceiling_seconds: float = 300.0


@dataclass(frozen=True)
class Gateway:
    """Everything an act needs. Nothing here reads a clock: `now` is an argument of every act."""

    party: Party
    ring: KeyRing
    trust_book: TrustBook
    partners: PartnerBook
    catalogue: Catalogue
    store: Store
    limits: Limits
    policy: PolicySettings = DEFAULT_POLICY
    observer: Observer = UNOBSERVED
    attachments: Attachments | None = None  # None: files can be neither sent nor taken
    books: Books = field(default_factory=Books, compare=False)  # of the trade
    translators: Mapping[str, Translator] = field(
        default_factory=dict, compare=False
    )  # by the name of their binding
    relay: RelayRules = NO_RELAY

    @property
    def keys(self) -> PrivateKeys:
        """Our newest keys. Ask once per act: the next call may answer with others."""
        return self.ring.present()

    @property
    def trust(self) -> TrustStore:
        """Whom we trust now. Ask once per act."""
        return self.trust_book.present()

    def policy_on(self, now: datetime) -> PolicyOn:
        """By what messages are protected, and admitted, at this time."""
        return PolicyOn(self.catalogue, self.policy, now.date())


class LinkAnswer(NamedTuple):
    """What a partner's door answered, whole."""

    status: int
    body: bytes
    retry_after: float | None
    transport: Transport | None = None
    headers: Mapping[str, str] = MappingProxyType({})  # names in lower case


class Link(Protocol):
    """A way to a partner's door."""

    async def post(
        self, partner: Partner, blob: bytes, *, hybrid: bool = False, urgency: int | None = None
    ) -> LinkAnswer:
        """Deliver a parcel and return the answer; PartnerError when there was none (the outcome is unknown).

        With `hybrid` nothing leaves over a connection whose key exchange is not hybrid. `urgency` is the priority of the
        most urgent message in it, which only its recipient can see otherwise.
        """

    async def post_descriptor(self, partner: Partner, raw: bytes) -> LinkAnswer:
        """Tell a partner our descriptor and return the answer; PartnerError when there was none."""

    async def get_descriptor(self, partner: Partner) -> bytes:
        """The partner's descriptor as its door gives it now, unverified; PartnerError if it gives none."""

    async def granted(self, partner: Partner) -> frozenset[str] | None:
        """The scopes (`DA/invoice`, `DA/*`) that the partner grants us; None if this way knows no scopes. PartnerError
        if it cannot be asked now."""
