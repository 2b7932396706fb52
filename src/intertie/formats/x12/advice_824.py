"""824: the business answer to a set (accepted, or refused and why), and the dispute of an invoice.

A dispute is an OTI loop with IR for each line: AMT has what is claimed and what is expected instead, TED the inputs that the
two sides hold differently, with theirs and ours.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta

from intertie.formats.x12.facts import MUTUAL, read_record, said, write_facts
from intertie.formats.x12.invoice_810 import plain
from intertie.formats.x12.stamps import Clock
from intertie.formats.x12.trading import Call, chunks, parties
from intertie.formats.x12.tree import Node, Table, nodes, table, table_of, text
from intertie.model.billing import DifferingInput, Dispute, DisputedLine
from intertie.model.ids import ShortText
from intertie.model.record import Record, RuleError

ACCEPTED, REFUSED, WITH_ERRORS, ITEM = "TA", "TR", "TE", "IR"
# AMT01: what the line says, and what it should say.
CLAIMED, EXPECTED = "ZZ", "AD"
OTHER_ERROR = "848"  # TED01: incorrect data
# Errors of one set that anybody wants to read in an answer; a 997 has all.
ERRORS_MAX = 1000


class AdviceError(Record, frozen=True, kw_only=True):
    """One thing that is wrong with a set: words, and where if it has a place (segment id, its number from ST, element)."""

    text: Annotated[str, Meta(max_length=60)]
    segment: Annotated[str, Meta(max_length=3)] = ""
    segment_at: Annotated[int, Meta(ge=0, le=999_999)] = 0
    element_at: Annotated[int, Meta(ge=0, le=99)] = 0


class Advice(Record, frozen=True, kw_only=True):
    """The business answer to one set, which is named by its reference and its control numbers.

    `accepted`: it is in our books; `with_errors` as well, and something should be put right; `refused`: it is not.
    """

    original: Annotated[str, Meta(min_length=1, max_length=30)]
    set_id: Annotated[str, Meta(pattern=r"^[0-9]{3}(?!\n)$")]
    answer: Literal["accepted", "with_errors", "refused"]
    reason: Annotated[str, Meta(max_length=20)] = ""
    text: ShortText = ""
    group_control: Annotated[str, Meta(pattern=r"^[0-9]{0,9}(?!\n)$")] = ""
    set_control: Annotated[str, Meta(pattern=r"^([A-Za-z0-9]{4,9})?(?!\n)$")] = ""
    errors: Annotated[tuple[AdviceError, ...], Meta(max_length=ERRORS_MAX)] = ()

    def check(self) -> None:
        """Whoever refuses says why."""
        if self.answer == "refused" and not (self.reason or self.text or self.errors):
            raise RuleError("reason: a refusal has one")


_CODES = {"accepted": ACCEPTED, "with_errors": WITH_ERRORS, "refused": REFUSED}
_ANSWERS = {code: answer for answer, code in _CODES.items()}


def write_advice(body: Advice, call: Call) -> Node:
    """The tree of an 824 that answers a set."""
    reason = {"qualifier": call.value("reasons"), "label": body.reason or "OTH"}
    pieces = chunks(body.text) or ([""] if body.reason else [])
    item: Node = {
        "code": _CODES[body.answer],
        "qualifier": "TN",
        "original": body.original,
        "group_control": body.group_control,
        "set_control": body.set_control,
        "set": body.set_id,
        "facts": table_of([reason | {"words": piece} for piece in pieces]),
        "errors": table_of([_write_error(one) for one in body.errors]),
    }
    return _head(call, call.value("action")) | {"items": [item]}


def _write_error(one: AdviceError) -> dict[str, str]:
    return {
        "code": OTHER_ERROR,
        "text": one.text,
        "segment": one.segment,
        "segment_at": str(one.segment_at or ""),
        "element_at": str(one.element_at or ""),
    }


def _head(call: Call, action: str) -> Node:
    day, hour, zone = Clock(call.profile).write(call.at) if call.at else ("", "", "")
    return {
        "reference": call.reference,
        "date": day,
        "time": hour,
        "zone": zone,
        "action": action,
        "parties": parties(call),
    }


def write_dispute(body: Dispute, call: Call) -> Node:
    """The tree of an 824 that disputes lines of an invoice."""
    head = write_facts(body, "824", {}, ("lines", "invoice"))
    items: list[Node] = []
    for number, line in enumerate(body.lines):
        facts = write_facts(line, "824", {}, ("claimed", "expected", "inputs")).rows()
        amounts = ((CLAIMED, line.claimed), (EXPECTED, line.expected))
        items.append(
            {
                "code": ITEM,
                "qualifier": "IV",
                "original": body.invoice,
                "set": "810",
                "facts": table_of(facts if number else [*head_facts(head), *facts]),
                "amounts": table_of([{"code": code, "amount": plain(amount)} for code, amount in amounts]),
                "errors": table_of([_write_input(one) for one in line.inputs]),
            }
        )
    return _head(call, call.value("dispute")) | {"items": items}


# The facts of the dispute itself stand in the first item; the names of fields that a line has too are told apart by this.
_OWN = "OF_DISPUTE_"


def head_facts(head: Table) -> list[dict[str, str]]:
    """The dispute's own fields, marked."""
    return [row | {"label": _OWN + row["label"]} for row in head.rows()]


