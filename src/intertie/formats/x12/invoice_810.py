"""810: the invoice. An IT1 loop is a line; its SAC has the amount in cents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from intertie.formats.x12.findings import Finding, Place, X12Code, X12Error
from intertie.formats.x12.stamps import DAY, Clock, read_date
from intertie.formats.x12.trading import Call, chunks, notes, parties, text_of
from intertie.formats.x12.tree import Node, Table, table, text
from intertie.formats.x12.write_set import no_place
from intertie.model.billing import Invoice, InvoiceLine, LineCode
from intertie.model.contract import ROUNDING
from intertie.model.ids import ConfirmationId
from intertie.model.interval import Window
from intertie.model.line_columns import LineColumns
from intertie.model.quantity import Money

# Exact: N2 has fifteen digits, and Python's arithmetic twenty-eight.
_CENT = Decimal("0.01")
_NOTHING = Decimal("0.00")  # and never less
PIECES = ("text", "text_2", "text_3")


def write_invoice(body: Invoice, call: Call) -> Node:
    """The tree of an 810. X12WriteError for what it has no place for."""
    if body.rounding != ROUNDING:
        raise no_place("rounding", "810")
    if any(line.late for line in body.lines):
        raise no_place("lines.late", "810")
    count = len(body.lines)
    return {
        "issued": body.issued.strftime("%Y%m%d"),
        "invoice": body.invoice,
        "type": call.value("type"),
        "purpose": "05" if body.corrects else "00",
        "notes": notes(body.text),
        "currency": body.total.currency,
        "corrects": body.corrects or "",
        "confirmation": body.confirmation or "",
        "account": call.trading.account,
        "reference": call.message,
        "parties": parties(call),
        "due": body.due.strftime("%Y%m%d"),
        **write_period(body.period, Clock(call.profile)),
        "lines": Table(count, _columns(body.lines, call)),
        "total": cents(body.total.amount),
        "count": str(count),
    }


def _columns(lines: Sequence[InvoiceLine], call: Call) -> dict[str, Sequence[str]]:
    units, codes = call.value("units"), call.value("charge_codes")
    negative = call.value("allowance") == "negative"
    amounts = [cents(line.amount) for line in lines]
    names = [line.unit for line in lines]
    columns: dict[str, Sequence[str]] = {
        "line": [str(line.line) for line in lines],
        "quantity": [plain(line.quantity) for line in lines],
        "unit": [units.get(name, "ZZ") for name in names],
        "rate": [plain(line.rate) for line in lines],
        "name_qualifier": ["" if name in units else "ZZ" for name in names],
        "unit_name": ["" if name in units else name for name in names],
        "dispatch": [line.dispatch or "" for line in lines],
        "statement": [line.statement or "" for line in lines],
        "sign": ["A" if amount[0] == "-" else "C" for amount in amounts],
        "code": [codes[line.code] for line in lines],
        "amount": amounts if negative else [amount.lstrip("-") for amount in amounts],
    }
    texts = [line.text for line in lines]
    if max(map(len, texts)) <= 80:
        return columns | {"text": texts}
    pieces = [(*chunks(one), "", "", "")[:4] for one in texts]
    if any(piece[3] for piece in pieces):
        raise no_place("lines.text", "810", "three PID segments of 80 characters do not hold it")
    return columns | {name: [piece[n] for piece in pieces] for n, name in enumerate(PIECES)}


def plain(number: Decimal) -> str:
    """Without an exponent."""
    text = str(number)
    return text if "E" not in text else format(number, "f")


def cents(amount: Decimal) -> str:
    """An amount in whole cents as N2 has it: digits, and no point."""
    text = str(amount)
    if text[-3:-2] == "." and "E" not in text and (text[0].isdigit() and text[0] != "0"):
        return text[:-3] + text[-2:]
    return str(int(amount * 100))


def write_period(period: Window, clock: Clock) -> dict[str, str]:
    """DTM*150 and 151: days, the last one included, where the period is whole days; else times."""
    start, end = period.start.astimezone(clock.zone), period.end.astimezone(clock.zone)
    if start.time() == end.time() == time():
        last = end.date() - DAY
        return {"start_date": start.strftime("%Y%m%d"), "end_date": last.strftime("%Y%m%d")}
    names = ("date", "time", "zone")
    return {
        **{f"start_{n}": v for n, v in zip(names, clock.write(period.start), strict=True)},
        **{f"end_{n}": v for n, v in zip(names, clock.write(period.end, ends=True), strict=True)},
    }


def read_period(node: Node, clock: Clock) -> Window:
    """The window of the two DTM segments; ValueError if it is none."""
    return Window(start=_instant(node, "start", clock, timedelta()), end=_instant(node, "end", clock, DAY))


def _instant(node: Node, name: str, clock: Clock, day: timedelta) -> datetime:
    on, at = text(node, f"{name}_date"), text(node, f"{name}_time")
    if at:
        return clock.read(on, at, text(node, f"{name}_zone"), ends=name == "end")
    return datetime.combine(read_date(on) + day, time(), clock.zone).astimezone(UTC)


def read_invoice(node: Node, call: Call) -> Invoice:
    """The document of an 810's tree. X12Error(DOCUMENT) or ValueError if it makes none."""
    rows = table(node, "lines")
    count = text(node, "count")
    if count and int(count) != rows.length:
        raise X12Error(
            Finding(X12Code.DOCUMENT, Place(id="CTT", element=1), f"there are {rows.length} lines")
        )
    return Invoice(
        invoice=text(node, "invoice"),
        period=read_period(node, Clock(call.profile)),
        issued=read_date(text(node, "issued")),
        due=read_date(text(node, "due")),
        lines=_lines(rows, call),
        total=Money(amount=_amount(text(node, "total")), currency=text(node, "currency")),
        corrects=text(node, "corrects") or None,
        confirmation=ConfirmationId(name) if (name := text(node, "confirmation")) else None,
        text=text_of(node),
    )


def _lines(rows: Table, call: Call) -> tuple[InvoiceLine, ...]:
    units = {code: name for name, code in call.value("units").items()}
    codes = {code: LineCode(name) for name, code in call.value("charge_codes").items()}
    texts = rows.column("text")
    for name in PIECES[1:]:
        if name in rows.columns:
            texts = [a + b for a, b in zip(texts, rows.column(name), strict=True)]
    return LineColumns(
        line=list(map(int, rows.column("line"))),
        code=list(map(codes.__getitem__, rows.column("code"))),
        text=texts,
        quantity=rows.column("quantity"),
        unit=list(map(units.get, rows.column("unit"), rows.column("unit_name"))),
        rate=rows.column("rate"),
        cents=_signed(rows, call),
        dispatch=[name or None for name in rows.column("dispatch")],
        statement=[name or None for name in rows.column("statement")],
    ).lines()


def _signed(rows: Table, call: Call) -> list[int]:
    """Cents with their sign: an allowance is below zero, whichever way the guide writes it."""
    found = list(map(int, rows.column("amount")))
    if call.value("allowance") == "negative":
        return found
    return [-one if sign == "A" else one for one, sign in zip(found, rows.column("sign"), strict=True)]


def _amount(text: str) -> Decimal:
    """Of N2: the last two digits are cents."""
    return Decimal(text) * _CENT or _NOTHING
