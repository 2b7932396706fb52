"""Rules broken on purpose, one at a time: what the simulator must find. Each says what a run then comes to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any, NamedTuple
from unittest.mock import patch

from intertie.exchange import ordering
from intertie.exchange.ordering import Ahead
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.ports import MessageRow, ParcelRow
from intertie.gateway.sending import answers
from intertie.model.errors import Refused
from intertie.seal.receipt import JournalHead, Outcome, Receipt
from intertie.seal.tree import EMPTY_ROOT, Frontier, root
from intertie.stores.memory import MemoryStore
from sim.disk import Disk
from sim.run import Simulation
from sim.world import Site


class Mistake(NamedTuple):
    """Something replaced by something wrong, and the words of the violation that it must lead to."""

    replaced: Mapping[str, Any]
    found: str


def _any_order(due: Any, ahead: Any, **limits: int) -> list[int]:
    return ordering.choose(due, lambda conversation, seq: Ahead(False, ()), **limits)


_accept = MemoryStore.accept


def _accept_again(store: MemoryStore, parcel: ParcelRow, *args: Any, **kwargs: Any) -> bytes:
    """The store knows neither parcels nor ids from before."""
    store._parcels.pop((parcel.id, False, parcel.partner), None)
    return _accept(store, parcel, *args, **kwargs)


_disk = Disk.__init__


def _answer_first(disk: Disk, *args: Any) -> None:
    _disk(disk, *args)
    disk.answers_first = True


_read_receipt = answers.read_receipt_of


def _believe(gateway: Gateway, partner: Partner, parcel: ParcelRow, raw: bytes, now: datetime) -> Receipt:
    """200 is 200."""
    try:
        return _read_receipt(gateway, partner, parcel, raw, now)
    except Refused:
        leaves = [parcel.leaves[i : i + 32] for i in range(0, len(parcel.leaves), 32)]
        return Receipt(
            v=1,
            parcel=parcel.id,
            root=root(leaves).hex(),
            sender=partner.party,
            recipient=gateway.party.id,
            received=now,
            outcomes=tuple(Outcome(leaf=leaf.hex(), status="accepted") for leaf in leaves),
            journal=JournalHead(size=0, root=EMPTY_ROOT.hex()),
        )


def _never(*_: Any) -> list[Any]:
    return []


def _due_by_the_clock(next_attempt: datetime | None, now: datetime) -> bool:
    return next_attempt is None or next_attempt <= now


_escalate = MemoryStore.escalate


def _escalate_again(store: MemoryStore, now: datetime) -> list[MessageRow]:
    found = _escalate(store, now)
    store._escalated.clear()
    return found


_start = Simulation.start


def _cut_and_start(simulation: Simulation, site: Site) -> None:
    """The last line of the journal was not on disk."""
    store = site.store
    assert isinstance(store, MemoryStore)
    del store._lines[-1:]
    frontier = Frontier()
    for _, _, leaf in store._lines:
        frontier.append(leaf)
    store._nodes = frontier.to_bytes()
    _start(simulation, site)


_unfinished = MemoryStore.unfinished_parcel


def _other_bytes(store: MemoryStore, *args: Any, **named: Any) -> ParcelRow | None:
    row = _unfinished(store, *args, **named)
    return row if row is None or row.blob is None else row._replace(blob=row.blob + b" ")


MISTAKES: dict[str, Mistake] = {
    "order is not kept": Mistake({"intertie.stores.memory.choose": _any_order}, "of the same conversation"),
    "repeats are not known": Mistake(
        {
            "intertie.stores.memory.MemoryStore.accept": _accept_again,
            "intertie.stores.memory.MemoryStore.find_incoming": lambda *_: {},
            "intertie.stores.memory.MemoryStore.find_incoming_parcel": lambda *_: None,
        },
        " times",
    ),
    "the answer leaves before the write": Mistake(
        {"sim.disk.Disk.__init__": _answer_first}, r"lost|two receipts|journal"
    ),
    "any 200 is a receipt": Mistake(
        {"intertie.gateway.sending.answers.read_receipt_of": _believe}, "is lost"
    ),
    "nothing expires that was sent": Mistake(
        {
            "intertie.gateway.sending.answers.close_expired": _never,
            "intertie.gateway.sending.expire.close_expired": _never,
        },
        "for ever",
    ),
    "a clock put back holds up retries": Mistake(
        {"intertie.exchange.outbound.is_due": _due_by_the_clock}, "everything was settled"
    ),
    "each look escalates": Mistake(
        {"intertie.stores.memory.MemoryStore.escalate": _escalate_again}, "escalated"
    ),
    "nobody keeps that a mail was sent": Mistake(
        {"intertie.stores.memory.MemoryStore.set_told": _never}, "escalations"
    ),
    "the journal loses its last line": Mistake({"sim.run.Simulation.start": _cut_and_start}, "journal"),
    "a retry has other bytes": Mistake(
        {"intertie.stores.memory.MemoryStore.unfinished_parcel": _other_bytes},
        "different contents|refused and",
    ),
}


@contextmanager
def broken(mistake: Mistake) -> Iterator[None]:
    """With this rule broken."""
    with ExitStack() as stack:
        for place, wrong in mistake.replaced.items():
            stack.enter_context(patch(place, wrong))
        yield
