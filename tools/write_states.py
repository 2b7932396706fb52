"""Draw docs/states.md from the state tables in `exchange/`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from intertie.exchange import escalation, inbound, joining, outbound, relaying
from intertie.exchange.outbound import DELIVERED, FINAL, ParcelState
from intertie.market import (
    asset_outage,
    billing_state,
    confirmation,
    contract,
    dispatch_state,
    dispute,
    offer_state,
    outage,
    registry,
)

PAGE = Path("docs") / "states.md"

HEAD = """# States

Drawn from the tables in `src/intertie/exchange/` and `src/intertie/market/` by `make docs`; a test keeps this
page current. An event that a table does not have is an error with a name (`ImpossibleEvent`), never ignored.
"""

MESSAGE = """## An outgoing message

`queued` and `sending` are on their way; all other states are final, but for one thing: a receipt that comes after we gave
up is still a receipt. Only a receipt delivers. `duplicate` means that the partner had the message already: delivered.
A message in `sending` shares the fate of its parcel; only a queued one can be taken back. A refusal that time, other
keys or a smaller parcel can mend (`requeue`) lets it go again in another parcel. What is refused, expired or
failed is a dead letter: an operator may send its content again, once, as a new message
([dead-letters.md](dead-letters.md)). `handed_over` is the end of what left by a way on which nothing comes back: it counts as
neither delivered nor lost, its time does not end it, and a receipt that somebody carries back still counts
([relay.md](relay.md), "One way").
"""

RELAY = """## A parcel of others, at a relay: its way on

`taken` goes to its next hop until its end, the same bytes again and again; `passed` is with the next relay. Each of the other
three is told to whoever handed the parcel over. A late receipt still counts ([relay.md](relay.md)).
"""

BACK = """## What became of a parcel of others: its way back
"""

PARCEL = """## An outgoing parcel

No answer leaves it `waiting`: the outcome is unknown, and the same bytes go again, later and later, until the last of its
messages expires. Nothing changes a parcel that has its receipt.
"""

WATCH = """## The watch over an urgent message

An outage notice or a dispatch has until its flow's latency to be answered. After that, one look decides: delivered or taken
back closes the watch, all else escalates, once ([dead-letters.md](dead-letters.md)).
"""

INBOUND = """## An incoming message

What we hold under a sender's message id, what arrives under it, and what the receipt then says. A refused message
leaves its id free, so that the sender can mend it and send it again.
"""

JOINING = """## A new partner

Each side has a table of its own ([onboarding.md](onboarding.md)). Joining again with the same code, by the same joiner, is
how a lost answer is mended. After the words are confirmed only the test conversation runs, in both directions; after
`live` it never does again.
"""

CONTRACT = """## A base contract

An amendment goes from `proposed` to `in_force` or `declined` by itself, beside the contract that it amends. A termination that is
to come, and the end that the text states, are facts of time: `status` says them ([trade.md](trade.md)).
"""

DEAL = """## A transaction confirmation

Out of `open` time alone leads to `deemed_accepted`: at the deadline, if nobody objected.
"""

MARKET = """## A need, an offer to it, and a counter

That a gate has closed, an offer has expired, or a key did not come in time are facts of time: `need_standing`, `offer_standing`
and `counter_standing` say them ([market.md](market.md)).
"""


RECORD = """## A DER's record

Each registration or change makes a new version of it; of the accepted ones the newest counts ([grid.md](grid.md)).
"""

OUTAGE = """## An outage
"""

ASSETS = """## An outage of DERs
"""

DISPATCH = """## A dispatch

That nobody answered in time, and that all of it is owed then, follows from the time at which one asks
([dispatch.md](dispatch.md)).
"""


INVOICE = """## An invoice

That it is late, or disputed, is a question to `standing`: of a day, and of what disputes hold back ([billing.md](billing.md)).
"""

DISPUTE = """## A dispute

