"""The rules inside one document: each case changes one thing in an example and says what the refusal must name."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from intertie.model.consent import ConsentGrant
from intertie.model.contract import Service
from intertie.model.documents import example, example_bytes, read_message
from intertie.model.errors import Code, Refused
from intertie.model.ids import DocumentName
from intertie.model.interval import IntervalSeries, Window
from intertie.model.metering import ESPI_QUALITY, Channel, MeterReadings, MeterReadingSet, Quality
from intertie.model.price import PriceInterval, check_prices
from intertie.model.quantity import Money, Unit
from intertie.model.rules import inside
from intertie.model.vehicle import NULL_PLAN, holds_card_number

GONE = object()
START = datetime(2026, 1, 14, 22, tzinfo=UTC)


def edited(name: str, changes: dict[str, Any]) -> bytes:
    """An example with some places of its body set, or taken out (GONE). A place is a dotted path."""
    message = json.loads(example_bytes(DocumentName(name)))
    for path, value in changes.items():
        target = message["body"]
        *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        for step in way:
            target = target[step]
        if value is GONE:
            del target[last]
        else:
            target[last] = value
    return json.dumps(message).encode()


def copy_of(name: str, path: str) -> Any:
    """A part of an example's body."""
    part = json.loads(example_bytes(DocumentName(name)))["body"]
    for step in path.split("."):
        part = part[int(step)] if step.isdigit() else part[step]
    return part


