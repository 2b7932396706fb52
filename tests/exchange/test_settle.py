"""Settlement from what two gateways hold: one statement on both sides, differences traced to readings, disputes answered.

The contract, the deal, the call and the readings went over real parcels; each side has its own store and its own Parquet files.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_acts_dispatch import instruction
from tests.exchange.test_readings import Side
from tests.exchange.trade_stage import DERS, HOUR, NWS, P7, Stage, dealt

from intertie.gateway.billing.billing_desk import due_of
from intertie.gateway.metering.import_readings import import_json
from intertie.gateway.metering.readings import take_in
from intertie.gateway.settlement import settle, settle_dispute
from intertie.gateway.settlement.settle_dispute import Asked
from intertie.gateway.settlement.settle_inputs import Period, find_deal, period_of
from intertie.gateway.settlement.settle_readings import differing_readings
from intertie.gateway.trading import trade_dispatch
from intertie.market.explain_line import explain_line
from intertie.model.billing import Dispute, DisputeAnswer, Invoice, LineCode, Resolution
from intertie.model.dispatch import DispatchAnswer
from intertie.model.errors import SettingsError
from intertie.model.ids import ConfirmationId
from intertie.model.interval import IntervalSeries, local_day
from intertie.model.metering import Channel, MeterReadings, MeterReadingSet, Quality
from intertie.model.quantity import Unit

ZONE = "America/New_York"
EVENT_DAY = date(2026, 1, 15)
# The call asks 5 kW of P7 from 13:00 to 13:30 UTC, 8:00 local: DER-1 and DER-2, quarters 32 and 33 of the day.
FIRST = 32
METERS = [one.meter for one in DERS]


def day_of(meter: str, day: date, values: list[int | None], revision: int = 1, **more: Any) -> MeterReadings:
    return MeterReadings(
        meter=meter,
        channel=more.get("channel", Channel.IMPORT),
        quality=Quality.VALID,
        revision=revision,
        series=IntervalSeries(
            start=local_day(day, ZONE).start,
            step_seconds=900,
            unit=Unit.KWH,
            power_of_ten=-3,
            values=tuple(values),
        ),
    )


def usual(meter: str, day: date) -> list[int | None]:
    """Each meter at its own level, each day a bit other: 1,000 Wh and more a quarter."""
    level = 1000 + 100 * METERS.index(meter) + day.toordinal() % 7
    return [level] * 96


def shed(meter: str) -> list[int | None]:
    """The event day: P7's two meters take 400 Wh less in each quarter of the call."""
    values = usual(meter, EVENT_DAY)
    if meter != METERS[2]:
        values[FIRST : FIRST + 2] = [value - 400 for value in values[FIRST : FIRST + 2] if value is not None]
    return values


class Settling(Stage):
    """A stage with readings on both sides."""

    sides: dict[str, Side]


@pytest.fixture
def stage(tmp_path: Path) -> Settling:
    found = dealt(baseline_method="high-5-of-10-multiplicative", tolerance_percent=Decimal("0.5"))
    found.__class__ = Settling
    assert isinstance(found, Settling)
    call = instruction(found)
    found.done(trade_dispatch.instruct(found.utility, call))
    found.done(trade_dispatch.answer(found.aggregator, call.dispatch, DispatchAnswer.ACCEPTED))
    found.now = local_day(EVENT_DAY + timedelta(days=17), ZONE).start + 12 * HOUR
    days = [EVENT_DAY - timedelta(days=back) for back in range(1, 25)]
    past = [day_of(meter, day, usual(meter, day)) for meter in METERS for day in days]
    found.done(found.say(UTILITY, MeterReadingSet(meters=tuple(past)), DEAL_AGREEMENT))
    today = MeterReadingSet(meters=tuple(day_of(meter, EVENT_DAY, shed(meter)) for meter in METERS))
    found.done(found.say(UTILITY, today, DEAL_AGREEMENT))
    found.sides = {}
    for party in (UTILITY, AGGREGATOR):
        found.sides[party] = Side(found.gateways[party], tmp_path / party)
        read(found, party)
    return found


DEAL_AGREEMENT = dealt().utility.agreement


def read(stage: Settling, party: str) -> Any:
    """All that came is in the readings."""
    side = stage.sides[party]
    take_in(stage.gateways[party], side.readings)
    return side.readings


def settled(stage: Settling, party: str) -> settle.Settled:
    desk = stage.desk(party)
    deal = find_deal(desk, NWS)
    return settle.statement_of(desk, read(stage, party), deal, period_of(deal, "2026-01"))


def revise(stage: Settling, party: str, meter: str, day: date, values: list[int | None]) -> None:
    """Only this side learns of another revision."""
    raw = msgspec.json.encode(MeterReadingSet(meters=(day_of(meter, day, values, revision=2),)))
    import_json(stage.gateways[party], stage.sides[party].readings, raw, stage.now)
    read(stage, party)


