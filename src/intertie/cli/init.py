"""`intertie init`: make a gateway directory."""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter

from intertie.bindings.clock import system_clock
from intertie.cli._shared import HERE, Dir, Instant, Json, PartyOption, print_json
from intertie.gateway.configuration.settings import Places, parse_settings, settings_text
from intertie.model.errors import SettingsError
from intertie.model.party import Party, Role
from intertie.seal.ca_register import Register
from intertie.seal.certificates import Chain
from intertie.seal.new_keys import PARTS, NewKeys, certify, make_keys
from intertie.seal.protection import Opener, plain_opener
from intertie.seal.store_kek import add_store_kek
from intertie.seal.trial_ca import TrialCa
from intertie.seal.vault import Vault
from intertie.stores.rotation import LOOPBACK, Own, rotate

DEFAULT_URL = "https://127.0.0.1:8443"
# A trial certificate outlives a pilot, and no more.
DEFAULT_YEARS = 2
# A partner's clock may be behind ours: a certificate of this minute would not be valid there yet.
CLOCK_ROOM = timedelta(hours=1)


def init(
    party: PartyOption,
    /,
    *,
    name: Annotated[str | None, Parameter(help="The organisation's name (default: its id).")] = None,
    role: Annotated[tuple[Role, ...], Parameter(help="A role it holds (may be given again).", negative=())],
    url: Annotated[str, Parameter(help="What partners are told: where its door is.")] = DEFAULT_URL,
    listen: Annotated[str | None, Parameter(help="host:port here (default: as the url says).")] = None,
    no_door: Annotated[
        bool, Parameter(negative=(), help="Nobody can reach us: we come for our parcels at partners' doors.")
    ] = False,
    ca: Annotated[Path | None, Parameter(help="An existing trial CA's folder, to be issued by it.")] = None,
    not_before: Annotated[
        Instant | None, Parameter(help="Certificates are valid from here on (default: now).")
    ] = None,
    years: Annotated[int, Parameter(help="For how many years.")] = DEFAULT_YEARS,
    clock: Annotated[
        str | None, Parameter(help="Rehearsals: a file that holds the time, relative to --dir.")
    ] = None,
    passphrase_file: Annotated[
        Path | None,
        Parameter(
            help="A file whose first line is the passphrase that protects the keys at rest (default: unprotected)."
        ),
    ] = None,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Make a gateway: settings, a trial certificate authority, keys, and the descriptor for partners.

    Overwrites nothing: a directory that holds a gateway, or a part of one, is refused and left as it is.

    Parameters
    ----------
    party
        The organisation's id, as a host name: cityofx-utility.example.
    """
    who = Party(id=party, name=name or party, roles=frozenset(role))
    if no_door:
        if url != DEFAULT_URL or listen is not None:
            raise SettingsError("--no-door goes with neither --url nor --listen", do="Give one or the other.")
        url = listen = ""
    passphrase = str(passphrase_file.resolve()) if passphrase_file is not None else None
    settings = settings_text(who, url, _listen(url) if listen is None else listen, clock, passphrase)
    _refuse_overwrite(Places(dir))
    dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".init-", dir=dir) as fresh:
        # Nothing is in its place until everything is made: an init that fails leaves no half gateway behind.
        _make(Places(Path(fresh)), who, settings, ca, not_before or system_clock() - CLOCK_ROOM, years)
        for path in sorted(Path(fresh).iterdir()):
            shutil.move(path, dir / path.name)
    _print(who, dir, url, json=json)


def _refuse_overwrite(places: Places) -> None:
    parts = [places.settings, places.keys, places.trust, places.ca, places.partners, places.descriptor]
    there = [path.name for path in [*parts, places.of("store.db")] if path.exists()]
    if there:
        raise SettingsError(
            f"{places.directory} holds {', '.join(there)} already; nothing was changed",
            do="Name another directory with --dir.",
        )


def _make(places: Places, who: Party, settings: str, ca: Path | None, start: datetime, years: int) -> None:
    end = start + timedelta(days=366 * years)
    places.settings.write_text(settings, encoding="utf-8")
    for folder in (places.keys, places.trust, places.partners):
        folder.mkdir(mode=0o700)
    parsed = parse_settings(settings)
    opener = Opener(parsed.keys, places.directory, os.environ)
    if ca is None:
        authority = TrialCa.create(f"Trial CA of {who.id}", start, end)
        authority.save(places.ca, kind=opener.default_kind(), opener=opener)
    else:
        authority = TrialCa.load(ca, opener=opener)
    (places.trust / "trial-ca.pem").write_bytes(authority.trust().pem())
    vault = Vault.create(places.keys, who.id, opener.default_kind(), opener)
    with vault.lock():
        add_store_kek(vault)
    own = Own(vault, who, parsed.street.url, places.descriptor)

    def issue(new: NewKeys) -> dict[str, Chain]:
        chains = certify(new, authority, who.id, own.hosts, start, end)
        # At the authority's, wherever it is: what it issued can be listed and revoked there.
        Register(ca or places.ca).record([chain[0] for chain in chains.values()], system_clock())
        return chains

    rotate(own, make_keys(PARTS), issue, start, timedelta())


def _listen(url: str) -> str:
    """On loopback if the url is there, else on every address: the port is the url's."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or 443
    return f"127.0.0.1:{port}" if host in LOOPBACK else f"0.0.0.0:{port}"


def _print(who: Party, dir: Path, url: str, *, json: bool) -> None:
    places = Places(dir)
    root = places.trust / "trial-ca.pem"
    if json:
        files = {"settings": places.settings, "descriptor": places.descriptor, "root": root}
        print_json({"party": who.id, "url": url} | {name: str(path) for name, path in files.items()})
        return
    option = "" if dir == HERE else f" --dir {dir}"
    print(
        f"Made a gateway for {who.name} ({who.id}) in {dir}.\n"
        f"{_protection_said(places)}\n"
        f"Next:\n"
        f"  1. give each partner {places.descriptor} and {root}\n"
        f"  2. intertie partner add THEIR-descriptor.json --root THEIR-root.pem --agreement ID{option}\n"
        f"  3. intertie serve{option}\n"
        f"`intertie doctor{option}` says whether all is well. Settings: {places.settings}"
    )


def _protection_said(places: Places) -> str:
    if Vault(places.keys, plain_opener(places.directory)).kind() != "none":
        return "The keys at rest are protected by the passphrase: keep a copy of both, apart from each other."
    return "The keys at rest are NOT protected (fine for a trial): `intertie keys protect --with passphrase` changes that."
