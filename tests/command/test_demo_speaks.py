"""`intertie demo --aggregator-speaks`: the season of the other tests, with an aggregator that does not speak parcels. One
protocol each time, all with INTERTIE_SOAK=1."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.command.gateways import PROGRAM, command

# Of the protocol, and the formats that carry something.
SPOKEN = {
    "sftp+csv": ("sftp", {"csv", "json"}),
    "as2+x12": ("as2", {"x12", "json"}),
    "internet-et+x12": ("internet_et", {"x12", "json"}),
    "espi": ("sftp", {"espi", "json"}),
}
ALWAYS = "sftp+csv"
# On a laden machine.
SEASON_SECONDS = 900
pytestmark = [pytest.mark.slow, pytest.mark.timeout(SEASON_SECONDS + 300)]


@pytest.mark.parametrize(
    "spoken",
    [
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                name != ALWAYS and os.environ.get("INTERTIE_SOAK") != "1",
                reason="a minute each: INTERTIE_SOAK=1",
            ),
        )
        for name in SPOKEN
    ],
)
def test_the_same_season_comes_to_the_same_cent(summary_file: Path, spoken: str, tmp_path: Path) -> None:
    summary, keep = json.loads(summary_file.read_bytes()), tmp_path / "kept"
    arguments = ["--aggregator-speaks", spoken, "--native", summary_file, "--keep", keep]
    found = json.loads(played([*PROGRAM, "demo", "--json", *map(str, arguments)]))
    assert found["compared"]["same"], found["compared"]
    assert found["invoice"] == summary["invoice"] and found["paid"] == summary["paid"]
    assert found["unreceipted"] == 0 and all(one["same"] for one in found["books"])
    _carried(found, spoken)
    _proved(found, keep, tmp_path)


def played(command: list[str]) -> bytes:
    """What it printed. Given up, it is ended as by a person, so that its gateways end with it."""
    season = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, err = season.communicate(timeout=SEASON_SECONDS)
    finally:
        season.terminate()
        season.wait(60)
    assert season.returncode == 0, (out[-2000:], err[-2000:])
    return out


def _carried(found: Any, spoken: str) -> None:
    """All of it but what the rival says went by the protocol, and each message is counted once."""
    by, formats = SPOKEN[spoken]
    for one in found["carried"]:
        assert one["by"] == ("parcels" if "rival" in one["flow"] else by), one
    assert {one["format"] for one in found["carried"] if one["by"] == by} == formats
    for flow, count in found["flows"].items():
        assert sum(one["messages"] for one in found["carried"] if one["flow"] == flow) == count


def _proved(found: Any, keep: Path, place: Path) -> None:
    """Verified again by the command, with nothing but the trust root; a changed byte is found."""
    proved = found["proved"]
    files = sorted(Path(proved["folder"]).glob("*.json"))
    assert proved["wrong"] == [] and len(files) == proved["verified"] == proved["files"] > 20
    root = place / "root.pem"
    shutil.copy(keep / "trust-root.pem", root)
    for file in files:
        assert json.loads(file.read_bytes())["answer"], file
        said = command("evidence", "verify", file, "--trust", root, cwd=place)
        assert said.code == 0, (file, said.err)
    raw = bytearray(files[0].read_bytes())
    raw[len(raw) // 2] ^= 1
    (place / "changed.json").write_bytes(raw)
    assert command("evidence", "verify", place / "changed.json", "--trust", root, cwd=place).code == 1
