"""A mailbox without TLS, with Python's ftplib and curl on the other side: what is refused there, each with the partner and the
rule; and that a parcel that was doubled, changed, cut or sealed for somebody else harms nobody."""

from __future__ import annotations

import contextlib
import ftplib
import io
import os
import re
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.command.gateways import command, served
from tests.command.relaying import HOME, HUB, Three, say, wait_for
from tests.interop.parcels_house import (
    PLAIN,
    SECRET,
    Exported,
    bring_back,
    comes,
    export_status,
    legacy_text,
    open_mailbox,
    put_legacy,
    two,
)
from tests.interop.test_ftps import is_open

from intertie.formats.upload_terms import hash_secret
from intertie.gateway.ports import Query
from intertie.run import open_gateway

PAGE = (Path(__file__).parents[2] / "docs" / "ftps.md").read_text(encoding="utf-8")
LET = comes("home", plain=True)
WHO = f".partner {HOME}."


class Door(NamedTuple):
    """The aggregator's mailbox, to which the customer's gateway comes without TLS, by hand."""

    three: Three
    port: int
    medium: Path

    @property
    def box(self) -> Path:
        return self.three.aggregator / "ftps" / HOME / "box"

    @contextlib.contextmanager
    def ftp(self, secret: str = PLAIN) -> Iterator[ftplib.FTP]:
        with ftplib.FTP(timeout=30, encoding="utf-8") as it:
            it.connect("127.0.0.1", self.port)
            it.login("home", secret)
            yield it

    @contextlib.contextmanager
    def over_tls(self) -> Iterator[ftplib.FTP_TLS]:
        """Nobody is logged in yet."""
        context = ssl.create_default_context(cafile=str(self.three.aggregator / "ftps.pem"))
        with ftplib.FTP_TLS(context=context, timeout=30) as it:
            it.connect("127.0.0.1", self.port)
            yield it

    def upload(self, name: str, content: bytes) -> None:
        """It counts, and is taken in."""
        with self.ftp() as it:
            it.storbinary(f"STOR in/{name}.part", io.BytesIO(content))
            it.rename(f"in/{name}.part", f"in/{name}")
        wait_for(lambda: not any((self.box.parent / "arrived").iterdir()))

    def count(self) -> int:
        """Messages that were taken."""
        gateway = open_gateway(self.three.aggregator)
        try:
            return len(gateway.store.messages(Query(outgoing=False, limit=1000)))
        finally:
            gateway.store.close()

    def receipts(self, one: Exported) -> list[str]:
        return [file.name for file in (self.box / "receipts").iterdir() if file.name.startswith(one.parcel)]

    def reasons(self, code: str) -> int:
        """Files that were refused as a whole with this code."""
        found = (self.box / "refused").glob("*.reason.txt")
        return sum(f"refused: {code}" in file.read_text() for file in found)

    def log(self) -> str:
        return (self.three.aggregator / "serve.log").read_text()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    base = tmp_path_factory.mktemp("plain")
    three = two(base)
    put_legacy(three.aggregator, HOME, "gateway_esi", LET)
    limits = "uploads_per_minute = 100000.0\nconnections_per_address = 100\n"
    found = Door(three, open_mailbox(three.aggregator, plain=True, more=limits), base / "medium")
    with served(three.aggregator):
        wait_for(lambda: is_open(found.port))
        yield found


@contextlib.contextmanager
def changed(file: Path, text: str) -> Iterator[None]:
    """The legacy file of a partner of the gateway that serves; it is read again within a second."""
    old = file.read_text() if file.exists() else None
    try:
        file.write_text(text)
        time.sleep(2)
        yield
    finally:
        file.write_text(old) if old is not None else file.unlink()
        time.sleep(2)


def test_a_parcel_that_comes_again_has_one_effect_and_the_same_receipt(door: Door) -> None:
    made, before = export_status(door.three, door.medium), door.count()
    sealed = made.file.read_bytes()
    for name in ("once.itp", "once.itp", "again.itp"):
        door.upload(name, sealed)
    wait_for(lambda: bool(door.receipts(made)))
    (receipt,) = door.receipts(made)
    assert door.count() == before + 1
    got = io.BytesIO()
    with door.ftp() as it:
        it.retrbinary(f"RETR receipts/{receipt}", got.write)
    (door.medium / receipt).write_bytes(got.getvalue())
    assert bring_back(door.medium / receipt, to=door.three.home) == "accepted"


def test_a_parcel_that_was_changed_is_refused_and_the_whole_one_still_counts(door: Door) -> None:
    made, before = export_status(door.three, door.medium), door.count()
    sealed = made.file.read_bytes()
    refused = door.reasons("cannot_open")
    door.upload("changed.itp", sealed[:-1] + bytes([sealed[-1] ^ 1]))
    wait_for(lambda: door.reasons("cannot_open") == refused + 1)
    assert door.count() == before and not door.receipts(made)
    door.upload("changed.itp", sealed)
    wait_for(lambda: bool(door.receipts(made)))
    assert door.count() == before + 1


