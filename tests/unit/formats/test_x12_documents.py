"""Documents into sets and back: nothing is lost but what docs/x12.md lists, and what has no place is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.formats.x12_world import (
    PROFILES,
    body_of,
    invoice,
    one_set,
    readings,
    there_and_back,
    trading,
    written,
)

from intertie.formats.x12 import read_set as read_set_module
from intertie.formats.x12.findings import X12Code, X12Error, X12WriteError
from intertie.formats.x12.interchange import rewrite
from intertie.formats.x12.layout import layout, profile
from intertie.formats.x12.read_set import read_set
from intertie.formats.x12.sets import read_document, write_document
from intertie.formats.x12.tree import table
from intertie.model.aggregation import DerDecision, RegistrationDecision
from intertie.model.billing import Dispute, Invoice, InvoiceLine, LineCode, PaymentMethod, RemittanceAdvice
from intertie.model.documents import example
from intertie.model.errors import Fault
from intertie.model.ids import DerId, DocumentName
from intertie.model.interval import Window
from intertie.model.metering import Channel, MeterReadings, MeterReadingSet, Quality
from intertie.model.quantity import Money
from intertie.model.system import OutageNotice, RestorationNotice

Name = Literal["ny", "pa", "tx"]
WHOLE = (
    "invoice",
    "remittance_advice",
    "aggregation_registration",
    "registration_decision",
    "outage_notice",
    "outage_update",
    "restoration_notice",
    "dispute",
)
MARCH = datetime(2026, 3, 8, 5, tzinfo=UTC)
AUTUMN = datetime(2026, 11, 1, 4, tzinfo=UTC)


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("document", WHOLE)
def test_examples_come_back_whole(document: str, name: Name) -> None:
    body = body_of(document)
    assert there_and_back(body, name) == body
    data = written(body, name)
    assert rewrite([one_set(data)]) == data


@pytest.mark.parametrize("name", PROFILES)
def test_readings_come_back_with_x12s_two_qualities(name: Name) -> None:
    """867 knows actual and estimated, and stamps the end: that much is lost, and no value, gap or time."""
    body = example(DocumentName("meter_readings"))[1]
    back = there_and_back(body, name)
    assert isinstance(body, MeterReadingSet) and isinstance(back, MeterReadingSet)
    assert back.point == body.point
    for was, now in zip(body.meters, back.meters, strict=True):
        assert (now.meter, now.channel, now.revision) == (was.meter, was.channel, was.revision)
        assert (now.series.start, now.series.end) == (was.series.start, was.series.end)
        assert now.series.values == was.series.values
        assert now.series.power_of_ten == was.series.power_of_ten
        assert {now.quality_of(index) for index in range(len(now.series.values))} <= {
            Quality.VALID,
            Quality.ESTIMATED,
        }
    assert there_and_back(back, name) == back


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize(
    "start", [MARCH - timedelta(hours=2), AUTUMN, AUTUMN + timedelta(hours=1, minutes=15)]
)
@pytest.mark.parametrize("step", [900, 3600, 300])
def test_days_that_change_their_clock(name: Name, start: datetime, step: int) -> None:
    """23 hours and 25 hours: each interval has its own stamp, also in the hour that comes twice."""
    count = 30 * 3600 // step
    body = readings(start, tuple(range(count)), step)
    assert there_and_back(body, name) == body


def test_only_texas_leaves_the_zone_code_out_and_says_it_in_the_hour_that_comes_twice() -> None:
    body = readings(AUTUMN, tuple(range(100)))
    assert b"*ED~" in written(body, "ny") and b"*ES~" in written(body, "pa")
    texas = written(body, "tx")
    stamps = [line.split(b"*") for line in texas.split(b"~") if line.startswith(b"DTM*582")]
    assert {stamp[3][:2] for stamp in stamps if len(stamp) == 5} == {b"01"}
    assert {stamp[4] for stamp in stamps if len(stamp) == 5} == {b"CD", b"CS"}


def test_midnight_belongs_to_the_day_that_ends_where_the_profile_says_so() -> None:
    body = readings(datetime(2026, 7, 14, 5, tzinfo=UTC), tuple(range(96)))
    texas = written(body, "tx")
    assert b"DTM*582*20260714*2359~" in texas and b"DTM*151*20260714*2359~" in texas
    assert there_and_back(body, "tx") == body


@pytest.mark.parametrize("values", [(1, None, 3), (None, None), (0,), (5,) * 9, (None, *range(40))])
def test_gaps(values: tuple[int | None, ...]) -> None:
    body = readings(AUTUMN, values)
    assert there_and_back(body) == body


@pytest.mark.parametrize("power", range(-6, 1))
def test_powers_of_ten(power: int) -> None:
    body = readings(AUTUMN, (0, 1, 7, 10, 123_456_789, 2**46), power=power)
    back = there_and_back(body)
    assert back == body


def test_a_positive_power_is_written_out() -> None:
    back = there_and_back(readings(AUTUMN, (1, 20), power=3))
    assert isinstance(back, MeterReadingSet)
    assert (back.meters[0].series.values, back.meters[0].series.power_of_ten) == ((1000, 20_000), 0)


@given(
    values=st.lists(st.none() | st.integers(0, 2**46), min_size=1, max_size=30),
    negative=st.booleans(),
    power=st.integers(-6, 0),
    step=st.sampled_from([300, 600, 900, 1800, 3600]),
    at=st.integers(0, 60 * 24 * 366),
    name=st.sampled_from(PROFILES),
    revision=st.integers(1, 5),
)
@settings(max_examples=60, deadline=None)
def test_any_series(
    values: list[int | None], negative: bool, power: int, step: int, at: int, name: Name, revision: int
) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=at)
    kept = [-value if negative and value else value for value in values]
    body = readings(start, tuple(abs(value) if value else value for value in values), step, power)
    [one] = body.meters
    channel = Channel.NET if negative else Channel.EXPORT
    series = msgspec.structs.replace(one.series, values=tuple(kept))
    meter = MeterReadings(
        meter=one.meter, channel=channel, quality=Quality.ESTIMATED, series=series, revision=revision
    )
    body = MeterReadingSet(meters=(meter,))
    back = there_and_back(body, name)
    assert isinstance(back, MeterReadingSet)
    assert back.meters[0].series == series
    assert back.meters[0].revision == revision
    if any(value is not None for value in kept):
        assert back.meters[0].channel is channel


@pytest.mark.parametrize(
    "start, step",
    [(AUTUMN, 30), (AUTUMN + timedelta(seconds=1), 900), (AUTUMN + timedelta(microseconds=1), 900)],
)
def test_867_stamps_whole_minutes(start: datetime, step: int) -> None:
    with pytest.raises(X12WriteError, match="whole minutes"):
        written(readings(start, (1, 2), step))


def swapped(data: bytes, old: bytes, new: bytes, count: int = 1) -> bytes:
    assert old in data
    return data.replace(old, new, count)


def test_readings_that_were_left_out_are_gaps() -> None:
    data = written(readings(AUTUMN, tuple(range(12)), 3600))
    third = b"QTY*QD*0.002*KH~DTM*582*20261101*0200*ES~"
    less = swapped(swapped(data, third, b""), b"SE*34", b"SE*32")
    back = read_document(one_set(less), profile("ny"))
    assert isinstance(back, MeterReadingSet)
    assert back.meters[0].series.values[:4] == (0, 1, None, 3)


@pytest.mark.parametrize("name", PROFILES)
def test_summaries_are_passed_over(name: Name) -> None:
    """PTD loops of other kinds, before and after, with segments that a meter's loop would have, and others."""
    body = readings(AUTUMN, tuple(range(12)), 3600)
    data = written(body, name)
    begin, end = data.index(b"PTD*"), data.index(b"SE*")
    summary = b"PTD*SU~DTM*150*20261101~DTM*151*20261130~REF*NH*X~QTY*QD*12*KH~MEA*AA*PRQ*12*KH***51~"
    inside = data[:begin] + summary + data[begin:end] + summary.replace(b"*SU", b"*BO")
    count = int(data[end:].split(b"*")[1]) + 12
    whole = inside + b"SE*%d*" % count + data[end:].split(b"*", 2)[2]
    assert read_document(one_set(whole), profile(name)) == body
    alone = (
        data[:begin]
        + summary
        + b"SE*%d*" % (data[:begin].count(b"~") - 2 + 6 + 1)
        + data[end:].split(b"*", 2)[2]
    )
    with pytest.raises(X12Error, match=r"PTD.* is missing"):
        read_document(one_set(alone), profile(name))


