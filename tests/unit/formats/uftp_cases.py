"""UFTP messages to take apart: one of each type, and the schema of the specification where it is at hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from intertie.formats.uftp import messages as m
from intertie.formats.uftp.forms import Disposition, Result, Role, SettlementDisposition

_ABOVE = [folder / "shared" / "reference" for folder in Path(__file__).parents[4:6]]
REFERENCE = next((folder for folder in _ABOVE if folder.is_dir()), _ABOVE[0])
NAMES = {"UFTP-common.xsd": "common.xsd", "UFTP-metering.xsd": "met.xsd"}
UUIDS = [f"{n:08d}-0000-4000-8000-00000000000{n}" for n in range(1, 6)]
META: dict[str, Any] = {
    "sender_domain": "dso.example",
    "recipient_domain": "agr.example",
    "time_stamp": datetime(2026, 1, 15, 12, 0, 0, 250_000, UTC),
    "message_id": UUIDS[0],
    "conversation_id": UUIDS[1],
}
FLEX: dict[str, Any] = {
    **META,
    "isp_duration": timedelta(minutes=15),
    "time_zone": "America/New_York",
    "period": date(2026, 1, 16),
    "congestion_point": "ean.871685900012636543",
}
ISP = m.Isp(power=-1000, start=69, duration=2)
ANSWER: dict[str, Any] = {**META, "reference": UUIDS[2], "result": Result.ACCEPTED}
MESSAGES: tuple[m.Payload, ...] = (
    m.FlexRequest(
        **FLEX,
        revision=1,
        expiration=META["time_stamp"],
        contract_id="C-1",
        service_type="DIST_CAPACITY",
        isps=(
            m.RequestIsp(disposition=Disposition.REQUESTED, min_power=-1000, max_power=0, start=69),
            m.RequestIsp(disposition=Disposition.AVAILABLE, min_power=0, max_power=5, start=70, duration=27),
        ),
    ),
    m.FlexOffer(
        **FLEX,
        expiration=META["time_stamp"],
        unsolicited=False,
        flex_request_message_id=UUIDS[3],
        currency="USD",
        options=(
            m.OfferOption(
                option_reference="1",
                price=Decimal("12.3400"),
                min_activation_factor=Decimal("0.25"),
                isps=(ISP,),
            ),
        ),
    ),
    m.FlexOfferRevocation(**META, flex_offer_message_id=UUIDS[3]),
    m.FlexOrder(
        **FLEX,
        flex_offer_message_id=UUIDS[3],
        price=Decimal("12.34"),
        currency="USD",
        order_reference="D1",
        option_reference="1",
        activation_factor=Decimal("0.50"),
        isps=(ISP,),
    ),
    m.DPrognosis(**FLEX, revision=3, isps=(ISP,)),
    m.FlexReservationUpdate(**FLEX, contract_id="C-1", reference="R-1", isps=(ISP,)),
    m.FlexSettlement(
        **META,
        period_start=date(2026, 1, 1),
        period_end=date(2026, 1, 31),
        currency="USD",
        orders=(
            m.OrderSettlement(
                order_reference="D1",
                period=date(2026, 1, 16),
                congestion_point="ean.871685900012636543",
                price=Decimal("12.34"),
                penalty=Decimal("1.04"),
                net=Decimal("11.30"),
                isps=(
                    m.SettlementIsp(
                        start=69,
                        baseline_power=5000,
                        ordered_power=-1000,
                        actual_power=4200,
                        delivered_power=-800,
                        deficiency=200,
                    ),
                ),
            ),
        ),
        contracts=(
            m.ContractSettlement(
                contract_id="C-1",
                periods=(
                    m.ContractPeriod(
                        period=date(2026, 1, 16),
                        isps=(m.ContractIsp(start=69, reserved_power=1000, ordered_power=1000),),
                    ),
                ),
            ),
        ),
    ),
    m.TestMessage(**META),
    m.TestMessageResponse(**ANSWER),
    m.FlexRequestResponse(**{**ANSWER, "result": Result.REJECTED, "rejection_reason": "Barred Sender"}),
    m.FlexOfferResponse(**ANSWER),
    m.FlexOfferRevocationResponse(**ANSWER),
    m.FlexOrderResponse(**ANSWER),
    m.FlexReservationUpdateResponse(**ANSWER),
    m.DPrognosisResponse(
        **ANSWER, statuses=(m.FlexOrderStatus(flex_order_message_id=UUIDS[3], is_validated=True),)
    ),
    m.FlexSettlementResponse(
        **ANSWER,
        statuses=(
            m.OrderSettlementStatus(
                order_reference="D1",
                disposition=SettlementDisposition.DISPUTED,
                dispute_reason="not metered",
            ),
        ),
    ),
)
WRAPPER = m.SignedMessage(sender_domain="dso.example", sender_role=Role.DSO, body=b"\x00" * 64 + b"<x/>")


class _Here(etree.Resolver):
    def resolve(self, url: str, identifier: str, context: Any) -> Any:
        name = Path(url).name
        return self.resolve_filename(str(REFERENCE / NAMES.get(name, name)), context)


@cache
def schema() -> etree.XMLSchema:
    """The specification's schema; the test is skipped where it is not at hand."""
    if not (REFERENCE / "agrdso.xsd").exists():
        pytest.skip("the UFTP schemas are not in ../shared/reference")
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Here())
    return etree.XMLSchema(etree.parse(str(REFERENCE / "agrdso.xsd"), parser))


def invalid(raw: bytes) -> str:
    """What the schema says against it; nothing if it is valid."""
    found = schema()
    found.validate(etree.fromstring(raw))
    return "; ".join(f"{error.line}: {error.message}" for error in found.error_log)
