"""Uploads with curl: every kind of request that it makes, and what partners are told."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import uvicorn
from tests.exchange.uftp_world import TEXT
from tests.interop.sftp_house import LEGACY, THEM, US, deliver, inbox, say, state, table, until
from tests.ports import free_port

from intertie.bindings.upload.door import UploadDoorway
from intertie.cli import run
from intertie.exchange.outbound import State
from intertie.formats.upload_terms import hash_secret, new_secret
from intertie.gateway.ports import Query
from intertie.run import Opened
from intertie.run.plain_door import door_config

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
SECRET = new_secret()


class At(NamedTuple):
    """A door that is served, and somebody with curl."""

    it: Opened
    port: int
    folder: Path

    def curl(self, *words: str, user: str = f"utility:{SECRET}", path: str = "upload") -> tuple[int, Any]:
        said = [
            "curl",
            "-sS",
            "-u",
            user,
            "-w",
            "\n%{http_code}",
            *words,
            f"http://127.0.0.1:{self.port}/{path}",
        ]
        done = subprocess.run(said, capture_output=True, cwd=self.folder, timeout=60, check=True)
        body, _, status = done.stdout.rpartition(b"\n")
        try:
            return int(status), json.loads(body)
        except ValueError:
            return int(status), body

    def file(self, name: str, content: bytes) -> str:
        (self.folder / name).write_bytes(content)
        return name


def make(base: Path, more: str = "file_bytes = 20000\nfiles = 2\n") -> tuple[Path, int]:
    """A gateway of the aggregator with a door for the utility's uploads: its directory, and the port."""
    place, port = base / "us", free_port()
    said = ["init", US, "--role", "der_aggregator", "--url", f"https://127.0.0.1:{free_port()}"]
    assert run([*said, "--dir", str(place)]) == 0
    settings = place / "intertie.toml"
    listen = f'[upload]\nlisten = "127.0.0.1:{port}"\n{more}requests_per_minute = 100000.0\n'
    settings.write_text(settings.read_text().replace("[upload]\n", listen, 1))
    text = LEGACY.replace("[sftp]\n{sftp}", '[upload]\nuser = "utility"\nsecrets = ["{hash}"]')
    file = base / "them.file"
    file.write_text(
        text.format(
            hash=hash_secret(SECRET),
            agreement=TEXT.agreement,
            effective="2026-01-01T00:00:00Z",
            sha256=TEXT.general_terms.sha256,
        )
    )
    assert run(["partner", "legacy", THEM, str(file), "--dir", str(place)]) == 0
    return place, port


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("upload"))[0]


@pytest.fixture
def at(place: Path, tmp_path: Path) -> Iterator[At]:
    it = Opened(place)
    it.store.unlock()
    settings, port = it.settings.upload, free_port()
    door = UploadDoorway(it.gateway, settings, it.places.of(settings.folder), it.clock, time.monotonic)
    config = door_config(it, door.app(), settings, "[upload]")
    config.host, config.port = "127.0.0.1", port
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    yield At(it, port, tmp_path)
    server.should_exit = True
    thread.join()
    it.close()


def test_a_form_with_a_table(at: At) -> None:
    at.file("outages.csv", table("OUT-1", "OUT-2"))
    status, said = at.curl("-F", "file=@outages.csv")
    assert status == 200
    (file,) = said["files"]
    assert (file["file"], file["taken"], file["refused"]) == ("outages.csv", 2, 0)
    assert [one["status"] for one in file["messages"]] == ["accepted"] * 2
    assert [row.id for row in inbox(at.it)] == [one["message"] for one in file["messages"]]
    again = at.curl("-F", "other=@outages.csv;filename=another.csv")
    assert again == (200, said) and len(inbox(at.it)) == 2, "the same bytes, the same answer"


def test_a_file_as_the_body_and_several_in_a_form(at: At) -> None:
    before = len(inbox(at.it))
    at.file("a.csv", table("OUT-3"))
    at.file("b.csv", table("OUT-4"))
    at.file("c.csv", table("OUT-5"))
    status, said = at.curl(
        "--data-binary", "@a.csv", "-H", "content-type: text/csv", "-H", "x-file-name: a.csv"
    )
    assert status == 200 and said["files"][0]["file"] == "a.csv"
    status, said = at.curl("-F", "file=@b.csv", "-F", "file=@c.csv", "-F", "note=hello")
    assert status == 200 and [one["file"] for one in said["files"]] == ["b.csv", "c.csv"]
    assert len(inbox(at.it)) == before + 3
    status, said = at.curl("-F", "file=@a.csv", "-F", "file=@b.csv", "-F", "file=@c.csv")
    assert status == 400 and "more than 2" in said["detail"]