KW = copy_of("dispatch_instruction", "target_kw")
LINE = copy_of("invoice", "lines.0")
DER = copy_of("aggregation_registration", "ders.0")
PRICES = copy_of("market_requirement", "prices")
AWARD = copy_of("market_result", "awards.0")

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    # contract
    ("confirmation", {"points": ["F12-T7", "F12-T7"]}, "points: item 2 occurs more than once"),
    ("confirmation", {"points": []}, "`$.body.points`"),
    ("confirmation", {"contracted_kw": "0"}, "contracted_kw"),
    ("confirmation", {"utilisation_rate_per_kwh": "-0.01"}, "utilisation_rate_per_kwh"),
    ("confirmation", {"penalty_cap_fraction": "1.01"}, "penalty_cap_fraction"),
    ("confirmation", {"delivered_cap_fraction": "0.99"}, "delivered_cap_fraction"),
    ("confirmation", {"adjustment_cap_fraction": "-0.1"}, "adjustment_cap_fraction"),
    ("confirmation", {"tolerance_percent": "100.1"}, "tolerance_percent"),
    ("confirmation", {"term.end": "2026-01-05T05:00:00Z"}, "ends after it starts"),
    ("confirmation", {"currency": "usd"}, "currency"),
    ("confirmation", {"currency": "USD\n"}, "currency"),
    ("confirmation", {"notice_minutes": -1}, "notice_minutes"),
    ("confirmation", {"service_hours.0.end": "16:00:00"}, "end: not after start"),
    ("confirmation", {"service_hours.0.end": "21:00:00Z"}, "carry no offset"),
    ("confirmation", {"baseline_method": "../../etc"}, "baseline_method"),
    ("confirmation_response", {"reasons": []}, "reasons: needed where it says objected"),
    ("confirmation_response", {"answer": "accepted"}, "reasons: has no place"),
    # aggregation
    ("aggregation_registration", {"ders.1.id": "DER-0001"}, "ders: item 2 occurs more than once"),
    ("aggregation_registration", {"services": ["RELIABILITY"] * 2}, "services"),
    ("aggregation_registration", {"ders": []}, "ders"),
    ("aggregation_registration", {"ders.0.nameplate_kw": "0"}, "nameplate_kw"),
    ("aggregation_registration", {"ders.0.nameplate_kwh": "-1"}, "nameplate_kwh"),
    ("aggregation_registration", {"ders.0.premises": GONE}, "premises, account: at least one"),
    ("aggregation_registration", {"ders.0.control_modes": ["charge", "charge"]}, "control_modes"),
    ("aggregation_registration", {"ders.1.other_programmes.0.committed_kw": "-3"}, "committed_kw"),
    ("registration_decision", {"decisions.1.der": "DER-0001"}, "decisions: item 2"),
    ("registration_decision", {"decisions.2.reason": GONE}, "reason: needed where it says refused"),
    ("registration_decision", {"decisions.0.reason": "other"}, "reason: has no place where it says accepted"),
    ("registration_decision", {"decisions.2.accepted_kw": "3"}, "accepted_kw: has no place"),
    ("composition_change", {"changed.0.der": "DER-0007"}, "occurs more than once"),
    ("composition_change", {"changed.0.available_kw": GONE}, "available_kw: needed where it says limited"),
    ("composition_change", {"added": [], "removed": [], "changed": []}, "at least one of them"),
    ("composition_change", {"revision": 0}, "revision"),
    # availability
    ("availability_declaration", {"up_kw.values.0": -1}, "up_kw: a value is below zero"),
    ("availability_declaration", {"down_kw.unit": "kWh"}, "down_kw: in kWh, must be in kW"),
    ("availability_declaration", {"up_kw.start": "2026-01-14T21:30:00Z"}, "up_kw"),
    ("availability_declaration", {"up_kw.values": [1]}, "up_kw"),
    ("availability_declaration", {"down_kw.step_seconds": 3600, "down_kw.values": [1] * 5}, "other steps"),
    ("availability_declaration", {"reserve_percent": "100.5"}, "reserve_percent"),
    ("availability_declaration", {"state_of_charge_percent": "-1"}, "state_of_charge_percent"),
    ("availability_declaration", {"stored_kwh": "-1"}, "stored_kwh"),
    # system
    ("outage_notice", {"estimated_restoration": GONE}, "estimated_restoration: needed where it says planned"),
    ("outage_notice", {"estimated_restoration": "2026-01-20T14:00:00Z"}, "not after the start"),
    ("outage_notice", {"points": ["F12-T9", "F12-T9"]}, "points"),
    ("outage_update", {"restored_points": ["P1"], "added_points": ["P1"]}, "occurs more than once"),
    ("outage_update", {"status": "postponed"}, "starts: needed where it says postponed"),
    ("outage_update", {"status": "partly_restored"}, "restored_points: needed"),
    ("restoration_notice", {"points": ["F12-T9", "F12-T9"]}, "points"),
    ("system_condition", {"limit_kw": GONE}, "limit_kw, export_limit_kw: at least one"),
    ("system_condition", {"limit_kw.values.0": -1}, "limit_kw"),
    ("system_condition", {"kind": "forecast", "forecast_kw": GONE}, "forecast_kw: needed"),
    ("system_condition", {"kind": "switching"}, "switching: needed"),
    ("system_condition", {"kind": "normal"}, "limit_kw: has no place where it says normal"),
    ("system_condition", {"forecast_kw.values": [1]}, "forecast_kw"),
    ("asset_outage", {"ders": ["DER-0001", "DER-0001"]}, "ders"),
    ("asset_outage", {"unavailable_kw": "-10"}, "unavailable_kw"),
    ("asset_outage", {"expected_return": "2026-01-16T09:12:00Z"}, "expected_return"),
    ("asset_return", {"ders": ["DER-0001", "DER-0001"]}, "ders"),
    ("asset_return", {"available_kw": "-1"}, "available_kw"),
    ("power_system_data", {"measurements.1.kw": GONE}, "at least one of them"),
    ("power_system_data", {"measurements.0.volts": "-1"}, "volts"),
    ("power_system_data", {"measurements.1.point": "SUB-12/F12"}, "measurements"),
    ("operating_request", {"action": GONE}, "action: needed where it says request"),
    ("operating_request", {"kind": "price"}, "prices: needed where it says price"),
    ("operating_request", {"prices": PRICES}, "prices: has no place where it says request"),
    ("operating_request", {"respond_by": "2026-01-15T00:00:00Z"}, "respond_by"),
    ("operating_request", {"target_kw.values": [1]}, "target_kw"),
    ("operating_response", {"reason": GONE}, "reason: needed where it says partial"),
    ("operating_response", {"answer": "done"}, "reason: has no place where it says done"),
    ("operating_response", {"answer": "refused"}, "committed_kw: has no place"),
    ("application_request", {"inputs.1.point": "F12-T7"}, "inputs"),
    ("application_request", {"parameters.1.name": "solver"}, "parameters: item 2"),
    ("application_result", {"status": "failed"}, "text: a failure says why"),
    ("application_result", {"values": [], "results": []}, "values, results: at least one"),
    # market
    ("market_requirement", {"gate_closes": "2026-01-15T00:00:00Z"}, "gate_closes"),
    ("market_requirement", {"required_kw.values.0": -1}, "required_kw"),
    ("market_requirement", {"prices": PRICES[::-1]}, "overlap or are out of order"),
    ("market_requirement", {"prices.1.price.currency": "EUR"}, "more than one currency"),
    ("market_requirement", {"prices.1.window.end": "2026-01-15T01:00:00Z"}, "outside the window"),
    ("bid", {"segments.1.segment": 1}, "segments: item 2 occurs more than once"),
    ("bid", {"segments.1.price.currency": "EUR"}, "segments: more than one currency"),
    ("bid", {"segments.1.minimum_fraction": "1.5"}, "minimum_fraction"),
    ("bid", {"segments.0.offered_kw.values": [50]}, "segments.1"),
    ("bid", {"segments": []}, "segments"),
    ("market_result", {"awards.0.price": GONE}, "price: needed where it says accepted"),
    ("market_result", {"awards.0.status": "not_accepted"}, "awarded_kw: has no place"),
    ("market_result", {"awards": [AWARD, AWARD]}, "awards"),
    ("market_result", {"awards": [], "prices": []}, "awards, prices: at least one"),
    # dispatch
    ("dispatch_instruction", {"target_kw.values.1": None}, "target_kw: a target has no gaps"),
    ("dispatch_instruction", {"target_kw.values": [50]}, "target_kw"),
    ("dispatch_instruction", {"target_kvar": KW}, "target_kvar: in kW, must be in kvar"),
    ("dispatch_instruction", {"respond_by": "2026-01-15T00:00:00Z"}, "respond_by"),
    ("dispatch_instruction", {"ramp_kw_per_minute": "-5"}, "ramp_kw_per_minute"),
    ("dispatch_response", {"reason": GONE}, "reason: needed where it says partial"),
    ("dispatch_response", {"committed_kw": GONE}, "committed_kw: needed where it says partial"),
    ("dispatch_response", {"answer": "refused"}, "committed_kw: has no place where it says refused"),
    ("dispatch_response", {"answer": "accepted"}, "reason: has no place where it says accepted"),
    ("dispatch_cancel", {"reason": "replaced"}, "replaced_by: needed"),
    ("dispatch_cancel", {"replaced_by": "D-2026-01-21-1"}, "does not replace itself"),
    # metering
    ("meter_readings", {"meters.0.quality": ["valid"] * 95}, "quality: 95 codes for 96 values"),
    ("meter_readings", {"meters.0.quality": []}, "quality: 0 codes"),
    ("meter_readings", {"meters.0.series.values.0": -1}, "series: a value is below zero"),
    ("meter_readings", {"meters.1.meter": "M-100231"}, "meters"),
    ("meter_readings", {"meters": []}, "meters"),
    ("meter_readings", {"meters.0.series.step_seconds": 7}, "step_seconds"),
    ("meter_readings", {"meters.0.series.start": "9999-12-31T23:00:00Z"}, "start: not in the years"),
    ("meter_readings", {"meters.0.series.start": "0001-01-01T00:00:00Z"}, "start: not in the years"),
    ("meter_request", {"meters": ["M-1", "M-1"]}, "meters: item 2"),
    ("meter_request", {"channels": []}, "channels"),
    ("meter_request", {"channels": ["net", "net"]}, "channels: item 2"),
    # settlement
    ("performance_statement", {"period.end": "2026-01-14T23:00:00Z"}, "events.D-2026-01-14-1"),
    ("performance_statement", {"events.0.delivered_kwh.values.0": -1}, "delivered_kwh"),
    ("performance_statement", {"events.0.performance_factor": "2.01"}, "performance_factor"),
    ("performance_statement", {"events.0.adjustment_factor": "-0.1"}, "adjustment_factor"),
    ("performance_statement", {"events.0.asked_kw.values": [50]}, "asked_kw"),
    ("performance_statement", {"events.0.days_used.0": "2026-01-01"}, "occurs more than once"),
    ("performance_statement", {"events.0.meters.1.meter": "M-100231"}, "meters: item 2"),
    ("performance_statement", {"events.0.meters.0.actual_kwh.values": [1]}, "actual_kwh: over another time"),
    ("performance_statement", {"contracted_kw": "-1"}, "contracted_kw"),
    # billing
    ("invoice", {"total.amount": "979.46"}, "total: not what the lines add up to"),
    ("invoice", {"lines.0.amount": "882.001"}, "amount: not in whole cents"),
    ("invoice", {"lines.2.amount": "0.85"}, "a penalty (PEN) is zero or below"),
    ("invoice", {"lines.1.line": 1}, "lines: item 2 occurs more than once"),
    ("invoice", {"lines": []}, "lines"),
    ("invoice", {"due": "2026-01-30"}, "due: before it was issued"),
    ("invoice", {"corrects": "INV-2026-01"}, "does not correct itself"),
    ("remittance_advice", {"total.amount": "600.41"}, "add up to"),
    ("remittance_advice", {"invoices.1.invoice": "INV-2025-12"}, "invoices"),
    ("remittance_advice", {"invoices.0.amount": "1.00", "total.amount": "-11.00"}, "not below zero"),
    ("remittance_advice", {"invoices.0.amount": "1.005"}, "whole cents"),
    ("dispute", {"lines.0.expected": "104.20"}, "nothing is disputed"),
    ("dispute", {"lines.0.claimed": "104.201"}, "claimed"),
    ("dispute", {"lines": []}, "lines"),
    ("dispute_answer", {"corrected_invoice": GONE}, "corrected_invoice: needed where it says corrected"),
    ("dispute_answer", {"lines.0.agreed": "98.305"}, "agreed"),
    ("invoice", {"lines.0.code": "INT"}, "late: needed where it says INT"),
    ("invoice", {"lines.0.late": "I-1"}, "late: has no place where it says RES"),
    # account
    ("credit_memo", {"total.amount": "1.21"}, "add up to"),
    ("credit_memo", {"lines.0.amount": "-1.20", "total.amount": "-1.20"}, "a credit is above zero"),
    ("credit_memo", {"lines.0.amount": "1.205"}, "whole cents"),
    ("credit_memo", {"lines": []}, "lines"),
    ("account_statement", {"entries.0.balance": "600.00"}, "the balance of item 1 does not follow"),
    ("account_statement", {"entries.0.amount": "1.005"}, "whole cents"),
    ("account_statement", {"entries.1.received": "2026-01-01T05:00:00Z"}, "item 2 is not of the period"),
    ("account_statement", {"closing": "1.00"}, "closing: not the last balance"),
    ("account_statement", {"ageing.0.disputed": "29.00"}, "total: not what the buckets add up to"),
    ("account_statement", {"ageing.0.debtor": "third.example"}, "of the buyer first"),
    (
        "account_statement",
        {"ageing.1.credit": "-1.00", "ageing.1.total": "-1.00"},
        "does not come to the closing balance",
    ),
    # vehicle
    ("vehicle_identity", {"location": {}}, "point, evse, premises: at least one"),
    ("vehicle_identity", {"individual": "jo.doe@mail.example"}, "individual"),
    ("vehicle_identity", {"individual": "+12025550123"}, "individual"),
    ("vehicle_identity", {"certificate_sha256": GONE}, "certificate_sha256: needed"),
    ("vehicle_enrolment", {"window": GONE}, "window: needed where it says temporary"),
    ("vehicle_enrolment", {"kind": "long_term"}, "account: needed where it says long_term"),
    ("vehicle_enrolment", {"payment_reference": "4111111111111111"}, "payment_reference"),
    ("vehicle_enrolment", {"payment_reference": "tok_4111-1111-1111-1111"}, "holds a card number"),
    ("enrolment_decision", {"accepted": False}, "reason: needed where it says refused"),
    ("enrolment_decision", {"reason": "other"}, "reason: has no place where it says accepted"),
    ("enrolment_decision", {"accepted": False, "reason": "other"}, "account: has no place"),
    ("vehicle_capability", {"v2g": False}, "max_discharge_kw: has no place where it says v2g false"),
    ("vehicle_capability", {"max_discharge_kw": GONE}, "max_discharge_kw: needed where it says v2g true"),
    ("vehicle_capability", {"v2g": False, "max_discharge_kw": GONE}, "feed_to_grid takes a vehicle with v2g"),
    ("vehicle_capability", {"min_charge_kw": "12"}, "min_charge_kw: above"),
    ("vehicle_capability", {"transfer_modes": []}, "transfer_modes"),
    ("charging_command", {"rate_kw": GONE}, "rate_kw: needed where it says feed_to_grid"),
    ("charging_command", {"prices": PRICES}, "prices: has no place where it says feed_to_grid"),
    ("charging_command", {"kind": "request_information"}, "information: needed"),
    ("charging_command", {"rate_kw.values.0": -8}, "rate_kw: a value is below zero"),
    ("charging_status", {"state": "charging"}, "rate_kw: its sign does not go with charging"),
    ("charging_status", {"rate_kw": "7.2"}, "rate_kw: its sign does not go with discharging"),
    ("charging_status", {"command": GONE}, "command: needed where it says partly_followed"),
    ("charging_status", {"state_of_charge_percent": "101"}, "state_of_charge_percent"),
    ("charging_status", {"constraints": {}}, "at least one of them"),
    ("charging_status", {"constraints.least_percent": "101"}, "least_percent"),
    # filing
    ("tariff_filing", {"docket": GONE}, "docket: needed where it says change"),
    ("tariff_filing", {"attachments.0.sha256": "ab"}, "sha256"),
    ("tariff_filing", {"attachments.0.size_bytes": 0}, "size_bytes"),
    ("tariff_filing", {"attachments": []}, "attachments"),
    ("filing_decision", {"effective": GONE}, "effective: needed"),
    ("filing_decision", {"conditions": []}, "conditions: needed"),
    # consent
    ("consent_grant", {"scope.function_blocks": [1, 1]}, "function_blocks: item 2"),
    ("consent_grant", {"scope.interval_seconds": 7}, "interval_seconds: none of"),
    ("consent_grant", {"granted": "2027-01-05T12:00:00Z"}, "granted"),
    ("consent_grant", {"purpose": "other"}, "text: another purpose"),
    ("data_request", {"points": []}, "points, meters: at least one"),
    ("data_request", {"interval_seconds": GONE}, "interval_seconds: needed where it says readings"),
    ("data_request", {"interval_seconds": 7}, "interval_seconds: none of"),
]

