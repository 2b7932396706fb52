"""`intertie trade mend`: receipts that were lost are asked for, so that both books are one again."""

from __future__ import annotations

import asyncio

from intertie.bindings.parcel_https.witness_client import PatientPages
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_table
from intertie.gateway.sending.ask_receipt import Asked, ask_receipts
from intertie.run import Opened, opened, street_link


def mend(partner: PartyOption, /, *, dir: Dir = HERE, json: Json = False) -> None:
    """Ask a partner for receipts of parcels that were given up without one: what it accepted is delivered, and in the book.

    `intertie trade show` prints the digest of the book on both sides.
    """
    with opened(dir) as it:
        found = asyncio.run(_ask(it, partner))
        digest = it.gateway.books.of(it.gateway.store, partner).ledger.digest()
    lines = [
        {"parcel": one.parcel.id, "message": id, "state": state.value, "why": one.why}
        for one in found
        for id, state in one.messages
    ]
    if json:
        print_json({"messages": lines, "digest": digest})
        return
    rows = [tuple(line.values()) for line in lines]
    print_table("Asked for", ("parcel", "message", "state now", "why"), rows, empty="No receipt is missing.")
    print(f"digest {digest}")


async def _ask(it: Opened, partner: PartyOption) -> list[Asked]:
    link = street_link(it)
    try:
        return await ask_receipts(it.gateway, PatientPages(link), partner, it.clock())
    finally:
        await link.aclose()
