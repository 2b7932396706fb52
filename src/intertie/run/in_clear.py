"""Where we go without TLS: to partners with whom that was agreed, until its end date, by a password that opens nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from intertie.bindings.sftp.carrier import party_of
from intertie.formats.ftps_terms import TheirFtps
from intertie.formats.upload_terms import hash_secret
from intertie.gateway.translating.foreign import Foreign
from intertie.gateway.translating.in_clear import all_secrets, check_in_clear
from intertie.model.errors import Code, IntertieError, PartnerError, Refused, SettingsError
from intertie.model.ids import PartyId
from intertie.run.opening import Opened
from intertie.seal.private_files import read_secret_text

PASSWORD = "password"  # noqa: S105  # what the file holds


def server_of(foreign: Foreign) -> TheirFtps | None:
    """Where we go to this partner; None if we do not."""
    return foreign.ftps_terms.server if foreign.ftps_terms is not None else None


def may_go(it: Opened) -> Callable[[Foreign], TheirFtps | None]:
    """The same, for who is about to go there: PartnerError, with partner and rule, if that is without TLS and may not be."""

    def server(foreign: Foreign) -> TheirFtps | None:
        there = server_of(foreign)
        if there is None or not there.in_clear:
            return there
        try:
            check_way(it, party_of(it.gateway, foreign), foreign, there)
        except (Refused, SettingsError) as error:
            do = "Agree on TLS, or see its legacy file and docs/ftps.md."
            raise PartnerError(error.why, do=error.do or do) from error
        return there

    return server


def check_way(it: Opened, party: PartyId, foreign: Foreign, there: TheirFtps) -> None:
    """Refused unless we may go to this server, which has no TLS, today; SettingsError if the password cannot be had."""
    check_in_clear(party, foreign, it.clock().date(), allowed=it.settings.ftps.plain)
    check_own_password(it, party, there)


def check_own_password(it: Opened, party: PartyId, there: TheirFtps) -> None:
    """Refused if the password of this server, which whoever listens hears, opens anything else that we know of."""
    said = read_secret_text(it.places.of(there.secret_file), PASSWORD)
    hashed = hash_secret(said.decode("utf-8", "replace"))
    opens = [what for what, other in _passwords(it, party) if other == said]
    opens += [
        f"our door for {other.party}"
        for other in it.gateway.partners.all()
        if other.foreign is not None and hashed in all_secrets(other.foreign)
    ]
    if opens:
        why = f"the password that is said to its server without TLS opens {opens[0]}, too: ask it for one of its own"
        raise Refused(Code.PROTECTION_TOO_WEAK, why, partner=party)


def _passwords(it: Opened, party: PartyId) -> Iterator[tuple[str, bytes]]:
    """Every other password of ours that lies in a file, and what it opens."""
    for what, name in _files(it, party):
        with contextlib.suppress(IntertieError):  # what cannot be read is no password of ours now
            yield what, read_secret_text(it.places.of(name), PASSWORD)


def _files(it: Opened, party: PartyId) -> Iterator[tuple[str, str]]:
    settings = it.settings
    ours = {
        "the store": settings.store.password_file,
        "the mail server": settings.escalation.password_file,
        "the single sign-on": settings.oidc.secret_file,
    }
    yield from ((what, name) for what, name in ours.items() if name)
    for partner in it.gateway.partners.all():
        foreign = partner.foreign
        if foreign is None or partner.party == party:
            continue
        there = server_of(foreign)
        if there is not None:
            yield f"the server of {partner.party}", there.secret_file
        if foreign.custodian_terms is not None:
            yield f"the custodian {partner.party}", foreign.custodian_terms.secret_file
        if foreign.internet_et_terms is not None and foreign.internet_et_terms.password_file:
            yield f"the door of {partner.party}", foreign.internet_et_terms.password_file