TAKEN: list[tuple[str, dict[str, Any]]] = [
    ("confirmation", {"service_hours.0.end": "00:00:00"}),
    ("confirmation_response", {"answer": "accepted", "reasons": GONE}),
    ("aggregation_registration", {"ders": [{**DER, "id": f"DER-{i}"} for i in range(2000)]}),
    ("outage_notice", {"kind": "unplanned", "estimated_restoration": GONE, "cause": "unknown"}),
    ("system_condition", {"kind": "normal", "limit_kw": GONE, "forecast_kw": GONE}),
    ("system_condition", {"limit_kw": GONE, "export_limit_kw": copy_of("system_condition", "limit_kw")}),
    ("system_condition", {"forecast_kw.values.0": -40}),
    (
        "system_condition",
        {
            "kind": "switching",
            "switching": [{"device": "SW-4", "action": "open", "at": "2026-01-14T22:00:00Z"}],
        },
    ),
    ("operating_request", {"kind": "price", "action": GONE, "target_kw": GONE, "prices": PRICES}),
    ("application_result", {"status": "failed", "values": [], "results": [], "text": "did not converge"}),
    ("market_result", {"status": "open", "awards": [], "prices": []}),
    (
        "dispatch_instruction",
        {"instruction": "set_point", "target_kw.values": [-5, 0, 5, -5], "emergency": True},
    ),
    ("dispatch_response", {"answer": "accepted", "reason": GONE}),
    ("dispatch_response", {"answer": "refused", "committed_kw": GONE}),
    ("meter_readings", {"meters.0.channel": "net", "meters.0.series.values.0": -1}),
    ("performance_statement", {"events": [], "lines": []}),
    ("performance_statement", {"events.0.actual_kwh.values.0": -1}),
    ("invoice", {"lines": [LINE], "total.amount": "882"}),
    ("invoice", {"corrects": "INV-2025-99"}),
    ("vehicle_enrolment", {"kind": "long_term", "plan": NULL_PLAN, "window": GONE}),
    ("vehicle_enrolment", {"payment_reference": "tok_4111111111111112"}),  # fails the check digit
    ("charging_command", {"kind": "price", "rate_kw": GONE, "prices": PRICES}),
    ("charging_status", {"state": "connected", "rate_kw": "0"}),
    ("tariff_filing", {"kind": "new_tariff", "docket": GONE}),
    ("filing_decision", {"outcome": "docketed", "effective": GONE, "conditions": []}),
]


