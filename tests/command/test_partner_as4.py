"""`intertie partner legacy` with a partner that speaks AS4: what it says, and what it refuses before a message would."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.command.as2_houses import AGGREGATOR, UTILITY
from tests.command.as4_houses import certificate_of, legacy_text, speak
from tests.command.gateways import here
from tests.unit.formats.as2_cases import ec_pair

from intertie.bindings.clock import system_clock
from intertie.cli import run
from intertie.run import Opened
from intertie.seal.smime_keys import SmimeKey, fingerprint


@cache
def theirs() -> SmimeKey:
    return SmimeKey.generate("aggregator", system_clock())


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    directory = tmp_path / "gateway"
    said = ["init", UTILITY, "--role", "distribution_utility", "--url", "https://127.0.0.1:9"]
    assert run([*said, "--dir", str(directory)]) == 0
    return directory


def added(
    gateway: Path, capsys: pytest.CaptureFixture[str], text: str, party: str = AGGREGATOR, **_: object
) -> object:
    file = gateway.parent / "them.file"
    file.write_text(text)
    return here(capsys, "partner", "legacy", party, file, "--dir", gateway, "--json")


def text_with(old: str = "", new: str = "") -> str:
    text = legacy_text(AGGREGATOR, 9, theirs().pem.decode())
    assert old in text
    return text.replace(old, new) if old else text


def test_a_partner_is_added_and_shown(gateway: Path, capsys: pytest.CaptureFixture[str]) -> None:
    speak(gateway, UTILITY)
    said = added(gateway, capsys, text_with("action =", 'quirks = ["sha1", "oaep-sha1"]\naction ='))
    assert said.code == 0, said.err
    assert said.json["our key"] == certificate_of(gateway), "made once"
    shown = here(capsys, "partner", "show", AGGREGATOR, "--dir", gateway).out
    for word in (
        "as4 as Sun & Wind",
        "aes128-gcm under rsa-oaep",
        "oaep-sha1, sha1",
        "2099-12-31",
        "urn:intertie:files",
    ):
        assert word in shown, shown
    inventory = here(capsys, "policy", "inventory", "--dir", gateway).json
    (spoken,) = [one for one in inventory["components"] if one["name"] == f"as4 with {AGGREGATOR}"]
    said_of_it = [(one["name"].removeprefix("intertie:"), one["value"]) for one in spoken["properties"]]
    assert ("legacy-until", "2099-12-31") in said_of_it
    assert [value for name, value in said_of_it if name == "quirk"] == ["oaep-sha1", "sha1"]
    assert fingerprint(theirs().certificate) in shown.replace("\n", "").replace(" ", "")


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("BEGIN CERTIFICATE-----\n", "BEGIN CERTIFICATE-----\nx", "not a certificate"),
        (
            'aggregator = { party = "aggregator.example"',
            'aggregator = { party = "other.example"',
            "[x12] is between",
        ),
        (
            "[x12]",
            '[uftp]\ndomain = "agr.example"\nrole = "AGR"\nkey = "cs1.AAAA"\nurl = "https://a.example"\n[x12]',
            "as4",
        ),
        ('url = "http://127.0.0.1:9', 'url = "http://elsewhere.example', "url"),
        ("action =", 'digest = "sha-1"\naction =', "sha-1"),
        ("action =", 'cipher = "aes128-cbc"\naction =', "cipher"),
        ("action =", 'quirks = ["unsigned"]\naction =', "quirks"),
        ('party_id = "Sun & Wind"', 'party_id = ""', "party_id"),
        ("action =", "# action =", "action"),
    ],
)
def test_what_would_not_work_is_said_at_once(
    gateway: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, word: str
) -> None:
    speak(gateway, UTILITY)
    said = added(gateway, capsys, text_with(old, new))
    assert said.code == 1 and word in said.err, said.err
    assert not (gateway / "partners" / f"{AGGREGATOR}.legacy").exists()


def test_two_partners_of_one_party_id_could_not_be_told_apart(
    gateway: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speak(gateway, UTILITY)
    assert added(gateway, capsys, text_with()).code == 0
    other = text_with("aggregator.example", "other.example")
    said = added(gateway, capsys, other, "other.example")
    assert said.code == 1 and f"{AGGREGATOR} is Sun & Wind too" in said.err
    said = added(gateway, capsys, other.replace('party_type = "urn:own"', ""), "other.example")
    assert said.code == 0, said.err


def test_an_ec_certificate_needs_an_rsa_one_beside_it(
    gateway: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speak(gateway, UTILITY)
    text = legacy_text(AGGREGATOR, 9, ec_pair()[1].public_bytes(Encoding.PEM).decode())
    said = added(gateway, capsys, text)
    assert said.code == 1 and "RSA" in said.err


def test_who_we_are_must_be_said_first(gateway: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = added(gateway, capsys, text_with())
    assert said.code == 1 and "[as4] party_id" in said.err


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ('listen = "0.0.0.0:8495"', "certificate"),
        ('certificate = "a.pem"', "key"),
        ('listen = "nowhere"', "listen"),
        ("body_bytes = 99999999", "body_bytes"),
    ],
)
def test_settings_that_would_not_work(
    gateway: Path, capsys: pytest.CaptureFixture[str], more: str, word: str
) -> None:
    speak(gateway, UTILITY, more)
    said = here(capsys, "status", "--dir", gateway)
    assert said.code == 1 and word in said.err


def test_our_key_is_kept_and_is_another_than_that_of_as2(gateway: Path) -> None:
    speak(gateway, UTILITY)
    assert len({certificate_of(gateway) for _ in range(2)}) == 1
    text = (gateway / "intertie.toml").read_text()
    (gateway / "intertie.toml").write_text(text.replace("[as2]", '[as2]\nname = "U"', 1))
    it = Opened(gateway)
    try:
        assert it.as4 is not None and it.as2 is not None and it.as4.certificate() != it.as2.certificate()
    finally:
        it.close()
