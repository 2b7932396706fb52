"""`intertie keys rotate` and `install`: the next generation of keys, while the gateway runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, Token

from intertie.cli._shared import HERE, Dir, Json, print_json, read_file, when, write_file
from intertie.gateway.operating.turning_ports import OVERLAP
from intertie.model.errors import SettingsError
from intertie.run import Opened, opened
from intertie.run.turning import issue
from intertie.seal.generations import Generation
from intertie.seal.new_keys import PARTS, NewKeys, Part, make_keys, requests
from intertie.seal.pem import read_chain
from intertie.stores import rotation

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def parse_overlap(text: str) -> timedelta:
    """14d, 12h, 30m, 0s: ValueError otherwise."""
    found = re.fullmatch(r"([0-9]{1,6})([dhms])", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a time such as 14d, 12h, 30m or 0s")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _overlap(hint: object, tokens: Sequence[Token]) -> timedelta:
    return parse_overlap(tokens[0].value)


Overlap = Annotated[
    timedelta,
    Parameter(
        name="--overlap",
        converter=_overlap,
        help="How long the old keys are still accepted, and open (14d, 12h, 30m, 0s).",
    ),
]


def rotate(
    *,
    overlap: Overlap = OVERLAP,
    only: Annotated[Part | None, Parameter(help="Turn these keys and leave the others.")] = None,
    ca: Annotated[
        Path | None, Parameter(help="A trial CA's folder that issues the certificates (default: our own).")
    ] = None,
    csr: Annotated[
        Path | None, Parameter(help="Write certificate requests into this folder, for an external authority.")
    ] = None,
    in_token: Annotated[
        bool, Parameter(negative=(), help="Make ES256 and ES384 keys inside the PKCS#11 token.")
    ] = False,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Make the next generation of keys. A serving gateway takes it up within a second and tells its partners; nothing is
    restarted and nothing under way is lost. With --csr the new keys wait for `intertie keys install`."""
    if ca is not None and csr is not None:
        raise SettingsError("--ca and --csr are two ways to certificates", do="Give one of them.")
    with opened(dir) as it:
        new = make_keys((only,) if only else PARTS)
        if csr is not None:
            generation, kept = rotation.request(it.own, new, it.clock(), in_token=in_token)
            files = _write_requests(csr, kept, it)
        else:
            generation, files = issue(it, new, ca, overlap, it.clock(), in_token=in_token), []
    if csr is not None and not json:
        print(
            f"Generation {generation.number} waits for its certificates. Requests: {', '.join(map(str, files))}"
        )
        print("With the answers: intertie keys install CHAIN.pem ...")
        return
    say(generation, files, json=json)


def install(
    chains: list[Path],
    /,
    *,
    overlap: Overlap = OVERLAP,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Put keys to use for which `keys rotate --csr` asked certificates.

    Parameters
    ----------
    chains
        The authority's answers, PEM: each a certificate, with the authorities between it and the root after it.
    """
    with opened(dir) as it:
        found = [read_chain(read_file(path), str(path)) for path in chains]
        generation = rotation.install(it.own, found, it.gateway.trust, it.clock(), overlap)
    say(generation, [], json=json)


def say(generation: Generation, files: Sequence[Path], *, json: bool) -> None:
    """What there is now."""
    if json:
        print_json({"generation": generation, "requests": [str(file) for file in files]})
        return
    until = f"; older keys are accepted until {when(generation.ends)}" if generation.ends else ""
    print(f"Generation {generation.number} is in use (descriptor {generation.sequence}){until}.")
    print("A serving gateway takes it up within a second and tells its partners.")


def _write_requests(folder: Path, kept: NewKeys, it: Opened) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for part, pem in requests(kept, it.own.party.id, it.own.hosts).items():
        path = folder / f"{part}.csr.pem"
        write_file(path, pem)
        files.append(path)
    return files
