"""An audit of journals as somebody of the office asks for it, and what stays of it: a report, and files that prove something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.proving.audit_journal import Audit
from intertie.gateway.proving.audit_own import OwnAudit
from intertie.gateway.proving.audit_partner import PartnerAudit
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.model.interval import Instant
from intertie.model.record import Record

# Partners of one audit that somebody waits for: each may be silent for as long as a connection takes to fail.
PARTNERS_MAX = 20


class AuditReport(Record, frozen=True, kw_only=True, omit_defaults=False):
    """What an audit found, who asked for it, and the evidence files by party. `silent`: who does not say which heads of our
    journal they hold, and why."""

    at: Instant
    by: str
    everything: bool
    own: OwnAudit
    partners: tuple[PartnerAudit, ...] = ()
    silent: Mapping[str, str] = {}
    files: Mapping[str, str] = {}

    @property
    def sound(self) -> bool:
        """Nothing was rewritten, and nothing is left open."""
        return (
            self.own.state == "consistent"
            and not self.silent
            and all(found.state == "consistent" for found in self.partners)
        )


class Auditing(Protocol):
    """Whoever can ask partners for their proofs."""

    def audit(self, partners: Sequence[Partner], now: datetime, *, everything: bool) -> Audit:
        """`audit_journal.audit_journals` over the network; StoreError."""


class ProofFiles(Protocol):
    """Where files that prove something are kept. Each is whole or not there; StoreError."""

    def keep_report(self, report: AuditReport) -> None:
        """In place of the one before."""

    def last_report(self) -> AuditReport | None:
        """The newest, if there was an audit."""

    def keep_evidence(self, party: PartyId, raw: bytes) -> str:
        """Evidence against a party; its name. The same bytes are kept once."""

    def keep_renewed(self, name: str, raw: bytes) -> None:
        """Renewed evidence, under this name."""

    def renewed(self) -> frozenset[str]:
        """The names of what was renewed."""

    def read(self, name: str) -> bytes | None:
        """A file that was kept under this name."""


def audit_and_keep(
    auditing: Auditing,
    files: ProofFiles,
    partners: Sequence[Partner],
    by: str,
    now: datetime,
    *,
    everything: bool = False,
) -> AuditReport:
    """Audit our own journal and these partners'; without any, only our own. SettingsError for more than can be waited for."""
    if len(partners) > PARTNERS_MAX:
        raise SettingsError(
            f"{len(partners)} partners are more than the {PARTNERS_MAX} that a page waits for",
            do="Choose one, or run `intertie journal audit` on the gateway's machine.",
        )
    found = auditing.audit(partners, now, everything=everything)
    report = AuditReport(
        at=now,
        by=by,
        everything=everything,
        own=found.own,
        partners=tuple(found.partners),
        silent={str(party): why for party, why in found.silent.items()},
        files={str(party): files.keep_evidence(party, raw) for party, raw in found.evidence.items()},
    )
    files.keep_report(report)
    return report


def audited_partners(gateway: Gateway, party: PartyId | None) -> list[Partner]:
    """One, or all that are not suspended. SettingsError if it is none."""
    if party is None:
        return [known for known in gateway.partners.all() if not known.suspended]
    found = gateway.partners.find(party)
    if found is None:
        raise SettingsError(f"{party} is no partner here", do="Partners lists those there are.")
    return [found]
