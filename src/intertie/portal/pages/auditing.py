"""Proof that lasts: journals audited, ours and partners', and evidence renewed before its signatures lapse."""

from __future__ import annotations

from datetime import timedelta

from intertie.gateway.office.office_acts import NotHere
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.proving.audit_report import PARTNERS_MAX, audit_and_keep, audited_partners
from intertie.gateway.proving.renew_evidence import LapsingPage, lapsing_page, renewed_name
from intertie.gateway.proving.renew_kept import renew_and_keep
from intertie.model.ids import PARTY, PartyId
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.trading import address, flag
from intertie.portal.pages.visit import Done, Download, View, Visit
from intertie.portal.pages.web import act, page
from intertie.seal.profile import PROFILES

EVIDENCE = "/evidence"
# A century: nobody plans further.
DAYS, DAYS_MAX = 365, 36_500
# The profiles that anybody renews under.
UNDER = ("hybrid", "hybrid-high")


@page(EVIDENCE + "/audit", Right.PROVE)
def audit_page(visit: Visit) -> View:
    """What the last audit found, and another one."""
    beside = visit.office.beside
    partners = sorted(one.party for one in visit.gateway.partners.all() if not one.suspended)
    return View(
        "audit.html",
        "Audit of journals",
        {
            "found": beside.proofs.last_report() if beside.proofs is not None else None,
            "can_audit": beside.auditing is not None,
            "partners": partners,
            "all": len(partners) <= PARTNERS_MAX,
        },
    )


@act(EVIDENCE + "/audit", Right.PROVE)
def audit_journals(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Read our journal back, and have partners prove theirs. Takes as long as that takes."""
    beside = visit.office.beside
    whose = form.text("whose", "whose journal", 200)
    named = None if whose in ("ours", "all") else form.matching("whose", PARTY, "whose journal")
    party = None if named is None else PartyId(named)
    partners = [] if whose == "ours" else audited_partners(visit.gateway, party)
    report = audit_and_keep(
        beside.auditor(),
        beside.proof_files(),
        partners,
        visit.person,
        visit.now,
        everything=flag(form, "everything"),
    )
    said = "Nothing was rewritten." if report.sound else "Something is open: look at what was found."
    return Done(EVIDENCE + "/audit", said, f"{whose} {'sound' if report.sound else 'open'}")


@page(EVIDENCE + "/files/{name:str}", Right.PROVE)
def proof_file(visit: Visit) -> Download:
    """A file that an audit or a renewal left."""
    name = visit.at["name"]
    raw = visit.office.beside.proof_files().read(name)
    if raw is None:
        raise NotHere("there is no such file", do="Follow a link of the page before.")
    return Download(name, raw, "application/json")


@page(EVIDENCE + "/renewal", Right.PROVE)
def renewal_page(visit: Visit) -> View:
    """The messages whose proof ends soon, among as many parcels as are looked at for one page."""
    files = visit.office.beside.proof_files()
    found, days, after = _page(visit, visit.query)
    kept = files.renewed()
    lines = [(one, name, name in kept) for one in found.lines for name in [renewed_name(one)]]
    return View(
        "renewal.html",
        "Evidence that lapses",
        {
            "found": found,
            "lines": lines,
            "due": any(not there for _, _, there in lines),
            "days": days,
            "after": after,
            "next": address(EVIDENCE + "/renewal", days=days, after=found.next) if found.next else None,
            "profiles": UNDER,
        },
    )


@act(EVIDENCE + "/renewal", Right.PROVE)
def renew_evidence(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Seal those of the page once more, under algorithms that hold longer, into files of the gateway's folder."""
    beside, under = visit.office.beside, form.maybe("profile", 20) or UNDER[0]
    if under not in UNDER:
        raise FieldError(f"{under}: none of {', '.join(UNDER)}", do="Choose one of them.")
    found, days, after = _page(visit, form)
    done = renew_and_keep(
        visit.gateway,
        beside.proof_files(),
        found,
        PROFILES[under],
        visit.now,
        beside.tsa(),
        beside.verifiers,
    )
    said = f"{done.made} renewed." if done.made or done.failed else "Nothing was left to renew."
    if done.failed:
        id, why = done.failed[0]
        said += f" {len(done.failed)} not, as {id}: {why}."
    to = address(EVIDENCE + "/renewal", days=days, after=after or None)
    return Done(to, said, f"{done.made} under {under}")


def _page(visit: Visit, fields: Fields) -> tuple[LapsingPage, int, int]:
    days, after = fields.number("days", 0, DAYS_MAX, DAYS), fields.number("after", 0, 2**62, 0)
    return lapsing_page(visit.gateway, timedelta(days=days), visit.now, after), days, after


ROUTES = [audit_page, audit_journals, proof_file, renewal_page, renew_evidence]
