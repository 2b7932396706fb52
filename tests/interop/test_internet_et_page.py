"""docs/internet-et.md: its settings, its legacy file and its commands are run as they stand, with gpg and curl over TLS, and so
is what goes wrong."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pysequoia import CipherSuite, Profile, Tsk
from tests.command.gateways import here, served
from tests.command.test_pages import run as script
from tests.command.test_upload_page import is_open
from tests.interop.et_house import COMMANDS, PAGE, THEM, US, legacy_text, make_house
from tests.interop.gpg_home import Gpg
from tests.interop.sftp_house import table, until
from tests.ports import free_port

from intertie.cli import run
from intertie.formats.internet_et.codes import Code
from intertie.formats.internet_et.terms import InternetEtTerms, Quirk
from intertie.formats.upload_terms import hash_secret
from intertie.gateway.configuration.internet_et_settings import InternetEtDoor
from intertie.gateway.ports import Query
from intertie.gateway.proving.export_evidence import export
from intertie.run import Opened
from intertie.run.verifiers import VERIFIERS
from intertie.seal.evidence_file import verify_file
from intertie.seal.pgp import PgpKey
from intertie.seal.translated_report import TranslatedReport

SECRET = "right"
pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture(scope="module")
def gpg() -> Iterator[Gpg]:
    home = Gpg("sunwind")
    yield home
    home.close()


def said(done: object) -> str:
    """The status in the receipt, which gpg verified."""
    assert done.returncode == 0, done.stderr  # type: ignore[attr-defined]
    assert "Good signature" in done.stderr  # type: ignore[attr-defined]
    found = re.search(r"request-status=(.*)\*", done.stdout)  # type: ignore[attr-defined]
    assert found is not None
    return found[1]


def test_the_page_and_what_goes_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str], gpg: Gpg) -> None:
    assert COMMANDS is not None
    place, port = tmp_path / "gateway", free_port()
    make_house(place, port)
    file = tmp_path / "sunwind.file"
    file.write_text(legacy_text(gpg.public, hash_secret(SECRET)))
    added = here(capsys, "partner", "legacy", THEM, file, "--dir", place, "--json")
    assert added.code == 0, added.err
    (tmp_path / "utility.asc").write_text(added.json["our key"])
    shutil.copyfile(place / "et.pem", tmp_path / "et.pem")
    shown = " ".join(here(capsys, "partner", "show", THEM, "--dir", place).out.split())
    assert "2027-12-31" in shown and "refnum" in shown and "sunwind" in shown
    inventory = here(capsys, "policy", "inventory", "--dir", place).json
    assert [one for one in inventory["components"] if one["name"] == f"internet_et with {THEM}"]
    page = f"set -eu\nexport GNUPGHOME={gpg.home}\n{COMMANDS[1]}"
    page = page.replace("$SECRET", SECRET).replace(":6304", f":{port}")
    again = re.sub(r"(?m)^(gpg.*--import|printf|gpg.*--sign).*\n", "", page)

    def numbered(text: str, refnum: int, original: int) -> str:
        return text.replace("refnum=1 ", f"refnum={refnum} ").replace("-orig=1 ", f"-orig={original} ")

    def receipt() -> bytes:
        return (tmp_path / "receipt").read_bytes()

    (tmp_path / "outages.csv").write_bytes(table("OUT-1", "OUT-3"))
    it = Opened(place)
    try:
        with served(place):
            until(lambda: is_open(port))
            assert said(script(page, tmp_path)) == "ok"
            first = receipt()
            # Duplicates: the same request, and a resend that is encrypted anew.
            assert said(script(again, tmp_path)) == "ok" and receipt() == first
            assert said(script(numbered(page, 2, 1), tmp_path)) == "ok" and receipt() == first
            # Tampered, cut off, by a wrong key, for a wrong key, with a wrong password.
            whole = (tmp_path / "package.pgp").read_bytes()
            middle = len(whole) // 2
            other = bytes([whole[middle] ^ 1 if whole[middle] ^ 1 != 10 else 65])
            for package, code in [
                (whole[:middle] + other + whole[middle + 1 :], "EEDM6"),
                (whole[:middle], "EEDM603"),
                (b"ISA*00*", "EEDM602"),
                (gpg.package("sunwind", b"x", "--armor"), "EEDM601"),
                (gpg.run("-r", "=006982359", "--armor", "--encrypt", given=b"x"), "EEDM604"),
            ]:
                (tmp_path / "package.pgp").write_bytes(package)
                assert said(script(numbered(again, 3, 3), tmp_path)).startswith(code)
            wrong = script(again.replace(SECRET, "wrong"), tmp_path)
            assert wrong.returncode != 0 and b"password is wrong" in receipt()
            (tmp_path / "outages.csv").write_bytes(table("OUT-2"))
            assert said(script(page, tmp_path)).startswith("EEDM121")
            assert said(script(numbered(page, 4, 4), tmp_path)) == "ok"
        rows = list(it.store.messages(Query(outgoing=False)))
        assert len(rows) == 3
        for row in rows:  # two of them were in one file
            raw = export(it.gateway, row.id, it.clock())
            report = verify_file(raw, it.gateway.trust, it.clock(), verifiers=VERIFIERS)
            assert isinstance(report, TranslatedReport) and report.answered == "ok"
    finally:
        it.close()


def test_what_would_not_work_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], gpg: Gpg
) -> None:
    place = tmp_path / "gateway"
    make_house(place, free_port())
    text = legacy_text(gpg.public, hash_secret(SECRET))
    file = tmp_path / "them.file"
    for old, new, word in [
        ('code = "123456789"', 'code = "12345"', "code"),
        ('their_user = "sunwind"\n', "", "their_user"),
        ("refnums = true", 'user = "us"', "password_file"),
        ("refnums = true", 'zone = "Mars/Olympus"', "zone"),
        ("refnums = true", "our_key = 2", "our_key 2"),
        ("[csv]", "[nothing]", "nothing"),
        (gpg.public, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "public key"),
        ('url = "https', 'url = "ftp', "url"),
    ]:
        assert old in text
        file.write_text(text.replace(old, new))
        refused = here(capsys, "partner", "legacy", THEM, file, "--dir", place)
        assert refused.code != 0 and word in " ".join(refused.err.split()), (word, refused.err)
    file.write_text(text)
    assert here(capsys, "partner", "legacy", THEM, file, "--dir", place).code == 0
    twice = here(capsys, "partner", "legacy", "other.example", file, "--dir", place)
    assert twice.code != 0 and "has the code 123456789" in " ".join(twice.err.split())


def test_doctor_says_whose_key_ends_soon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "gateway"
    make_house(place, free_port())
    brief = Tsk.generate(
        user_id="b", cipher_suite=CipherSuite.Cv25519, profile=Profile.RFC4880, validity_seconds=5 * 86_400
    )
    file = tmp_path / "them.file"
    file.write_text(legacy_text(PgpKey(bytes(brief)).public, hash_secret(SECRET)))
    assert here(capsys, "partner", "legacy", THEM, file, "--dir", place).code == 0
    capsys.readouterr()
    run(["doctor", "--json", "--dir", str(place)])
    found = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["check"] == "openpgp"]
    assert [one["state"] for one in found] == ["ok", "warn"]
    assert "our key" in found[0]["what"] and THEM in found[1]["what"] and "new one" in found[1]["do"]


def test_without_the_settings_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], gpg: Gpg
) -> None:
    place = tmp_path / "gateway"
    assert (
        run(
            [
                "init",
                US,
                "--role",
                "der_aggregator",
                "--url",
                "https://127.0.0.1:9",
                "--dir",
                str(place),
            ]
        )
        == 0
    )
    file = tmp_path / "them.file"
    file.write_text(legacy_text(gpg.public, hash_secret(SECRET)))
    refused = here(capsys, "partner", "legacy", THEM, file, "--dir", place)
    assert refused.code != 0 and "[internet_et] code" in refused.err


def test_every_term_setting_quirk_and_code_is_on_the_page() -> None:
    written = set(re.findall(r"`([A-Za-z0-9_-]+)`", PAGE)) | set(re.findall(r"(?m)^       (\w+) =", PAGE))
    assert set(InternetEtTerms.__struct_fields__) <= written
    assert {"code", "server", "listen", "key_number", "file_bytes", "retry_minutes"} <= written
    assert {"key_number", "retry_minutes"} <= set(InternetEtDoor.__struct_fields__)
    assert {quirk.value for quirk in Quirk} <= written
    assert {code.value for code in Code} - {"EEDM112"} <= written
