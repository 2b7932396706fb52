"""Partners that speak a protocol of their own, as files beside those of the others."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from tests.exchange.uftp_world import KEYS, TEXT, UTILITY, foreign_of

from intertie.gateway.gateway import FixedTrust
from intertie.gateway.translating.foreign import check_legacy, paper_events
from intertie.market.book import fold
from intertie.market.contract import State
from intertie.model.errors import Code, Refused, SettingsError
from intertie.model.ids import PartyId
from intertie.seal.certificates import TrustStore
from intertie.seal.sodium_sign import write_public
from intertie.stores.partner_files import PartnerFiles, Standing, read_foreign, standing_text

NOW = datetime(2026, 1, 15, 8, tzinfo=UTC)
PARTY = PartyId("dso.example")
LEGACY = f"""
name = "A DSO"
roles = ["distribution_utility"]
legacy_until = 2027-12-31

[uftp]
domain = "dso.example"
role = "DSO"
key = "{write_public(KEYS[UTILITY].public)}"
url = "https://dso.example/shapeshifter/api/v3/message"
points = {{ F12-T7 = "ean.871685900012636543" }}
"""


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
    return PartnerFiles(tmp_path, FixedTrust(TrustStore(())), ticks)


def write(folder: Path, text: str = LEGACY) -> None:
    (folder / f"{PARTY}.toml").write_text(standing_text(PARTY, Standing(added=NOW)))
    (folder / f"{PARTY}.legacy").write_text(text)


def test_a_partner_without_a_gateway(book: PartnerFiles, tmp_path: Path) -> None:
    write(tmp_path)
    partner = book.find(PARTY)
    assert partner is not None and partner.foreign is not None
    assert (partner.name, partner.url) == ("A DSO", partner.foreign.uftp.url)
    assert partner.translated and not partner.fetches and not partner.keys.signing
    (entry,) = book.entries()
    assert entry.descriptor.until.date() == date(2027, 12, 31)


def test_a_change_is_seen_and_a_mistake_leaves_what_was(
    book: PartnerFiles, tmp_path: Path, ticks: Ticks
) -> None:
    write(tmp_path)
    book.find(PARTY)
    write(tmp_path, LEGACY.replace("A DSO", "Another"))
    ticks.at += 2
    partner = book.find(PARTY)
    assert partner is not None and partner.name == "Another"
    write(tmp_path, LEGACY.replace("2027-12-31", '"soon"'))
    ticks.at += 2
    assert book.find(PARTY) == partner
    assert list(book.problems()) == [f"{PARTY}.json"] and "legacy_until" in book.problems()[f"{PARTY}.json"]


WRONG = {
    "without an end": ("legacy_until = 2027-12-31", ""),
    "without a key": (write_public(KEYS[UTILITY].public), "cs1.x"),
    "in the clear": ("https://dso.example/", "http://dso.example/"),
    "an unknown word": ("[uftp]", "[uftp]\nquirk = true"),
    "no point": ("ean.871685900012636543", "F12"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_a_legacy_file_must_say(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "x.legacy"
    path.write_text(LEGACY.replace(*WRONG[wrong]))
    with pytest.raises(SettingsError):
        read_foreign(path)
    assert read_foreign(tmp_path / "none.legacy") is None


def test_the_end_date_is_a_whole_day() -> None:
    foreign = foreign_of(UTILITY, until=date(2026, 1, 15))
    check_legacy(UTILITY, foreign, date(2026, 1, 15))
    with pytest.raises(Refused) as refused:
        check_legacy(UTILITY, foreign, date(2026, 1, 16))
    assert refused.value.code is Code.PROTECTION_TOO_WEAK and "2026-01-15" in refused.value.detail


def test_a_contract_on_paper_is_in_force_in_the_book() -> None:
    ledger = fold(paper_events(foreign_of(UTILITY)))
    assert not ledger.voids
    assert ledger.book.contracts[TEXT.agreement].state is State.IN_FORCE
    assert ledger.last is not None and ledger.last < TEXT.effective + timedelta(seconds=1)
