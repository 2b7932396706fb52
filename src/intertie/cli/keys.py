"""`intertie keys`: the private keys of this gateway, in generations."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from intertie.cli._shared import HERE, Dir, Json, print_json, print_table, when
from intertie.cli.keys_protect import protect
from intertie.cli.keys_rotate import install, rotate
from intertie.cli.keys_smime import smime
from intertie.cli.keys_uftp import uftp
from intertie.gateway.operating.turning_ports import KeyLine
from intertie.run import opened
from intertie.run.turning import key_lines
from intertie.stores.rotation import retire as destroy_over

app = App(name="keys", help="The private keys of this gateway: what there is, turning them, protecting them.")
for command in (rotate, install, protect, uftp, smime):
    app.command(command)


@app.command(name="list")
def list_keys(*, dir: Dir = HERE, json: Json = False) -> None:
    """List every key: what for, since and until when, where its private half is, and its age. Opens none of them."""
    with opened(dir) as it:
        lines = list(key_lines(it, it.clock()))
        kind = it.own.vault.kind()
    if json:
        print_json({"party": it.settings.party.id, "protection": kind, "keys": lines})
        return
    print_table(
        f"Keys of {it.settings.party.id}; at rest protected by: {kind}",
        [
            "generation",
            "use",
            "algorithm",
            "kid or thumbprint",
            "since",
            "until",
            "private key",
            "state",
            "age",
        ],
        [_row(line) for line in lines],
        empty="No keys.",
    )


@app.command
def retire(
    *,
    generation: Annotated[
        int | None, Parameter(help="End this one now: its overlap is not over, or it waits for certificates.")
    ] = None,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Destroy the private keys whose overlap is over; a serving gateway does that by itself. Certificates stay."""
    with opened(dir) as it:
        done = destroy_over(it.own, it.clock(), number=generation)
    if json:
        print_json({"destroyed": [{"generation": one.number, "parts": parts} for one, parts in done]})
        return
    for one, parts in done:
        print(f"Generation {one.number}: destroyed the private keys of {', '.join(parts)}.")
    if not done:
        print("Nothing is over. `intertie keys list` says until when older keys are kept.")


def _row(line: KeyLine) -> list[object]:
    age = "" if line.age_days is None else f"{line.age_days} of {line.period_days} days"
    return [
        line.generation, line.use, line.algorithm, line.id[:16], when(line.since), when(line.until),
        line.private_key, line.state, age,
    ]  # fmt: skip
