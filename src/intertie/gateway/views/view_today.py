"""What needs somebody now, in one list: urgent messages without an answer, partners that are stuck, what came to nothing,
disputes and invoices that wait for us, certificates that end. Bounded work, whatever is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from urllib.parse import quote, urlencode

from intertie.exchange.outbound import State
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.operating.readiness import certificate_ends
from intertie.gateway.ports import MessageRow
from intertie.gateway.sending.resend import why_dead
from intertie.market import confirmation, dispute
from intertie.market.book import Book
from intertie.market.dispatch_state import State as Dispatched
from intertie.market.offer_state import Standing, need_standing
from intertie.market.registry import waiting
from intertie.model.errors import IntertieError
from intertie.model.party import Role
from intertie.seal.certificates import read_certificate

Weight = Literal["now", "soon", "know"]
# A person reads a screen or two; the lists behind each line have the rest.
LINES_MAX = 50
# A certificate is renewed by a person who must find another person: a month.
CERTIFICATE_SOON = timedelta(days=30)
CERTIFICATE_NOW = timedelta(days=7)
# A partner whose oldest message waits longer than this, with an answer due within minutes, is stuck.
STUCK = timedelta(minutes=5)
# Dead letters of the last days need a decision; those before were left.
LATELY = timedelta(days=7)


class Need(NamedTuple):
    """One thing: how soon, what, since when, and the path of the page where it is acted on."""

    weight: Weight
    what: str
    detail: str
    since: datetime | None
    link: str


class Today(NamedTuple):
    """All of it, the most pressing first; `more` says that there was more than is shown."""

    needs: list[Need]
    more: bool
    queued: int
    partners: int


def read_today(gateway: Gateway, now: datetime, *, books: bool = True) -> Today:
    """What needs somebody now. `books`: also what stands in the books of the trade, for those who may read them."""
    needs = [
        *_urgent(gateway, now),
        *_stuck(gateway, now),
        *_dead(gateway, now),
        *_certificates(gateway, now),
        *_partners(gateway, now),
    ]
    if books:
        for partner in gateway.partners.all():
            needs += _book(gateway, partner, now)
    order = {"now": 0, "soon": 1, "know": 2}
    needs.sort(key=lambda one: (order[one.weight], -(one.since or now).timestamp()))
    queues = gateway.store.queues()
    return Today(
        needs=needs[:LINES_MAX],
        more=len(needs) > LINES_MAX,
        queued=sum(line.queued + line.sending for line in queues),
        partners=len(gateway.partners.all()),
    )


def _open(row: MessageRow) -> bool:
    return row.state in (State.QUEUED, State.SENDING)


def _urgent(gateway: Gateway, now: datetime) -> Iterator[Need]:
    """Outages and dispatches that were not acknowledged in time, and still are not."""
    for row in gateway.store.unanswered(LINES_MAX):
        yield Need(
            "now",
            f"{_words(row.document)} to {row.recipient} is not acknowledged",
            "Call them; look at the message for what was tried.",
            row.at,
            f"/messages/{row.id}",
        )


def _stuck(gateway: Gateway, now: datetime) -> Iterator[Need]:
    for line in gateway.store.queues():
        waited = now - line.oldest
        if waited < STUCK or line.priority > 1:
            continue
        yield Need(
            "now",
            f"{line.queued + line.sending} urgent messages wait for {line.partner}",
            "Its gateway may be down, or the way to it.",
            line.oldest,
            f"/partners/{line.partner}",
        )
    for stop in gateway.store.stops():
        if stop.until > now:
            who = f"We asked {stop.partner} to pause" if stop.ours else f"{stop.partner} asked us to pause"
            yield Need("know", who, "What can wait is held back.", stop.since, f"/partners/{stop.partner}")


def _dead(gateway: Gateway, now: datetime) -> Iterator[Need]:
    """What came to nothing and was neither sent again nor left."""
    for row in gateway.store.dead_letters(limit=LINES_MAX, newest=True):
        if (row.done_at or row.at) < now - LATELY:
            continue
        yield Need(
            "soon",
            f"{_words(row.document)} to {row.recipient} came to nothing",
            why_dead(row),
            row.done_at or row.at,
            f"/messages/{row.id}",
        )


def _certificates(gateway: Gateway, now: datetime) -> Iterator[Need]:
    try:
        ends = list(certificate_ends(gateway))
    except IntertieError as error:
        yield Need("now", "Our keys do not open", error.why, None, "/settings")
        return
    for use, end in ends:
        if end < now + CERTIFICATE_SOON:
            weight: Weight = "now" if end < now + CERTIFICATE_NOW else "soon"
            yield Need(
                weight,
                f"Our certificate for {use} ends",
                "`intertie keys rotate` makes a new one.",
                end,
                "/settings",
            )


def _partners(gateway: Gateway, now: datetime) -> Iterator[Need]:
    for partner in gateway.partners.all():
        if partner.trial is not None:
            yield Need(
                "know",
                f"{partner.party} is not live yet",
                "Its flows are being proven.",
                None,
                f"/partners/{partner.party}",
            )
        for alg, chains in partner.keys.signing.items():
            end = max(
                (read_certificate(chain[0]).not_valid_after_utc for chain in chains if chain), default=None
            )
            if end is not None and end < now + CERTIFICATE_SOON:
                yield Need(
                    "soon",
                    f"{partner.party}'s certificate for {alg} ends",
                    "Ask them for their new ones.",
                    end,
                    f"/partners/{partner.party}",
                )


def _book(gateway: Gateway, partner: Partner, now: datetime) -> Iterator[Need]:
    """What stands in the book with a partner and waits for an answer."""
    book = gateway.books.of(gateway.store, partner.party).ledger.book
    at = f"/partners/{partner.party}"
    for deal_name, deal in book.deals.items():
        if confirmation.status(deal, now) is confirmation.State.OPEN and deal.answerer == gateway.party.id:
            yield Need(
                "soon",
                f"Deal {deal_name} waits for our answer",
                "Unanswered it counts as accepted.",
                deal.deadline,
                at,
            )
    for name, one in book.dispatches.items():
        waits = one.state in (Dispatched.ISSUED, Dispatched.CHANGED)
        if waits and one.instruction.window.end > now:
            ours = Role.DER_AGGREGATOR in gateway.party.roles
            yield Need(
                "now",
                f"Dispatch {name} waits for {'our' if ours else 'their'} answer",
                f"It begins {one.instruction.window.start:%Y-%m-%d %H:%M} UTC.",
                one.instruction.respond_by,
                f"/dispatch/one?{urlencode({'partner': partner.party, 'dispatch': name})}",
            )
    yield from _market(gateway, partner, book, now)
    for dispute_name, raised in book.disputes.items():
        if raised.state is dispute.State.OPEN:
            ours = raised.by != gateway.party.id
            what = "waits for our answer" if ours else "waits for their answer"
            where = f"/settlement/{partner.party}/disputes/{quote(dispute_name)}"
            yield Need(
                "soon" if ours else "know", f"Dispute {dispute_name} {what}", "", raised.received, where
            )


def _market(gateway: Gateway, partner: Partner, book: Book, now: datetime) -> Iterator[Need]:
    """DERs that wait for the utility's decision, and needs whose gate has closed."""
    if Role.DISTRIBUTION_UTILITY not in gateway.party.roles:
        return
    waits = waiting(book.registry, now)
    if waits:
        yield Need(
            "soon",
            f"{len(waits)} DERs of {partner.party} wait for our decision",
            "Nothing is accepted by silence.",
            min(one.due for one in waits),
            f"/registration?{urlencode({'partner': partner.party, 'standing': 'offered'})}",
        )
    for name, need in book.offers.needs.items():
        standing = need_standing(need, now)
        if standing in (Standing.GATE_CLOSED, Standing.OVERDUE):
            yield Need(
                "now" if standing is Standing.OVERDUE else "soon",
                f"Need {name} waits for its award",
                f"Its gate has closed; {partner.party} was asked.",
                need.need.decide_by,
                f"/market?{urlencode({'need': name})}",
            )


def _words(name: str) -> str:
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]
