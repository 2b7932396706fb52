"""Joinings and partners that are not live, as files."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from intertie.exchange.joining import State, Terms, trial_of
from intertie.gateway.configuration.settings import Places
from intertie.gateway.gateway import Agreement
from intertie.gateway.partners.join_partner import Joining, Other
from intertie.model.errors import SettingsError
from intertie.model.ids import AgreementId, PartyId
from intertie.model.party import Party, Role
from intertie.seal.certificates import load_trust
from intertie.seal.descriptor import write_descriptor
from intertie.seal.joining import own_roots
from intertie.seal.keys import generate_keys
from intertie.seal.trial_ca import TrialCa
from intertie.stores.joining_files import JoiningFiles, admit_partner, drop_partner
from intertie.stores.partner_files import PartnerFiles, Standing, read_standing, standing_text
from intertie.stores.trust_files import TrustFiles

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
PARTY = PartyId("aggregator.example")
BUSINESS = Agreement(id=AgreementId("DGS-1"), start=NOW)


def joining(id: str = "0102030405", **more: object) -> Joining:
    given: dict[str, object] = {
        "id": id,
        "side": "inviter",
        "state": State.INVITED,
        "made": NOW,
        "end": NOW + timedelta(days=2),
        "address": "127.0.0.1:1",
        "terms": Terms(agreement=AgreementId("DGS-1"), start=NOW, covers=("DA",)),
    }
    return Joining(**{**given, **more})  # type: ignore[arg-type]


def test_what_is_put_is_found(tmp_path: Path) -> None:
    book = JoiningFiles(tmp_path / "joining")
    assert book.find("0102030405") is None and book.all() == []
    later = joining("ffffffffff", made=NOW + timedelta(seconds=1))
    for one in (later, joining()):
        book.put(one)
    assert book.find("0102030405") == joining()
    assert book.all() == [joining(), later]
    book.put(msgspec.structs.replace(later, state=State.CANCELLED, why="so"))
    assert [one.state for one in book.all()] == [State.INVITED, State.CANCELLED]


def test_the_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    book = JoiningFiles(tmp_path / "joining")
    book.put(joining())
    assert stat.S_IMODE((tmp_path / "joining").stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff", b'{"id":"x"}'])
def test_a_damaged_file_is_said(tmp_path: Path, damage: bytes) -> None:
    book = JoiningFiles(tmp_path / "joining")
    book.put(joining())
    (tmp_path / "joining" / "0102030405.json").write_bytes(damage)
    with pytest.raises(SettingsError, match=r"0102030405\.json"):
        book.find("0102030405")


def count_wrong(folder: Path, times: int) -> None:
    book = JoiningFiles(folder)
    for _ in range(times):
        with book.alone():
            found = book.find("0102030405")
            assert found is not None
            book.put(msgspec.structs.replace(found, wrong=found.wrong + 1))


def test_two_at_once_do_not_lose_each_others_changes(tmp_path: Path) -> None:
    """The lock belongs to an open file, so that it holds between threads as between processes."""
    book = JoiningFiles(tmp_path / "joining")
    book.put(joining())
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(count_wrong, tmp_path / "joining", 20) for _ in range(3)]:
            done.result()
    found = book.find("0102030405")
    assert found is not None and found.wrong == 60


class World:
    """A gateway's folder, and an aggregator under an authority that the gateway does not know."""

    def __init__(self, base: Path) -> None:
        self.places = Places(base)
        self.places.trust.mkdir()
        span = NOW - timedelta(days=1), NOW + timedelta(days=100)
        (self.places.trust / "ours.pem").write_bytes(TrialCa.create("Ours", *span).trust().pem())
        authority = TrialCa.create("Theirs", *span)
        roles = frozenset({Role.DER_AGGREGATOR})
        keys = generate_keys(PARTY, roles, authority, NOW, not_before=span[0], not_after=span[1])
        who = Party(id=PARTY, name="A", roles=roles)
        raw = write_descriptor(who, keys, url="https://a.example", sequence=1, now=span[0], end=span[1])
        self.other = Other(
            party=PARTY,
            descriptor=raw.decode(),
            roots=own_roots(keys, authority.trust()).decode(),
            covers=("DA",),
            transcript="ab" * 32,
            words="lusab babad gutih tugad kopin",
        )
        self.ticks = 0.0

    def partners(self) -> PartnerFiles:
        trust = TrustFiles(self.places.trust, lambda: self.ticks)
        return PartnerFiles(self.places.partners, trust, lambda: self.ticks)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_confirmed_partner_may_test_and_nothing_else(world: World) -> None:
    admit_partner(world.places, joining(state=State.JOINED), world.other, NOW)
    partner = world.partners().find(PARTY)
    assert partner is not None
    trial = trial_of("0102030405", ("DA",))
    assert partner.trial == trial
    assert partner.agreement_in_force(trial.agreement, NOW)
    assert not partner.agreement_in_force(AgreementId("DGS-1"), NOW)