@pytest.mark.parametrize(("name", "changes", "words"), REFUSED, ids=lambda v: v if isinstance(v, str) else "")
def test_a_broken_rule_is_refused_and_named(name: str, changes: dict[str, Any], words: str) -> None:
    header, _ = example(DocumentName(name))
    with pytest.raises(Refused) as caught:
        read_message(edited(name, changes))
    error = caught.value
    assert error.code is Code.SCHEMA and not error.retry
    assert words in error.detail
    assert "`$.body" in error.detail
    assert (error.message, error.partner) == (header.id, header.sender)


@pytest.mark.parametrize(("name", "changes"), TAKEN)
def test_what_the_rules_allow_is_taken(name: str, changes: dict[str, Any]) -> None:
    read_message(edited(name, changes))


def test_a_rule_holds_on_building_too() -> None:
    series = IntervalSeries(start=START, step_seconds=900, unit=Unit.KW, values=(1,))
    with pytest.raises(ValueError, match="series: in kW, must be in kWh"):
        MeterReadings(meter="M-1", channel=Channel.NET, quality=Quality.RAW, series=series)  # type: ignore[arg-type]


def test_readings_know_the_quality_of_each_value() -> None:
    _, body = example(DocumentName("meter_readings"))
    assert isinstance(body, MeterReadingSet)
    each, one = body.meters
    assert each.quality_of(40) is Quality.ESTIMATED and each.quality_of(0) is Quality.VALIDATED
    assert one.quality_of(95) is Quality.REVENUE_QUALITY
    assert each.series.quantity(41) is None