@pytest.mark.parametrize(
    "old, new, why",
    [
        (b"*0200*ES", b"*0207*ES", "no interval ends"),
        (b"*0200*ES", b"*0300*ES", "comes twice"),
        (b"*0200*ES", b"*0200*PS", "zone code"),
        (b"REF*MT*KH060", b"REF*MT*KHMON", "REF\\*MT"),
        (b"PTD*PM", b"PTD*IA", ""),
        (b"QTY*QD*0.002", b"QTY*QD*0.0020001", "6 places"),
        (b"QTY*QD*0.002", b"QTY*87*0.002", "one channel"),
    ],
)
def test_readings_that_make_no_series(old: bytes, new: bytes, why: str) -> None:
    data = swapped(written(readings(AUTUMN, tuple(range(12)), 3600)), old, new)
    if not why:  # a net series may have these qualities: another channel, and nothing wrong
        assert read_document(one_set(data), profile("ny")).meters[0].channel is Channel.NET  # type: ignore[attr-defined]
        return
    with pytest.raises(X12Error, match=why) as caught:
        read_document(one_set(data), profile("ny"))
    assert caught.value.finding.code is X12Code.DOCUMENT
    assert caught.value.finding.place.segment > 1


@pytest.mark.parametrize("name", PROFILES)
def test_long_invoices_with_lines_of_two_shapes(name: Name) -> None:
    body = invoice(1000)
    assert there_and_back(body, name) == body


