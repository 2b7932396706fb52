"""`intertie erase`: bodies that must not be kept any longer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import (
    HERE,
    Dir,
    Json,
    PartyOption,
    message_json,
    print_json,
    print_table,
    when,
)
from intertie.gateway.proving.erase import (
    Found,
    Standing,
    Why,
    erase_expired,
    erase_message,
    expired,
    what_is_left,
)
from intertie.model.errors import SettingsError
from intertie.model.ids import MessageId
from intertie.run import opened


def erase(
    id: MessageId | None = None,
    /,
    *,
    reason: Annotated[Why | None, Parameter(help="Why: it goes into the journal.")] = None,
    partner: Annotated[
        PartyOption | None, Parameter(help="Whose message, if two partners chose the same id.")
    ] = None,
    all_expired: Annotated[
        bool,
        Parameter(name="--expired", negative=(), help="Everything that its flow's retention is over for."),
    ] = False,
    dry_run: Annotated[
        bool, Parameter(negative=(), help="With --expired: only say what would be erased.")
    ] = False,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Erase message bodies: overwritten in the store's file and its log (in PostgreSQL: docs/stores.md). Hash, header, receipt
    and journal stay.

    Parameters
    ----------
    id
        The message whose body is to go.
    """
    if (id is None) != all_expired or (id is not None and (reason is None or dry_run)):
        raise SettingsError(
            "nothing is erased: that is neither one message nor all expired ones",
            do="Say `intertie erase MESSAGE-ID --reason REASON`, or `intertie erase --expired [--dry-run]`.",
        )
    with opened(dir) as it:
        now = it.clock()
        if id is not None and reason is not None:
            row = erase_message(it.gateway, id, reason, now, partner=partner)
            if json:
                print_json(message_json(row))
            else:
                print(f"Message {row.id}: {what_is_left(row)}.")
            return
        act = expired if dry_run else erase_expired
        _report(list(act(it.gateway, it.settings.retention, now)), dry_run=dry_run, json=json)


def _report(found: Iterable[Found], *, dry_run: bool, json: bool) -> None:
    kept = [one for one in found if one.standing not in (Standing.ERASABLE, Standing.ERASED)]
    gone = [one for one in found if one.standing in (Standing.ERASABLE, Standing.ERASED)]
    if json:
        print_json(
            {
                "dry_run": dry_run,
                "erased": 0 if dry_run else len(gone),
                "erasable": len(gone) if dry_run else 0,
                "messages": [one.row.id for one in gone],
                "kept": [
                    {
                        "message": one.row.id,
                        "because": one.standing.value,
                        "hold": one.hold and one.hold.number,
                        "reference": one.hold and one.hold.reference,
                    }
                    for one in kept
                ],
            }
        )
        return
    flows = Counter(f"{one.row.interface} {one.row.document} {one.row.mode}" for one in gone)
    print_table(
        "Would be erased" if dry_run else "Erased",
        ["flow", "messages"],
        sorted(flows.items()),
        empty="Nothing is past its retention." if not kept else "Nothing may be erased.",
    )
    if kept:
        print_table(
            "Past retention, but kept",
            ["message", "flow", "done", "because"],
            [
                [
                    one.row.id,
                    f"{one.row.interface} {one.row.document}",
                    when(one.row.done_at),
                    f"hold {one.hold.number}: {one.hold.reference}" if one.hold else one.standing.value,
                ]
                for one in kept
            ],
            empty="",
        )
