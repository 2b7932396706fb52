"""What must hold after a run, whatever happened in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from intertie.exchange.escalation import Look, look_at
from intertie.exchange.outbound import DELIVERED, FINAL, State
from intertie.gateway.ports import MessageRow, Query
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.gateway.sending.resend import uncertain
from intertie.journal.entry import read_entry
from intertie.model.errors import IntertieError
from intertie.model.ids import MessageId, PartyId
from intertie.seal.receipt import RECEIPT_TYP, read_jws, read_receipt
from sim.disk import Strike
from sim.run import HORIZON, LIVES, TROUBLE, Result
from sim.world import Site

ALL = 100_000
# Seconds: a few retries at their ceiling.
SOON = 60.0
# A site looks for what is late this often, and needs to be up for it.
LOOK = timedelta(seconds=30)


class Violation(AssertionError):
    """Something that must never be."""


def check(result: Result) -> None:
    """Violation with the rule that was broken and where."""
    for broken in violations(result):
        raise Violation(f"seed {result.seed}: {broken}")


def violations(result: Result) -> Iterator[str]:
    """Every rule that does not hold."""
    for site in result.sites.values():
        yield from _promised(result, site)
        yield from _ended(site)
        yield from _once(site)
        yield from _journal(result, site)
        yield from _escalations(result, site)
        for partner in result.sites.values():
            if partner is not site:
                yield from _agree(site, partner)
                yield from _in_order(site, partner)
    yield from _receipts(result)
    yield from _recovered(result)
    for parcel, digests in result.parcels.items():
        if len(digests) != 1:
            yield f"parcel {parcel} went with {len(digests)} different contents"


def _out(site: Site, to: PartyId | None = None) -> list[MessageRow]:
    return site.store.messages(Query(outgoing=True, limit=ALL, partner=to))


def _in(site: Site, sender: PartyId | None = None) -> list[MessageRow]:
    return site.store.messages(Query(outgoing=False, limit=ALL, partner=sender))


def _promised(result: Result, site: Site) -> Iterator[str]:
    """A message whose id was given out is there."""
    kept = {row.id for row in _out(site)}
    for party, message in result.promised:
        if party == site.party and message not in kept:
            yield f"{party} promised to send {message} and does not know it"


def _ended(site: Site) -> Iterator[str]:
    """Everything ends in receipt, refusal or expiry; nothing is counted wrong."""
    rows = _out(site)
    for row in rows:
        if row.state not in FINAL:
            yield f"{site.party}: {row.id} is {row.state} for ever ({row.detail})"
        parcel = site.store.parcel(row.parcel, outgoing=True) if row.parcel else None
        if row.state in DELIVERED and (parcel is None or parcel.receipt is None):
            yield f"{site.party}: {row.id} is {row.state} without a receipt"
    counted = Counter((True, row.state.value) for row in rows)
    counted.update((False, row.state.value) for row in _in(site))
    if site.store.counts() != dict(counted):
        yield f"{site.party} counts {site.store.counts()}, there are {dict(counted)}"


def _once(site: Site) -> Iterator[str]:
    """One effect per id."""
    for (sender, message), count in Counter((row.sender, row.id) for row in _in(site)).items():
        if count != 1:
            yield f"{site.party} took {message} of {sender} {count} times"


def _agree(site: Site, partner: Site) -> Iterator[str]:
    """What the sender knows of a message is true of its recipient."""
    held = {row.id: row for row in _in(partner, site.party)}
    sent = _out(site, partner.party)
    for row in sent:
        there = held.get(row.id)
        if there is not None and there.leaf != row.leaf:
            yield f"{row.id} arrived at {partner.party} with other bytes"
        if row.state in DELIVERED and there is None:
            yield f"{row.id} was acknowledged by {partner.party} and is lost"
        if row.state in (State.CANCELLED, State.FAILED) and there is not None:
            yield f"{row.id} was {row.state} and has arrived at {partner.party}"
        if row.state is State.REFUSED and there is not None and not uncertain(site.gateway, row):
            yield f"{row.id} is refused and {partner.party} has it"
    for message in held.keys() - {row.id for row in sent}:
        yield f"{partner.party} has {message}, which {site.party} never sent"


def _in_order(site: Site, partner: Site) -> Iterator[str]:
    """Inside a conversation messages arrive in the order in which they were sent."""
    sent = {row.id: row.seq for row in _out(site, partner.party)}
    last: dict[str, tuple[int, MessageId]] = {}
    for row in _in(partner, site.party):
        if row.conversation is None or row.id not in sent:
            continue
        before = last.get(row.conversation, (0, row.id))
        if sent[row.id] < before[0]:
            yield f"{row.id} came to {partner.party} after {before[1]} of the same conversation {row.conversation}"
        last[row.conversation] = sent[row.id], row.id


def _recovered(result: Result) -> Iterator[str]:
    """Once nothing goes wrong any more, what waits goes soon: also after a clock was put back."""
    rates = result.rates
    if rates is None or rates.trouble:
        return
    # With clocks two hours apart messages from the future are tried until they end.
    until = 2 * TROUBLE + SOON + (max(LIVES) if rates.step else 0.0)
    if (result.settled or HORIZON) > until:
        yield f"only after {result.settled} seconds everything was settled"


def _receipts(result: Result) -> Iterator[str]:
    """Every receipt that was handed out, whether it arrived or not, is true."""
    held = {party: {(row.sender, row.id) for row in _in(site)} for party, site in result.sites.items()}
    said: dict[tuple[PartyId, PartyId, str], bytes] = {}
    for writer, sender, raw in result.receipts:
        receipt = read_receipt(read_jws(raw, RECEIPT_TYP, limit=len(raw)).payload)
        before = said.setdefault((writer, sender, receipt.parcel), raw)
        if before != raw:
            yield f"{writer} gave two receipts for {receipt.parcel}"
        for outcome in receipt.outcomes:
            there = (sender, outcome.message) in held[writer]
            if outcome.status in ("accepted", "duplicate") and not there:
                yield f"{writer} acknowledged {outcome.message} of {sender} and lost it"


def _journal(result: Result, site: Site) -> Iterator[str]:
    """The journal verifies, and what others were told of it is a part of its past."""
    heads = [
        head
        for other in result.sites.values()
        if other is not site
        for head in other.store.partner_heads(site.party)
    ]
    try:
        verify_journal(site.store, heads)
    except IntertieError as error:
        yield f"{site.party}'s journal: {error.why}"


def _escalations(result: Result, site: Site) -> Iterator[str]:
    """Urgent messages that were not delivered in time escalate, each once."""
    entries = [read_entry(raw) for _, raw, _ in site.store.entries(limit=ALL)]
    count = Counter(entry.message for entry in entries if entry.note == "escalated")
    for message, times in count.items():
        if times != 1:
            yield f"{site.party} escalated {message} {times} times"
    yield from _mails(site)
    rows = _out(site)
    marks = site.store.marks([row.id for row in rows])
    for row in rows:
        mark = marks.get(row.id)
        if mark is None:
            continue
        if (mark.escalated is not None) != (count[row.id] == 1):
            yield f"{site.party}: the journal and the watch over {row.id} differ"
        due = mark.answer_by is not None and mark.answer_by < result.ended[site.party] - LOOK
        if due and mark.escalated is None and look_at(row.state) is Look.ESCALATE:
            yield f"{site.party}: {row.id} is {row.state} and nobody heard of it"


def _mails(site: Site) -> Iterator[str]:
    """Of each escalation one mail, and another only where it was not kept that there was one."""
    told = Counter(
        line.split()[1] for mail in site.mails for line in mail.splitlines() if line[:8] == "message "
    )
    for row in site.store.escalated(limit=ALL):
        if not told[row.id]:
            yield f"{site.party} told nobody of {row.id}"
    lost = sum(site.disk.struck["set_told", strike] for strike in (Strike.CRASH_LOST, Strike.ERROR_LOST))
    if sum(told.values()) > len(told) + lost:
        yield f"{site.party} told {sum(told.values())} times of {len(told)} escalations"
