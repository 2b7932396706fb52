"""The partner book on disk: read again when files change, whole or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from intertie.gateway.gateway import Agreement, FixedTrust
from intertie.model.errors import SettingsError
from intertie.model.ids import AgreementId, PartyId
from intertie.model.party import Party, Role
from intertie.seal.descriptor import write_descriptor
from intertie.seal.keys import generate_keys
from intertie.seal.trial_ca import TrialCa
from intertie.stores.partner_files import (
    PartnerFiles,
    Standing,
    read_standing,
    standing_text,
    write_partner,
)

NOW = datetime(2026, 1, 15, 8, tzinfo=UTC)
PARTY = PartyId("aggregator.example")
CA = TrialCa.create("Trial", NOW - timedelta(days=1), NOW + timedelta(days=900))


def descriptor(party: PartyId = PARTY) -> bytes:
    who = Party(id=party, name="An aggregator", roles=frozenset({Role.DER_AGGREGATOR}))
    end = NOW + timedelta(days=30)
    keys = generate_keys(party, who.roles, CA, NOW, not_after=end)
    return write_descriptor(who, keys, url="https://127.0.0.1:1", sequence=1, now=NOW, end=end)


RAW = descriptor()
STANDING = Standing(
    added=NOW,
    agreements=(
        Agreement(id=AgreementId("A-1"), start=NOW, end=NOW + timedelta(days=365)),
        Agreement(id=AgreementId("A-2"), start=NOW),
    ),
)


class Ticks:
    """A clock that a test moves."""

    at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def book(tmp_path: Path, ticks: Ticks) -> PartnerFiles:
    return PartnerFiles(tmp_path / "partners", FixedTrust(CA.trust()), ticks)


def test_what_is_written_is_read(tmp_path: Path, book: PartnerFiles) -> None:
    write_partner(tmp_path / "partners", PARTY, RAW, STANDING)
    partner = book.find(PARTY)
    assert partner is not None
    assert (partner.name, partner.roles, partner.url) == (
        "An aggregator",
        frozenset({Role.DER_AGGREGATOR}),
        "https://127.0.0.1:1",
    )
    assert partner.agreements == STANDING.agreements
    assert book.all() == [partner]
    assert read_standing(tmp_path / "partners" / f"{PARTY}.toml") == STANDING


def test_an_agreement_is_in_force_from_its_start_up_to_its_end(tmp_path: Path, book: PartnerFiles) -> None:
    write_partner(tmp_path / "partners", PARTY, RAW, STANDING)
    partner = book.find(PARTY)
    assert partner is not None
    end = NOW + timedelta(days=365)
    assert partner.agreement_in_force(AgreementId("A-1"), NOW)
    assert partner.agreement_in_force(AgreementId("A-1"), end - timedelta(seconds=1))
    assert not partner.agreement_in_force(AgreementId("A-1"), end)
    assert not partner.agreement_in_force(AgreementId("A-1"), NOW - timedelta(seconds=1))
    assert partner.agreement_in_force(AgreementId("A-2"), end)
    assert not partner.agreement_in_force(AgreementId("A-3"), NOW)
    assert not partner.agreement_in_force(None, NOW)


def test_nobody_is_there_before_there_is_a_folder(book: PartnerFiles) -> None:
    assert book.find(PARTY) is None
    assert book.all() == []


def test_a_new_file_is_seen_after_a_second_and_not_looked_for_before(
    tmp_path: Path, book: PartnerFiles, ticks: Ticks
) -> None:
    assert book.find(PARTY) is None
    write_partner(tmp_path / "partners", PARTY, RAW, STANDING)
    ticks.at = 0.9
    assert book.find(PARTY) is None
    ticks.at = 1.0
    assert book.find(PARTY) is not None


def test_a_removed_partner_is_gone(tmp_path: Path, book: PartnerFiles, ticks: Ticks) -> None:
    write_partner(tmp_path / "partners", PARTY, RAW, STANDING)
    assert book.find(PARTY) is not None
    (tmp_path / "partners" / f"{PARTY}.json").unlink()
    ticks.at = 2.0
    assert book.find(PARTY) is None


@pytest.mark.parametrize("name", [f"{PARTY}.json", f"{PARTY}.toml"])
@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"{}", b"suspended = perhaps"])
def test_damage_leaves_the_partner_as_it_was_and_is_reported(
    tmp_path: Path, book: PartnerFiles, ticks: Ticks, name: str, damage: bytes
) -> None:
    write_partner(tmp_path / "partners", PARTY, RAW, STANDING)
    before = book.find(PARTY)
    (tmp_path / "partners" / name).write_bytes(damage)
    ticks.at = 2.0
    assert book.find(PARTY) == before
    assert list(book.problems()) == [f"{PARTY}.json"]
    write_partner(tmp_path / "partners", PARTY, RAW, STANDING)
    ticks.at = 4.0
    assert book.problems() == {}


def test_damage_at_the_start_leaves_the_partner_out(tmp_path: Path, book: PartnerFiles) -> None:
    write_partner(tmp_path / "partners", PARTY, RAW[:-3] + b"AAA", STANDING)
    assert book.find(PARTY) is None
    assert book.problems()


def test_a_descriptor_under_another_name_is_not_taken(tmp_path: Path, book: PartnerFiles) -> None:
    write_partner(tmp_path / "partners", PartyId("other.example"), RAW, STANDING)
    assert book.all() == []
    assert "descriptor of aggregator.example" in book.problems()["other.example.json"]


def test_it_stays_believed_after_its_certificates_end(tmp_path: Path, book: PartnerFiles) -> None:
    """Step 7 asks again for each parcel, and says certificate_expired: better than to know nobody of that name."""
    write_partner(tmp_path / "partners", PARTY, RAW, STANDING)
    assert book.find(PARTY) is not None
    late = Standing(added=NOW + timedelta(days=31))
    write_partner(tmp_path / "late", PARTY, RAW, late)
    assert PartnerFiles(tmp_path / "late", FixedTrust(CA.trust()), Ticks()).find(PARTY) is None


@pytest.mark.parametrize(
    "standing",
    [STANDING, Standing(added=NOW), Standing(added=NOW, suspended=True, agreements=STANDING.agreements)],
)
def test_the_text_of_a_standing_says_the_same(tmp_path: Path, standing: Standing) -> None:
    path = tmp_path / "x.toml"
    path.write_text(standing_text(PARTY, standing))
    assert read_standing(path) == standing


def test_a_standing_without_its_day_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text("suspended = false\n")
    with pytest.raises(SettingsError, match="added"):
        read_standing(path)


@pytest.mark.parametrize("scopes", [None, (), ("DA/invoice",), ("DA/*", "ET17/consent")])
def test_scopes_are_read_as_they_were_written(tmp_path: Path, scopes: tuple[str, ...] | None) -> None:
    standing = Standing(added=NOW, agreements=STANDING.agreements, scopes=scopes)
    path = tmp_path / "a.toml"
    path.write_text(standing_text(PARTY, standing))
    assert read_standing(path) == standing


@pytest.mark.parametrize(
    "scopes", ['["DA"]', '["da/invoice"]', '["DA/invoice DA/bid"]', '"DA/*"', "[1]", '["*"]']
)
def test_a_scope_that_is_none_is_named(tmp_path: Path, scopes: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(f"added = 2026-01-15T08:00:00Z\nscopes = {scopes}\n")
    with pytest.raises(SettingsError, match="scopes"):
        read_standing(path)


def test_a_narrowed_partner_is_seen_without_a_restart(tmp_path: Path, ticks: Ticks) -> None:
    write_partner(tmp_path, PARTY, RAW, STANDING)
    book = PartnerFiles(tmp_path, FixedTrust(CA.trust()), ticks)
    before = book.find(PARTY)
    assert before is not None
    assert before.scopes is None
    write_partner(tmp_path, PARTY, RAW, Standing(added=NOW, scopes=("DA/invoice",)))
    ticks.at += 1.0
    after = book.find(PARTY)
    assert after is not None
    assert after.scopes == ("DA/invoice",)
