"""What the season came to, read back from the two stores: the object that `intertie demo --json` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from intertie.demo.carried import carried
from intertie.demo.chapters.account import outcome as account_of
from intertie.demo.chapters.tender import outcome
from intertie.demo.feeder import STEPS
from intertie.demo.gateways import AGGREGATORS, UTILITY
from intertie.demo.plan import EVENING, Fate
from intertie.demo.season import Season
from intertie.demo.staff import Office
from intertie.exchange.outbound import DELIVERED, State
from intertie.gateway.ports import MessageRow
from intertie.gateway.proving.export_evidence import export
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.market.confirmation import status
from intertie.market.terms import rule_of
from intertie.model.aggregation import RegistrationDecision
from intertie.model.billing import Dispute, Invoice, RemittanceAdvice
from intertie.model.dispatch import DispatchResponse
from intertie.model.documents import read_message
from intertie.model.errors import EvidenceError
from intertie.model.interval import IntervalSeries
from intertie.model.message import read_envelope
from intertie.model.record import Record
from intertie.model.settlement import EventPerformance, PerformanceStatement

Json = dict[str, Any]


class Summary(NamedTuple):
    """The keys of the object, in their order."""

    flows: dict[str, int]
    receipts: int
    unreceipted: int
    contracts: list[Json]
    tender: list[Json]
    books: list[Json]
    refused: list[Json]
    events: list[Json]
    invoice: Json
    paid: str
    account: Json
    journals_verified: bool
    evidence: str
    carried: list[Json]
    seconds: float
    # Where the aggregator does not speak parcels: evidence of what went in its protocol, and the same season in parcels.
    proved: Json | None = None
    compared: Json | None = None

    @property
    def good(self) -> bool:
        """Every message has its receipt, all journals verify, and both sides of each pair hold the same book; in another protocol
        the evidence verifies, too, and the outcome is that of parcels."""
        proved = self.proved is None or self.proved["verified"] == self.proved["files"] > 0
        compared = self.compared is None or bool(self.compared["same"])
        return self.unreceipted == 0 and self.journals_verified and self.same and proved and compared

    @property
    def same(self) -> bool:
        """Both sides of each pair hold the same book, and make the same statement of account."""
        return all(one["same"] for one in self.books) and bool(self.account["same"])


class Picture(NamedTuple):
    """The peak day at the transformer, in kW: what would have been, what was, and the limit."""

    day: str
    before: list[float]
    after: list[float]
    limit: float  # from 17:00 to 22:00


class _Said(NamedTuple):
    """A message that one side sent, with its body."""

    office: Office
    row: MessageRow
    body: Record


def summarise(season: Season, root: Path, seconds: Callable[[], float]) -> Summary:
    """Everything from the stores of both sides; writes the evidence file of the invoice that was paid."""
    said = [
        _Said(o, row, read_message(row.body)[1])
        for o in _offices(season)
        for row in o.all_messages(outgoing=True)
    ]
    invoice = _last_invoice(said)
    evidence = root / f"{getattr(invoice.body, 'invoice', 'invoice')}.evidence.json"
    evidence.write_bytes(export(invoice.office.gateway, invoice.row.id, season.clock.now))
    return Summary(
        flows=_flows(said),
        receipts=sum(_receipts(office, said) for office in _offices(season)),
        unreceipted=sum(not _receipted(one.office, one.row) for one in said),
        contracts=_contracts(season),
        tender=_tender(season),
        books=_books(season),
        refused=_refused(season, said),
        events=_events(season, said),
        invoice=_invoice(season, invoice, said),
        paid=_paid(season, said),
        account=account_of(season, root, str(getattr(invoice.body, "invoice", ""))),
        journals_verified=all(_verifies(office) for office in _offices(season)),
        evidence=str(evidence),
        carried=carried(season),
        seconds=round(seconds(), 1),
    )


def picture_of(season: Season) -> Picture:
    """The event day with the highest load of those that were followed."""
    net = season.feeder.net()
    followed = [e for e in season.plan.events if e.fate is Fate.ACCEPTED]
    peak = max(followed, key=lambda e: int(net[e.day][EVENING.start : EVENING.stop].max()))
    after = season.world.transformer_watts(peak.day)
    assert len(after) == STEPS
    return Picture(
        day=str(season.feeder.days[peak.day]),
        before=[int(w) / 1000 for w in net[peak.day]],
        after=[w / 1000 for w in after],
        limit=float(season.plan.limit_kw),
    )


def _offices(season: Season) -> tuple[Office, ...]:
    return season.utility.office, season.aggregator.office, season.rival.office


def _contracts(season: Season) -> list[Json]:
    """What is in force between the utility and each aggregator, and the deals under it, as the utility's book has them."""
    found: list[Json] = []
    for who in AGGREGATORS:
        book = season.utility.office.book_with(who).book
        for name, contract in book.contracts.items():
            text = contract.text_at(season.clock.now)
            found.append(
                {
                    "agreement": name,
                    "with": who.short,
                    "state": str(contract.state),
                    "revision": text.revision if text else None,
                    "deals": {deal: str(status(one, season.clock.now)) for deal, one in book.deals.items()},
                }
            )
    return found


