"""What a conversion needs besides the message: the names of the parties, what was agreed, and what both hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from intertie.formats.uftp.forms import Role
from intertie.formats.uftp.messages import Payload
from intertie.market.availability import Availability
from intertie.market.offer_state import NeedState, Offers, OfferState
from intertie.model.contract import Direction, Service
from intertie.model.errors import Fault, IntertieError
from intertie.model.ids import (
    NAME,
    ConfirmationRef,
    ConnectionPointId,
    ConversationId,
    MessageId,
    Name,
    PointRef,
    derived_uuid7,
)
from intertie.model.interval import IntervalSeries
from intertie.model.quantity import Currency
from intertie.model.record import DECIMAL_PLACES, Record, RuleError
from intertie.model.rules import no_repeats

Domain = Annotated[str, Meta(pattern=r"^([a-z0-9]+(-[a-z0-9]+)*\.)+[a-z]{2,}(?!\n)$", max_length=253)]
# How the ids of messages that came over UFTP are derived from theirs.
SCHEME = "uftp"
EntityAddress = Annotated[
    str, Meta(pattern=r"^(ea1\.[0-9]{4}-[0-9]{2}\..{1,244}:.{1,244}|ean\.[0-9]{12,34})(?!\n)$")
]


# As its owner publishes it: the signing key, then perhaps one to encrypt for.
PublicKey = Annotated[str, Meta(pattern=r"^cs1\.[A-Za-z0-9+/]{43,86}={1,2}(?!\n)$")]
# One of before, one to come, and some that evidence still needs.
KEYS_MAX = 20


class TimedKey(Record, frozen=True, kw_only=True):
    """A key of the partner that counts for a time, besides the one that is pinned: of before until then, or to come from then."""

    key: PublicKey
    since: datetime | None = None
    until: datetime | None = None

    def check(self) -> None:
        """Its time is stated."""
        if self.since is None and self.until is None:
            raise RuleError("since, until: a key besides the pinned one counts for a stated time")
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise RuleError("until: not after since")

    def counts(self, now: datetime) -> bool:
        """Whether what it signed is taken at a time."""
        begun = self.since is None or self.since <= now
        return begun and (self.until is None or now < self.until)


class Terms(Record, frozen=True, kw_only=True):
    """Who this partner is in UFTP, where it is reached, and how its UFTP is read and written, as its file says. The last three
    are quirks of implementations."""

    domain: Domain
    role: Role
    key: PublicKey
    keys: Annotated[tuple[TimedKey, ...], Meta(max_length=KEYS_MAX)] = ()
    # The key of ours that it verifies by, until it knows the newer one.
    our_key: PublicKey | None = None
    our_key_until: datetime | None = None
    # https, or http to this machine, where something else ends TLS.
    url: Annotated[
        str,
        Meta(pattern=r"^(https://|http://(127\.0\.0\.1|localhost|\[::1\])[:/])[^\s]+(?!\n)$", max_length=300),
    ]
    # Entity addresses by our names of connection points; what is not named goes by its own name.
    points: dict[PointRef, EntityAddress] = msgspec.field(default_factory=dict)
    service: Service = Service.DIST_CAPACITY
    currency: Currency = "EUR"
    # What a settlement is about, where it names no contract, and how its baseline was made.
    confirmation: ConfirmationRef | None = None
    baseline: Name = "d-prognosis"
    # ISPs of a settlement whose order is not known here: the message does not say how long they are.
    isp_minutes: Annotated[int, Meta(ge=1, le=60)] = 15
    # Zone of the points, where no need says it.
    zone: str = "Europe/Amsterdam"
    # Flexibility that reduces load has a positive sign; by the specification load is positive, so that less of it is negative.
    positive_reduces: bool = False
    # Responses name their message in an attribute of their own, as libraries up to 3.1 do, besides ReferenceMessageID.
    named_responses: bool = False
    # The version that messages say.
    version: Annotated[str, Meta(pattern=r"^3\.\d+\.\d+(?!\n)$")] = "3.0.0"

    def check(self) -> None:
        """The old key of ours has an end; no key is there twice."""
        if (self.our_key is None) != (self.our_key_until is None):
            raise RuleError("our_key_until: goes with our_key")
        no_repeats("key, keys", (self.key, *(one.key for one in self.keys)))

    def keys_at(self, now: datetime) -> tuple[str, ...]:
        """The keys by which it may have signed what arrives now."""
        return (self.key, *(one.key for one in self.keys if one.counts(now)))


class Context(NamedTuple):
    """Us, the partner, what was agreed, and what both hold. `original` is the UFTP message that a message of ours is."""

    own_domain: str
    domain: str
    terms: Terms
    offers: Offers
    availability: Availability
    original: Callable[[MessageId], Payload | None]
    known: Callable[[MessageId], bool]


class Said(NamedTuple):
    """A UFTP message in our words."""

    body: Record
    conversation: ConversationId
    in_reply_to: MessageId | None = None


class UnsayableError(IntertieError):
    """A document that UFTP has no words for, or a message that we have none for. `why` begins with a reason of UFTP's."""

    fault = Fault.THEIRS


