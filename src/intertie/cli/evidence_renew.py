"""`intertie evidence renew` and `lapsing`: old evidence under stronger algorithms, before its old ones lapse."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter, Token

from intertie.bindings.tsa_http.client import ask_authority
from intertie.cli._shared import HERE, Dir, Json, print_json, print_table, read_file, write_file
from intertie.gateway.proving.export_evidence import partner_of
from intertie.gateway.proving.renew_evidence import Lapsing, lapsing, renew, renew_message, renewed_name
from intertie.model.errors import IntertieError, SettingsError
from intertie.run import opened
from intertie.run.verifiers import VERIFIERS
from intertie.seal.profile import PROFILES
from intertie.seal.renewal import Stamper
from intertie.seal.timestamp import load_tsa_roots, request_stamp

# A century: nobody plans further.
DAYS_MAX = 36_500


def _days(hint: object, tokens: Sequence[Token]) -> timedelta:
    text = tokens[0].value
    number = text.removesuffix("d")
    if number == text or not number.isdecimal() or int(number) > DAYS_MAX:
        raise ValueError(f"{text} is not a number of days, as 365d")
    return timedelta(days=int(number))


Within = Annotated[
    timedelta, Parameter(converter=_days, help="Proof that ends within this many days, as 365d.")
]
Under = Annotated[Literal["hybrid", "hybrid-high"], Parameter(help="The profile of the new signatures.")]
Authority = Annotated[str | None, Parameter(help="Address of a time-stamping authority for the renewal.")]


def renew_files(
    file: Path | None = None,
    /,
    *,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="The file to write; must not exist.")
    ] = None,
    all: Annotated[
        bool, Parameter(negative=(), help="Every message of the store whose proof lapses.")
    ] = False,
    within: Within = timedelta(days=365),
    to: Annotated[Path | None, Parameter(help="With --all: the folder for the files.")] = None,
    tsa: Authority = None,
    profile: Under = "hybrid",
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Seal evidence once more, under algorithms that hold longer. What has lapsed already cannot be renewed.

    Parameters
    ----------
    file
        An evidence file, of a message, of an equivocation, or renewed before; with -o. Or --all with --to.
    """
    one, many = file is not None and output is not None, all and to is not None
    if one == many:
        raise SettingsError(
            "what is renewed, and where does it go?", do="FILE -o FILE, or --all --to FOLDER."
        )
    with opened(dir) as it:
        roots = load_tsa_roots(it.places.tsa)
        if file is not None and output is not None:
            raw = renew(
                it.gateway,
                read_file(file),
                PROFILES[profile],
                it.clock(),
                roots,
                _stamper(tsa),
                VERIFIERS,
            )
            write_file(output, raw)
            _say(json, [{"file": str(output), "bytes": len(raw)}], [])
            return 0
        done: list[dict[str, object]] = []
        failed: list[dict[str, object]] = []
        for found in lapsing(it.gateway, within, it.clock()):
            path = (to or Path()) / renewed_name(found)
            if path.exists():
                continue
            try:
                raw = renew_message(
                    it.gateway, found.row, PROFILES[profile], it.clock(), roots, _stamper(tsa), VERIFIERS
                )
            except IntertieError as error:
                failed.append({"message": found.row.id, "why": str(error)})
                continue
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_file(path, raw)
            done.append({"message": found.row.id, "file": str(path), "bytes": len(raw)})
    _say(json, done, failed)
    return 1 if failed else 0


def list_lapsing(*, within: Within = timedelta(days=365), dir: Dir = HERE, json: Json = False) -> None:
    """List messages whose proof ends soon, because their parcel or its receipt has classical signatures only."""
    with opened(dir) as it:
        found = list(lapsing(it.gateway, within, it.clock()))
    if json:
        print_json({"messages": [_line(each) for each in found]})
        return
    rows = [
        (each.row.id, each.row.document, partner_of(each.row), each.profile, each.until) for each in found
    ]
    columns = ("message", "document", "partner", "signed", "proof ends")
    print_table("Lapsing", columns, rows, empty=f"No proof ends within {within.days} days.")


def _stamper(url: str | None) -> Stamper | None:
    return None if url is None else lambda data: ask_authority(url, request_stamp(data))


def _line(found: Lapsing) -> dict[str, object]:
    row = found.row
    return {
        "id": row.id,
        "direction": "out" if row.outgoing else "in",
        "partner": partner_of(row),
        "document": row.document,
        "profile": found.profile,
        "until": found.until,
    }


def _say(json: bool, done: list[dict[str, object]], failed: list[dict[str, object]]) -> None:
    if json:
        print_json({"renewed": done, "failed": failed})
        return
    for each in done:
        print(f"{each['file']}: renewed, {each['bytes']} bytes")
    for each in failed:
        print(f"message {each['message']}: {each['why']}")
    if not done and not failed:
        print("Nothing to renew.")
