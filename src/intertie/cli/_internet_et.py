"""What `intertie partner` says of a partner that speaks Internet ET, and what it asks of its legacy file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from intertie.gateway.translating.foreign import Foreign
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.run import Opened
from intertie.seal.pgp import end_of, fingerprint, read_public_key

HOW = "signed and encrypted (OpenPGP), not post-quantum"


def check_internet_et(it: Opened, party: PartyId, file: Path, foreign: Foreign) -> None:
    """What a package to it, or from it, would stumble over. SettingsError."""
    terms, ours = foreign.internet_et, it.settings.internet_et
    read_public_key(terms.keys[0], it.clock())
    for other in terms.keys[1:]:  # what it signed before still verifies after its end
        fingerprint(other)
    if not ours.code:
        raise SettingsError("[internet_et] code says nobody that we are", do="Name us in intertie.toml.")
    if terms.our_key is not None and terms.our_key > ours.key_number:
        do = f"Name one up to {ours.key_number}, or raise [internet_et] key_number."
        raise SettingsError(f"{file}: our_key {terms.our_key} is none of ours", do=do)
    for partner in it.partners.all():
        other_terms = partner.foreign.internet_et_terms if partner.foreign is not None else None
        if partner.party != party and other_terms is not None and other_terms.code == terms.code:
            raise SettingsError(
                f"{file}: {partner.party} has the code {terms.code}", do="Ask it for its own."
            )


def internet_et_lines(foreign: Foreign) -> list[tuple[str, str]]:
    """How it stands."""
    terms = foreign.internet_et
    used = [*(["refnum"] if terms.refnums else []), *terms.transaction_sets]
    return [
        ("speaks", f"internet_et {terms.version} as {terms.code} at {terms.url}, {foreign.format}"),
        ("legacy", f"until {foreign.legacy_until}: {HOW}; what is received: {foreign.closing}"),
        ("agreed", ", ".join(used) or "no element by mutual agreement"),
        ("logs in", terms.their_user or "not: its signature alone says who it is"),
        ("quirks", ", ".join(sorted(terms.quirks)) or "none"),
        *(("its key", f"{fingerprint(one).upper()} {_end(one)}") for one in terms.keys),
    ]


def key_ends(it: Opened) -> list[tuple[str, datetime, str]]:
    """Whose key ends when, and what is then to be done. SettingsError, KeyPortError."""
    found = []
    ours = it.internet_et
    if ours is not None and (end := end_of(ours.public_key())) is not None:
        do = "Raise [internet_et] key_number, and give partners the new key (docs/internet-et.md)."
        found.append(("our key", end, do))
    for partner in it.partners.all():
        terms = partner.foreign.internet_et_terms if partner.foreign is not None else None
        if terms is not None and (end := end_of(terms.keys[0])) is not None:
            found.append((f"the key of {partner.party}", end, "Ask it for its new one, and put that first."))
    return found


def _end(key: str) -> str:
    end = end_of(key)
    return f"until {end.date()}" if end is not None else "without an end"