def _write_input(one: DifferingInput) -> dict[str, str]:
    return {"code": OTHER_ERROR, "text": one.input, "theirs": one.theirs, "ours": one.ours}


def read_answer(node: Node, call: Call) -> Record:
    """The advice or the dispute of an 824's tree; ValueError if it makes neither."""
    items = nodes(node, "items")
    if all(text(item, "code") == ITEM for item in items):
        return _read_dispute(items)
    if len(items) != 1 or text(items[0], "code") == ITEM:
        raise ValueError("an 824 answers one set, or disputes lines of one invoice")
    return _read_advice(items[0], call)


def _read_advice(item: Node, call: Call) -> Advice:
    reasons = [row for row in table(item, "facts").rows() if row.get("qualifier") == call.value("reasons")]
    reason = reasons[0].get("label", "") if reasons else ""
    return Advice(
        original=text(item, "original"),
        set_id=text(item, "set"),
        answer=_ANSWERS[text(item, "code")],  # type: ignore[arg-type]  # the three of the type
        reason="" if reason == "OTH" else reason,
        text="".join(row.get("words", "") for row in reasons),
        group_control=text(item, "group_control"),
        set_control=text(item, "set_control"),
        errors=tuple(_read_error(row) for row in table(item, "errors").rows()),
    )


def _read_error(row: dict[str, str]) -> AdviceError:
    return AdviceError(
        text=row.get("text", ""),
        segment=row.get("segment", ""),
        segment_at=int(row.get("segment_at") or 0),
        element_at=int(row.get("element_at") or 0),
    )


def _read_dispute(items: list[Node]) -> Dispute:
    invoices = {text(item, "original") for item in items}
    if len(invoices) != 1 or any(text(item, "qualifier") != "IV" for item in items):
        raise ValueError("a dispute is of one invoice")
    own: dict[str, list[str]] = {}
    lines = []
    for item in items:
        facts = said(table(item, "facts"), {})
        mark = _OWN.lower()
        own |= {name.removeprefix(mark): words for name, words in facts.items() if name.startswith(mark)}
        rest = {name: words for name, words in facts.items() if not name.startswith(mark)}
        amounts = {row["code"]: Decimal(row["amount"]) for row in table(item, "amounts").rows()}
        inputs = tuple(
            DifferingInput(input=row.get("text", ""), theirs=row.get("theirs", ""), ours=row.get("ours", ""))
            for row in table(item, "errors").rows()
        )
        if not amounts.keys() >= {CLAIMED, EXPECTED}:
            raise ValueError("a disputed line says what is claimed and what is expected")
        more = {"claimed": amounts[CLAIMED], "expected": amounts[EXPECTED], "inputs": inputs}
        lines.append(read_record(DisputedLine, rest, more))
    return read_record(Dispute, own, {"invoice": invoices.pop(), "lines": tuple(lines)})


__all__ = ["MUTUAL", "Advice", "AdviceError", "read_answer", "write_advice", "write_dispute"]
