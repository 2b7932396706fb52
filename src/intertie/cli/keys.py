"""`intertie keys`: the private keys of this gateway, in generations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from intertie.cli._shared import HERE, Dir, Json, print_json, print_table, when
from intertie.cli.keys_protect import protect
from intertie.cli.keys_rotate import install, rotate
from intertie.cli.keys_smime import smime
from intertie.cli.keys_uftp import uftp
from intertie.run import Opened, opened
from intertie.seal.certificates import read_certificate, thumbprint
from intertie.seal.generations import OPENING, TLS, Generation, end_of, in_use, read_chain, read_generations
from intertie.stores.rotation import retire as destroy_over

app = App(name="keys", help="The private keys of this gateway: what there is, turning them, protecting them.")
for command in (rotate, install, protect, uftp, smime):
    app.command(command)


class KeyLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One key of one generation. `age_days` counts against `period_days`, how long such a key is used."""

    generation: int
    use: str
    algorithm: str
    id: str
    private_key: str
    state: str
    since: datetime | None = None
    until: datetime | None = None
    certificate_end: datetime | None = None
    age_days: int | None = None
    period_days: int = 0


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


def key_lines(it: Opened, now: datetime) -> Iterator[KeyLine]:
    """Every key of every generation, newest generation first."""
    generations = read_generations(it.places.keys)
    for generation in reversed(generations):
        for part in generation.parts:
            yield from _lines(it, generations, generation, part, now)


def _lines(
    it: Opened, generations: Sequence[Generation], generation: Generation, part: str, now: datetime
) -> Iterator[KeyLine]:
    end = end_of(generations, generation, part)
    age = None if generation.since is None else max((now - generation.since).days, 0)
    days = it.settings.policy.key_days
    common = KeyLine(
        generation=generation.number,
        use={OPENING: "open", TLS: "tls"}.get(part, "sign"),
        algorithm=part,
        id="",
        private_key=_place(it, generation, part),
        state=_state(generations, generation, part, now),
        since=generation.since,
        until=end,
        age_days=age,
        period_days={OPENING: days.sealing, TLS: days.tls}.get(part, days.signature),
    )
    if part == OPENING:
        for key in generation.opening:
            yield msgspec.structs.replace(common, algorithm=key.suite, id=key.kid)
        return
    if generation.pending:
        yield common
        return
    leaf = read_chain(it.places.keys, generation, part)[0]
    certificate_end = read_certificate(leaf).not_valid_after_utc
    yield msgspec.structs.replace(common, id=thumbprint(leaf).hex(), certificate_end=certificate_end)


def _place(it: Opened, generation: Generation, part: str) -> str:
    if part in generation.destroyed:
        return f"destroyed {when(generation.destroyed[part])}"
    if generation.signing.get(part) == "token":
        return f"token {it.settings.keys.pkcs11_token}"
    return "file"


def _state(generations: Sequence[Generation], generation: Generation, part: str, now: datetime) -> str:
    if part in generation.destroyed:
        return "retired"
    if generation.pending:
        return "waits for its certificate"
    if end_of(generations, generation, part) is None:
        return "in use"
    return "accepted still" if in_use(generations, generation, part, now) else "retired"


def _row(line: KeyLine) -> list[object]:
    age = "" if line.age_days is None else f"{line.age_days} of {line.period_days} days"
    return [
        line.generation, line.use, line.algorithm, line.id[:16], when(line.since), when(line.until),
        line.private_key, line.state, age,
    ]  # fmt: skip
