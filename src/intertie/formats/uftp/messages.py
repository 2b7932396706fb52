"""The messages of UFTP 3 between an aggregator and a DSO, as frozen types. Names and order are the schema's (agrdso.xsd)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated as A

import msgspec

from intertie.formats.uftp import forms as f
from intertie.formats.uftp.codec import Attribute as At
from intertie.formats.uftp.codec import Children, element_name, read_xml, write_xml

# The version of the specification that what we write is of.
VERSION = "3.0.0"


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    pass


class Isp(_Part, frozen=True, kw_only=True):
    """`duration` intervals from `start` (1 is the first of the day), with a power in W: load is positive."""

    power: A[int, At("Power", f.POWER)]
    start: A[int, At("Start", f.ISP)]
    duration: A[int, At("Duration", f.ISP)] = 1


class RequestIsp(_Part, frozen=True, kw_only=True):
    """What is asked for, or what room there is: bounds of the deviation from the baseline, in W."""

    disposition: A[f.Disposition | None, At("Disposition", f.DISPOSITION)] = None
    min_power: A[int, At("MinPower", f.POWER)]
    max_power: A[int, At("MaxPower", f.POWER)]
    start: A[int, At("Start", f.ISP)]
    duration: A[int, At("Duration", f.ISP)] = 1


class Payload(_Part, frozen=True, kw_only=True):
    """What every message says first."""

    version: A[str, At("Version", f.VERSION)] = VERSION
    sender_domain: A[str, At("SenderDomain", f.DOMAIN)]
    recipient_domain: A[str, At("RecipientDomain", f.DOMAIN)]
    time_stamp: A[datetime, At("TimeStamp", f.TIME)]
    message_id: A[str, At("MessageID", f.UUID)]
    conversation_id: A[str, At("ConversationID", f.UUID)]


class Flex(Payload, frozen=True, kw_only=True):
    """About the ISPs of one day at one congestion point."""

    isp_duration: A[timedelta, At("ISP-Duration", f.MINUTES)]
    time_zone: A[str, At("TimeZone", f.ZONE)]
    period: A[date, At("Period", f.DAY)]
    congestion_point: A[str, At("CongestionPoint", f.ADDRESS)]


class Response(Payload, frozen=True, kw_only=True):
    """The answer to a message. `reference` is the attribute of the schema; releases of the libraries up to 3.1 name the
    message in an attribute of each response instead (`named`). One of the two is there."""

    reference: A[str | None, At("ReferenceMessageID", f.UUID)] = None
    result: A[f.Result, At("Result", f.RESULT)] = f.Result.ACCEPTED
    rejection_reason: A[str | None, At("RejectionReason", f.TEXT)] = None

    @property
    def answers(self) -> str | None:
        """The id of the message that this answers."""
        return self.reference or getattr(self, "named", None)


class DPrognosis(Flex, frozen=True, kw_only=True):
    """The load that the aggregator expects at the point."""

    revision: A[int, At("Revision", f.LONG)]
    isps: A[tuple[Isp, ...], Children("ISP")]


class FlexOrderStatus(_Part, frozen=True, kw_only=True):
    """Whether an order is in the prognosis."""

    flex_order_message_id: A[str, At("FlexOrderMessageID", f.UUID)]
    is_validated: A[bool, At("IsValidated", f.FLAG)]


class DPrognosisResponse(Response, frozen=True, kw_only=True):
    """Answer to a D-Prognosis."""

    named: A[str | None, At("D-PrognosisMessageID", f.UUID)] = None
    statuses: A[tuple[FlexOrderStatus, ...], Children("FlexOrderStatus", 0)] = ()


class FlexReservationUpdate(Flex, frozen=True, kw_only=True):
    """What of a reservation is released."""

    contract_id: A[str, At("ContractID", f.TEXT)]
    reference: A[str, At("Reference", f.TEXT)]
    isps: A[tuple[Isp, ...], Children("ISP")]


class FlexReservationUpdateResponse(Response, frozen=True, kw_only=True):
    """Answer to a FlexReservationUpdate."""

    named: A[str | None, At("FlexReservationUpdateMessageID", f.UUID)] = None


class FlexRequest(Flex, frozen=True, kw_only=True):
    """What the DSO asks for."""

    revision: A[int, At("Revision", f.LONG)]
    expiration: A[datetime, At("ExpirationDateTime", f.TIME)]
    contract_id: A[str | None, At("ContractID", f.TEXT)] = None
    service_type: A[str | None, At("ServiceType", f.TEXT)] = None
    isps: A[tuple[RequestIsp, ...], Children("ISP")]


class FlexRequestResponse(Response, frozen=True, kw_only=True):
    """Answer to a FlexRequest."""

    named: A[str | None, At("FlexRequestMessageID", f.UUID)] = None


class OfferOption(_Part, frozen=True, kw_only=True):
    """One way to take an offer; the price is for all of it."""

    option_reference: A[str | None, At("OptionReference", f.TEXT)] = None
    price: A[Decimal, At("Price", f.AMOUNT)]
    min_activation_factor: A[Decimal, At("MinActivationFactor", f.FACTOR)] = Decimal("1.00")
    isps: A[tuple[Isp, ...], Children("ISP")]


class FlexOffer(Flex, frozen=True, kw_only=True):
    """What the aggregator offers."""

    expiration: A[datetime, At("ExpirationDateTime", f.TIME)]
    unsolicited: A[bool, At("Unsolicited", f.FLAG)] = False
    flex_request_message_id: A[str | None, At("FlexRequestMessageID", f.UUID)] = None
    contract_id: A[str | None, At("ContractID", f.TEXT)] = None
    d_prognosis_message_id: A[str | None, At("D-PrognosisMessageID", f.UUID)] = None
    baseline_reference: A[str | None, At("BaselineReference", f.TEXT)] = None
    currency: A[str, At("Currency", f.CURRENCY)]
    options: A[tuple[OfferOption, ...], Children("OfferOption")]


class FlexOfferResponse(Response, frozen=True, kw_only=True):
    """Answer to a FlexOffer."""

    named: A[str | None, At("FlexOfferMessageID", f.UUID)] = None


class FlexOfferRevocation(Payload, frozen=True, kw_only=True):
    """The aggregator takes an offer back."""

    flex_offer_message_id: A[str, At("FlexOfferMessageID", f.UUID)]


class FlexOfferRevocationResponse(Response, frozen=True, kw_only=True):
    """Answer to a FlexOfferRevocation."""

    named: A[str | None, At("FlexOfferRevocationMessageID", f.UUID)] = None


class FlexOrder(Flex, frozen=True, kw_only=True):
    """The DSO buys."""

    unsolicited: A[bool, At("Unsolicited", f.FLAG)] = False
    flex_offer_message_id: A[str | None, At("FlexOfferMessageID", f.UUID)] = None
    service_type: A[str | None, At("ServiceType", f.TEXT)] = None
    contract_id: A[str | None, At("ContractID", f.TEXT)] = None
    d_prognosis_message_id: A[str | None, At("D-PrognosisMessageID", f.UUID)] = None
    baseline_reference: A[str | None, At("BaselineReference", f.TEXT)] = None
    price: A[Decimal, At("Price", f.AMOUNT)]
    currency: A[str, At("Currency", f.CURRENCY)]
    order_reference: A[str, At("OrderReference", f.TEXT)]
    option_reference: A[str | None, At("OptionReference", f.TEXT)] = None
    activation_factor: A[Decimal, At("ActivationFactor", f.FACTOR)] = Decimal("1.00")
    isps: A[tuple[Isp, ...], Children("ISP")]


class FlexOrderResponse(Response, frozen=True, kw_only=True):
    """Answer to a FlexOrder."""

    named: A[str | None, At("FlexOrderMessageID", f.UUID)] = None


class SettlementIsp(_Part, frozen=True, kw_only=True):
    """What was expected, ordered, metered and delivered, in W."""

    start: A[int, At("Start", f.ISP)]
    duration: A[int, At("Duration", f.ISP)] = 1
    baseline_power: A[int, At("BaselinePower", f.POWER)]
    ordered_power: A[int, At("OrderedFlexPower", f.POWER)]
    actual_power: A[int, At("ActualPower", f.POWER)]
    delivered_power: A[int, At("DeliveredFlexPower", f.POWER)]
    deficiency: A[int, At("PowerDeficiency", f.POWER)] = 0


class OrderSettlement(_Part, frozen=True, kw_only=True):
    """How one order performed, and what is paid for it."""

    order_reference: A[str | None, At("OrderReference", f.TEXT)] = None
    period: A[date, At("Period", f.DAY)]
    contract_id: A[str | None, At("ContractID", f.TEXT)] = None
    d_prognosis_message_id: A[str | None, At("D-PrognosisMessageID", f.UUID)] = None
    baseline_reference: A[str | None, At("BaselineReference", f.TEXT)] = None
    congestion_point: A[str, At("CongestionPoint", f.ADDRESS)]
    price: A[Decimal, At("Price", f.AMOUNT)]
    penalty: A[Decimal, At("Penalty", f.AMOUNT)] = Decimal(0)
    net: A[Decimal, At("NetSettlement", f.AMOUNT)]
    isps: A[tuple[SettlementIsp, ...], Children("ISP")]


class ContractIsp(_Part, frozen=True, kw_only=True):
    """What was reserved, asked, offered and ordered under a contract, in W."""

    start: A[int, At("Start", f.ISP)]
    duration: A[int, At("Duration", f.ISP)] = 1
    reserved_power: A[int, At("ReservedPower", f.POWER)]
    requested_power: A[int | None, At("RequestedPower", f.POWER)] = None
    available_power: A[int | None, At("AvailablePower", f.POWER)] = None
    offered_power: A[int | None, At("OfferedPower", f.POWER)] = None
    ordered_power: A[int | None, At("OrderedPower", f.POWER)] = None


class ContractPeriod(_Part, frozen=True, kw_only=True):
    """A day of a contract."""

    period: A[date, At("Period", f.DAY)]
    isps: A[tuple[ContractIsp, ...], Children("ISP")]


class ContractSettlement(_Part, frozen=True, kw_only=True):
    """A contract's days."""

    contract_id: A[str | None, At("ContractID", f.TEXT)] = None
    periods: A[tuple[ContractPeriod, ...], Children("Period")]