def _tender(season: Season) -> list[Json]:
    """The offers of the tender in the order of their arrival."""
    return [
        {
            "offer": one.bidder.offer.offer,
            "from": one.bidder.seller,
            "kw": str(_most(one.bidder.offer.options[0].offered_kw)),
            "price": str(one.bidder.offer.options[0].price.amount),
            "verdict": str(one.verdict),
            "reason": str(one.reason or ""),
            "taken_kw": str(_most(one.kw)) if one.kw else "0",
        }
        for one in outcome(season).taken
    ]


def _most(series: IntervalSeries) -> Decimal:
    return max(series.quantity(i) or Decimal(0) for i in range(len(series.values))).normalize()


def _books(season: Season) -> list[Json]:
    """The digest of the book on both sides of each pair."""
    found: list[Json] = []
    for desk in (season.aggregator, season.rival):
        here, there = season.utility.office.book_with(desk.office.who), desk.office.book_with(UTILITY)
        found.append(
            {
                "with": desk.office.who.short,
                "messages": len(here.events),
                "void": len(here.voids),
                "digest": here.digest(),
                "same": here.digest() == there.digest(),
            }
        )
    return found


def _flows(said: list[_Said]) -> dict[str, int]:
    """Messages that were taken, by category and direction."""
    counts: Counter[str] = Counter()
    for one in said:
        if one.row.state in DELIVERED:
            gateway, partner = one.office.gateway, one.office.gateway.partners.find(one.row.recipient)
            assert partner is not None
            flow = gateway.catalogue.admit(
                read_envelope(one.row.body).header, gateway.party.roles, partner.roles
            )
            counts[f"{flow.category} {one.office.who.short}>{one.office.partner_of(one.row).short}"] += 1
    return dict(sorted(counts.items()))


def _receipts(office: Office, said: list[_Said]) -> int:
    """Parcels of this side whose receipt is in its store."""
    parcels = {one.row.parcel for one in said if one.office is office and one.row.parcel is not None}
    found = [office.store.parcel(parcel, outgoing=True) for parcel in parcels]
    return sum(1 for parcel in found if parcel is not None and parcel.receipt is not None)


def _receipted(office: Office, row: MessageRow) -> bool:
    """Whether the partner's signed receipt says what became of the message."""
    if row.parcel is None or row.state not in DELIVERED | {State.REFUSED}:
        return False
    parcel = office.store.parcel(row.parcel, outgoing=True)
    return parcel is not None and parcel.receipt is not None


