"""docs/as2.md: its legacy file is one, and its tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.command.gateways import here

from intertie.bindings.clock import system_clock
from intertie.cli import run
from intertie.formats.as2.flaws import Flaw, modifier_of
from intertie.formats.as2.terms import As2Terms, Compress, Quirk
from intertie.gateway.configuration.as2_settings import As2Door
from intertie.seal.cms import CipherName, Digest, Transport
from intertie.seal.smime_keys import SmimeKey

PAGE = (Path(__file__).parent.parent.parent / "docs" / "as2.md").read_text(encoding="utf-8")
US, THEM = "utility.example", "sunwind.example"


def test_the_files_of_the_page_make_a_partner(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "gateway"
    said = ["init", US, "--role", "distribution_utility", "--url", "https://127.0.0.1:9", "--dir", str(place)]
    assert run(said) == 0
    section = re.search(r"       \[as2\]\n((?:       .*\n)+)", PAGE)
    legacy = re.search(r"```toml\n(.*?)```", PAGE, re.S)
    assert section is not None and legacy is not None
    path = place / "intertie.toml"
    path.write_text(path.read_text().replace("[as2]\n", f"[as2]\n{section[1]}", 1))
    file = tmp_path / "sunwind.file"
    pem = SmimeKey.generate("sunwind", system_clock()).pem.decode()
    file.write_text(legacy[1].replace('CERTIFICATE"', f'{pem}"', 1))
    added = here(capsys, "partner", "legacy", THEM, file, "--dir", place, "--json")
    assert added.code == 0, added.err
    assert added.json["our key"].startswith("-----BEGIN CERTIFICATE-----")
    shown = here(capsys, "partner", "show", THEM, "--dir", place).out
    assert "2027-12-31" in shown and "SUNWIND" in shown


def test_every_term_quirk_and_algorithm_is_on_the_page() -> None:
    names = set(As2Terms.__struct_fields__) | {"receipts_url", "file_bytes"}
    assert {"receipts_url", "file_bytes", "listen", "name"} <= set(As2Door.__struct_fields__)
    written = set(re.findall(r"`([a-z0-9_-]+)`", PAGE))
    known = [*Quirk, *Compress, *Transport, *Digest, *CipherName]
    missing = (names | {one.value for one in known}) - written
    # What is refused without a quirk is named by the quirk.
    assert missing <= {"sha-1", "quirks"}, missing


def test_what_a_receipt_may_say_is_on_the_page() -> None:
    assert {modifier_of(flaw) for flaw in Flaw} <= set(re.findall(r"[a-z]+(?:-[a-z]+)+", PAGE))
