"""`intertie partner legacy` with a partner that speaks AS2: what it says, and what it refuses before a message would."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.command.as2_houses import AGGREGATOR, NAMES, UTILITY, certificate_of, legacy_text
from tests.command.gateways import here
from tests.unit.formats.as2_cases import ec_pair

from intertie.bindings.clock import system_clock
from intertie.cli import run
from intertie.run import Opened
from intertie.seal.smime_keys import SmimeKey, fingerprint, read_certificate


@cache
def theirs() -> SmimeKey:
    return SmimeKey.generate("aggregator", system_clock())


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    directory = tmp_path / "gateway"
    said = [
        "init",
        UTILITY,
        "--role",
        "distribution_utility",
        "--url",
        "https://127.0.0.1:9",
        "--dir",
        str(directory),
    ]
    assert run(said) == 0
    return directory


def speak(gateway: Path, more: str = "") -> None:
    path = gateway / "intertie.toml"
    path.write_text(path.read_text().replace("[as2]", f'[as2]\nname = "{NAMES[UTILITY]}"\n{more}', 1))


def added(gateway: Path, capsys: pytest.CaptureFixture[str], text: str) -> object:
    file = gateway.parent / "them.file"
    file.write_text(text)
    return here(capsys, "partner", "legacy", AGGREGATOR, file, "--dir", gateway, "--json")


def test_a_partner_is_added_and_shown(gateway: Path, capsys: pytest.CaptureFixture[str]) -> None:
    speak(gateway)
    text = legacy_text(AGGREGATOR, 9, theirs().pem.decode())
    said = added(gateway, capsys, text.replace('receipt = "sync"', 'quirks = ["sha1", "3des"]'))
    assert said.code == 0, said.err
    assert said.json["our key"] == certificate_of(gateway), "made once"
    shown = here(capsys, "partner", "show", AGGREGATOR, "--dir", gateway).out
    for word in (
        "as2 as Sun & Wind",
        "aes256-gcm under rsa-oaep",
        "3des, sha1",
        "receipts sync",
        "2099-12-31",
    ):
        assert word in shown, shown
    inventory = here(capsys, "policy", "inventory", "--dir", gateway).json
    (spoken,) = [one for one in inventory["components"] if one["name"] == f"as2 with {AGGREGATOR}"]
    said_of_it = [(one["name"].removeprefix("intertie:"), one["value"]) for one in spoken["properties"]]
    assert ("legacy-until", "2099-12-31") in said_of_it
    assert [value for name, value in said_of_it if name == "quirk"] == ["3des", "sha1"]
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
            "uftp",
        ),
        ('url = "http://127.0.0.1:9', 'url = "http://elsewhere.example', "url"),
        ('receipt = "sync"', 'digest = "sha-1"', "sha-1"),
        ('receipt = "sync"', 'quirks = ["everything"]', "quirks"),
        ('receipt = "sync"', 'receipt = "async"', "[as2] receipts_url"),
        ("certificates = [", "certificates = [] # [", "certificates"),
    ],
)
def test_what_would_not_work_is_said_at_once(
    gateway: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, word: str
) -> None:
    speak(gateway)
    text = legacy_text(AGGREGATOR, 9, theirs().pem.decode())
    assert old in text
    if "[] #" in new:
        text = text[: text.index("certificates")] + "certificates = []\n" + text[text.index("receipt =") :]
    said = added(gateway, capsys, text.replace(old, new))
    assert said.code == 1 and word in said.err, said.err
    assert not (gateway / "partners" / f"{AGGREGATOR}.legacy").exists()


def test_an_ec_certificate_needs_an_rsa_one_beside_it(
    gateway: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speak(gateway)
    pem = ec_pair()[1].public_bytes(Encoding.PEM).decode()
    text = legacy_text(AGGREGATOR, 9, pem)
    said = added(gateway, capsys, text)
    assert said.code == 1 and "RSA" in said.err
    beside = text.replace("receipt =", f"encrypt_for = '''\n{theirs().pem.decode()}'''\nreceipt =")
    said = added(gateway, capsys, beside)
    # Its own time has passed, or not begun, by the clock of this machine; RSA is no longer what is missing.
    assert "RSA certificate" not in said.err


def test_who_we_are_must_be_said_first(gateway: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = added(gateway, capsys, legacy_text(AGGREGATOR, 9, theirs().pem.decode()))
    assert said.code == 1 and "[as2] name" in said.err


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ('listen = "0.0.0.0:8490"', "certificate"),
        ('certificate = "a.pem"', "key"),
        ('listen = "nowhere"', "listen"),
        ('receipts_url = "ftp://x"', "receipts_url"),
        ("body_bytes = 99999999", "body_bytes"),
    ],
)
def test_settings_that_would_not_work(
    gateway: Path, capsys: pytest.CaptureFixture[str], more: str, word: str
) -> None:
    speak(gateway, more)
    said = here(capsys, "status", "--dir", gateway)
    assert said.code == 1 and word in said.err


def test_our_key_is_kept_and_is_the_certificates(gateway: Path) -> None:
    speak(gateway)
    pems = {certificate_of(gateway) for _ in range(2)}
    assert len(pems) == 1
    it = Opened(gateway)
    try:
        assert it.as2 is not None and "PRIVATE" not in repr(it.as2.own.signing())
    finally:
        it.close()


def test_our_key_turns_by_its_number(gateway: Path, capsys: pytest.CaptureFixture[str]) -> None:
    speak(gateway)
    old = certificate_of(gateway)
    text = legacy_text(AGGREGATOR, 9, theirs().pem.decode())
    assert added(gateway, capsys, text).code == 0  # type: ignore[attr-defined]
    late = text.replace('receipt = "sync"', 'our_key = 1\nreceipt = "sync"')
    refused = added(gateway, capsys, late.replace("our_key = 1", "our_key = 2"))
    assert refused.code == 1 and "we have no key 2" in refused.err  # type: ignore[attr-defined]
    settings = gateway / "intertie.toml"
    settings.write_text(settings.read_text().replace("[as2]\n", "[as2]\nkey_number = 2\n", 1))
    assert added(gateway, capsys, late).code == 0  # type: ignore[attr-defined]
    file = gateway / "new.pem"
    listed = here(
        capsys, "keys", "smime", "--protocol", "as2", "--certificate", file, "--dir", gateway, "--json"
    )
    new, before = listed.json["keys"]
    assert (new["number"], new["state"], new["partners"]) == (2, "signs", "")
    assert (before["number"], before["state"], before["partners"]) == (1, "opens", AGGREGATOR)
    assert fingerprint(read_certificate(file.read_text())) == new["sha256"]
    assert fingerprint(read_certificate(old)) == before["sha256"], "it is the one that partners have"
    assert here(capsys, "keys", "smime", "--dir", gateway).out.count("as2") == 2
    for words, said in (
        (("--protocol", "as4"), "nobody speaks as4 here"),
        (("--protocol", "as3"), "nobody speaks as3 here"),
    ):
        done = here(capsys, "keys", "smime", *words, "--dir", gateway)
        assert done.code == 1 and said in done.err


def test_an_authority_of_a_server_is_a_file_of_ours(
    gateway: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speak(gateway)
    text = legacy_text(AGGREGATOR, 9, theirs().pem.decode())
    text = text.replace('receipt = "sync"', 'ca_file = "their-ca.pem"\nreceipt = "sync"')
    refused = added(gateway, capsys, text)
    assert refused.code == 1 and "their-ca.pem" in refused.err  # type: ignore[attr-defined]
    (gateway / "their-ca.pem").write_text(theirs().pem.decode())
    assert added(gateway, capsys, text).code == 0  # type: ignore[attr-defined]
