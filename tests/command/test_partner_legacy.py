"""`intertie partner legacy` and what `show` says of such a partner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.command.gateways import UTILITY, here
from tests.exchange.house import AGGREGATOR
from tests.exchange.uftp_world import DEAL, TEXT, foreign_of

from intertie.cli import run
from intertie.model.ids import PartyId
from intertie.seal.encoding import from_base64url
from intertie.seal.sodium_sign import SodiumKey, fingerprint, read_public, write_public

VECTORS = Path(__file__).parents[2] / "vectors"
KEY = SodiumKey.of_seed(b"k" * 32).public
LEGACY = f"""
name = "An aggregator"
roles = ["der_aggregator"]
legacy_until = 2027-12-31

[uftp]
domain = "agr.example"
role = "AGR"
key = "{write_public(KEY)}"
url = "https://agr.example/shapeshifter/api/v3/message"
"""


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    directory = tmp_path / "gateway"
    url = "https://127.0.0.1:9"
    assert (
        run(["init", UTILITY, "--role", "distribution_utility", "--url", url, "--dir", str(directory)]) == 0
    )
    (tmp_path / "agr.legacy").write_text(LEGACY)
    return directory


def speak(gateway: Path) -> None:
    path = gateway / "intertie.toml"
    path.write_text(path.read_text().replace("[uftp]", '[uftp]\ndomain = "dso.example"', 1))


def test_a_partner_is_added_shown_and_listed(
    gateway: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speak(gateway)
    added = here(
        capsys, "partner", "legacy", "agr.example", tmp_path / "agr.legacy", "--dir", gateway, "--json"
    ).json
    assert len(read_public(added["our key"])) == 32
    again = here(
        capsys, "partner", "legacy", "agr.example", tmp_path / "agr.legacy", "--dir", gateway, "--json"
    ).json
    assert again == added, "our key is made once"
    shown = here(capsys, "partner", "show", "agr.example", "--dir", gateway).out
    assert "until 2027-12-31: signed (Ed25519) but not sealed" in shown
    assert fingerprint(KEY) in shown and "no contract" in shown
    (listed,) = here(capsys, "partner", "list", "--dir", gateway, "--json").json["partners"]
    assert (listed["party"], listed["sequence"]) == ("agr.example", 0)


def test_who_we_are_must_be_said_first(
    gateway: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = here(capsys, "partner", "legacy", "agr.example", tmp_path / "agr.legacy", "--dir", gateway)
    assert said.code == 1 and "domain" in said.err
    speak(gateway)
    said = here(capsys, "partner", "legacy", "agr.example", tmp_path / "none", "--dir", gateway)
    assert said.code == 1 and "not there" in said.err


def test_a_contract_of_others_is_not_taken(
    gateway: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speak(gateway)
    contract = """
[contract]
agreement = "C-1"
buyer = "somebody.example"
seller = "agr.example"
effective = 2026-01-01T00:00:00Z
general_terms = { title = "t", edition = "1", sha256 = "SHA" }
calendar = { name = "none", zone = "America/New_York" }
""".replace("SHA", "0" * 64)
    (tmp_path / "agr.legacy").write_text(LEGACY + contract)
    said = here(capsys, "partner", "legacy", "agr.example", tmp_path / "agr.legacy", "--dir", gateway)
    assert said.code == 1 and "no party of contract C-1" in said.err


def toml(value: Any) -> str:
    """A value of JSON, on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    return json.dumps(value)


def test_a_deal_that_breaks_a_rule_is_named_before_the_partner_is_added(
    gateway: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speak(gateway)
    foreign = foreign_of(AGGREGATOR, domain="agr.example")
    contract = replace(TEXT, buyer=PartyId(UTILITY), seller=PartyId("agr.example"))
    for deal, code in ((replace(DEAL, currency="EUR"), 1), (DEAL, 0)):
        said = msgspec.to_builtins(replace(foreign, contract=contract, deals=(deal,)))
        file = tmp_path / "agr.legacy"
        file.write_text("\n".join(f"{key} = {toml(value)}" for key, value in said.items()))
        added = here(capsys, "partner", "legacy", "agr.example", file, "--dir", gateway)
        assert added.code == code, added.err
        assert code == 0 or "Confirmation breaks confirmation.currency" in added.err
    assert DEAL.confirmation in here(capsys, "partner", "show", "agr.example", "--dir", gateway).out


def test_the_next_key_of_ours_is_made_listed_and_a_late_partner_keeps_to_the_old_one(
    gateway: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speak(gateway)
    file = tmp_path / "agr.legacy"
    old = here(capsys, "partner", "legacy", "agr.example", file, "--dir", gateway, "--json").json["our key"]
    turned = here(
        capsys, "keys", "uftp", "--rotate-from", "2099-01-01T00:00:00Z", "--dir", gateway, "--json"
    ).json["keys"]
    assert [(one["state"], one["key"] == old) for one in turned] == [("to come", False), ("signs", True)]
    again = here(capsys, "keys", "uftp", "--rotate-from", "2098-01-01T00:00:00Z", "--dir", gateway)
    assert again.code == 1 and "that time or later" in again.err
    new = write_public(SodiumKey.of_seed(b"n" * 32).public)
    keys = f'our_key = "{old}"\nour_key_until = 2099-02-01T00:00:00Z\n[[uftp.keys]]\nkey = "{new}"\n'
    file.write_text(LEGACY + keys + "since = 2098-12-01T00:00:00Z\n")
    said = here(capsys, "partner", "legacy", "agr.example", file, "--dir", gateway).out
    assert "from 2098-12-01T00:00:00+00:00" in said and "until 2099-02-01T00:00:00+00:00" in said
    listed = here(capsys, "keys", "uftp", "--dir", gateway).out
    assert "agr.example until 2099-02-01" in listed and "to come" in listed
    file.write_text(LEGACY + f'[[uftp.keys]]\nkey = "{new}"\n')
    wrong = here(capsys, "partner", "legacy", "agr.example", file, "--dir", gateway)
    assert wrong.code == 1 and "stated time" in wrong.err


@pytest.mark.parametrize(
    ("name", "code", "said"), [("valid__came", 0, "key cs1."), ("wrong_key", 1, "step 46")]
)
def test_evidence_in_another_protocol_is_verified_without_a_gateway(
    name: str, code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = json.loads((VECTORS / "translated" / f"{name}.json").read_text(encoding="utf-8"))
    file = tmp_path / "evidence.json"
    file.write_bytes(from_base64url(case["file"]))
    roots = VECTORS / "translated_roots.pem"
    found = here(capsys, "evidence", "verify", file, "--trust", roots, "--at", case["now"])
    assert found.code == code and said in found.out + found.err
