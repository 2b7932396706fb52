"""FTP over TLS with curl and Python's ftplib on the other side."""

from __future__ import annotations

import asyncio
import contextlib
import ftplib
import io
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.command.gateways import here
from tests.exchange.uftp_world import TEXT
from tests.interop.sftp_house import LEGACY, THEM, US, House, deliver, inbox, say, state, table, until
from tests.ports import free_port

from intertie.cli import run
from intertie.exchange.outbound import State
from intertie.formats.upload_terms import hash_secret, new_secret
from intertie.run import Opened
from intertie.run.by_name import serve_mailbox

PAGE = (Path(__file__).parent.parent.parent / "docs" / "ftps.md").read_text(encoding="utf-8")
SECRET = new_secret()
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")


def certificate(folder: Path) -> None:
    """A door's, as an operator has it from somewhere."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 7, now - timedelta(1), now + timedelta(9))
        .add_extension(x509.SubjectAlternativeName(names), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ftps.pem").write_bytes(made.public_bytes(Encoding.PEM))
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "ftps.key").write_bytes(plain)


def make(base: Path, terms: str = "", more: str = "") -> House:
    place, port = base / "us", free_port()
    said = ["init", US, "--role", "der_aggregator", "--url", f"https://127.0.0.1:{free_port()}"]
    assert run([*said, "--dir", str(place)]) == 0
    certificate(place)
    section = f'[ftps]\nlisten = "127.0.0.1:{port}"\ncertificate = "ftps.pem"\nkey = "ftps.key"\n{more}'
    settings = place / "intertie.toml"
    settings.write_text(settings.read_text().replace("[ftps]\n", section, 1))
    text = LEGACY.replace(
        "[sftp]\n{sftp}", f'[ftps]\nuser = "utility"\nsecrets = ["{hash_secret(SECRET)}"]\n{terms}'
    )
    file = base / "them.file"
    file.write_text(
        text.format(
            agreement=TEXT.agreement, effective="2026-01-01T00:00:00Z", sha256=TEXT.general_terms.sha256
        )
    )
    assert run(["partner", "legacy", THEM, str(file), "--dir", str(place)]) == 0
    return House(place, port)


@contextlib.contextmanager
def serving(house: House, *, until_open: bool = True) -> Iterator[Opened]:
    it = Opened(house.place)
    it.store.unlock()
    loop = asyncio.new_event_loop()
    task = loop.create_task(serve_mailbox("ftps", it))

    def work() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        until(lambda: task.done() or not until_open or is_open(house.port))
        yield it
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()
        it.close()
        assert task.cancelled(), task.exception()


def is_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as it:
        return it.recv(3) == b"220"
    return False


class At:
    """The door, and who comes to it."""

    def __init__(self, house: House, it: Opened) -> None:
        self.house, self.it = house, it

    def curl(self, *words: str, user: str = f"utility:{SECRET}", path: str = "") -> tuple[int, bytes]:
        ca = str(self.house.place / "ftps.pem")
        url = f"ftp://127.0.0.1:{self.house.port}/{path}"
        said = ["curl", "-sS", "--ssl-reqd", "--cacert", ca, "-u", user, *words, url]
        done = subprocess.run(said, capture_output=True, timeout=60)
        return done.returncode, done.stdout

    @contextlib.contextmanager
    def client(self) -> Iterator[ftplib.FTP_TLS]:
        context = ssl.create_default_context(cafile=str(self.house.place / "ftps.pem"))
        with ftplib.FTP_TLS(context=context, timeout=30) as it:
            it.connect("127.0.0.1", self.house.port)
            it.login("utility", SECRET)
            it.prot_p()
            yield it

    def upload(self, name: str, content: bytes) -> None:
        with self.client() as it:
            it.storbinary(f"STOR in/{name}.part", io.BytesIO(content))
            it.rename(f"in/{name}.part", f"in/{name}")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return make(tmp_path_factory.mktemp("ftps"), more="file_bytes = 20000\nuploads_per_minute = 100000.0\n")


@pytest.fixture
def at(house: House) -> Iterator[At]:
    with serving(house) as it:
        yield At(house, it)


def test_a_table_comes_once_and_what_we_say_is_fetched(at: At) -> None:
    before = len(inbox(at.it))
    at.upload("outages.csv", table("OUT-1", "OUT-2"))
    until(lambda: len(inbox(at.it)) == before + 2)
    at.upload("again.csv", table("OUT-1", "OUT-2"))
    message = say(at.it)
    until(lambda: not list((at.house.place / "ftps" / THEM / "arrived").iterdir()))
    deliver(at.it)
    assert len(inbox(at.it)) == before + 2 and state(at.it, message)[0] is State.SENDING
    with at.client() as it:
        names = it.nlst("out")
        receipts = it.nlst("receipts")
        assert len(receipts) == 1 and any("results-" in name for name in names)
        (ours,) = [name for name in names if str(message) in name]
        got = io.BytesIO()
        it.retrbinary(f"RETR out/{Path(ours).name}", got.write)
        it.delete(f"out/{Path(ours).name}")
    assert got.getvalue().startswith(b"document,")
    until(lambda: state(at.it, message)[0] is State.ACCEPTED)


@needs_curl
def test_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = here(capsys, "partner", "secret", "--json").json
    legacy = re.search(r"```toml\n(.*?)```", PAGE, re.S)
    section = re.search(r"       \[ftps\]\n((?:       .*\n)+)", PAGE)
    commands = re.search(r"```sh\n(.*?)```", PAGE, re.S)
    assert legacy is not None and section is not None and commands is not None
    place, port = tmp_path / "us", free_port()
    said = ["init", THEM, "--role", "distribution_utility", "--url", f"https://127.0.0.1:{free_port()}"]
    assert run([*said, "--dir", str(place)]) == 0
    certificate(place)
    settings = place / "intertie.toml"
    lines = section[1].replace(":2121", f":{port}")
    settings.write_text(settings.read_text().replace("[ftps]\n", f"[ftps]\n{lines}", 1))
    file = tmp_path / "them.file"
    file.write_text(legacy[1].replace("sha256:HASH", made["hash"]))
    added = here(capsys, "partner", "legacy", "sunwind.example", file, "--dir", place, "--json")
    assert added.code == 0 and added.json["speaks"] == "ftps (comes as sunwind), csv", added.err
    (place / "outages.csv").write_bytes(table("OUT-1"))
    with serving(House(place, port)) as it:
        script = "set -e\n" + commands[1].replace("$SECRET", made["secret"]).replace(":2121", f":{port}")
        done = subprocess.run(["bash", "-c", script], cwd=place, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert all(word in done.stdout for word in ("in", "out", "receipts", "refused"))
        mailbox = place / "ftps" / "sunwind.example"
        until(lambda: inbox(it) or it.store.refusals())  # it was taken in, and judged
        until(lambda: not list((mailbox / "arrived").iterdir()))
        assert not list((mailbox / "box" / "in").iterdir())


@needs_curl
@pytest.mark.parametrize("user", ["utility:wrong", "somebody:SECRET", "utility:HASH", "anonymous:x"])
def test_who_is_not_known_stays_out(at: At, user: str) -> None:
    who = user.replace("SECRET", SECRET).replace("HASH", hash_secret(SECRET))
    assert at.curl(user=who)[0] == 67  # login denied


def test_nothing_is_said_without_tls(at: At) -> None:
    with ftplib.FTP(timeout=30) as it:
        it.connect("127.0.0.1", at.house.port)
        with pytest.raises(ftplib.error_perm, match="SSL/TLS required"):
            it.login("utility", SECRET)
    context = ssl.create_default_context(cafile=str(at.house.place / "ftps.pem"))
    with ftplib.FTP_TLS(context=context, timeout=30) as it:
        it.connect("127.0.0.1", at.house.port)
        it.login("utility", SECRET)
        with pytest.raises(ftplib.error_perm, match="data channel"):
            it.nlst()


@pytest.mark.parametrize(
    "words",
    [
        ("STOR", "../outside.csv"),
        ("STOR", "/etc/intertie-test.csv"),
        ("STOR", "in/../../outside.csv"),
        ("STOR", "out/ok.csv"),
        ("STOR", "in/con.csv"),
        ("STOR", "in/a/b.csv"),
        ("STOR", "in/-rf"),
        ("STOR", "in/large.csv"),
        ("RETR", "../../intertie.toml"),
        ("RETR", "/etc/passwd"),
        ("RETR", "in"),
        ("MKD", "in/new"),
        ("RMD", "in"),
        ("DELE", "in"),
        ("CWD", "../.."),
        ("SITE CHMOD 777", "in"),
        ("RNFR", "in"),
    ],
)
def test_nothing_leads_out_of_a_mailbox(at: At, words: tuple[str, str]) -> None:
    verb, path = words
    with at.client() as it:
        it.nlst()  # the folders are there
    before = {str(one) for one in at.house.place.rglob("*") if "store.db" not in one.name}
    # What is said of an upload that was cut off may be read when it says goodbye.
    with contextlib.suppress(ftplib.error_temp), at.client() as it:
        content = io.BytesIO(b"x" * (30_000 if "large" in path else 10))
        got = io.BytesIO()
        if verb == "CWD":
            with contextlib.suppress(ftplib.all_errors):
                it.cwd(path)
            assert it.pwd() == "/"
            return
        with pytest.raises(ftplib.all_errors):
            if verb == "STOR":
                it.storbinary(f"STOR {path}", content)
            elif verb == "RETR":
                it.retrbinary(f"RETR {path}", got.write)
            elif verb == "RNFR":
                it.rename(path, "out")
            else:
                it.voidcmd(f"{verb} {path}")
    assert got.getvalue() == b"" and not Path("/etc/intertie-test.csv").exists()
    left = {str(one) for one in at.house.place.rglob("*") if "store.db" not in one.name} - before
    assert all(
        Path(one).parent == at.house.box("in").parent.parent.parent / "x" or "large" in one for one in left
    ), left
    for one in left:
        Path(one).unlink()


@pytest.mark.parametrize("where", ["", " ../x", " in", " in/a.csv", " out/a.csv"])
@pytest.mark.parametrize("folder", ["/", "out", "in"])
def test_nobody_has_a_name_made_for_an_upload(where: str, folder: str, at: At) -> None:
    """STOU writes where the server chooses, past what else is asked of an upload: its folder, its length, how many there are."""
    with at.client() as it:
        it.cwd(folder)
    before = {str(one) for one in at.house.place.rglob("*") if "store.db" not in one.name}
    with at.client() as it:
        it.cwd(folder)
        with pytest.raises(ftplib.all_errors):
            it.storbinary(f"STOU{where}", io.BytesIO(b"x" * 30_000))
    assert {str(one) for one in at.house.place.rglob("*") if "store.db" not in one.name} <= before


def test_an_upload_goes_on_where_it_stopped(at: At) -> None:
    before = len(inbox(at.it))
    content = table(*(f"OUT-{number}" for number in range(200, 230)))
    with at.client() as it:
        it.storbinary("STOR in/long.csv.part", io.BytesIO(content[:300]))
    with at.client() as it:
        it.voidcmd("TYPE I")
        size = it.size("in/long.csv.part")
        assert size == 300
        it.storbinary("STOR in/long.csv.part", io.BytesIO(content[300:]), rest=300)
        it.rename("in/long.csv.part", "in/long.csv")
    until(lambda: len(inbox(at.it)) == before + 30)


def test_where_it_was_agreed_a_file_counts_when_it_is_closed(tmp_path: Path) -> None:
    house = make(tmp_path, 'complete = "closed"\n')
    with serving(house) as it:
        at = At(house, it)
        with at.client() as client:
            client.storbinary("STOR in/a.csv", io.BytesIO(table("OUT-1")))
            client.storbinary("STOR in/b.csv.part", io.BytesIO(table("OUT-2")))
        until(lambda: len(inbox(it)) == 1)
        assert [path.name for path in house.place.joinpath("ftps", THEM, "box", "in").iterdir()] == [
            "b.csv.part"
        ]


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ('listen = "127.0.0.1:2121"\n', "certificate and key"),
        ("data_ports = [5000, 4000]\n", "data_ports"),
        ('listen = "nowhere"\n', "listen"),
    ],
)
def test_settings_that_would_not_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], said: str, word: str
) -> None:
    place = tmp_path / "us"
    url = f"https://127.0.0.1:{free_port()}"
    assert run(["init", US, "--role", "der_aggregator", "--url", url, "--dir", str(place)]) == 0
    settings = place / "intertie.toml"
    settings.write_text(settings.read_text().replace("[ftps]\n", f"[ftps]\n{said}", 1))
    done = here(capsys, "status", "--dir", place)
    assert done.code != 0 and word in " ".join(done.err.split())


def cut_off(client: ftplib.FTP_TLS, name: str, content: bytes) -> str:
    """An upload whose connection ends without a word of TLS; what the door says."""
    with client.transfercmd(f"STOR in/{name}") as data:
        data.sendall(content)
        data.shutdown(socket.SHUT_RDWR)
    try:
        return client.voidresp()
    except ftplib.error_temp as error:
        return str(error)


def test_a_connection_that_breaks_does_not_close_a_file(tmp_path: Path) -> None:
    house = make(tmp_path, 'complete = "closed"\n')
    whole = table("OUT-1", "OUT-2")
    with serving(house) as it:
        at = At(house, it)
        with at.client() as client:
            assert cut_off(client, "a.csv", whole[: whole.index(b"OUT-2")]).startswith("426")
            assert cut_off(client, "b.csv.part", whole).startswith("226")  # it counts when it is renamed
            assert not inbox(it)
            client.storbinary("STOR in/a.csv", io.BytesIO(whole))
        until(lambda: len(inbox(it)) == 2)


@needs_curl
def test_curl_closes_what_it_uploads(tmp_path: Path) -> None:
    house = make(tmp_path, 'complete = "closed"\n')
    file = tmp_path / "a.csv"
    file.write_bytes(table("OUT-1"))
    with serving(house) as it:
        assert At(house, it).curl("-T", str(file), path="in/a.csv")[0] == 0
        until(lambda: len(inbox(it)) == 1)


def test_where_files_are_renamed_the_end_of_a_connection_is_taken_as_it_comes(tmp_path: Path) -> None:
    """Some programs never close TLS; whether the file is whole, they say by its name."""
    house = make(tmp_path)
    with serving(house) as it, At(house, it).client() as client:
        assert cut_off(client, "a.csv.part", table("OUT-1")).startswith("226")
        client.rename("in/a.csv.part", "in/a.csv")
        until(lambda: len(inbox(it)) == 1)
