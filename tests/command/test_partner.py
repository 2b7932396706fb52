"""`intertie partner`: whom we believe, and under which agreement."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.command.gateways import AGGREGATOR, UTILITY, here, make_pair

from intertie.gateway.configuration.settings import Places
from intertie.stores.partner_files import read_standing

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def two(tmp_path: Path, capsys: Capsys) -> tuple[Path, Path]:
    """Two gateways with an authority each; neither knows the other."""
    for name, party, role in (("u", UTILITY, "distribution_utility"), ("a", AGGREGATOR, "der_aggregator")):
        assert here(capsys, "init", party, "--role", role, "--dir", tmp_path / name).code == 0
    return tmp_path / "u", tmp_path / "a"


def root(directory: Path) -> Path:
    return directory / "trust" / "trial-ca.pem"


def listed(capsys: Capsys, directory: Path) -> list[dict[str, object]]:
    partners: list[dict[str, object]] = here(capsys, "partner", "list", "--json", "--dir", directory).json[
        "partners"
    ]
    return partners


def test_an_unknown_root_is_not_believed(two: tuple[Path, Path], capsys: Capsys) -> None:
    said = here(capsys, "partner", "add", two[1] / "descriptor.json", "--dir", two[0])
    assert said.code == 1
    assert "--root" in said.err
    assert listed(capsys, two[0]) == []


def test_with_its_root_it_is_a_partner(two: tuple[Path, Path], capsys: Capsys) -> None:
    add = ("partner", "add", two[1] / "descriptor.json", "--root", root(two[1]), "--dir", two[0])
    said = here(capsys, *add, "--agreement", "BASE-1", "--from", "2026-01-01", "--until", "2027-01-01")
    assert said.code == 0, said.err
    assert "for this party only" in said.out
    partner = listed(capsys, two[0])[0]
    assert (partner["party"], partner["roles"], partner["suspended"]) == (
        AGGREGATOR,
        ["der_aggregator"],
        False,
    )
    assert partner["agreements"] == [
        {"id": "BASE-1", "start": "2026-01-01T00:00:00Z", "end": "2027-01-01T00:00:00Z"}
    ]
    assert AGGREGATOR in here(capsys, "partner", "list", "--dir", two[0]).out


def test_agreements_gather_and_one_of_the_same_id_is_replaced(two: tuple[Path, Path], capsys: Capsys) -> None:
    add = ("partner", "add", two[1] / "descriptor.json", "--root", root(two[1]), "--dir", two[0])
    for agreement, start in (("A-1", "2026-01-01"), ("A-2", "2026-02-01"), ("A-1", "2026-03-01")):
        assert here(capsys, *add, "--agreement", agreement, "--from", start).code == 0
    assert here(capsys, *add).code == 0
    standing = read_standing(Places(two[0]).partners / f"{AGGREGATOR}.toml")
    assert [(a.id, a.start.month) for a in standing.agreements] == [("A-2", 2), ("A-1", 3)]


def test_a_suspended_partner_stays_suspended(two: tuple[Path, Path], capsys: Capsys) -> None:
    add = ("partner", "add", two[1] / "descriptor.json", "--root", root(two[1]), "--dir", two[0])
    here(capsys, *add)
    toml = Places(two[0]).partners / f"{AGGREGATOR}.toml"
    toml.write_text(toml.read_text().replace("suspended = false", "suspended = true"))
    here(capsys, *add)
    assert listed(capsys, two[0])[0]["suspended"] is True


def test_a_changed_descriptor_is_refused(two: tuple[Path, Path], capsys: Capsys, tmp_path: Path) -> None:
    raw = (two[1] / "descriptor.json").read_bytes()
    document = json.loads(raw)
    payload = document["payload"]
    document["payload"] = payload[:-8] + ("A" if payload[-8] != "A" else "B") + payload[-7:]
    false = tmp_path / "false.json"
    false.write_text(json.dumps(document, separators=(",", ":")))
    said = here(capsys, "partner", "add", false, "--root", root(two[1]), "--dir", two[0])
    assert said.code == 1
    assert "does not verify" in said.err
    assert listed(capsys, two[0]) == []
    assert not (two[0] / "trust" / f"{AGGREGATOR}.pem").exists()


def test_ourselves_are_no_partner(two: tuple[Path, Path], capsys: Capsys) -> None:
    assert "our own" in here(capsys, "partner", "add", two[0] / "descriptor.json", "--dir", two[0]).err


@pytest.mark.parametrize(
    "wrong",
    [
        ("--from", "2026-01-01"),
        ("--agreement", "A", "--from", "2026-02-01", "--until", "2026-01-01"),
        ("--root", "no-such-file"),
    ],
)
def test_what_makes_no_sense_is_said(two: tuple[Path, Path], capsys: Capsys, wrong: tuple[str, ...]) -> None:
    said = here(capsys, "partner", "add", two[1] / "descriptor.json", "--dir", two[0], *wrong)
    assert said.code == 1
    assert said.err.count("\n") == 1


def test_a_damaged_partner_file_is_reported_and_harms_no_other(
    two: tuple[Path, Path], capsys: Capsys
) -> None:
    here(capsys, "partner", "add", two[1] / "descriptor.json", "--root", root(two[1]), "--dir", two[0])
    (Places(two[0]).partners / "broken.example.json").write_text("{}")
    said = here(capsys, "partner", "list", "--json", "--dir", two[0])
    assert [p["party"] for p in said.json["partners"]] == [AGGREGATOR]
    assert list(said.json["problems"]) == ["broken.example.json"]
    doctor = here(capsys, "doctor", "--json", "--dir", two[0])
    assert doctor.code == 1
    assert "broken.example.json" in doctor.out


def test_a_partner_is_suspended_and_again_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    utility, _ = make_pair(tmp_path)
    before = here(capsys, "partner", "show", AGGREGATOR, "--dir", utility, "--json").json
    assert "is suspended" in here(capsys, "partner", "suspend", AGGREGATOR, "--dir", utility).out
    shown = here(capsys, "partner", "show", AGGREGATOR, "--dir", utility, "--json").json
    assert shown == before | {"suspended": True}
    again = here(capsys, "partner", "suspend", AGGREGATOR, "--undo", "--dir", utility, "--json").json
    assert again == {"party": AGGREGATOR, "suspended": False}
    assert here(capsys, "partner", "show", AGGREGATOR, "--dir", utility, "--json").json == before
    assert "not a partner" in here(capsys, "partner", "suspend", "nobody.example", "--dir", utility).err
