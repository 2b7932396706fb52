"""The season for people: a line of progress while it runs, one screen at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import plotext
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from intertie.demo.plan import EVENING
from intertie.demo.play import Tell
from intertie.demo.summary import Json, Picture, Summary

# Fits a terminal of the old size.
WIDTH, HEIGHT = 80, 20


@contextmanager
def progress(console: Console) -> Iterator[Tell]:
    """A bar with what happens now; on something that is no terminal, nothing until the end."""
    bar = Progress(
        TextColumn("{task.description}", justify="left"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    with bar:
        task = bar.add_task("")

        def tell(text: str, done: int, total: int) -> None:
            bar.update(task, description=f"{text[:70]:<70}", completed=done, total=total)

        yield tell


def show(console: Console, summary: Summary, picture: Picture) -> None:
    """The one screen."""
    for table in (
        _flows(summary),
        _contracts(summary),
        _tender(summary),
        _events(summary),
        _refused(summary),
        _invoice(summary.invoice),
    ):
        console.print(table.title, style="bold")  # above the table, at the full width
        table.title = None
        console.print(table)
    console.print(plot(picture))
    console.print(
        f"Paid: {summary.paid}. Receipts: {summary.receipts}, messages without one: {summary.unreceipted}."
    )
    books = ", ".join(f"{one['with']} {one['digest'][:16]}" for one in summary.books)
    same = "the same" if all(one["same"] for one in summary.books) else "NOT THE SAME"
    console.print(f"Books of the trade, {same} on both sides: {books}.")
    account = summary.account
    again = (
        "and the aggregator makes the same bytes" if account["same"] else "BUT THE AGGREGATOR MAKES ANOTHER"
    )
    console.print(
        f"Statement of account by the utility: {account['rows']} rows, closing balance {account['closing']} "
        f"{account['currency']}, {again}."
    )
    _beside(console, summary)
    journals = "verify" if summary.journals_verified else "DO NOT VERIFY"
    console.print(f"All journals {journals}. The season took {summary.seconds:g} s.")
    console.print(f"Evidence of the invoice: {summary.evidence}", soft_wrap=True)
    for document in account["documents"]:
        console.print(f"On paper: {document}", soft_wrap=True)


def plot(picture: Picture) -> Text:
    """The peak day at the transformer, drawn with characters: what was lies over what would have been."""
    hours = [i / 4 for i in range(len(picture.before))]
    figure = plotext.figure
    figure.clear()
    figure.plot_size(WIDTH, HEIGHT)
    figure.theme("simple")
    for label, values, marker in (
        ("without dispatch", picture.before, "dot"),
        ("as it was", picture.after, "hd"),
    ):
        curve = figure.signal(hours, values, marker=marker)
        curve.lines(True)
        curve.label(label)
        figure.draw(curve)
    limit = figure.signal([EVENING.start / 4, EVENING.stop / 4], [picture.limit] * 2, marker="─")
    limit.lines(True)
    limit.label("limit")
    figure.draw(limit)
    figure.ruler("x").ticks(list(range(0, 25, 3)))
    figure.title(f"Transformer on {picture.day}, kW by hour; evening limit {picture.limit:g} kW")
    return Text.from_ansi(str(figure.build()), no_wrap=True)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, header_style="bold", pad_edge=False)
    for column in columns:
        right = column in (
            "messages",
            "asked kW",
            "delivered kW",
            "offered kW",
            "taken kW",
            "price",
            "quantity",
            "rate",
            "amount",
        )
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    return table


def _flows(summary: Summary) -> Table:
    title = "Messages taken, by flow and direction"
    table = _table(title, "flow", "direction", "protocol", "format", "messages")
    for one in summary.carried:
        category, _, direction = one["flow"].rpartition(" ")
        cells = (category.replace("_", "/"), direction.replace(">", " > "), one["by"], one["format"])
        table.add_row(*cells, str(one["messages"]))
    return table


def _beside(console: Console, summary: Summary) -> None:
    """What another protocol came to beside parcels, and what proves it."""
    if summary.compared is None or summary.proved is None:
        return
    same = "the same to the cent" if summary.compared["same"] else "NOT THE SAME"
    named = ", ".join(summary.compared["differences"])
    paid, native = summary.compared["paid"]
    console.print(
        f"Beside the same season in parcels: {same}{f' ({named})' if named else ''}. "
        f"Paid {paid}, in parcels {native}; invoice {' and '.join(summary.compared['total'])}."
    )
    proved = summary.proved
    console.print(
        f"Evidence of each kind of message, from both sides: {proved['verified']} of {proved['files']} verify, "
        f"with the partner's bytes and answers in them: {proved['folder']}",
        soft_wrap=True,
    )


def _contracts(summary: Summary) -> Table:
    table = _table("Contracts and deals", "agreement", "with", "state", "revision", "deals")
    for one in summary.contracts:
        deals = ", ".join(f"{name}: {state}" for name, state in one["deals"].items())
        table.add_row(one["agreement"], one["with"], one["state"], str(one["revision"]), deals)
    return table


def _tender(summary: Summary) -> Table:
    table = _table(
        "Sealed offers, opened after the gate", "offer", "offered kW", "price", "verdict", "taken kW", "why"
    )
    for one in summary.tender:
        table.add_row(*(one[key] for key in ("offer", "kw", "price", "verdict", "taken_kw", "reason")))
    return table


def _events(summary: Summary) -> Table:
    method = next((event["baseline"] for event in summary.events if event["baseline"]), "")
    title = f"Dispatches; baseline: {method}"
    table = _table(title, "dispatch", "hours", "answer", "asked kW", "delivered kW", "factor")
    for event in summary.events:
        cells = (event[key] for key in ("dispatch", "hours", "answer", "asked_kw", "delivered_kw", "factor"))
        table.add_row(*("" if cell is None else str(cell) for cell in cells))
    return table


def _refused(summary: Summary) -> Table:
    table = _table("Refused and disputed", "what", "which", "reason")
    for one in summary.refused:
        table.add_row(one["what"], one.get("document") or one["id"], one["reason"])
    return table


def _invoice(invoice: Json) -> Table:
    title = (
        f"Invoice {invoice['invoice']} ({invoice['period']}), corrects {invoice['corrects']} "
        f"of {invoice['disputed_total']} {invoice['currency']}"
    )
    table = _table(title, "code", "text", "quantity", "unit", "rate", "amount")
    for line in invoice["lines"]:
        table.add_row(*(line[key] for key in ("code", "text", "quantity", "unit", "rate", "amount")))
    table.add_row("", "total", "", "", "", f"{invoice['total']} {invoice['currency']}", style="bold")
    return table
