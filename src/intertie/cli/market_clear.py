"""`intertie market clear`: decide a need over the offers of all aggregators."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._market import desks, span_of
from intertie.cli._shared import HERE, Dir, Json, print_json, print_table
from intertie.cli._trade import Wait, told
from intertie.gateway.trading.trade_clearing import Outcome, clear_need, send_outcome
from intertie.run import opened

COLUMNS = ("aggregator", "offer", "verdict", "why", "option", "kw", "price")


def clear(
    need: str,
    /,
    *,
    without: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="An offer that is left out, or AGGREGATOR:OFFER; may be given again."),
    ] = (),
    send: Annotated[bool, Parameter(negative=(), help="Send the orders, and everybody's result.")] = False,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Show who is ordered how much, at which price and why, by the clearing rule of the need; with --send, order it and tell
    everybody who offered. Nothing is sent twice: a part that failed is mended by the same command.

    Example:

        intertie market clear N-7
        intertie market clear N-7 --send --wait 20

    Parameters
    ----------
    need
        Its name.
    """
    with opened(dir) as it:
        outcome = clear_need(desks(it), need, without)
        if json and not send:
            print_json(_json(outcome))
        elif not json:
            _print(outcome)
        if not send:
            return 0
        sent = send_outcome(outcome)
        return told(it, [id for ids in sent.values() for id in ids], wait, json=json)


def rows(outcome: Outcome) -> list[list[object]]:
    """Rows of COLUMNS: first what was cleared, then what was not."""
    found: list[list[object]] = []
    for taken in outcome.cleared.taken:
        kw = "" if taken.kw is None else span_of(taken.kw)
        price = "" if taken.price is None else f"{taken.price.amount.normalize():f} {taken.price.currency}"
        who = taken.bidder.seller, taken.bidder.offer.offer
        found.append([*who, taken.verdict.value, taken.reason or "", taken.option or "", kw, price])
    found += [[*who, "not_awarded", "not_opened", "", "", ""] for who in outcome.unopened]
    found += [[*who, "not_awarded", "left out", "", "", ""] for who in sorted(outcome.left_out)]
    return found


def _json(outcome: Outcome) -> dict[str, object]:
    cleared = outcome.cleared
    return {
        "need": outcome.need.need,
        "offers": [dict(zip(COLUMNS, row, strict=True)) for row in rows(outcome)],
        "unmet_kw": [str(kw) for kw in cleared.unmet_kw],
        "clearing_price": cleared.clearing_price,
        "cost": cleared.cost,
    }


def _print(outcome: Outcome) -> None:
    cleared = outcome.cleared
    print_table(f"{outcome.need.need}, {outcome.need.clearing}", COLUMNS, rows(outcome), empty="No offer.")
    unmet = max(cleared.unmet_kw)
    print(
        f"Cost: {cleared.cost}. {f'Up to {unmet.normalize():f} kW stay unmet.' if unmet else 'All of it is met.'}"
    )
    if cleared.clearing_price is not None:
        print(
            f"All are paid {cleared.clearing_price.amount.normalize():f} {cleared.clearing_price.currency} per kWh."
        )
