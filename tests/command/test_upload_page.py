"""docs/upload.md: its settings, legacy file and commands are run as they stand."""

from __future__ import annotations

import contextlib
import re
import socket
from pathlib import Path

import pytest
from tests.command.gateways import here, served
from tests.command.test_pages import run as script
from tests.interop.sftp_house import table, until
from tests.ports import free_port

from intertie.cli import run

PAGE = (Path(__file__).parent.parent.parent / "docs" / "upload.md").read_text(encoding="utf-8")
US, THEM = "utility.example", "sunwind.example"


def is_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def test_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place, port = tmp_path / "gateway", free_port()
    url = f"https://127.0.0.1:{free_port()}"
    assert run(["init", US, "--role", "distribution_utility", "--url", url, "--dir", str(place)]) == 0
    section = re.search(r"       \[upload\]\n((?:       .*\n)+)", PAGE)
    legacy = re.search(r"```toml\n(.*?)```", PAGE, re.S)
    commands = re.search(r"```sh\n(.*?)```", PAGE, re.S)
    assert section is not None and legacy is not None and commands is not None
    path = place / "intertie.toml"
    said = section[1].replace(":8495", f":{port}")
    path.write_text(path.read_text().replace("[upload]\n", f"[upload]\n{said}", 1))
    made = here(capsys, "partner", "secret", "--json").json
    file = tmp_path / "sunwind.file"
    file.write_text(legacy[1].replace("sha256:HASH", made["hash"]))
    added = here(capsys, "partner", "legacy", THEM, file, "--dir", place, "--json")
    assert added.code == 0 and "comes as sunwind" in added.json["speaks"], added.err
    shown = " ".join(here(capsys, "partner", "show", THEM, "--dir", place).out.split())
    assert "neither signed nor sealed" in shown and made["secret"] not in shown
    assert made["secret"] not in "".join(
        one.read_text("latin-1") for one in place.rglob("*") if one.is_file()
    )
    (tmp_path / "outages.csv").write_bytes(table("OUT-1"))
    with served(place):
        until(lambda: is_open(port))
        lines = commands[1].replace("$SECRET", made["secret"]).replace(":8495", f":{port}")
        first, *later = lines.splitlines()
        done = script(f"set -eu\n{first}", tmp_path)
        assert done.returncode == 0, done.stderr
        until(lambda: list((place / "upload" / THEM / "box" / "out").glob("results-*")))  # they follow
        listed = script("set -eu\n" + "\n".join(later), tmp_path)
        assert listed.returncode == 0, listed.stderr
    assert '"file": "outages.csv"' in done.stdout and "results-" in listed.stdout