texts = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="*~>"), max_size=200)
amounts = st.decimals(-(10**9), 10**9, places=2)


@given(
    rows=st.lists(
        st.tuples(
            texts,
            amounts,
            amounts,
            st.sampled_from([code for code in LineCode if code is not LineCode.INTEREST]),
            st.booleans(),
        ),
        min_size=1,
        max_size=20,
    ),
    hours=st.booleans(),
    text=texts,
    name=st.sampled_from(PROFILES),
)
@settings(max_examples=60, deadline=None)
def test_any_invoice(
    rows: list[tuple[str, Decimal, Decimal, LineCode, bool]], hours: bool, text: str, name: Name
) -> None:
    base = invoice(1)
    lines = tuple(
        InvoiceLine(
            line=number,
            code=code if amount <= 0 else LineCode.ADJUSTMENT,
            text=said,
            quantity=quantity,
            unit="kWh" if named else "kW-month",
            rate=Decimal("0.125"),
            amount=amount,
            dispatch="D-1" if named else None,
        )
        for number, (said, quantity, amount, code, named) in enumerate(rows, 1)
    )
    total = Money(amount=sum((line.amount for line in lines), Decimal(0)), currency="USD")
    period = Window(start=base.period.start + timedelta(hours=hours), end=base.period.end)
    body = msgspec.structs.replace(base, lines=lines, total=total, text=text, period=period)
    assert there_and_back(body, name) == body


def test_an_810_has_no_place_for_interest() -> None:
    body = invoice(1)
    line = msgspec.structs.replace(body.lines[0], code=LineCode.INTEREST, late="INV-1")
    with pytest.raises(X12WriteError, match="late") as caught:
        written(msgspec.structs.replace(body, lines=(line,)))
    assert caught.value.finding.code is X12Code.NO_PLACE


