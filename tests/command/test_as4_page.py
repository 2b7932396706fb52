"""docs/as4.md: its legacy file is one, and its tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.command.gateways import here

from intertie.bindings.clock import system_clock
from intertie.cli import run
from intertie.formats.as4.flaws import Flaw, error_of
from intertie.formats.as4.terms import As4Terms, Quirk
from intertie.formats.as4.xml import DEPTH_MAX, ELEMENTS_MAX, ENVELOPE_BYTES_MAX
from intertie.gateway.configuration.as4_settings import As4Door
from intertie.seal.cms import Digest
from intertie.seal.smime_keys import SmimeKey
from intertie.seal.xml_encryption import KEY_BYTES

PAGE = (Path(__file__).parent.parent.parent / "docs" / "as4.md").read_text(encoding="utf-8")
US, THEM = "utility.example", "sunwind.example"


def test_the_files_of_the_page_make_a_partner(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "gateway"
    said = ["init", US, "--role", "distribution_utility", "--url", "https://127.0.0.1:9", "--dir", str(place)]
    assert run(said) == 0
    section = re.search(r"       \[as4\]\n((?:       .*\n)+)", PAGE)
    legacy = re.search(r"```toml\n(.*?)```", PAGE, re.S)
    assert section is not None and legacy is not None
    path = place / "intertie.toml"
    path.write_text(path.read_text().replace("[as4]\n", f"[as4]\n{section[1]}", 1))
    file = tmp_path / "sunwind.file"
    pem = SmimeKey.generate("sunwind", system_clock()).pem.decode()
    file.write_text(legacy[1].replace('CERTIFICATE"', f'{pem}"', 1))
    added = here(capsys, "partner", "legacy", THEM, file, "--dir", place, "--json")
    assert added.code == 0, added.err
    assert added.json["our key"].startswith("-----BEGIN CERTIFICATE-----")
    shown = here(capsys, "partner", "show", THEM, "--dir", place).out
    assert "2027-12-31" in shown and "sunwind" in shown and "urn:sunwind:files" in shown


def test_every_term_quirk_and_algorithm_is_on_the_page() -> None:
    names = set(As4Terms.__struct_fields__) | {"file_bytes"}
    assert {"file_bytes", "listen", "party_id"} <= set(As4Door.__struct_fields__)
    written = set(re.findall(r"`([a-z0-9_-]+)`", PAGE))
    missing = (names | {one.value for one in [*Quirk, *Digest, *KEY_BYTES]}) - written
    # What is refused without a quirk is named by the quirk.
    assert missing <= {"sha-1"}, missing


def test_every_error_and_limit_is_on_the_page() -> None:
    assert {error_of(flaw).code for flaw in Flaw} == set(re.findall(r"^\| `(EBMS:\d+)`", PAGE, re.M))
    assert f"{ENVELOPE_BYTES_MAX // 1024} KiB, {DEPTH_MAX} levels or {ELEMENTS_MAX} elements" in PAGE
