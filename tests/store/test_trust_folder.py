"""The trust folder as a person changes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from intertie.model.errors import SettingsError
from intertie.model.ids import party_id
from intertie.seal.certificates import load_trust
from intertie.seal.revocation import TrustRules, read_list
from intertie.seal.trial_ca import TrialCa
from intertie.stores.trust_files import TrustFiles
from intertie.stores.trust_folder import add_file, describe_folder, remove_file

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
CA, OTHER = (TrialCa.create(name, NOW - WEEK, NOW + 9 * WEEK) for name in ("One", "Other"))
LISTS = CA.lists({}, 1, NOW, NOW + WEEK)
PARTY = party_id("agg.example")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one.pem").write_bytes(CA.roots_pem())
    return tmp_path


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_roots_for_everybody_and_for_one(folder: Path) -> None:
    assert add_file(folder, "their-root.pem", OTHER.roots_pem(), PARTY) == "agg.example/their-root.pem"
    trust = load_trust(folder)
    assert len(trust.roots) == 4
    assert len(trust.family(post_quantum=False, party=party_id("b.example"))) == 1
    lines = describe_folder(folder, trust, NOW)
    assert {(line.file, line.only) for line in lines} == {
        ("one.pem", None),
        ("agg.example/their-root.pem", PARTY),
    }
    assert {line.detail for line in lines} == {"classical", "ML-DSA"}


def test_lists_in_pem_and_der_the_newer_in_the_place_of_the_older(folder: Path) -> None:
    assert add_file(folder, "ec.crl", read_list(LISTS["ec"]).der, None) == "ec.pem"
    newer = CA.lists({}, 2, NOW, NOW + 2 * WEEK)["ec"]
    assert add_file(folder, "ec.pem", newer, None) == "ec.pem"
    (one,) = load_trust(folder).lists
    assert one.number == 2


def test_a_list_alone_may_stand_for_one_party(folder: Path) -> None:
    add_file(folder, "ec.crl.pem", LISTS["ec"], PARTY)
    (one,) = load_trust(folder).lists
    assert one.only == frozenset({PARTY})


def test_what_lines_say_of_age(folder: Path) -> None:
    add_file(folder, "ec.crl.pem", LISTS["ec"], None)
    trust = load_trust(folder, TrustRules(skew_seconds=60))
    for at, state in ((NOW + WEEK + timedelta(seconds=60), "fresh"), (NOW + 2 * WEEK, "out of date")):
        (line,) = [line for line in describe_folder(folder, trust, at) if line.kind == "list"]
        assert line.state == state
        assert "number 1, 0 revoked" in line.detail
    assert {
        line.state for line in describe_folder(folder, trust, NOW + 99 * WEEK) if line.kind == "root"
    } == {"not valid now"}


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("x.pem", b"-----BEGIN PRIVATE KEY-----\n", "neither a certificate nor"),
        ("x.pem", b"hello", "cannot be read"),
        ("x.pem", b"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n", "cannot be read"),
        ("one.pem", OTHER.roots_pem(), "is there already"),
        ("one.pem", LISTS["ec"], "is there already"),
    ],
)
def test_what_is_not_added(folder: Path, name: str, data: bytes, why: str) -> None:
    before = files(folder)
    with pytest.raises(SettingsError, match=why):
        add_file(folder, name, data, None)
    assert files(folder) == before


def test_a_list_by_an_impostor_leaves_the_folder_as_it_was(folder: Path) -> None:
    impostor = TrialCa.create("One", NOW - WEEK, NOW + WEEK).lists({}, 1, NOW, NOW + WEEK)["ec"]
    with pytest.raises(SettingsError, match="signed by no trusted root"):
        add_file(folder, "ec.crl.pem", impostor, PARTY)
    assert files(folder) == {"one.pem"}
    assert not (folder / PARTY).exists()
    add_file(folder, "ec.crl.pem", LISTS["ec"], None)
    with pytest.raises(SettingsError, match="signed by no trusted root"):
        add_file(folder, "ec.crl.pem", impostor, None)
    assert load_trust(folder).lists[0].number == 1


def test_removing(folder: Path) -> None:
    add_file(folder, "two.pem", OTHER.roots_pem(), None)
    remove_file(folder, "two.pem")
    assert files(folder) == {"one.pem"}
    with pytest.raises(SettingsError, match="no trusted root"):
        remove_file(folder, "one.pem")
    assert files(folder) == {"one.pem"}


@pytest.mark.parametrize("name", ["../keys/x.pem", "/etc/hostname", "gone.pem", "one.txt", "."])
def test_only_files_of_the_folder_are_removed(folder: Path, name: str) -> None:
    with pytest.raises(SettingsError):
        remove_file(folder, name)
    assert files(folder) == {"one.pem"}


def test_a_running_gateway_sees_both(folder: Path) -> None:
    ticks = iter(range(1000))
    trust = TrustFiles(folder, lambda: float(next(ticks)))
    add_file(folder, "ec.crl.pem", LISTS["ec"], None)
    assert len(trust.present().lists) == 1
    remove_file(folder, "ec.crl.pem")
    assert len(trust.present().lists) == 0
    (folder / "ec.crl.pem").write_bytes(b"-----BEGIN X509 CRL-----\n")
    assert len(trust.present().roots) == 2


def test_a_fetched_list_mends_a_damaged_one(folder: Path) -> None:
    trust = TrustFiles(folder, lambda: 0.0)
    trust.keep_list("http://x/", read_list(LISTS["ec"]), None)
    (path,) = folder.glob("fetched-*.crl.pem")
    path.write_bytes(b"-----BEGIN X509 CRL-----\n")
    trust.keep_list("http://x/", read_list(LISTS["ec"]), None)
    assert load_trust(folder).lists == (read_list(LISTS["ec"]),)


def test_a_folder_that_cannot_be_written(folder: Path) -> None:
    trust = TrustFiles(folder, lambda: 0.0)
    (folder / PARTY).write_text("a file where a folder should be")
    with pytest.raises(SettingsError):
        trust.keep_list("http://x/", read_list(LISTS["ec"]), PARTY)
