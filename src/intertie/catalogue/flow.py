"""An interface and its flows: who may send which document to whom, in which mode, with how much protection."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from intertie.model.ids import DocumentRef, InterfaceRef, ShortText
from intertie.model.message import Mode
from intertie.model.party import Role
from intertie.model.record import Record

# A century of protection is beyond any record this trade keeps, and beyond what any algorithm can promise.
PROTECT_DAYS_MAX = 100 * 366
# A message that may take longer than a month is a letter.
LATENCY_SECONDS_MAX = 31 * 86400

# Where a thing is said: the mission's file, then its section, table or sentence.
Source = Annotated[str, Meta(pattern=r"^\S.*\S(?!\n)$", min_length=3, max_length=300)]
# A sentence of a catalogue file ends with its source in brackets, so that it can be looked up.
Sentence = Annotated[str, Meta(pattern=r"\S \([^()]{3,300}\)(?!\n)$", max_length=2000)]
LongText = Annotated[str, Meta(min_length=1, max_length=4000)]
Actor = Annotated[tuple[Role, ...], Meta(min_length=1, max_length=4)]


class Level(StrEnum):
    """How much a loss would matter, in the three steps of FIPS 199."""

    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """0, 1 or 2: higher matters more."""
        return tuple(Level).index(self)


class Category(StrEnum):
    """What a flow is about. The first four are the categories of the use case (000, table of categories)."""

    BILLING = "billing"
    SYSTEM_OUTAGE = "system_outage"
    AGGREGATION = "aggregation"
    AVAILABILITY = "availability"
    MARKET = "market"
    DISPATCH = "dispatch"
    METERING = "metering"
    OPERATIONS = "operations"
    VEHICLE = "vehicle"
    FILING = "filing"
    CONSENT = "consent"
    CONTRACT = "contract"


class Direction(StrEnum):
    """Whether a flow needs a way back. `one_way` may cross a link that carries nothing in return (002 section 1.1)."""

    TWO_WAY = "two_way"
    ONE_WAY = "one_way"


class Channel(StrEnum):
    """What the connection must have been: any TLS 1.3, or one whose key exchange is post-quantum hybrid too.

    A parcel's content is sealed either way; its header, and who calls whom, are not.
    """

    ANY = "any"
    HYBRID = "hybrid"


class Flow(
    Record,
    frozen=True,
    kw_only=True,
    omit_defaults=False,
    rename={"sender": "from", "recipient": "to"},
):
    """One document, from one role to another, in one mode, with what it needs. Priority 0 goes first.

    `latency_seconds`: from sending to receipt, at most. `protect_for_days`: how long secrecy and proof must hold.
    `agreement`: refused unless an agreement is in force. `relay`: the recipient may pass it on towards its endpoint.
    `channel`: what the connection must be; a gateway's settings may ask for more, never for less.
    """

    interface: InterfaceRef
    document: DocumentRef
    category: Category
    sender: Role
    recipient: Role
    mode: Mode
    priority: Annotated[int, Meta(ge=0, le=9)]
    confidentiality: Level
    integrity: Level
    non_repudiation: bool
    latency_seconds: Annotated[int, Meta(ge=1, le=LATENCY_SECONDS_MAX)]
    protect_for_days: Annotated[int, Meta(ge=1, le=PROTECT_DAYS_MAX)]
    agreement: bool
    direction: Direction
    relay: bool
    source: Source
    channel: Channel = Channel.ANY

    @property
    def key(self) -> str:
        """The flow's name: "IF.invoice.der_aggregator>distribution_utility.scheduled", with the interface's code first."""
        return f"{self.interface}.{self.document}.{self.sender}>{self.recipient}.{self.mode}"

    @property
    def strictness(self) -> tuple[int, int, int, int, int, int]:
        """What the flow demands of a message, each number larger where more is demanded."""
        return (
            int(self.agreement),
            int(self.non_repudiation),
            self.confidentiality.rank,
            self.integrity.rank,
            self.protect_for_days,
            int(self.channel is Channel.HYBRID),
        )

    def demands_at_least(self, other: Flow) -> bool:
        """Whether nothing that satisfies this flow could fall short of `other`."""
        return all(mine >= theirs for mine, theirs in zip(self.strictness, other.strictness, strict=True))


class Interface(Record, frozen=True, kw_only=True, omit_defaults=False):
    """One row of the mission: two actors (each one or several roles), what they exchange, and what the text says of it."""

    code: InterfaceRef
    title: Annotated[ShortText, Meta(min_length=1)]
    source: Source
    description: LongText
    actors: tuple[Actor, Actor]
    media: tuple[Sentence, ...]
    requirements: Annotated[tuple[Sentence, ...], Meta(min_length=1)]
    constraints: tuple[Sentence, ...]
    threats: tuple[Sentence, ...]
    doubts: tuple[Sentence, ...]
    same_as: InterfaceRef | None = None
    flows: Annotated[tuple[Flow, ...], Meta(min_length=1)]

    @property
    def roles(self) -> frozenset[Role]:
        """Every role of both actors."""
        return frozenset(self.actors[0] + self.actors[1])

    def joins(self, sender: Role, recipient: Role) -> bool:
        """Whether the two roles stand on opposite sides of this interface."""
        first, second = self.actors
        return (sender in first and recipient in second) or (sender in second and recipient in first)