def test_its_roots_vouch_for_nobody_else(world: World) -> None:
    admit_partner(world.places, joining(), world.other, NOW)
    trust = load_trust(world.places.trust)
    assert len(trust.family(post_quantum=False, party=PARTY)) == 2
    assert len(trust.family(post_quantum=False, party=PartyId("utility.example"))) == 1


def test_admitting_again_changes_nothing(world: World) -> None:
    first = admit_partner(world.places, joining(), world.other, NOW)
    assert admit_partner(world.places, joining(), world.other, NOW) == first


@pytest.mark.parametrize("written", [1, 2, 3])
def test_a_crash_between_its_files_leaves_nobody_in(
    world: World, written: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """roots, standing, descriptor: without the last there is no partner, and doing it again makes one."""
    done: list[Path] = []

    def crash(path: Path, data: bytes) -> None:
        if len(done) == written - 1:
            raise KeyboardInterrupt
        done.append(path)
        path.write_bytes(data)

    with monkeypatch.context() as patch:
        for module in ("joining_files", "partner_files"):
            patch.setattr(f"intertie.stores.{module}.write_whole", crash)
        with pytest.raises(KeyboardInterrupt):
            admit_partner(world.places, joining(), world.other, NOW)
    assert world.partners().find(PARTY) is None
    admit_partner(world.places, joining(), world.other, NOW)
    assert world.partners().find(PARTY) is not None


def test_dropped_means_not_trusted(world: World) -> None:
    admit_partner(world.places, joining(), world.other, NOW)
    drop_partner(world.places, PARTY)
    drop_partner(world.places, PARTY)
    assert world.partners().find(PARTY) is None
    assert len(load_trust(world.places.trust).family(post_quantum=False, party=PARTY)) == 1


def test_once_live_business_is_under_its_own_agreement(world: World) -> None:
    standing = admit_partner(world.places, joining(), world.other, NOW)
    path = world.places.partners / f"{PARTY}.toml"
    path.write_text(standing_text(PARTY, msgspec.structs.replace(standing, state="live")))
    partner = world.partners().find(PARTY)
    assert partner is not None and partner.trial is None and partner.agreements == (BUSINESS,)
    entry = world.partners().entries()[0]
    assert entry.standing.trial == trial_of("0102030405", ("DA",))


def test_a_standing_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    for standing in (
        Standing(added=NOW),
        Standing(added=NOW, suspended=True, agreements=(BUSINESS,)),
        Standing(
            added=NOW, state="proving", joining="0102030405", words="lusab babad", covers=("DA", "ET2/bid")
        ),
    ):
        path.write_text(standing_text(PARTY, standing))
        assert read_standing(path) == standing


@pytest.mark.parametrize(
    "text",
    [
        'state = "proving"',
        'state = "joined"',
        'joining = "x"',
        '[[agreements]]\nid = "onboarding-0102030405"\nstart = 2026-01-01T00:00:00Z',
    ],
)
def test_a_standing_that_makes_no_sense(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(f"added = 2026-01-01T00:00:00Z\n{text}\n")
    with pytest.raises(SettingsError, match=r"x\.toml"):
        read_standing(path)