def test_both_sides_make_the_same_bytes(stage: Settling) -> None:
    ours, theirs = settled(stage, UTILITY), settled(stage, AGGREGATOR)
    assert msgspec.json.encode(ours.statement) == msgspec.json.encode(theirs.statement)
    [event] = ours.statement.events
    assert [part.meter for part in event.meters] == METERS[:2], "of the point that was called"
    assert len(event.days_used) == 5 and event.performance_factor == Decimal("0.64")
    assert event.delivered_kwh.total() == pytest.approx(Decimal("1.6"), abs=Decimal("0.02"))
    codes = [line.code for line in ours.statement.lines]
    assert codes == [LineCode.RESERVATION, LineCode.UTILISATION, LineCode.PENALTY]
    invoice = settle.invoice_for(ours, "I-1", EVENT_DAY, EVENT_DAY)
    assert invoice.total.amount == sum(line.amount for line in ours.statement.lines)


def test_a_statement_that_arrives_is_worked_out_again(stage: Settling) -> None:
    stage.done(*stage.utility.say(settled(stage, UTILITY).statement))
    _, theirs = settle.find_statement(stage.aggregator, "S-NWS-1-2026-01")
    found = settle.compare(stage.aggregator, read(stage, AGGREGATOR), theirs)
    assert found.same and not found.inputs and not differing_readings(read(stage, AGGREGATOR), found)


def test_one_reading_of_the_event_is_named(stage: Settling) -> None:
    values = shed("M-2")
    values[FIRST] = 900
    revise(stage, UTILITY, "M-2", EVENT_DAY, values)
    stage.done(*stage.utility.say(settled(stage, UTILITY).statement))
    _, theirs = settle.find_statement(stage.aggregator, "S-NWS-1-2026-01")
    found = settle.compare(stage.aggregator, read(stage, AGGREGATOR), theirs)
    assert not found.same
    named = differing_readings(read(stage, AGGREGATOR), found)
    at = local_day(EVENT_DAY, ZONE).start + timedelta(minutes=15 * FIRST)
    assert [(one.input, one.theirs) for one in named] == [(f"M-2/{at:%Y-%m-%dT%H:%MZ}", "0.900 kWh")]


def test_one_reading_of_a_baseline_day_is_named_where_both_revisions_are_held(stage: Settling) -> None:
    """The utility settled before the correction; the aggregator has both revisions."""
    stage.done(*stage.utility.say(settled(stage, UTILITY).statement))
    _, theirs = settle.find_statement(stage.aggregator, "S-NWS-1-2026-01")
    day = theirs.events[0].days_used[0]
    revise(stage, AGGREGATOR, "M-1", day, [value and value + 300 for value in usual("M-1", day)])
    found = settle.compare(stage.aggregator, read(stage, AGGREGATOR), theirs)
    named = differing_readings(read(stage, AGGREGATOR), found)
    assert [(one.input, one.ours) for one in named] == [(f"M-1/{day}", "revision 2")]
    assert named[0].theirs.startswith("revision 1")


def test_every_kind_of_line_is_explained(stage: Settling) -> None:
    made = settled(stage, UTILITY)
    stage.done(*stage.utility.say(made.statement))
    said = [
        explain_line(made.statement, place, made.held.book, made.held.deal)
        for place in range(len(made.statement.lines))
    ]
    reservation, energy, penalty = (str(one.parts) for one in said)
    assert "of 31 days" in reservation and "factor 0.64 × 0.5 h" in reservation
    assert "high 5 of 10" in energy and "days used" in energy and "to the watt-hour" in energy
    assert "asked 2.500 − delivered" in penalty
    for one, line in zip(said, made.statement.lines, strict=True):
        assert f"to the cent {line.amount:.2f} USD" in one.amount
        assert len(one.intervals) == (2 if line.dispatch else 0)
    messages = settle.sources_of(stage.utility, made.statement, made.statement.lines[1])
    assert [document for _, document in messages] == [
        "confirmation",
        "dispatch_instruction",
        "dispatch_response",
    ]
    assert [
        document for _, document in settle.sources_of(stage.utility, made.statement, made.statement.lines[0])
    ] == ["confirmation"]


def invoiced(stage: Settling) -> tuple[Invoice, list[int | None]]:
    """The aggregator's invoice, which rests on a reading that only the utility knows to be wrong."""
    made = settled(stage, AGGREGATOR)
    due = due_of(stage.aggregator, made.statement.period, stage.now.date())
    invoice = settle.invoice_for(made, "I-2026-01", stage.now.date(), due)
    stage.done(*stage.aggregator.say(invoice))
    values = shed("M-2")
    values[FIRST : FIRST + 2] = [900, 900]
    revise(stage, UTILITY, "M-2", EVENT_DAY, values)
    return invoice, values


def disputed(stage: Settling) -> settle_dispute.Checked:
    checked = settle_dispute.check_invoice(stage.utility, read(stage, UTILITY), "I-2026-01")
    stage.done(*settle_dispute.dispute(stage.utility, checked, "X-1"))
    return checked


