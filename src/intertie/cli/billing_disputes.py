"""`intertie billing disputes`: what is in dispute with a partner, how it stands, and where it goes."""

from __future__ import annotations

from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_table
from intertie.cli._trade import Under, desk_with
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.dispute import Raised, deadline, stage

COLUMNS = ("dispute", "of", "by", "line", "claimed", "expected", "answer", "agreed", "until", "state")


def disputes(
    partner: PartyOption,
    /,
    *,
    agreement: Under = None,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Show disputes with a partner, line by line: what was claimed, expected, and agreed.

    What is not settled by its deadline goes where the contract says; the last column says so.

    Example:

        intertie billing disputes aggregator.example

    Parameters
    ----------
    partner
        The other side.
    """
    with desk_with(dir, partner, agreement) as (_, desk):
        rows = [row for one in desk.drafted.disputes.values() for row in _rows(desk, one)]
    if json:
        print_json([dict(zip(COLUMNS, row, strict=True)) for row in rows])
        return
    print_table(f"Disputes with {partner}", COLUMNS, rows, empty="Nothing is or was in dispute.")


def _rows(desk: Desk, one: Raised) -> list[tuple[str, ...]]:
    """A row of COLUMNS for each line."""
    until, state = deadline(one, desk.text), stage(one, desk.now, desk.text)
    made: list[tuple[str, ...]] = []
    for line in one.body.lines:
        answer = one.answers.get(str(line.line))
        said = ("", "") if answer is None else (str(answer.resolution), f"{answer.agreed:.2f}")
        money = (f"{line.claimed:.2f}", f"{line.expected:.2f}")
        named = (one.body.dispute, one.body.invoice, str(one.by), str(line.line))
        made.append((*named, *money, *said, str(until.date()), state))
    return made
