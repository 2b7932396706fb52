"""`intertie journal audit`: nobody's journal was rewritten, or here is the proof that it was."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_pairs, print_table, when
from intertie.gateway.gateway import Partner
from intertie.gateway.proving.audit_journal import Audit
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.run import Opened, opened
from intertie.run.auditing import StreetAuditing
from intertie.stores.proof_files import ProofFolder


def audit(
    *,
    partner: Annotated[
        tuple[PartyOption, ...], Parameter(help="Only this one (may be given again).", negative=())
    ] = (),
    everything: Annotated[bool, Parameter(negative=(), help="Also what earlier audits have proven.")] = False,
    to: Annotated[
        Path | None, Parameter(help="Where evidence goes; the gateway's folder `evidence` if not given.")
    ] = None,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Show that no journal was rewritten: this gateway's own, and each partner's.

    Own: every entry is read back, and compared with every receipt this gateway wrote and with every head that partners
    hold. A partner's: every head that its receipts committed to lies on one growing journal, proven by the partner. Exit
    status 1 if anything was rewritten or is left open; what is proven against a partner is written as an evidence file.
    """
    with opened(dir) as it:
        asked = _partners(it, partner)
        found = StreetAuditing(it).audit(asked, it.clock(), everything=everything)
        folder = to or it.directory / "evidence"
        files = {
            party: folder / ProofFolder(folder).keep_evidence(party, raw)
            for party, raw in found.evidence.items()
        }
    if json:
        print_json({"sound": found.sound, **_report(found, files)})
    else:
        _print(found, files)
    return 0 if found.sound else 1


def _partners(it: Opened, wanted: tuple[PartyId, ...]) -> list[Partner]:
    if not wanted:
        return [known for known in it.partners.all() if not known.suspended]
    found = []
    for party in wanted:
        known = it.partners.find(party)
        if known is None:
            raise SettingsError(f"{party} is no partner here", do="`intertie partner list` names them.")
        found.append(known)
    return found


def _report(found: Audit, files: dict[PartyId, Path]) -> dict[str, object]:
    return {
        "own": found.own,
        "partners": found.partners,
        "silent": found.silent,
        "evidence": {party: str(path) for party, path in files.items()},
    }


def _print(found: Audit, files: dict[PartyId, Path]) -> None:
    own = found.own
    print_pairs(
        [
            ("own journal", own.state),
            ("", own.detail),
            ("entries", own.size),
            ("root", own.root),
            ("receipts compared", own.receipts),
            ("heads that partners hold, compared", own.witnessed),
        ]
    )
    rows = [
        (p.party, p.state, p.size, p.heads, p.detail, files.get(PartyId(p.party), "")) for p in found.partners
    ]
    columns = ("partner", "journal", "entries", "heads proven now", "finding", "evidence")
    print_table("Partners", columns, rows, empty="No partner to audit.")
    for each in found.partners:
        if each.stamped is not None:
            print(f"{each.party}: {each.stamped_by} says that its journal was there at {when(each.stamped)}")
    for party, why in found.silent.items():
        print(f"{party} does not say which heads of this journal it holds: {why}")
    for path in files.values():
        print(f"Anybody can check {path}: intertie evidence verify {path} --trust ROOTS.pem")