def test_readings_of_a_day_are_compact() -> None:
    assert len(json.dumps(copy_of("meter_readings", "meters.1"), separators=(",", ":"))) < 700


def test_every_quality_has_its_espi_number() -> None:
    assert set(ESPI_QUALITY) == set(Quality)
    assert ESPI_QUALITY[Quality.VALID] == 0 and ESPI_QUALITY[Quality.REVENUE_QUALITY] == 19
    assert len(set(ESPI_QUALITY.values())) == len(Quality)


def test_service_names_are_the_ones_on_the_wire() -> None:
    assert [s.value for s in Service] == [s.name for s in Service]


def test_a_consent_writes_the_espi_scope() -> None:
    _, body = example(DocumentName("consent_grant"))
    assert isinstance(body, ConsentGrant)
    assert body.scope.espi_scope == "FB=1_3_4_5_13_14_39;IntervalDuration=900;HistoryLength=2937600"


@pytest.mark.parametrize(
    ("token", "is_card"),
    [
        ("tok_9Gk2pXw7Qe", False),
        ("tok_5500000000000004", True),
        ("a378282246310005", True),
        ("a3782-822463-10005", True),
        ("tok_1234567890123456", False),
        ("tok_411111111111", False),
    ],
)
def test_card_numbers_are_known_by_their_check_digit(token: str, is_card: bool) -> None:
    assert holds_card_number(token) is is_card


def test_a_window_inside_another() -> None:
    def hours(first: int, last: int) -> Window:
        return Window(start=START + timedelta(hours=first), end=START + timedelta(hours=last))

    inside("w", hours(0, 2), hours(0, 2))
    for inner in (hours(-1, 1), hours(1, 3)):
        with pytest.raises(ValueError, match="w: not inside"):
            inside("w", inner, hours(0, 2))


def test_prices_may_leave_hours_out_and_be_below_zero() -> None:
    def price(first: int, amount: str) -> PriceInterval:
        window = Window(start=START + timedelta(hours=first), end=START + timedelta(hours=first + 1))
        return PriceInterval(window=window, price=Money(amount=Decimal(amount), currency="USD"))

    day = Window(start=START, end=START + timedelta(hours=24))
    check_prices("prices", [price(0, "0.10"), price(5, "-0.02")], day)
    check_prices("prices", [], day)
    with pytest.raises(ValueError, match="prices: windows overlap"):
        check_prices("prices", [price(5, "0.1"), price(5, "0.1")], day)