Raised by whoever was charged, answered line by line by the other side (`market/dispute.py`). A line that was rejected may be
answered again. After the days of the cover sheet, what is not resolved goes where the contract says; time alone stores nothing.
"""


def main() -> None:
    """Write the page of this checkout."""
    write(Path(__file__).parent.parent)


def write(root: Path) -> None:
    """Write the page below `root`."""
    (root / PAGE).parent.mkdir(parents=True, exist_ok=True)
    (root / PAGE).write_text(page(), encoding="utf-8")


def page() -> str:
    """The text of the page."""
    message = _diagram(outbound.TABLE, outbound.STARTS, FINAL, "outbound.TABLE")
    parcel = _diagram(
        outbound.PARCEL_TABLE,
        ParcelState.WAITING,
        {ParcelState.RECEIPTED, ParcelState.ABANDONED},
        "outbound.PARCEL_TABLE",
    )
    delivered = ", ".join(f"`{state}`" for state in sorted(DELIVERED))
    return "\n".join(
        [
            HEAD,
            MESSAGE,
            message,
            f"Delivered: {delivered}.\n",
            PARCEL,
            parcel,
            RELAY,
            _diagram(relaying.TABLE, relaying.Passage.TAKEN, relaying.ENDS, "relaying.TABLE"),
            _meanings(relaying.Passage),
            BACK,
            _diagram(
                relaying.BACK_TABLE,
                relaying.Back.NOTHING,
                {relaying.Back.GIVEN, relaying.Back.LOST},
                "relaying.BACK_TABLE",
            ),
            _meanings(relaying.Back),
            WATCH,
            _diagram(escalation.TABLE, escalation.Watch.OPEN, {escalation.Watch.CLOSED}, "escalation.TABLE"),
            _meanings(escalation.Watch),
            INBOUND,
            _verdicts(),
            JOINING,
            _diagram(joining.TABLE, joining.State.INVITED, joining.FINAL, "joining.TABLE"),
            _meanings(joining.State),
            CONTRACT,
            _diagram(contract.TABLE, contract.STARTS, contract.FINAL, "contract.TABLE"),
            _meanings(contract.State),
            DEAL,
            _diagram(
                confirmation.TABLE,
                confirmation.STARTS,
                {confirmation.State.ACCEPTED},
                "confirmation.TABLE",
            ),
            _meanings(confirmation.State),
            RECORD,
            _diagram(registry.TABLE, registry.STARTS, registry.FINAL, "registry.TABLE"),
            _meanings(registry.Standing),
            OUTAGE,
            _diagram(outage.TABLE, outage.STARTS, outage.FINAL, "outage.TABLE"),
            _meanings(outage.State),
            ASSETS,
            _diagram(asset_outage.TABLE, asset_outage.STARTS, asset_outage.FINAL, "asset_outage.TABLE"),
            DISPATCH,
            _diagram(
                dispatch_state.TABLE, dispatch_state.STARTS, dispatch_state.FINAL, "dispatch_state.TABLE"
            ),
            _meanings(dispatch_state.State),
            INVOICE,
            _diagram(billing_state.TABLE, billing_state.STARTS, billing_state.FINAL, "billing_state.TABLE"),
            _meanings(billing_state.State),
            DISPUTE,
            _diagram(dispute.TABLE, dispute.STARTS, dispute.FINAL, "dispute.TABLE"),
            _meanings(dispute.State),
            MARKET,
            *_market(),
        ]
    )


def _market() -> list[str]:
    """The three tables of market/offer_state.py, each phase that nothing leaves being an end."""
    tables = [
        (offer_state.NEED_TABLE, offer_state.NeedPhase, "offer_state.NEED_TABLE"),
        (offer_state.OFFER_TABLE, offer_state.OfferPhase, "offer_state.OFFER_TABLE"),
        (offer_state.COUNTER_TABLE, offer_state.CounterPhase, "offer_state.COUNTER_TABLE"),
    ]
    parts = []
    for table, phase, source in tables:
        ends = set(phase) - {before for before, _ in table}
        parts += [_diagram(table, phase("absent"), ends, source), _meanings(phase)]
    return parts


def _diagram(
    table: Mapping[tuple[StrEnum, StrEnum], StrEnum],
    start: StrEnum,
    final: set[StrEnum] | frozenset[StrEnum],
    source: str,
) -> str:
    """A mermaid state diagram; events between the same two states share an arrow."""
    arrows: dict[tuple[StrEnum, StrEnum], list[str]] = {}
    for (before, event), after in table.items():
        arrows.setdefault((before, after), []).append(event.value.replace("_", " "))
    lines = [f"    [*] --> {start.value}"]
    lines += [
        f"    {a.value} --> {b.value}: {', '.join(sorted(events))}" for (a, b), events in arrows.items()
    ]
    lines += [f"    {state.value} --> [*]" for state in type(start) if state in final]
    return "\n".join(["```mermaid", f"%% {source}", "stateDiagram-v2", *lines, "```", ""])


def _verdicts() -> str:
    """The inbound table as a table."""
    meaning = _comments(inbound.Arrival)
    lines = ["| we hold | arrives | receipt says | code | then we hold |", "|---|---|---|---|---|"]
    for (standing, arrival), verdict in inbound.TABLE.items():
        refused = "of the rule" if verdict.status == "refused" else ""
        code = f"`{verdict.code}`" if verdict.code else refused
        said = f"{arrival.value}: {meaning[arrival.name]}"
        lines.append(f"| {standing.value} | {said} | {verdict.status} | {code} | {verdict.standing.value} |")
    return "\n".join([*lines, ""])


def _meanings(enum: type[StrEnum]) -> str:
    """The members that the source says something of."""
    said = _comments(enum)
    return "\n".join(
        [*(f"- `{member.value}`: {said[member.name]}" for member in enum if member.name in said), ""]
    )


def _comments(enum: type[StrEnum]) -> dict[str, str]:
    """What the source says behind each member."""
    found = {}
    for line in inspect.getsource(enum).splitlines():
        member, mark, comment = line.partition("  # ")
        if mark:
            found[member.split("=")[0].strip()] = comment
    return found


if __name__ == "__main__":
    main()
