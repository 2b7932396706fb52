"""docs/sftp.md: its settings and legacy files are such, and its tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.command.gateways import here

from intertie.bindings.sftp.names import Folder
from intertie.cli import run
from intertie.formats.sftp_terms import SftpTerms, Theirs
from intertie.gateway.translating.foreign import Level

PAGE = (Path(__file__).parent.parent.parent / "docs" / "sftp.md").read_text(encoding="utf-8")
US, THEM = "utility.example", "sunwind.example"
KEY = "AAAAC3NzaC1lZDI1NTE5AAAAINTpc6LJHdP6gqLd6lIejPXheD3w8GNxLGJtrNLyrUTq"
FILES = re.findall(r"```toml\n(.*?)```", PAGE, re.S)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "gateway"
    said = ["init", US, "--role", "distribution_utility", "--url", "https://127.0.0.1:9", "--dir", str(place)]
    assert run(said) == 0
    return place


def enable(place: Path) -> None:
    section = re.search(r"       \[sftp\]\n((?:       .*\n)+)", PAGE)
    assert section is not None
    path = place / "intertie.toml"
    path.write_text(path.read_text().replace("[sftp]\n", f"[sftp]\n{section[1]}", 1))


def test_the_files_of_the_page_make_a_partner(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    enable(place)
    file = place.parent / "them.file"
    comes = FILES[0].replace("KEY", KEY)
    goes = re.sub(r"\[sftp\]\n(.*\n)+?\n", FILES[1].replace("KEY", KEY) + "\n", comes)
    lines = []
    for text, word in ((comes, "comes as sunwind"), (goes, "sftp://utility@files.sunwind.example:22")):
        file.write_text(text)
        added = here(capsys, "partner", "legacy", THEM, file, "--dir", place, "--json")
        assert added.code == 0, added.err
        assert added.json["our key"].startswith("ssh-ed25519 ") and word in added.json["speaks"]
        lines.append(added.json["our key"])
        shown = here(capsys, "partner", "show", THEM, "--dir", place).out
        assert "2027-12-31" in shown and "neither signed nor sealed" in " ".join(shown.split())
    assert lines[0] != lines[1], "a key of the mailbox, and one to log in with"
    inventory = here(capsys, "policy", "inventory", "--dir", place).json
    assert [one for one in inventory["components"] if one["name"] == f"sftp with {THEM}"]


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        (KEY, "AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7", "public key"),
        ('user = "sunwind"\n', "", "user"),
        (f'keys = ["ssh-ed25519 {KEY} sunwind"]', "", "keys"),
        ('user = "sunwind"', 'user = "../x"', "user"),
        ("legacy_until = 2027-12-31\n", "", "legacy_until"),
        ("[csv]", "[nothing]", "nothing"),
    ],
)
def test_what_would_not_work_is_refused_at_once(
    place: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, word: str
) -> None:
    enable(place)
    text = FILES[0].replace("KEY", KEY)
    assert old in text
    file = place.parent / "them.file"
    file.write_text(text.replace(old, new))
    said = here(capsys, "partner", "legacy", THEM, file, "--dir", place)
    assert said.code != 0 and word in " ".join(said.err.split())


def test_without_the_settings_it_says_so(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = place.parent / "them.file"
    file.write_text(FILES[0].replace("KEY", KEY))
    said = here(capsys, "partner", "legacy", THEM, file, "--dir", place)
    assert said.code != 0 and "[sftp] is not enabled" in said.err


def test_a_user_is_one_partner(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    enable(place)
    file = place.parent / "them.file"
    file.write_text(FILES[0].replace("KEY", KEY))
    assert here(capsys, "partner", "legacy", THEM, file, "--dir", place).code == 0
    assert here(capsys, "partner", "legacy", THEM, file, "--dir", place).code == 0, "itself again"
    said = here(capsys, "partner", "legacy", "other.example", file, "--dir", place)
    assert said.code != 0 and "logs in as sunwind" in " ".join(said.err.split())


def test_every_folder_and_term_is_on_the_page() -> None:
    written = set(re.findall(r"`([a-z_]+)`", PAGE))
    names = {"server" if name == "server" else name for name in SftpTerms.__struct_fields__}
    assert names | set(Theirs.__struct_fields__) <= written
    assert {folder.value for folder in Folder} <= written
    assert {level.value for level in (Level.FETCHED, Level.SYNTAX, Level.BUSINESS)} <= written
