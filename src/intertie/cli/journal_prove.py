"""`intertie journal prove`: a message is in the partner's journal."""

from __future__ import annotations

import asyncio

from intertie.bindings.parcel_https.witness_client import PatientPages
from intertie.cli._shared import HERE, Dir, Json, print_json, print_table, when
from intertie.gateway.ports import MessageRow
from intertie.gateway.proving.export_evidence import NoEvidenceError
from intertie.gateway.proving.prove_message import Proven, prove_message
from intertie.model.ids import MessageId
from intertie.run import Opened, opened, street_link


def prove(id: MessageId, /, *, dir: Dir = HERE, json: Json = False) -> None:
    """Ask the partner to prove that a message, sent or received, is in its journal, under a head that it signs.

    Parameters
    ----------
    id
        The message's id.
    """
    with opened(dir) as it:
        row = it.gateway.store.message(id)
        if row is None:
            raise NoEvidenceError(
                f"no message {id} here", do="`intertie inbox` and `intertie outbox` list them"
            )
        proven = asyncio.run(_prove(it, row))
    size, root = proven.head
    if json:
        entries = [{"index": index, "entry": entry} for index, entry in proven.entries]
        print_json({"partner": proven.partner.party, "size": size, "root": root.hex(), "entries": entries})
        return
    print(f"{proven.partner.party} signed at {when(proven.at)}: {size} entries, root {root.hex()}")
    rows = [(index, entry.kind.value, when(entry.at), entry.digest) for index, entry in proven.entries]
    print_table("In its journal, proven", ("entry", "what", "at", "digest"), rows, empty="nothing")


async def _prove(it: Opened, row: MessageRow) -> Proven:
    link = street_link(it)
    try:
        return await prove_message(it.gateway, PatientPages(link), row, it.clock())
    finally:
        await link.aclose()
