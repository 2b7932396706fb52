"""`intertie market needs`: needs, and how long their gates are open still."""

from __future__ import annotations

from intertie.cli._market import countdown, desks, span_of
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_table, when
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.offer_state import NeedState, Standing, need_standing
from intertie.run import opened

COLUMNS = ("need", "partner", "state", "gate", "kw", "service", "from", "to", "clearing", "offers")


def needs(
    partner: PartyOption | None = None, /, *, all: bool = False, dir: Dir = HERE, json: Json = False
) -> None:
    """List needs that are not decided, with the time that is left until their gates close.

    Example:

        intertie market needs
        intertie market needs utility.example --all

    Parameters
    ----------
    partner
        Only with this partner.
    all
        Also those that are over.
    """
    with opened(dir) as it:
        rows = [
            row_of(desk, state)
            for desk in desks(it, [partner] if partner is not None else [])
            for state in desk.book.offers.needs.values()
            if all or need_standing(state, desk.now) is not Standing.ENDED
        ]
    if json:
        print_json({"needs": [dict(zip(COLUMNS, row, strict=True)) for row in rows]})
    else:
        print_table("Needs", COLUMNS, rows, empty="No need.")


def row_of(desk: Desk, state: NeedState) -> list[object]:
    """A row of COLUMNS."""
    need = state.need
    standing = need_standing(state, desk.now)
    phase = state.phase.value if standing is Standing.ENDED else standing.value
    count = sum(one.need == need.need for one in desk.book.offers.offers.values())
    kind = f"{need.clearing}{', sealed' if need.sealed else ''}"
    window = when(need.window.start), when(need.window.end)
    gate = countdown(need, desk.now)
    return [
        need.need, desk.partner, phase, gate, span_of(need.requested_kw), need.service, *window, kind, count
    ]  # fmt: skip