class FlexSettlement(Payload, frozen=True, kw_only=True):
    """What a month comes to. The schema asks for a ContractSettlement; libraries send none where there is no contract."""

    period_start: A[date, At("PeriodStart", f.DAY)]
    period_end: A[date, At("PeriodEnd", f.DAY)]
    currency: A[str, At("Currency", f.CURRENCY)]
    orders: A[tuple[OrderSettlement, ...], Children("FlexOrderSettlement", 0)] = ()
    contracts: A[tuple[ContractSettlement, ...], Children("ContractSettlement", 0)] = ()


class OrderSettlementStatus(_Part, frozen=True, kw_only=True):
    """What the aggregator says to the settlement of one order."""

    order_reference: A[str | None, At("OrderReference", f.TEXT)] = None
    disposition: A[f.SettlementDisposition, At("Disposition", f.SETTLEMENT)]
    dispute_reason: A[str | None, At("DisputeReason", f.TEXT)] = None


class FlexSettlementResponse(Response, frozen=True, kw_only=True):
    """Answer to a FlexSettlement, order by order."""

    named: A[str | None, At("FlexSettlementMessageID", f.UUID)] = None
    statuses: A[tuple[OrderSettlementStatus, ...], Children("FlexOrderSettlementStatus", 0)] = ()