def test_an_invoice_is_checked_disputed_and_corrected(stage: Settling) -> None:
    invoice, values = invoiced(stage)
    checked = disputed(stage)
    assert {one.inputs[0].input for one in checked.lines} == {f"M-2/{EVENT_DAY}"}
    assert (
        "revision 1" in checked.lines[0].inputs[0].theirs and "revision 2" in checked.lines[0].inputs[0].ours
    )
    with pytest.raises(SettingsError, match="does not come to what"):  # it does not have the reading yet
        settle_dispute.resolve(stage.aggregator, read(stage, AGGREGATOR), "X-1", Resolution.CORRECTED)
    body = MeterReadingSet(meters=(day_of("M-2", EVENT_DAY, values, revision=2),))
    stage.done(stage.say(UTILITY, body, DEAL_AGREEMENT))
    stage.done(
        *settle_dispute.resolve(stage.aggregator, read(stage, AGGREGATOR), "X-1", Resolution.CORRECTED)
    )
    _, corrected = settle_dispute.find(stage.utility, Invoice, "invoice", "I-2026-01-corrected")
    assert corrected.corrects == "I-2026-01" and corrected.total.amount < invoice.total.amount
    again = settle_dispute.check_invoice(stage.utility, read(stage, UTILITY), "I-2026-01-corrected")
    assert not again.lines
    with pytest.raises(SettingsError, match="right within tolerance"):
        settle_dispute.dispute(stage.utility, again, "X-2")


@pytest.mark.parametrize("how", [Resolution.CONCEDED, Resolution.REJECTED, Resolution.SPLIT])
def test_a_dispute_is_answered_without_a_new_invoice(stage: Settling, how: Resolution) -> None:
    invoiced(stage)
    checked = disputed(stage)
    first = checked.lines[0]
    asked = Asked(agreed={first.line: first.expected + Decimal("0.01")}, text="As talked about.")
    if how is not Resolution.SPLIT:
        asked = Asked()
    stage.done(*settle_dispute.resolve(stage.aggregator, read(stage, AGGREGATOR), "X-1", how, asked))
    answers = [
        body
        for _, body in settle.bodies_of(stage.utility, "dispute_answer")
        if isinstance(body, DisputeAnswer)
    ]
    [answer] = answers
    assert answer.resolution is how and len(answer.lines) == len(checked.lines)
    for line, said in zip(checked.lines, answer.lines, strict=True):
        low, high = sorted((line.claimed, line.expected))
        assert low <= said.agreed <= high
        if how is Resolution.CONCEDED:
            assert said.agreed == line.expected
    if how is Resolution.SPLIT:
        assert answer.lines[0].agreed == first.expected + Decimal("0.01") and answer.text


def test_what_cannot_be_settled_is_said(stage: Settling) -> None:
    desk, readings = stage.utility, read(stage, UTILITY)
    deal = find_deal(desk, NWS)
    with pytest.raises(SettingsError, match="no deal NO-SUCH"):
        find_deal(desk, ConfirmationId("NO-SUCH"))
    for month, why in (("2026-13", "no month"), ("2031-01", "has no day in 2031-01")):
        with pytest.raises(SettingsError, match=why):
            period_of(deal, month)
    with pytest.raises(SettingsError, match="the days of readings are those of"):
        settle.statement_of(desk, readings, replace(deal, zone="UTC"), Period(EVENT_DAY, EVENT_DAY))
    with pytest.raises(SettingsError, match="no statement S-9"):
        settle.find_statement(desk, "S-9")
    with pytest.raises(SettingsError, match="no dispute X-9"):
        settle_dispute.find(desk, Dispute, "dispute", "X-9")
    with pytest.raises(SettingsError, match="line 9 is not disputed"):
        invoiced(stage)
        disputed(stage)
        settle_dispute.resolve(stage.aggregator, readings, "X-1", Resolution.SPLIT, Asked({9: Decimal(1)}))


def test_what_is_left_out_is_said_with_its_reason(stage: Settling) -> None:
    made = settled(stage, UTILITY)
    assert all(reason for _, reason in made.held.left_out)
    assert {call.instruction.point for call in made.held.calls} == {P7}
    month_after = settle.statement_of(
        stage.utility, read(stage, UTILITY), made.held.deal, period_of(made.held.deal, "2026-02")
    )
    assert not month_after.statement.events and month_after.statement.performance_factor == Decimal(1)
    stage.done(*stage.utility.say(made.statement))
    after = settle.statement_of(
        stage.utility, read(stage, UTILITY), made.held.deal, period_of(made.held.deal, "2026-02")
    )
    assert after.statement.performance_factor == Decimal("0.64"), "a month without a call keeps the factor"


def test_both_sides_agree_when_the_clock_of_one_is_late(stage: Settling) -> None:
    stage.now += timedelta(days=1)
    ours = settled(stage, UTILITY)
    stage.now += timedelta(days=3)
    assert settled(stage, AGGREGATOR).statement == ours.statement
    assert isinstance(stage.now, datetime)
