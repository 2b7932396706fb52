"""What `intertie partner legacy` asks and shows of a partner that speaks AS4."""

from __future__ import annotations

from pathlib import Path

from intertie.cli._smime import check_our_key
from intertie.gateway.translating.foreign import Foreign
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.run import Opened
from intertie.seal.smime_keys import fingerprint, is_valid, read_certificate


def check_as4(it: Opened, party: PartyId, file: Path, foreign: Foreign) -> None:
    """What a message to it, or from it, would stumble over. SettingsError."""
    terms = foreign.as4
    certificates = [read_certificate(pem) for pem in terms.certificates]
    encrypt_for = read_certificate(terms.encrypt_for or terms.certificates[0], encrypts=True)
    if not all(is_valid(one, it.clock()) for one in (certificates[0], encrypt_for)):
        do = "Ask the partner for its new one, and put it first."
        raise SettingsError(f"{file}: the first certificate is not valid today", do=do)
    if it.as4 is None:
        raise SettingsError("[as4] party_id says nobody that we are", do="Name us in intertie.toml.")
    check_our_key("as4", terms.our_key, it.settings.as4.key_number)
    for partner in it.partners.all():
        other = partner.foreign.as4_terms if partner.foreign is not None else None
        if partner.party == party or other is None:
            continue
        if (other.party_id, other.party_type) == (terms.party_id, terms.party_type):
            do = "A partner is found by its PartyId: give each its own."
            raise SettingsError(f"{file}: {partner.party} is {terms.party_id} too", do=do)


def as4_lines(foreign: Foreign) -> list[tuple[str, str]]:
    """How it stands."""
    terms = foreign.as4
    certificates = [read_certificate(pem) for pem in terms.certificates]
    how = f"signed ({terms.digest}) and encrypted ({terms.cipher} under rsa-oaep), not post-quantum"
    return [
        ("speaks", f"as4 as {terms.party_id} at {terms.url}, {foreign.format}"),
        ("about", f"{terms.service} / {terms.action}"),
        ("legacy", f"until {foreign.legacy_until}: {how}; what is received: {foreign.closing}"),
        ("quirks", ", ".join(sorted(terms.quirks)) or "none"),
        *(
            ("its certificate", f"SHA-256 {fingerprint(one)} until {one.not_valid_after_utc.date()}")
            for one in certificates
        ),
    ]
