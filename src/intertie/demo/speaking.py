"""An aggregator that does not speak parcels with the utility: protocol and formats of both sides' legacy files, written as their
operators would, and the doors that they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from intertie.demo.gateways import (
    AGGREGATOR,
    OLD_AGREEMENT,
    UTILITY,
    DemoError,
    Organisation,
    free_ports,
    run_commands,
)
from intertie.gateway.configuration.settings import FILE
from intertie.run import Opened, opened
from intertie.seal.ssh_keys import CLIENT, HOST, public_line

# After the season; until then the legacy files allow it.
LEGACY_UNTIL = date(2026, 12, 31)
# A season of months goes by in a minute.
PER_MINUTE = 60_000
# Of several lines of TOML.
QUOTES = "'''"
NUMBERS = {UTILITY: "006982359", AGGREGATOR: "123456789"}


class Ends(NamedTuple):
    """One side, the other, where each listens, and what each gave the other to verify it by."""

    us: Organisation
    them: Organisation
    ports: dict[Organisation, int]
    keys: dict[Organisation, str]


class Speaks(NamedTuple):
    """A protocol with its formats: the section of `intertie.toml` that opens it at a side's port, what that side gives the other
    to verify it by, and the section of the legacy file."""

    name: str
    carrier: str
    formats: tuple[str, ...]
    door: Callable[[Organisation, int], str]
    key: Callable[[Opened, Organisation], str]
    terms: Callable[[Ends], str]


def speaks_of(name: str) -> Speaks:
    """By what `--aggregator-speaks` says."""
    for one in ALL_SPOKEN:
        if one.name == name:
            return one
    raise DemoError(f"{name} is none of {', '.join(one.name for one in ALL_SPOKEN)}")


def make_legacy(root: Path, speaks: Speaks, zone: str) -> None:
    """Each side opens its door and takes the other in by its legacy file, as `intertie partner legacy` does. Raises DemoError."""
    sides = (UTILITY, AGGREGATOR)
    ports = dict(zip(sides, free_ports(len(sides)), strict=True))
    for who in sides:
        _open_door(root / who.short / FILE, speaks, who, ports[who])
    keys = {}
    for who in sides:
        with opened(root / who.short) as it:
            keys[who] = speaks.key(it, who)
    for us, them in (sides, sides[::-1]):
        file = root / f"{them.short}-for-{us.short}.legacy.toml"
        file.write_text(legacy_text(speaks, Ends(us, them, ports, keys), zone), encoding="utf-8")
        run_commands([["partner", "legacy", them.party, str(file), "--dir", str(root / us.short)]])
    # Its operator still holds last year's agreement for open.
    with (root / AGGREGATOR.short / "partners" / f"{UTILITY.party}.toml").open(
        "a", encoding="ascii"
    ) as standing:
        standing.write(f'\n[[agreements]]\nid = "{OLD_AGREEMENT}"\nstart = 2025-12-31T00:00:00Z\n')


def legacy_text(speaks: Speaks, ends: Ends, zone: str) -> str:
    """What `us` holds of `them`. Both formats and answers are those of both sides."""
    head = [
        f'name = "{ends.them.name}"',
        f"roles = [{', '.join(chr(34) + role.value + chr(34) for role in ends.them.roles)}]",
        f"legacy_until = {LEGACY_UNTIL.isoformat()}",
        'received = "business"   # what counts as its receipt: that it is in its books, or why not',
        "",
        f"[{speaks.carrier}]",
        speaks.terms(ends),
    ]
    return "\n".join([*head, *(_FORMATS[name](zone) for name in speaks.formats)]) + "\n"


def _open_door(settings: Path, speaks: Speaks, who: Organisation, port: int) -> None:
    text = settings.read_text(encoding="utf-8")
    mark = f"[{speaks.carrier}]\n"
    if mark not in text:
        raise DemoError(f"{settings} has no {mark.strip()}")
    settings.write_text(text.replace(mark, f"{mark}{speaks.door(who, port)}\n", 1), encoding="utf-8")


def _x12(zone: str) -> str:
    ends = (
        f'{word} = {{ party = "{who.party}", name = "{who.name.upper()}", number = "{NUMBERS[who]}" }}'
        for word, who in (("utility", UTILITY), ("aggregator", AGGREGATOR))
    )
    return "\n".join(["", "[x12]", 'profile = "pa"', *ends])


_FORMATS: dict[str, Callable[[str], str]] = {
    "x12": _x12,
    "csv": lambda zone: f'\n[csv]\nzone = "{zone}"',
    "json": lambda zone: "\n[json]",
    # The meters of the season have one revision in a feed; a later one goes in another format.
    "espi": lambda zone: f'\n[espi]\nzone = "{zone}"\nrevision = "first"',
}


# SFTP: the aggregator comes to the utility's mailbox


def _sftp_door(who: Organisation, port: int) -> str:
    if who is AGGREGATOR:
        return "enabled = true"
    limits = f"uploads_per_minute = {PER_MINUTE}\nconnections_per_minute = {PER_MINUTE}"
    return f'enabled = true\nlisten = "127.0.0.1:{port}"\n{limits}'


def _sftp_key(it: Opened, who: Organisation) -> str:
    return public_line(it.ssh_key(HOST if who is UTILITY else CLIENT))


def _sftp_terms(ends: Ends) -> str:
    key = ends.keys[ends.them]
    if ends.us is UTILITY:
        return f'user = "{AGGREGATOR.short}"\nkeys = ["{key}"]'
    return (
        f'server = {{ host = "127.0.0.1", port = {ends.ports[UTILITY]}, user = "{AGGREGATOR.short}", '
        f'host_keys = ["{key}"], to = "in", fetch = "out", complete = "renamed", poll_seconds = 0.1 }}'
    )


# AS2: a door on each side


def _as2_door(who: Organisation, port: int) -> str:
    return f'name = "{who.short.upper()}"\nlisten = "127.0.0.1:{port}"\nposts_per_minute = {PER_MINUTE}'


def _as2_key(it: Opened, who: Organisation) -> str:
    return it.as2.certificate().decode() if it.as2 is not None else ""


def _as2_terms(ends: Ends) -> str:
    url = f"http://127.0.0.1:{ends.ports[ends.them]}/as2"
    names = f'name = "{ends.them.short.upper()}"\nurl = "{url}"'
    return f"{names}\n{_pinned('certificates', ends.keys[ends.them])}"


def _pinned(name: str, key: str) -> str:
    return f"{name} = [{QUOTES}\n{key}{QUOTES}]"


# Internet ET: a door on each side


def _et_door(who: Organisation, port: int) -> str:
    return f'code = "{NUMBERS[who]}"\nlisten = "127.0.0.1:{port}"\nposts_per_minute = {PER_MINUTE}'


def _et_key(it: Opened, who: Organisation) -> str:
    return it.internet_et.public_key() if it.internet_et is not None else ""


def _et_terms(ends: Ends) -> str:
    url = f"http://127.0.0.1:{ends.ports[ends.them]}/internet-et"
    names = f'code = "{NUMBERS[ends.them]}"\nurl = "{url}"\nrefnums = true'
    return f"{names}\n{_pinned('keys', ends.keys[ends.them])}"


ALL_SPOKEN: Sequence[Speaks] = (
    Speaks("internet-et+x12", "internet_et", ("x12", "json"), _et_door, _et_key, _et_terms),
    Speaks("as2+x12", "as2", ("x12", "json"), _as2_door, _as2_key, _as2_terms),
    Speaks("sftp+csv", "sftp", ("csv", "json"), _sftp_door, _sftp_key, _sftp_terms),
    # Bulk feeds by SFTP, as REQ.21 has them.
    Speaks("espi", "sftp", ("espi", "json"), _sftp_door, _sftp_key, _sftp_terms),
)
