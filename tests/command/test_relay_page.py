"""The commands in docs/relay.md are run as they stand (with free ports); what the page says of codes and formats is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
from tests.command.test_pages import run, script_of

from intertie.gateway.configuration.relay_settings import RelayRules
from intertie.gateway.translating.foreign import Foreign
from intertie.model.errors import RULES
from intertie.seal.hop import Hop
from intertie.seal.waybill import Waybill

PAGE = Path(__file__).parents[2] / "docs" / "relay.md"


def test_the_commands(tmp_path: Path) -> None:
    done = run(script_of(PAGE), tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "parcels via hub.example" in done.stdout
    assert "taken by hub.example" in done.stdout and "The evidence verifies" in done.stdout
    assert "handed_over" in done.stdout and "power_system_data" in done.stdout


def test_the_codes_it_names_are_there_at_the_steps_it_says() -> None:
    table = PAGE.read_text(encoding="utf-8").split("## What a relay verifies")[1].split("##")[0]
    steps = re.findall(r"^\| (\d+) \|.*\| ([^|]*) \|$", table, re.M)
    assert [int(step) for step, _ in steps] == [1, 2, 3, 4, 5, 7, 8, 9]
    for step, codes in steps:
        for code in re.findall(r"`([a-z_]+)`", codes):
            assert RULES[code].step <= int(step), code  # type: ignore[index]


def test_its_settings_and_legacy_file_are_read() -> None:
    blocks = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    rules = [tomllib.loads(block)["relay"] for block in blocks if "relay" in tomllib.loads(block)]
    assert len([msgspec.convert(one, RelayRules) for one in rules]) == 2
    (legacy,) = [tomllib.loads(block) for block in blocks if "parcel" in tomllib.loads(block)]
    legacy["sftp"]["keys"] = ["ssh-ed25519 AAAA home"]
    assert msgspec.convert(legacy, Foreign).parcel is not None


def test_the_members_it_names_are_those_of_the_formats() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for typ, record in (("intertie-waybill+jws", Waybill), ("intertie-hop+jws", Hop)):
        (line,) = [line for line in text.splitlines() if line.split("{")[0].rstrip().endswith(f"{typ}:")]
        named = re.findall(r"[a-z]+", line.split("{", 1)[1].split("journal: {")[0])
        fields = {field.encode_name for field in msgspec.structs.fields(record)}
        assert fields <= {*named, "journal"}