def ids_of(foreign: str) -> tuple[MessageId, MessageId]:
    """The ids that a message named in UFTP may have here: ours goes out under its own, theirs is derived."""
    return MessageId(foreign), MessageId(derived_uuid7(SCHEME, foreign))


def need_of(context: Context, foreign: str) -> NeedState | None:
    """The need that a FlexRequest brought, whichever revision is the newest."""
    ids = ids_of(foreign)
    return next((one for one in context.offers.needs.values() if one.message in ids), None)


def offer_of(context: Context, foreign: str) -> OfferState | None:
    """The offer that a FlexOffer brought."""
    ids = ids_of(foreign)
    return next((one for one in context.offers.offers.values() if one.message in ids), None)


def point_here(context: Context, address: str) -> ConnectionPointId:
    """Our name of an entity address."""
    for point, known in context.terms.points.items():
        if known == address:
            return point
    return ConnectionPointId(checked_name(address, "Invalid CongestionPoint"))


def address_of(context: Context, points: tuple[ConnectionPointId, ...]) -> str:
    """The entity address of the one point that a UFTP message is about."""
    if len(points) != 1:
        raise UnsayableError(
            f"Invalid CongestionPoint: UFTP has one in a message, not {len(points)}",
            do="Say it point by point.",
        )
    address = context.terms.points.get(points[0], points[0])
    if not address.startswith(("ea1.", "ean.")):
        raise UnsayableError(
            f"Invalid CongestionPoint: {points[0]} has no entity address",
            do="Give it one in [foreign.uftp.points] of the partner's file.",
        )
    return address


def checked_name(text: str, reason: str) -> str:
    """A name that partners choose, in the form of ours."""
    if not re.fullmatch(NAME, text):
        raise UnsayableError(f"{reason}: {text[:60]!r} is no name here")
    return text


def sign_of(direction: Direction, terms: Terms) -> int:
    """The sign of power in this direction: up is less load."""
    negative = (direction is Direction.UP) is not terms.positive_reduces
    return -1 if negative else 1


def direction_of(sign: int, terms: Terms) -> Direction:
    """The direction of power of this sign."""
    return Direction.UP if sign == sign_of(Direction.UP, terms) else Direction.DOWN


def total_price(series: IntervalSeries, per_kwh: Decimal) -> Decimal:
    """What all of a series costs, to the four places that UFTP has."""
    return (per_kwh * energy(series)).quantize(Decimal("0.0001"), ROUND_HALF_UP)


def price_per_kwh(total: Decimal, series: IntervalSeries) -> Decimal:
    """The price that makes this total; UnsayableError if none of our precision does."""
    kwh = energy(series)
    if not kwh:
        return total
    price = (total / kwh).quantize(Decimal(1).scaleb(-DECIMAL_PLACES), ROUND_HALF_UP)
    if total_price(series, price) != total:
        raise UnsayableError("Invalid Message: so much energy has no price per kWh that makes this total")
    return price.normalize() + 0


def energy(series: IntervalSeries) -> Decimal:
    """kWh of a series in kW, exact to 28 digits."""
    return series.total() * series.step_seconds / 3600
