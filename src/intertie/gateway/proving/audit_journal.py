"""The audit of journals: our own, and those of partners, each a witness of the other."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.proving.audit_own import OwnAudit, ask_witness, audit_entries, compare_witnessed
from intertie.gateway.proving.audit_partner import PartnerAudit, WitnessLink, audit_partner
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import PartnerError
from intertie.model.ids import PartyId
from intertie.seal.timestamp import TsaTrust


class Audit(NamedTuple):
    """What was found, and the evidence files by party."""

    own: OwnAudit
    partners: list[PartnerAudit]
    evidence: dict[PartyId, bytes]
    silent: dict[PartyId, str]  # partners that do not say which heads they hold of ours, and why

    @property
    def sound(self) -> bool:
        """Nothing was rewritten, and nothing is left open."""
        return (
            self.own.state == "consistent"
            and not self.silent
            and all(found.state == "consistent" for found in self.partners)
        )


async def audit_journals(
    gateway: Gateway,
    link: WitnessLink,
    partners: Sequence[Partner],
    now: datetime,
    *,
    everything: bool = False,
    tsa: TsaTrust | None = None,
) -> Audit:
    """Audit our journal and these partners'. What was found is journaled. Raises StoreError.

    Partners are asked first: what they hold by then must be in our journal when it is read.
    """
    held: dict[PartyId, list[Head]] = {}
    silent: dict[PartyId, str] = {}
    findings, evidence = [], {}
    for partner in partners:
        finding, proof = await audit_partner(gateway, link, partner, now, everything=everything, tsa=tsa)
        findings.append(finding)
        if proof is not None:
            evidence[partner.party] = proof
        try:
            held[partner.party] = await ask_witness(gateway, link, partner, now)
        except PartnerError as error:
            silent[partner.party] = error.why
    own = audit_entries(gateway)
    for partner in partners:
        if own.state == "consistent":
            own = compare_witnessed(gateway, own, partner, held.get(partner.party, []))
    gateway.store.note([_entry(finding, now) for finding in findings])
    return Audit(own, findings, evidence, silent)


def _entry(finding: PartnerAudit, now: datetime) -> Entry:
    """The line of an audit: whom, what was found, and the partner's head then."""
    digest = finding.root or hashlib.sha256(b"").hexdigest()
    note = (
        f"audit: {finding.state}, size {finding.size}"
        if finding.size is not None
        else f"audit: {finding.state}"
    )
    return Entry(kind=Kind.ACT, at=now, partner=PartyId(finding.party), digest=digest, note=note)