def test_half_of_a_parcel_is_refused_and_the_whole_one_still_counts(door: Door) -> None:
    """Its writer renames what a broken line left, as a careless program does; before that it counts for nothing."""
    made, before = export_status(door.three, door.medium), door.count()
    sealed = made.file.read_bytes()
    with door.ftp() as it:
        it.voidcmd("TYPE I")
        data = it.transfercmd("STOR in/half.itp.part")
        data.sendall(sealed[: len(sealed) // 2])
        data.close()
        it.voidresp()
    wait_for(lambda: (door.box / "in" / "half.itp.part").stat().st_size == len(sealed) // 2)
    time.sleep(0.5)
    assert door.count() == before and (door.box / "in" / "half.itp.part").exists()
    refused = door.reasons("cannot_open")
    with door.ftp() as it:
        it.rename("in/half.itp.part", "in/half.itp")
    wait_for(lambda: door.reasons("cannot_open") == refused + 1)
    assert door.count() == before and not door.receipts(made)
    door.upload("half.itp", sealed)
    wait_for(lambda: bool(door.receipts(made)))
    assert door.count() == before + 1


def test_a_parcel_for_another_key_or_another_party_or_by_another_hand_is_refused(door: Door) -> None:
    before = door.count()
    made = export_status(door.three, door.medium)
    sealed = made.file.read_bytes()
    at = sealed.index(b'"kid":"') + len(b'"kid":"')
    other = b"0" if sealed[at : at + 1] != b"0" else b"1"
    refused = door.reasons("unknown_key")
    door.upload("key.itp", sealed[:at] + other + sealed[at + 1 :])
    wait_for(lambda: door.reasons("unknown_key") == refused + 1)

    say(
        door.three, door.medium / "command.json"
    )  # the aggregator's own, that the gateway which fetches it brings back
    wait_for(lambda: any((door.box / "out").iterdir()))
    (own,) = (door.box / "out").iterdir()
    mine = door.reasons("unknown_sender")
    door.upload("own.itp", own.read_bytes())
    wait_for(lambda: door.reasons("unknown_sender") == mine + 1)
    own.unlink()
    assert door.count() == before and not door.receipts(made)


@pytest.mark.parametrize("secret", ["wrong", SECRET], ids=["wrong", "that for TLS"])
def test_another_secret_opens_nothing(door: Door, secret: str) -> None:
    with pytest.raises(ftplib.error_perm, match="not known"), door.ftp(secret):
        pass
    assert ("its secret for TLS was said without it" in door.log()) is (secret == SECRET)


@pytest.mark.parametrize(
    "path",
    [
        "../out.itp",
        "/../../out.itp",
        "/etc/out.itp",
        "in/../../out.itp",
        "in/../../../../../../../var/out.itp",
        "out/out.itp",
        "receipts/out.itp",
        "in/deep/out.itp",
        "in/out\\..\\..\\x",
        "in/" + "x" * 300,
    ],
)
def test_no_name_leads_out_of_in(door: Door, path: str) -> None:
    made = export_status(door.three, door.medium)
    sealed = made.file.read_bytes()
    known = tree(door.three.aggregator)
    with door.ftp() as it:
        with contextlib.suppress(ftplib.error_perm):
            it.storbinary(f"STOR {path}.part", io.BytesIO(sealed))
        it.storbinary("STOR in/names.itp.part", io.BytesIO(sealed))
        with pytest.raises(ftplib.error_perm):
            it.rename("in/names.itp.part", path)
        it.delete("in/names.itp.part")
    made_here = tree(door.three.aggregator) - known
    assert all(name.startswith(f"ftps/{HOME}/box/in/") and name.endswith(".part") for name in made_here)
    assert not Path("/var/out.itp").exists() and not Path("/etc/out.itp.part").exists()


def tree(directory: Path) -> set[str]:
    """What lies in a gateway's directory, but for what it writes by itself."""
    return {
        str(file.relative_to(directory))
        for file in directory.rglob("*")
        if not file.name.startswith(("store.db", "serve.log"))
    }


def test_of_two_uploads_of_a_name_at_once_the_first_counts(door: Door) -> None:
    made, before = export_status(door.three, door.medium), door.count()
    sealed = made.file.read_bytes()
    with door.ftp() as one, door.ftp() as two:
        one.voidcmd("TYPE I")
        data = one.transfercmd("STOR in/twice.itp.part")
        data.sendall(sealed[:100])
        wait_for((door.box / "in" / "twice.itp.part").exists)
        for act in ("STOR in/twice.itp.part", "APPE in/twice.itp.part"):
            with pytest.raises(ftplib.error_perm, match="is being uploaded"):
                two.storbinary(act, io.BytesIO(b"ITP1" + b"x" * 100))
        with pytest.raises(ftplib.error_perm):
            two.rename("in/twice.itp.part", "in/twice.itp")
        with pytest.raises(ftplib.error_perm):
            two.delete("in/twice.itp.part")
        data.sendall(sealed[100:])
        data.close()
        one.voidresp()
        one.rename("in/twice.itp.part", "in/twice.itp")
    wait_for(lambda: bool(door.receipts(made)))
    assert door.count() == before + 1


def test_a_session_ends_with_the_date_and_nothing_is_done_in_it_any_more(door: Door) -> None:
    made, before = export_status(door.three, door.medium), door.count()
    lies_there = door.box / "out" / "kept.itp"
    lies_there.write_bytes(made.file.read_bytes())
    file = door.three.aggregator / "partners" / f"{HOME}.legacy"
    past = file.read_text().replace("2099-12-31", "2020-01-01")
    with door.ftp() as it, changed(file, past):
        with pytest.raises(ftplib.error_perm, match=f"protection_too_weak: .* ended on 2020-01-01 {WHO}"):
            it.delete("out/kept.itp")
        for act in ("PASV", "NLST out", "RETR out/kept.itp", "CWD in"):
            with pytest.raises(ftplib.error_perm, match=r"^530"):
                it.sendcmd(act)
        with pytest.raises(ftplib.error_perm, match="SSL/TLS required"):
            it.sendcmd("USER home")
    assert lies_there.exists() and door.count() == before
    lies_there.unlink()


def test_who_turns_to_tls_has_to_say_another_secret(door: Door) -> None:
    with door.over_tls() as it:
        for said in ("USER home", f"PASS {PLAIN}"):
            it.sendcmd(said)
        assert it.nlst("in") is not None
        it.auth()
        with pytest.raises(ftplib.error_perm, match="530"):
            it.sendcmd("PWD")
        it.sendcmd("USER home")
        with pytest.raises(ftplib.error_perm, match="not known"):
            it.sendcmd(f"PASS {PLAIN}")
        it.login("home", SECRET)
        with pytest.raises(ftplib.error_perm, match="534"):
            it.prot_p(), it.prot_c()
        assert set(it.nlst()) >= {"in", "out"}


def test_a_secret_that_opens_another_door_lets_nobody_in(door: Door) -> None:
    other = door.three.aggregator / "partners" / f"{HUB}.legacy"
    section = f'[upload]\nuser = "hub"\nsecrets = ["{hash_secret(PLAIN)}"]'
    with changed(other, legacy_text(HUB, "third_party", section)):
        with pytest.raises(ftplib.error_perm, match="not known"), door.ftp():
            pass
        assert f"opens a door to {HUB}, too" in door.log()
    with door.ftp() as it:
        assert it.nlst()


def test_the_command_refuses_a_secret_that_is_not_its_own(door: Door, tmp_path: Path) -> None:
    file = tmp_path / "hub.legacy"
    section = f'[ftps]\nuser = "hub"\nsecrets = ["{hash_secret(PLAIN)}"]'
    file.write_text(legacy_text(HUB, "third_party", section))
    said = command("partner", "legacy", HUB, file, "--dir", door.three.aggregator)
    assert said.code and f"what {HOME} says without TLS" in said.err


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
def test_curl_is_told_who_it_is_and_which_rule_it_broke(door: Door, tmp_path: Path) -> None:
    file = tmp_path / "readings.csv"
    file.write_bytes(os.urandom(3000))
    url = f"ftp://localhost:{door.port}/in/readings.itp.part"
    said: Any = subprocess.run(
        ["curl", "-sv", "-u", f"home:{PLAIN}", "-T", file, url], capture_output=True, timeout=60, check=False
    )
    assert said.returncode and b"protection_too_weak: without TLS only sealed parcels" in said.stderr
    assert HOME.encode() in said.stderr


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
def test_the_page(door: Door) -> None:
    page = PAGE[PAGE.index("## Without TLS") :]
    legacy, script = (re.search(rf"```{kind}\n(.*?)```", page, re.S) for kind in ("toml", "sh"))
    assert legacy is not None and script is not None
    made, before = export_status(door.three, door.medium), door.count()
    shutil.copy(made.file, door.medium / "parcel.itp")
    secret = command("partner", "secret", "--json").json
    file = door.three.aggregator / "partners" / f"{HOME}.legacy"
    with changed(file, file.read_text()):
        text = door.medium / "home.legacy"
        text.write_text(legacy[1].replace("sha256:HASH", secret["hash"]))
        added = command("partner", "legacy", HOME, text, "--dir", door.three.aggregator, "--json")
        assert "FTP without TLS" in added.json["legacy"], added.err
        time.sleep(2)
        lines = "set -e\n" + script[1].replace("$SECRET", secret["secret"]).replace(":2121", f":{door.port}")
        done = subprocess.run(["bash", "-c", lines], cwd=door.medium, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        wait_for(lambda: bool(door.receipts(made)))
        assert door.count() == before + 1
        assert re.search(r"^    (550 protection_too_weak: .* carried \(partner home.example\))", page, re.M)
