"""`intertie partner legacy`: a partner that has no gateway of this kind and speaks a protocol of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_pairs
from intertie.gateway.foreign import Foreign, paper_events
from intertie.market.book import fold
from intertie.model.errors import SettingsError
from intertie.run import Opened, opened
from intertie.seal.sodium_sign import fingerprint, read_public, write_public
from intertie.stores.partner_files import LEGACY, Standing, read_foreign, standing_text, write_whole


def legacy(party: PartyOption, file: Path, /, *, dir: Dir = HERE, json: Json = False) -> None:
    """Add a partner from its legacy file, or bring a known one up to date; prints the key by which it verifies us.

    Parameters
    ----------
    party
        The partner's name here.
    file
        Who it is, the key that it signs with, until when it may, and the contract on paper (docs/uftp.md has one).
    """
    with opened(dir) as it:
        foreign = _read(it, file)
        folder = it.places.partners
        folder.mkdir(mode=0o700, exist_ok=True)
        standing = folder / f"{party}.toml"
        if not standing.exists():
            write_whole(standing, standing_text(party, Standing(added=it.clock())).encode())
        shutil.copyfile(file, folder / f"{party}{LEGACY}.new")
        (folder / f"{party}{LEGACY}.new").replace(folder / f"{party}{LEGACY}")
        ours = write_public(it.uftp.key_for(foreign, it.clock()).public) if it.uftp is not None else ""
    lines = [("party", party), *legacy_lines(foreign), ("our key", ours)]
    if json:
        print_json(dict(lines))
    else:
        print_pairs(lines)


def _read(it: Opened, file: Path) -> Foreign:
    foreign = read_foreign(file)
    if foreign is None:
        raise SettingsError(f"{file} is not there", do="docs/uftp.md has an example of a legacy file.")
    read_public(foreign.uftp.key)
    if it.uftp is None:
        raise SettingsError("[uftp] domain says nobody that we are", do="Name our domain in intertie.toml.")
    contract = foreign.contract
    if contract is not None and it.settings.party.id not in (contract.buyer, contract.seller):
        raise SettingsError(
            f"{file}: we are no party of contract {contract.agreement}", do="Name buyer and seller as here."
        )
    for void in fold(paper_events(foreign)).voids:
        what = f"{type(void.event.body).__name__} breaks {void.rule.name}"
        raise SettingsError(f"{file}: {what}: {void.detail}", do=void.rule.text)
    return foreign


def legacy_lines(foreign: Foreign) -> list[tuple[str, str]]:
    """How a partner in its own protocol stands."""
    return [
        ("speaks", f"{foreign.binding} as {foreign.uftp.role} {foreign.uftp.domain} at {foreign.url}"),
        (
            "legacy",
            f"until {foreign.legacy_until}: signed (Ed25519) but not sealed, TLS as its address says, not post-quantum",
        ),
        ("its key", f"SHA-256 {fingerprint(read_public(foreign.uftp.key))}"),
        *_key_lines(foreign),
        ("on paper", foreign.agreement or "no contract: only what needs no agreement is taken"),
        *(("deal", one.confirmation) for one in foreign.deals),
    ]


def _key_lines(foreign: Foreign) -> list[tuple[str, str]]:
    """What else counts, and for how long."""
    lines = []
    for one in foreign.uftp.keys:
        since = f"from {one.since.isoformat()} " if one.since else ""
        until = f"until {one.until.isoformat()} " if one.until else ""
        lines.append(("its other key", f"{since}{until}SHA-256 {fingerprint(read_public(one.key))}"))
    if foreign.uftp.our_key is not None and foreign.uftp.our_key_until is not None:
        until = foreign.uftp.our_key_until.isoformat()
        said = f"until {until} SHA-256 {fingerprint(read_public(foreign.uftp.our_key))}"
        lines.append(("our older key", said))
    return lines
