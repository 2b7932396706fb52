"""What may go where nothing protects it, with whom, and by which secret: FTP without TLS (docs/ftps.md, "Without TLS").

The rule in one place, for those that come to us and for those to whom we go. Each refusal is PROTECTION_TOO_WEAK, and names the
partner and what it broke.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from intertie.gateway.gateway import Partner
from intertie.gateway.receiving.accept_carried import is_sealed
from intertie.gateway.translating.foreign import Foreign
from intertie.model.errors import Code, Refused
from intertie.model.ids import PartyId

SEALED_ONLY = "without TLS only sealed parcels and their signed receipts are carried"


def check_in_clear(party: PartyId, foreign: Foreign, today: date, *, allowed: bool) -> None:
    """Refused unless anything may go between us and this partner without TLS today; `allowed` is what our settings say."""
    why = ""
    if not allowed:
        why = "FTP goes without TLS with nobody here: [ftps] plain is not set"
    elif not foreign.in_clear:
        why = "its legacy file does not flag it for FTP without TLS"
    elif today > foreign.legacy_until:
        why = f"that it may come, and be gone to, without TLS ended on {foreign.legacy_until}"
    if why:
        raise Refused(Code.PROTECTION_TOO_WEAK, why, partner=party)


def check_sealed(party: PartyId, content: bytes) -> None:
    """Refused for what would be read by whoever listens."""
    if not is_sealed(content):
        raise Refused(Code.PROTECTION_TOO_WEAK, SEALED_ONLY, partner=party)


def check_opens_nothing_else(party: PartyId, hashed: str, partners: Iterable[Partner]) -> None:
    """Refused if the secret of which this is the hash, and which is said where everybody can hear it, lets anybody in elsewhere:
    another partner at any door, or this one over TLS."""
    for other in partners:
        if other.foreign is None:
            continue
        known = list(all_secrets(other.foreign))
        if known.count(hashed) > plain_secrets(other.foreign).count(hashed) * (other.party == party):
            why = f"the secret that it says without TLS opens a door to {other.party}, too: it needs one of its own"
            raise Refused(Code.PROTECTION_TOO_WEAK, why, partner=party)


def check_secrets_apart(party: PartyId, foreign: Foreign, partners: Iterable[Partner]) -> None:
    """The same for all that a legacy file says, before it counts: of its own, and of what others say without TLS."""
    others = [other for other in partners if other.party != party]
    for secret in plain_secrets(foreign):
        check_opens_nothing_else(party, secret, others)
    for other in others:
        for secret in plain_secrets(other.foreign) if other.foreign is not None else ():
            if secret in all_secrets(foreign):
                why = f"one of its secrets is what {other.party} says without TLS, where everybody hears it"
                raise Refused(Code.PROTECTION_TOO_WEAK, why, partner=party)


def plain_secrets(foreign: Foreign) -> tuple[str, ...]:
    """The hashes of what a partner says to us without TLS."""
    return foreign.ftps_terms.plain_secrets if foreign.ftps_terms is not None else ()


def all_secrets(foreign: Foreign) -> Iterator[str]:
    """The hashes of all by which a partner is let in here."""
    if foreign.upload_terms is not None:
        yield from foreign.upload_terms.secrets
    if foreign.ftps_terms is not None:
        yield from foreign.ftps_terms.secrets
        yield from foreign.ftps_terms.plain_secrets
    if foreign.internet_et_terms is not None:
        yield from foreign.internet_et_terms.their_secrets
