"""The pages of audits and of evidence that lapses: what is found is kept and shown, renewed once, and read only by who may."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from tests.exchange.house import AGGREGATOR, NOW, UTILITY, Pair, make_pair
from tests.exchange.https_world import House, now
from tests.exchange.witness_world import audit, entries_of, make_traffic, rebuild
from tests.portal.test_money_pages import text
from tests.portal.visitors import Browser, signed_in
from tests.portal.world import World

from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.office_beside import Beside
from intertie.gateway.ports import MessageRow
from intertie.gateway.proving import renew_kept
from intertie.gateway.proving.audit_journal import Audit
from intertie.gateway.proving.audit_own import audit_entries
from intertie.gateway.proving.audit_partner import PartnerAudit
from intertie.gateway.proving.audit_report import AuditReport
from intertie.journal.entry import read_entry
from intertie.model.errors import EvidenceError, StoreError
from intertie.model.ids import MessageId, PartyId
from intertie.seal.equivocation import SETTLED, EquivocationReport
from intertie.seal.evidence_file import verify_file
from intertie.seal.policy_settings import AlgorithmEnd, PolicySettings
from intertie.seal.renewal import RenewedReport
from intertie.stores.proof_files import ProofFolder

AUDIT, RENEWAL = "/evidence/audit", "/evidence/renewal"
AUDITOR, ADMIN, OPERATOR = OfficeRole.AUDITOR, OfficeRole.ADMIN, OfficeRole.OPERATOR
EVIL = "<script>alert(1)</script>"


class Said:
    """What an audit says that reads our own journal, and what a test says of partners."""

    def __init__(self, world: World) -> None:
        self.world, self.asked = world, list[tuple[list[PartyId], bool]]()
        self.state, self.evidence, self.silent = "consistent", dict[PartyId, bytes](), dict[PartyId, str]()

    def audit(self, partners: Sequence[Partner], now: datetime, *, everything: bool) -> Audit:
        self.asked.append(([one.party for one in partners], everything))
        found = [
            PartnerAudit(party=one.party, state=self.state, detail=EVIL, heads=3, size=9, root="00" * 32)  # type: ignore[arg-type]
            for one in partners
        ]
        return Audit(audit_entries(self.world.gateway), found, self.evidence, self.silent)


def opened(folder: Path, pair: Pair | None = None) -> tuple[World, Said]:
    world = World(folder, pair, made=False)
    said = Said(world)
    beside = Beside(auditing=said, proofs=ProofFolder(folder / "evidence"))
    world.office = world.office._replace(beside=beside)
    return world, said


@pytest.fixture
def at(tmp_path: Path) -> Iterator[tuple[World, Said]]:
    world, said = opened(tmp_path)
    yield world, said
    world.close()


def begun(world: World, role: OfficeRole = AUDITOR) -> Browser:
    return signed_in(world, role)


# Audits


def test_an_audit_is_made_kept_and_shown(at: tuple[World, Said]) -> None:
    world, said = at
    browser = begun(world)
    assert AUDIT in browser.get("/evidence").text
    assert "No audit was made here yet" in text(browser.get(AUDIT))
    assert browser.done(browser.send(AUDIT, whose="all", everything="yes")) == "Nothing was rewritten."
    assert said.asked == [([AGGREGATOR], True)]
    page = text(browser.get(AUDIT))
    assert "Nothing was rewritten, and nothing is left open" in page and "by auditor" in page
    assert f"{AGGREGATOR} consistent 9 3" in page and EVIL in page
    browser.done(browser.send(AUDIT, whose="ours"))
    assert said.asked[-1] == ([], False)
    browser.done(browser.send(AUDIT, whose=AGGREGATOR))
    assert said.asked[-1] == ([AGGREGATOR], False)
    notes = " ".join(read_entry(raw).note for _, raw, _ in world.gateway.store.entries())
    assert "audit journals ours sound" in notes


def test_what_is_proven_against_a_partner_is_a_file(at: tuple[World, Said]) -> None:
    world, said = at
    said.state, said.evidence = "rewritten", {PartyId(AGGREGATOR): b'{"caught": 1}'}
    said.silent = {PartyId(AGGREGATOR): "it answers 500"}
    browser = begun(world)
    assert browser.done(browser.send(AUDIT, whose="all")).startswith("Something is open")
    page = browser.get(AUDIT)
    assert "rewritten" in text(page) and "it answers 500" in text(page)
    name = f"equivocation-{AGGREGATOR}-1.json"
    assert f'href="/evidence/files/{name}"' in page.text
    found = browser.get(f"/evidence/files/{name}")
    assert found.content == b'{"caught": 1}'
    assert found.headers["content-disposition"] == f'attachment; filename="{name}"'
    browser.done(browser.send(AUDIT, whose="all"))
    assert world.office.beside.proof_files().read(f"equivocation-{AGGREGATOR}-2.json") is None


def test_the_same_form_twice_audits_once(at: tuple[World, Said]) -> None:
    world, said = at
    browser = begun(world)
    form = {"csrf": browser.token(), "once": "audit-once", "whose": "ours"}
    assert {browser.post(AUDIT, form).status_code for _ in range(2)} == {303}
    assert len(said.asked) == 1


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "whose journal is missing"),
        ({"whose": "nobody.example"}, "is no partner here"),
        ({"whose": "<b>"}, "has not the right form"),
    ],
)
def test_what_cannot_be_audited(at: tuple[World, Said], fields: dict[str, str], why: str) -> None:
    world, said = at
    assert why in text(begun(world).send(AUDIT, **fields), 422)
    assert said.asked == []


def test_more_partners_than_one_waits_for(at: tuple[World, Said], monkeypatch: pytest.MonkeyPatch) -> None:
    world, _ = at
    for place in ("gateway.proving.audit_report", "portal.pages.auditing"):
        monkeypatch.setattr(f"intertie.{place}.PARTNERS_MAX", 0)
    browser = begun(world)
    assert 'value="all"' not in browser.get(AUDIT).text
    assert "intertie journal audit" in text(browser.send(AUDIT, whose="all"), 422)


@pytest.mark.parametrize("name", ["none.json", "..%2Fpeople.json", "audit", "%00", "a%2Fb.json"])
def test_only_files_of_evidence_are_read(at: tuple[World, Said], name: str) -> None:
    world, _ = at
    answer = begun(world).get(f"/evidence/files/{name}")
    assert answer.status_code in (400, 404, 422)


def test_nothing_to_audit_with(tmp_path: Path) -> None:
    world = World(tmp_path, made=False)
    browser = begun(world)
    assert "No journal is audited here" in text(browser.get(AUDIT))
    assert "no journal is audited here" in text(browser.send(AUDIT, whose="ours"), 422)
    assert "no files of evidence are kept here" in text(browser.get(RENEWAL), 422)
    world.close()


def test_who_may_not_prove_audits_nothing(at: tuple[World, Said]) -> None:
    world, said = at
    for role in (OPERATOR, OfficeRole.TRADER, ADMIN):
        browser = begun(world, role)
        for path in (AUDIT, RENEWAL):
            assert browser.get(path).status_code == 403 == browser.send(path, whose="ours").status_code
        assert browser.get("/evidence/files/a.json").status_code == 403
    assert said.asked == []


class Doors:
    """Asks partners over their doors."""

    def __init__(self, house: House) -> None:
        self.house = house

    def audit(self, partners: Sequence[Partner], at: datetime, *, everything: bool) -> Audit:
        return audit(self.house, everything=everything)


def test_a_partner_that_rewrote_its_journal_is_caught_over_its_door(tmp_path: Path) -> None:
    rest, again = make_traffic(tmp_path), tmp_path / "again"
    again.mkdir()
    traffic = rest.again(again)
    world = World(tmp_path / "office", gateway=traffic.utility.gateway, made=False)
    beside = Beside(auditing=Doors(traffic.utility), proofs=ProofFolder(tmp_path / "office" / "evidence"))
    world.office = world.office._replace(beside=beside)
    browser = begun(world)
    journal = again / "aggregator.db"
    entries = entries_of(journal)
    entries[3] = msgspec.structs.replace(entries[3], at=entries[3].at - timedelta(hours=1))
    rebuild(journal, entries)
    with traffic.open():
        browser.done(browser.send(AUDIT, whose="all"))
    page = browser.get(AUDIT)
    name = f"equivocation-{AGGREGATOR}-1.json"
    assert "rewritten" in text(page) and f"/evidence/files/{name}" in page.text
    raw = browser.get(f"/evidence/files/{name}").content
    report = verify_file(raw, world.gateway.trust, now() + SETTLED + timedelta(minutes=1))
    assert isinstance(report, EquivocationReport) and report.party == AGGREGATOR
    world.close()
    traffic.close()


# Evidence that lapses


Lapsing = tuple[Pair, list[MessageId]]
# A policy for which classical signatures are enough.
LENIENT = PolicySettings(
    default_profile="classical", harvest_horizon=date(2090, 1, 1), disallow_date=date(2090, 1, 1)
)
SOON = PolicySettings(ends=(AlgorithmEnd(algorithm="ES256", day=date(2026, 6, 1)),))


@pytest.fixture
def classical(tmp_path: Path) -> Lapsing:
    """Two messages that came with classical signatures."""
    usual = make_pair()
    lenient = Pair(replace(usual.utility, policy=LENIENT), replace(usual.aggregator, policy=LENIENT))
    world = World(tmp_path / "before", lenient, made=False)
    ids = [world.from_partner("availability_declaration") for _ in range(2)]
    world.deliver()
    world.close()
    return usual, ids


def lapsing(folder: Path, classical: Lapsing) -> tuple[World, Browser]:
    """The office of the utility, by whose settings classical signatures end in June."""
    pair = Pair(replace(classical[0].utility, policy=SOON), classical[0].aggregator)
    world, _ = opened(folder, pair)
    return world, begun(world)


def test_what_lapses_is_listed_renewed_once_and_kept(tmp_path: Path, classical: Lapsing) -> None:
    world, browser = lapsing(tmp_path, classical)
    ids = classical[1]
    assert "no proof ends within 30 days" in text(browser.get(f"{RENEWAL}?days=30"))
    page = browser.get(RENEWAL)
    assert all(id in page.text for id in ids) and "2026-06-01" in page.text and "classical" in page.text
    assert browser.done(browser.send(RENEWAL, days="365", profile="hybrid-high")) == "2 renewed."
    page = browser.get(RENEWAL)
    assert "Renew those of this page" not in page.text
    name = f"{ids[0]}-from-{AGGREGATOR}.json"
    assert f'href="/evidence/files/{name}"' in page.text
    raw = browser.get(f"/evidence/files/{name}").content
    report = verify_file(raw, world.gateway.trust, world.now + timedelta(days=11 * 365))
    assert isinstance(report, RenewedReport) and report.renewals[0].by == UTILITY
    assert browser.done(browser.send(RENEWAL, days="364")) == "Nothing was left to renew."
    assert browser.get(f"/evidence/files/{name}").content == raw
    notes = " ".join(read_entry(raw).note for _, raw, _ in world.gateway.store.entries())
    assert "renew evidence 2 under hybrid-high" in notes
    world.close()


def test_what_cannot_be_renewed_keeps_back_no_other(
    tmp_path: Path, classical: Lapsing, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, browser = lapsing(tmp_path, classical)
    real = renew_kept.renew_message

    def renewing(gateway: Gateway, row: MessageRow, *more: object, **others: object) -> bytes:
        if row.id == classical[1][0]:
            raise EvidenceError(11, "it has lapsed")
        return real(gateway, row, *more, **others)  # type: ignore[arg-type]

    monkeypatch.setattr("intertie.gateway.proving.renew_kept.renew_message", renewing)
    said = browser.done(browser.send(RENEWAL))
    assert said.startswith(f"1 renewed. 1 not, as {classical[1][0]}") and "it has lapsed" in said
    assert len(world.office.beside.proof_files().renewed()) == 1
    world.close()


def test_a_page_of_parcels_leads_to_the_next(
    tmp_path: Path, classical: Lapsing, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, browser = lapsing(tmp_path, classical)
    world.deliver()
    monkeypatch.setattr("intertie.gateway.proving.renew_evidence.PARCELS_OF_A_PAGE", 1)
    monkeypatch.setattr("intertie.gateway.proving.renew_evidence.LINES_OF_A_PAGE", 1)
    page = browser.get(RENEWAL)
    assert "1 more of these parcels" in text(page)
    world.from_partner()
    world.deliver()
    page = browser.get(RENEWAL)
    assert 'rel="next"' in page.text
    where = page.text.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
    assert "Of 1 parcels no proof ends" in text(browser.get(where.replace("&amp;", "&")))
    world.close()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"days": "x"}, "a whole number"),
        ({"profile": "classical"}, "none of"),
        ({"after": "-1"}, "a whole number"),
    ],
)
def test_a_renewal_that_cannot_be(at: tuple[World, Said], fields: dict[str, str], why: str) -> None:
    assert why in text(begun(at[0]).send(RENEWAL, **fields), 422)


# The folder


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    folder = ProofFolder(tmp_path / "evidence")
    assert folder.last_report() is None and folder.renewed() == frozenset() and folder.read("a.json") is None
    folder.keep_renewed("a.json", b"1")
    assert folder.read("a.json") == b"1" and folder.renewed() == {"a.json"}
    for wrong in ("../a.json", "a", ".json", "a/b.json", "x" * 300 + ".json"):
        assert folder.read(wrong) is None
        with pytest.raises(StoreError):
            folder.keep_renewed(wrong, b"1")
    (tmp_path / "evidence" / "audit.json").write_bytes(b"{}")
    assert folder.last_report() is None


def test_a_report_comes_back_as_it_was(tmp_path: Path) -> None:
    pair = make_pair()
    report = AuditReport(
        at=NOW, by="ann", everything=False, own=audit_entries(pair.utility), silent={"p": "x"}
    )
    folder = ProofFolder(tmp_path)
    folder.keep_report(report)
    assert folder.last_report() == report and not report.sound