class TestMessage(Payload, frozen=True, kw_only=True):
    """Says nothing, and wants an answer."""

    __test__ = False  # pytest takes a class of this name for tests


class TestMessageResponse(Response, frozen=True, kw_only=True):
    """The answer to it."""

    __test__ = False


class SignedMessage(_Part, frozen=True, kw_only=True):
    """The wrapper: who says that it sends, and the signed bytes."""

    sender_domain: A[str, At("SenderDomain", f.DOMAIN)]
    sender_role: A[f.Role, At("SenderRole", f.ROLE)]
    body: A[bytes, At("Body", f.BASE64)]


# What goes which way: role of the sender, role of the recipient, and the type of the answer.
REQUESTS: Mapping[type[Payload], tuple[f.Role, type[Response]]] = MappingProxyType(
    {
        FlexRequest: (f.Role.DSO, FlexRequestResponse),
        FlexOrder: (f.Role.DSO, FlexOrderResponse),
        FlexReservationUpdate: (f.Role.DSO, FlexReservationUpdateResponse),
        FlexSettlement: (f.Role.DSO, FlexSettlementResponse),
        FlexOffer: (f.Role.AGR, FlexOfferResponse),
        FlexOfferRevocation: (f.Role.AGR, FlexOfferRevocationResponse),
        DPrognosis: (f.Role.AGR, DPrognosisResponse),
    }
)
_PAYLOADS: tuple[type[Payload], ...] = (
    *REQUESTS,
    *(answer for _, answer in REQUESTS.values()),
    TestMessage,
    TestMessageResponse,
)
PAYLOADS: Mapping[str, type[Payload]] = MappingProxyType({element_name(kind): kind for kind in _PAYLOADS})


def read_payload(raw: bytes) -> Payload:
    """The message that was signed; NotUftpError."""
    message = read_xml(raw, PAYLOADS)
    assert isinstance(message, Payload)
    return message


def read_signed(raw: bytes) -> SignedMessage:
    """The wrapper of a post; NotUftpError. The signature is not looked at here."""
    message = read_xml(raw, {"SignedMessage": SignedMessage})
    assert isinstance(message, SignedMessage)
    return message


def write(message: Payload | SignedMessage) -> bytes:
    """The bytes of a message."""
    return write_xml(message)