def _refused(season: Season, said: list[_Said]) -> list[Json]:
    """Refusals of all kinds, with the reason: by the own gateway, of messages, of DERs, of dispatches."""
    found: list[Json] = [
        {"what": "rule", "id": one.name, "from": one.who, "reason": one.why} for one in season.broken
    ]
    for one in said:
        if one.row.state is State.REFUSED:
            found.append(
                {
                    "what": "message",
                    "id": one.row.id,
                    "document": one.row.document,
                    "from": one.office.who.short,
                    "reason": one.row.detail,
                }
            )
        if isinstance(one.body, RegistrationDecision):
            found += [
                {
                    "what": "der",
                    "id": decision.der,
                    "from": "aggregator",
                    "reason": f"{decision.reason}: {decision.detail}",
                }
                for decision in one.body.decisions
                if not decision.accepted
            ]
        if isinstance(one.body, DispatchResponse) and one.body.answer == "refused":
            reason = f"{one.body.reason}: {one.body.text}"
            found.append({"what": "dispatch", "id": one.body.dispatch, "from": "utility", "reason": reason})
        if isinstance(one.body, Dispute):
            found += [
                {
                    "what": "invoice line",
                    "id": f"{one.body.invoice}/{line.line}",
                    "from": "aggregator",
                    "reason": f"{line.text}: claimed {line.claimed}, expected {line.expected}"
                    + "".join(f"; {i.input}: {i.theirs} / {i.ours}" for i in line.inputs),
                }
                for line in one.body.lines
            ]
    return found


def _events(season: Season, said: list[_Said]) -> list[Json]:
    """Every dispatch with what was asked and delivered, in kW over its window."""
    settled: dict[str, EventPerformance] = {}
    for one in said:
        if isinstance(one.body, PerformanceStatement):
            settled |= {event.dispatch: event for event in one.body.events}
    books = season.utility.books
    method = rule_of(books.confirmed()).text()
    found: list[Json] = []
    for call in books.instructions():
        event = settled.get(call.dispatch)
        hours = call.window.hours
        asked = call.target_kw.total() / len(call.target_kw.values)
        delivered = event.delivered_kwh.total() / hours if event else Decimal(0)
        found.append(
            {
                "dispatch": call.dispatch,
                "start": call.window.start.isoformat(),
                "hours": str(hours),
                "answer": books.answer(call.dispatch),
                "asked_kw": str(round(asked, 1)),
                "delivered_kw": str(round(delivered, 1)) if event else None,
                "factor": str(event.performance_factor) if event else None,
                "baseline": method if event else None,
                "adjustment": str(event.adjustment_factor) if event else None,
                "days_used": [str(day) for day in event.days_used] if event else [],
                "days_excluded": [f"{one.day} {one.reason}" for one in event.days_excluded] if event else [],
            }
        )
    return found


def _last_invoice(said: list[_Said]) -> _Said:
    """The invoice that replaced a disputed one."""
    return next(one for one in said if isinstance(one.body, Invoice) and one.body.corrects is not None)


def _invoice(season: Season, one: _Said, said: list[_Said]) -> Json:
    assert isinstance(one.body, Invoice)
    invoice = one.body
    before = next(o.body for o in said if isinstance(o.body, Invoice) and o.body.invoice == invoice.corrects)
    assert isinstance(before, Invoice)
    return {
        "invoice": invoice.invoice,
        "from": one.office.who.short,
        "period": f"{season.utility.books.local_day(invoice.period.start)} to "
        f"{season.utility.books.local_day(invoice.period.end - timedelta(seconds=1))}",
        "corrects": invoice.corrects,
        "disputed_total": str(before.total.amount),
        "lines": [
            {
                "line": line.line,
                "code": line.code.value,
                "text": line.text,
                "quantity": str(line.quantity),
                "unit": line.unit,
                "rate": str(line.rate),
                "amount": str(line.amount),
            }
            for line in invoice.lines
        ],
        "total": str(invoice.total.amount),
        "currency": invoice.total.currency,
        "rounding": invoice.rounding,
        "baseline": rule_of(season.utility.books.confirmed()).text(),
    }


def _paid(season: Season, said: list[_Said]) -> str:
    """All that the utility paid the aggregator."""
    paid = [
        one.body.total
        for one in said
        if isinstance(one.body, RemittanceAdvice) and one.office is season.utility.office
    ]
    return str(sum(paid[1:], paid[0])) if paid else "nothing"


def _verifies(office: Office) -> bool:
    try:
        verify_journal(office.store)
    except EvidenceError:
        return False
    return True
