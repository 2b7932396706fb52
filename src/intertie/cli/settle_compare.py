"""`intertie settle compare`: shadow settlement, a partner's statement beside our own of the same deal and days."""

from __future__ import annotations

from intertie.cli._settle import Minutes, settling, total
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_table
from intertie.gateway.settlement.settle import Compared, LinePair, compare, find_statement
from intertie.gateway.settlement.settle_readings import differing_readings

LINES = ("code", "dispatch", "theirs", "ours", "difference")
INPUTS = ("input", "theirs", "ours")


def compare_statement(
    partner: PartyOption, statement: str, /, *, minutes: Minutes = 15, dir: Dir = HERE, json: Json = False
) -> int:
    """Work out a statement again from what this gateway holds; show each line beside ours, and which inputs differ.

    The exit is 0 if all lines are equal to the cent, 3 if not.

    Parameters
    ----------
    partner
        The other side.
    statement
        Its name.
    """
    with settling(dir, partner) as held:
        _, theirs = find_statement(held.desk, statement)
        found = compare(held.desk, held.readings, theirs, minutes=minutes)
        readings = differing_readings(held.readings, found)
    inputs = [(one.input, one.theirs, one.ours) for one in (*found.inputs, *readings)]
    if json:
        print_json(
            {
                "statement": statement,
                "same": found.same,
                "lines": [dict(zip(LINES, row(pair), strict=True)) for pair in found.lines],
                "inputs": [dict(zip(INPUTS, one, strict=True)) for one in inputs],
            }
        )
        return 0 if found.same else DIFFERENT
    print_table(f"{statement}, line by line", LINES, [row(pair) for pair in found.lines], empty="No lines.")
    print_table("Inputs that differ", INPUTS, inputs, empty="No input differs.")
    print(said(found))
    return 0 if found.same else DIFFERENT


# Neither an error nor agreement.
DIFFERENT = 3


def row(pair: LinePair) -> tuple[str, ...]:
    """A row of LINES."""
    line = pair.theirs or pair.ours
    assert line is not None
    theirs = "" if pair.theirs is None else f"{pair.theirs.amount:.2f}"
    ours = "" if pair.ours is None else f"{pair.ours.amount:.2f}"
    return (line.code, line.dispatch or "", theirs, ours, f"{pair.difference:.2f}")


def said(found: Compared) -> str:
    """One sentence."""
    currency = found.held.deal.currency
    if found.same:
        return f"Equal to the cent: {total(found.ours):,.2f} {currency}."
    return (
        f"Different: {total(found.theirs):,.2f} {currency} there, {total(found.ours):,.2f} {currency} here."
    )
