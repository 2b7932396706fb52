"""`intertie policy`: how messages are protected and why, what falls short, and what cryptography is here."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter, Token

from intertie.cli._shared import HERE, Dir, Json, print_json, print_table, write_file
from intertie.cli.policy_explain import explain_flow
from intertie.gateway.operating.check_policy import Finding, check_policy
from intertie.run import opened
from intertie.run.held import Held

app = App(
    name="policy", help="Protection: how it is computed, what falls short of it, what cryptography is here."
)
app.command(explain_flow, name="explain")


def _days(hint: object, tokens: Sequence[Token]) -> timedelta:
    """ "90d" as a time; ValueError is a wrong command line."""
    found = re.fullmatch(r"([0-9]{1,4})d?", tokens[0].value)
    if found is None:
        raise ValueError(f"{tokens[0].value!r} is no number of days, as 90d")
    return timedelta(days=int(found[1]))


@app.command
def check(
    *,
    within: Annotated[
        timedelta | None,
        Parameter(converter=_days, help="How far to look ahead, as 90d (default: [policy] warn_days)."),
    ] = None,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """List certificates, keys, partners and algorithms that fall short of the policy, now or soon, and what to do.

    Exit code 1 if something falls short now.
    """
    with opened(dir) as it:
        ahead = timedelta(days=it.settings.policy.warn_days) if within is None else within
        found = check_policy(it.gateway, Held(it).dates(), it.clock(), ahead)
    if json:
        print_json({"within_days": ahead.days, "findings": [one._asdict() for one in found]})
    else:
        print_table(
            f"Policy of {it.settings.party.id}: now, and within {ahead.days} days",
            ["when", "what", "falls short", "do"],
            [(_when(one), one.subject, one.why, one.do) for one in found],
            empty=f"Nothing falls short of the policy now or within {ahead.days} days.",
        )
    return int(any(one.when == "now" for one in found))


@app.command
def inventory(
    *,
    output: Annotated[
        Path | None,
        Parameter(name=["--output", "-o"], help="The file to write; must not exist (default: stdout)."),
    ] = None,
    dir: Dir = HERE,
) -> None:
    """Write the cryptographic inventory as a CycloneDX 1.6 CBOM: algorithms, protocols, certificates, keys (never private
    material), and how they hang together."""
    with opened(dir) as it:
        raw = Held(it).inventory(it.clock())
    if output is None:
        sys.stdout.write(raw.decode())
    else:
        write_file(output, raw)
        print(f"Wrote {output}: {len(raw)} bytes of CycloneDX.")


def _when(one: Finding) -> str:
    return one.when if one.when == "now" or one.day is None else f"by {one.day}"