@pytest.mark.parametrize(
    "change, code",
    [
        ({"rounding": "to the dollar"}, X12Code.NO_PLACE),
        ({"invoice": "I" * 23}, X12Code.ELEMENT_TOO_LONG),
        ({"text": "Grüße"}, X12Code.CHARACTER),
        ({"text": "a*b"}, X12Code.CHARACTER),
        ({"text": "a~b"}, X12Code.CHARACTER),
        ({"text": "a>b"}, X12Code.COMPONENT),
        ({"text": "two\nlines"}, X12Code.CHARACTER),
    ],
)
def test_what_an_810_cannot_say_is_refused(change: dict[str, str], code: X12Code) -> None:
    body = msgspec.structs.replace(invoice(), **change)
    with pytest.raises(X12WriteError) as caught:
        written(body)
    assert caught.value.finding.code is code
    assert caught.value.fault is Fault.OURS and "natively" in str(caught.value)


@pytest.mark.parametrize("count", [3, 40])
@pytest.mark.parametrize("text", ["naïve", "a*b", "a~b", "a>b", "\t"])
def test_a_bad_line_among_many_is_named(count: int, text: str) -> None:
    body = invoice(count)
    lines = (*body.lines[:-1], msgspec.structs.replace(body.lines[-1], text=text))
    with pytest.raises(X12WriteError) as caught:
        written(msgspec.structs.replace(body, lines=lines))
    place = caught.value.finding.place
    assert (place.id, place.element, place.loop) == ("PID", 5, "lines")


def test_an_amount_that_is_too_long_for_its_element() -> None:
    body = invoice(1)
    quantity = Decimal("123456789012.123456789")
    lines = (msgspec.structs.replace(body.lines[0], quantity=quantity),)
    with pytest.raises(X12WriteError, match="quantity: 1 to 15"):
        written(msgspec.structs.replace(body, lines=lines))


def test_registrations_that_814_cannot_say_are_refused() -> None:
    whole = example(DocumentName("aggregation_registration"))[1]
    with pytest.raises(X12WriteError, match="other_programmes"):
        written(whole)
    document = example(DocumentName("meter_request"))[1]
    with pytest.raises(X12WriteError, match="no X12 set"):
        write_document(document, trading(), reference="R", at=AUTUMN)


def test_accounts_and_meters_have_the_codes_of_the_guide() -> None:
    data = written(body_of("aggregation_registration"))
    assert b"REF*12*A-7731-02~" in data and b"REF*MG*M-100231~" in data
    texas = written(body_of("aggregation_registration"), "tx")
    assert b"REF*Q5**P-55810~" in texas and b"REF*11*A-7731-02~" in texas


@pytest.mark.parametrize(
    "old, new",
    [
        (b"REF*ZZ*NAMEPLATE_KW*10~", b"REF*ZZ*NAMEPLATE_KW*ten~"),
        (b"REF*ZZ*NAMEPLATE_KW*10~", b"REF*ZZ*COLOUR*red~"),
        (b"REF*ZZ*FEEDER*F12~", b"REF*ZZ*POINT*F12~"),
        (b"ASI*7*021~", b"ASI*U*021~"),
        (b"DTM*007*20260105*0000*ES~", b"DTM*007*20260105*0100*ES~"),
    ],
)
def test_sets_in_order_that_make_no_registration(old: bytes, new: bytes) -> None:
    data = swapped(written(body_of("aggregation_registration")), old, new)
    with pytest.raises(X12Error) as caught:
        read_document(one_set(data), profile("ny"))
    assert caught.value.finding.code is X12Code.DOCUMENT
    assert caught.value.fault is Fault.THEIRS and b"ten" not in str(caught.value).encode()


def test_decisions_with_long_words() -> None:
    detail = "No room on the feeder. " * 12
    one = DerDecision(der=DerId("D-1"), accepted=False, reason="hosting_capacity", detail=detail)  # type: ignore[arg-type]
    base = body_of("registration_decision")
    assert isinstance(base, RegistrationDecision)
    body = msgspec.structs.replace(base, decisions=(one,), revision=4)
    assert there_and_back(body) == body