def test_what_is_wrong_is_said_with_its_place(at: At) -> None:
    before = len(inbox(at.it))
    at.file("half.csv", table("OUT-11", "OUT-12").replace(b"OUT-12,unplanned", b"OUT-12,nonsense"))
    status, said = at.curl("-F", "file=@half.csv")
    (file,) = said["files"]
    assert status == 200 and (file["taken"], file["refused"]) == (1, 1)
    wrong = file["messages"][1]
    assert wrong["place"] == "line 3" and wrong["code"] == "schema" and "kind" in wrong["detail"]
    assert len(inbox(at.it)) == before + 1
    at.file("bad.bin", b"\x00\xff\x00")
    status, said = at.curl("-F", "file=@bad.bin")
    assert status == 200 and said["files"][0]["taken"] == 0
    assert said["files"][0]["messages"][0]["place"] == "the file"


def test_ours_is_listed_fetched_and_removed(at: At) -> None:
    message = say(at.it)
    deliver(at.it)
    assert state(at.it, message)[0] is State.SENDING
    status, said = at.curl(path="files")
    name = next(one["name"] for one in said["files"] if str(message) in one["name"])
    status, content = at.curl(path=f"files/{name}")
    assert status == 200 and content.startswith(b"document,")
    until(lambda: state(at.it, message)[0] is State.ACCEPTED)
    assert at.curl("-X", "DELETE", path=f"files/{name}")[0] == 204
    assert name not in str(at.curl(path="files")[1])
    assert at.curl(path=f"files/{name}")[0] == 404


@pytest.mark.parametrize("user", ["utility:wrong", "utility:", "somebody:SECRET", ":", "utility:HASH"])
def test_who_is_not_known_is_told_nothing(at: At, user: str) -> None:
    at.file("a.csv", table("OUT-77"))
    before = len(inbox(at.it))
    for path in ("upload", "files", "files/x.csv"):
        words = ["-F", "file=@a.csv"] if path == "upload" else []
        who = user.replace("SECRET", SECRET).replace("HASH", hash_secret(SECRET))
        status, said = at.curl(*words, user=who, path=path)
        assert status == 401 and "not known" in said["detail"]
    assert len(inbox(at.it)) == before


@pytest.mark.parametrize(
    "name",
    ["..%2fintertie.toml", "..%2f..%2fintertie.toml", "%2fetc%2fpasswd", "a%00b", "con.csv", ".hidden"],
)
def test_names_lead_nowhere(at: At, name: str) -> None:
    status, said = at.curl("--path-as-is", path=f"files/{name}")
    assert status == 404 and b"[party]" not in (said if isinstance(said, bytes) else b"")


def test_a_name_of_theirs_is_for_people_only(at: At) -> None:
    at.file("a.csv", table("OUT-90"))
    before = sorted(path.name for path in at.it.directory.rglob("*") if "store.db" not in path.name)
    status, said = at.curl("-F", "file=@a.csv;filename=../../../etc/evil<script>.csv")
    assert status == 200 and said["files"][0]["file"] == "etc_evil_script.csv"
    assert sorted(path.name for path in at.it.directory.rglob("*") if "store.db" not in path.name) == before


def test_what_is_too_large_or_no_form_is_refused(at: At) -> None:
    at.file("large.csv", b"x" * 30_000)
    at.file("huge.csv", b"x" * 200_000)
    assert at.curl("-F", "file=@large.csv")[0] == 413
    assert at.curl("--data-binary", "@huge.csv")[0] == 413
    at.file("empty.csv", b"")
    assert at.curl("-F", "file=@empty.csv")[0] == 400
    assert at.curl("-X", "POST")[0] == 400
    url = f"http://127.0.0.1:{at.port}/upload"
    for kind, body in (
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"nothing of it"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\ncontent-disposition: form-data; name="f"; filename="f"\r\n\r\nx',
        ),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"a: b\r\n" * 50 + b"\r\nx\r\n--b--"),
    ):
        answer = httpx.post(url, content=body, headers={"content-type": kind}, auth=("utility", SECRET))
        assert answer.status_code == 400 and answer.json()["do"], kind
    assert httpx.get(url, auth=("utility", SECRET)).status_code == 405


def test_everything_that_was_answered_is_in_the_journal(at: At) -> None:
    at.file("journal.csv", table("OUT-90"))
    assert at.curl("-F", "file=@journal.csv")[0] == 200
    rows = at.it.store.messages(Query(outgoing=False, limit=1000))
    assert rows and all(row.parcel is not None for row in rows)
    answer = httpx.get(f"http://127.0.0.1:{at.port}/files", auth=("utility", SECRET))
    assert (
        answer.headers["cache-control"] == "no-store"
        and answer.headers["x-content-type-options"] == "nosniff"
    )
