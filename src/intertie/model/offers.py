"""The market between a utility and its aggregators: a need, offers to it (open or sealed), counters, orders, the result (DA).

Power is in kW per interval, prices are per kWh. A need is issued by the utility, an offer by the aggregator; both have
revisions, and what answers one names the revision that it answers. After the messages of UFTP (FlexRequest, FlexOffer,
FlexOfferRevocation, FlexOrder), with what they leave out: sealed offers, counters, and a result for those who lost.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from intertie.model.contract import Direction, Points, Revision, Service
from intertie.model.ids import AggregationRef, ConfirmationRef, MessageRef, Name, Text
from intertie.model.interval import Instant, IntervalSeries, Window, ZoneName
from intertie.model.quantity import Currency, Kilowatts, Money, Unit
from intertie.model.record import Record, RuleError
from intertie.model.rules import between, forbids, needs, no_repeats, not_negative, series_covers, series_of

# Ways to say one thing: UFTP offers in use have a handful of options.
OPTIONS_MAX = 50
# Offers of one aggregator to one need: one for each of its aggregations, and some more.
OFFERS_MAX = 1000
# An offer of fifty options over a day of 5-minute intervals is about 150 kB; twice that, in base64.
CIPHERTEXT_MAX = 400_000

OptionNumber = Annotated[int, Meta(ge=1, le=OPTIONS_MAX)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")]
# 256 bits, base64url without padding; the last character has no bits that no byte uses.
Secret = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048](?!\n)$")]
# 96 bits, base64url.
Nonce = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{16}(?!\n)$")]
# At least the tag, in base64url.
Ciphertext = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_-]{24}[A-Za-z0-9_-]*(?!\n)$", max_length=CIPHERTEXT_MAX)
]


class Clearing(StrEnum):
    """What is paid for what is taken: each offer its own price, or all of them one, that of the dearest taken."""

    PAY_AS_BID = "pay_as_bid"
    UNIFORM = "uniform"


class Need(Record, frozen=True, kw_only=True):
    """What the utility wants to buy, until when it takes offers, and when it decides (UFTP FlexRequest; CPUC D.16-12-036).

    Nothing is asked where `requested_kw` is zero or has a gap. With `sealed`, offers come encrypted before `gate_closes`,
    and their keys between it and `keys_by`.
    """

    need: Name
    service: Service
    points: Points
    window: Window
    zone: ZoneName
    requested_kw: IntervalSeries
    gate_closes: Instant
    decide_by: Instant
    currency: Currency
    revision: Revision = 1
    direction: Direction = Direction.UP
    clearing: Clearing = Clearing.PAY_AS_BID
    price_cap: Money | None = None
    min_offer_kw: Kilowatts | None = None
    sealed: bool = False
    keys_by: Instant | None = None
    # Offers may be ordered before the gate closes, as UFTP has it: then not all of them are compared.
    early_orders: bool = False
    confirmation: ConfirmationRef | None = None
    text: Text = ""

    def check(self) -> None:
        """kW over the window; points once; a cap in the currency; a time for the keys of sealed offers."""
        series_of("requested_kw", self.requested_kw, Unit.KW)
        series_covers("requested_kw", self.requested_kw, self.window)
        no_repeats("points", self.points)
        not_negative(self, "min_offer_kw")
        if self.price_cap is not None and self.price_cap.currency != self.currency:
            raise RuleError("price_cap: in another currency than the need")
        if self.sealed != (self.keys_by is not None):
            raise RuleError("keys_by: needed where offers are sealed, and has no place where they are not")


class WithdrawalReason(StrEnum):
    """Why a need is no longer one."""

    NO_LONGER_NEEDED = "no_longer_needed"
    MET_OTHERWISE = "met_otherwise"
    ISSUED_IN_ERROR = "issued_in_error"
    OTHER = "other"


class NeedWithdrawal(Record, frozen=True, kw_only=True):
    """The utility takes a need back, with all offers to it."""

    need: Name
    revision: Revision
    reason: WithdrawalReason
    text: Text = ""


class OfferOption(Record, frozen=True, kw_only=True):
    """One way to take an offer: power per interval and its price per kWh; whole, or down to `minimum_fraction` of each
    interval (UFTP MinActivationFactor)."""

    option: OptionNumber
    offered_kw: IntervalSeries
    price: Money
    minimum_fraction: Decimal = Decimal(1)

    def check(self) -> None:
        """kW, not below zero, and some power; a fraction of one."""
        series_of("offered_kw", self.offered_kw, Unit.KW)
        between(self, 0, 1, "minimum_fraction")


class Offer(Record, frozen=True, kw_only=True):
    """What the aggregator would sell: one of its options, or none. Binding until `valid_until`. Without `need` it is unsolicited.

    A higher `revision` replaces a lower one. `availability` is the message of a declaration that it rests on.
    """

    offer: Name
    service: Service
    points: Points
    window: Window
    options: Annotated[tuple[OfferOption, ...], Meta(min_length=1, max_length=OPTIONS_MAX)]
    valid_until: Instant
    revision: Revision = 1
    direction: Direction = Direction.UP
    need: Name | None = None
    need_revision: Revision | None = None
    aggregation: AggregationRef | None = None
    availability: MessageRef | None = None
    confirmation: ConfirmationRef | None = None
    text: Text = ""

    def check(self) -> None:
        """Each option once, over the window, in one currency; a need with its revision."""
        no_repeats("options", (one.option for one in self.options))
        no_repeats("points", self.points)
        for one in self.options:
            series_covers(f"options.{one.option}", one.offered_kw, self.window)
            if one.price.currency != self.options[0].price.currency:
                raise RuleError("options: more than one currency")
        if (self.need is None) != (self.need_revision is None):
            raise RuleError("need_revision: goes with need")


class SealedOffer(Record, frozen=True, kw_only=True):
    """An offer that nobody can read before its key comes, and that its owner cannot change (docs/market.md).

    `commitment` is a SHA-256 over a salt and the offer's bytes; `ciphertext` is those bytes under AES-256-GCM.
    """

    offer: Name
    need: Name
    need_revision: Revision
    commitment: Sha256
    nonce: Nonce
    ciphertext: Ciphertext
    revision: Revision = 1


class OfferKey(Record, frozen=True, kw_only=True):
    """Opens a sealed offer, after the gate has closed."""

    offer: Name
    revision: Revision
    key: Secret
    salt: Secret


class RevocationReason(StrEnum):
    """Why an offer is taken back."""

    SOLD_ELSEWHERE = "sold_elsewhere"
    ASSET_OUTAGE = "asset_outage"
    PRICE_CHANGED = "price_changed"
    ISSUED_IN_ERROR = "issued_in_error"
    OTHER = "other"


class OfferRevocation(Record, frozen=True, kw_only=True):
    """The aggregator takes an offer back (UFTP FlexOfferRevocation)."""

    offer: Name
    revision: Revision
    reason: RevocationReason
    text: Text = ""


class CounterOffer(Record, frozen=True, kw_only=True):
    """The utility would take an offer at other terms. Accepted until `valid_until`, it is the order that it names."""

    counter: Name
    order: Name
    offer: Name
    offer_revision: Revision
    window: Window
    ordered_kw: IntervalSeries
    price: Money
    valid_until: Instant
    text: Text = ""

    def check(self) -> None:
        """kW over the window."""
        series_of("ordered_kw", self.ordered_kw, Unit.KW)
        series_covers("ordered_kw", self.ordered_kw, self.window)


class CounterVerdict(StrEnum):
    """What the aggregator says to a counter."""

    ACCEPTED = "accepted"
    DECLINED = "declined"


class CounterAnswer(Record, frozen=True, kw_only=True):
    """Accepts a counter, which makes it an order, or declines it; the offer stands either way."""

    counter: Name
    verdict: CounterVerdict
    text: Text = ""


class Order(Record, frozen=True, kw_only=True):
    """The utility takes an offer, whole or in part: a deal, not to be denied (UFTP FlexOrder). Without an offer it is a call
    under a confirmation."""

    order: Name
    service: Service
    points: Points
    window: Window
    ordered_kw: IntervalSeries
    price: Money
    direction: Direction = Direction.UP
    offer: Name | None = None
    offer_revision: Revision | None = None
    option: OptionNumber | None = None
    confirmation: ConfirmationRef | None = None
    text: Text = ""

    def check(self) -> None:
        """kW over the window; an offer with its revision and option."""
        series_of("ordered_kw", self.ordered_kw, Unit.KW)
        series_covers("ordered_kw", self.ordered_kw, self.window)
        no_repeats("points", self.points)
        if not (self.offer is None) == (self.offer_revision is None) == (self.option is None):
            raise RuleError("offer_revision, option: go with offer")


class OfferVerdict(StrEnum):
    """What became of an offer."""

    AWARDED = "awarded"
    PARTIAL = "partial"
    NOT_AWARDED = "not_awarded"


class LossReason(StrEnum):
    """Why an offer got less than all."""

    PRICE = "price"
    NEED_MET = "need_met"
    BLOCK_TOO_LARGE = "block_too_large"
    NOT_OPENED = "not_opened"
    NEED_REVISED = "need_revised"
    OTHER = "other"


class OfferResult(Record, frozen=True, kw_only=True):
    """The result for one offer; less than all has a reason."""

    offer: Name
    revision: Revision
    verdict: OfferVerdict
    reason: LossReason | None = None
    order: Name | None = None

    def check(self) -> None:
        """What is taken names its order; what is not has a reason."""
        if self.verdict is OfferVerdict.NOT_AWARDED:
            needs(self, self.verdict, "reason")
            forbids(self, self.verdict, "order")
        else:
            needs(self, self.verdict, "order")


class NeedResult(Record, frozen=True, kw_only=True):
    """How a need was decided, for one aggregator: what became of each of its offers, and the price that cleared."""

    need: Name
    revision: Revision
    offers: Annotated[tuple[OfferResult, ...], Meta(max_length=OFFERS_MAX)] = ()
    clearing_price: Money | None = None
    offers_seen: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    text: Text = ""

    def check(self) -> None:
        """Each offer once."""
        no_repeats("offers", (one.offer for one in self.offers))


_ENCODER = msgspec.json.Encoder(decimal_format="string")
_OFFER = msgspec.json.Decoder(Offer)


def offer_bytes(offer: Offer) -> bytes:
    """The bytes of an offer that are sealed."""
    return _ENCODER.encode(offer)


def read_offer(raw: bytes) -> Offer | None:
    """The offer of these bytes; None if they are not one."""
    try:
        return _OFFER.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError):
        return None