def test_service_hours_are_refused_not_lost() -> None:
    body = body_of("aggregation_registration")
    confirmation = example(DocumentName("confirmation"))[1]
    hours = confirmation.service_hours  # type: ignore[attr-defined]
    assert hours
    whole = msgspec.structs.replace(body, service_hours=hours, zone="America/New_York")
    with pytest.raises(X12WriteError, match="service_hours"):
        written(whole)


@pytest.mark.parametrize("method", list(PaymentMethod))
@pytest.mark.parametrize("name", PROFILES)
def test_remittances(method: PaymentMethod, name: Name) -> None:
    base = body_of("remittance_advice")
    assert isinstance(base, RemittanceAdvice)
    body = msgspec.structs.replace(base, method=method, text="Paid in full. " * 20)
    assert there_and_back(body, name) == body
    assert (b"*CTX*" in written(body, name)) is (method is PaymentMethod.ACH)


def test_new_york_pays_to_the_master_account() -> None:
    body = body_of("remittance_advice")
    assert b"RMR*14*000123*PO*612.40~REF*IV*INV-2025-12~" in written(body, "ny")
    assert b"RMR*IV*INV-2025-12*PO*612.40~" in written(body, "pa")


def test_a_total_that_the_lines_do_not_make_is_no_remittance() -> None:
    data = swapped(written(body_of("remittance_advice")), b"BPR*I*600.40", b"BPR*I*600.41")
    with pytest.raises(X12Error, match="not what the lines add up to"):
        read_document(one_set(data), profile("ny"))


def test_disputes_with_many_lines() -> None:
    base = body_of("dispute")
    assert isinstance(base, Dispute)
    lines = tuple(
        msgspec.structs.replace(base.lines[0], line=number, inputs=base.lines[0].inputs * (number % 3))
        for number in range(1, 30)
    )
    body = msgspec.structs.replace(base, lines=lines, text="As told by telephone.")
    assert there_and_back(body) == body


def test_outages_to_the_second_and_partial_restorations() -> None:
    base = body_of("outage_notice")
    assert isinstance(base, OutageNotice)
    body = msgspec.structs.replace(base, starts=base.starts + timedelta(seconds=7), affected_customers=0)
    assert there_and_back(body) == body
    back = body_of("restoration_notice")
    assert isinstance(back, RestorationNotice)
    part = msgspec.structs.replace(back, complete=False, text="x" * 1999)
    assert there_and_back(part) == part
    with pytest.raises(X12WriteError, match="whole seconds"):
        written(msgspec.structs.replace(base, starts=base.starts + timedelta(microseconds=1)))


@given(data=st.data(), name=st.sampled_from(PROFILES))
@settings(max_examples=60, deadline=None)
def test_columns_say_what_rows_say(data: st.DataObject, name: Name) -> None:
    """The quick way and the one that looks at every row come to the same tree and the same findings, also for broken sets."""
    made = data.draw(
        st.sampled_from([written(invoice(20), name), written(readings(AUTUMN, tuple(range(40))), name)])
    )
    segments = made.split(b"~")
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(5, len(segments) - 5))
        segments[at] = data.draw(
            st.sampled_from(
                [
                    segments[at] + b"*",
                    segments[at] + b"*X",
                    segments[at][:-1],
                    segments[at - 1],
                    b"ZZ",
                    b"REF*ZZ",
                ]
            )
        )
    one = one_set(b"~".join(segments))
    by = layout(one.set_id, name)
    quick = read_set(one, by)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_set_module, "ROWS_BY_COLUMN", 10**9)
        slow = read_set(one, by)
    assert quick.findings == slow.findings
    for loop in ("lines", "parties"):
        assert plain(table(quick.node, loop).rows()) == plain(table(slow.node, loop).rows())


def plain(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{name: value for name, value in row.items() if value} for row in rows]


def test_a_body_is_typed() -> None:
    assert isinstance(there_and_back(invoice()), Invoice)
