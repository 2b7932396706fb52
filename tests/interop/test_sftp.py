"""Files by SFTP with OpenSSH on the other side: its client in our mailbox, and us at its server."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
from tests.interop.sftp_house import (
    THEM,
    House,
    Person,
    add_partner,
    deliver,
    inbox,
    make_house,
    make_key,
    needs_client,
    needs_server,
    say,
    server_terms,
    serving,
    sshd,
    state,
    table,
    until,
)

from intertie.bindings.sftp.client import SftpClient
from intertie.exchange.outbound import State
from intertie.gateway.translating.foreign import Level
from intertie.model.errors import PartnerError
from intertie.run import Opened
from intertie.seal.ssh_keys import CLIENT, HOST, public_line

pytestmark = [needs_client]


class At:
    """A mailbox that is served, and a person of the partner."""

    def __init__(self, house: House, it: Opened, person: Person, folder: Path) -> None:
        self.house, self.it, self.person, self.folder = house, it, person, folder

    def file(self, name: str, content: bytes) -> str:
        (self.folder / name).write_bytes(content)
        return name

    def taken(self, count: int) -> None:
        until(lambda: len(inbox(self.it)) == count)

    def settle(self) -> None:
        """All that was uploaded is taken in, and what we owe for it is written."""
        arrived = self.house.place / "sftp" / THEM / "arrived"
        until(lambda: not list(arrived.iterdir()))
        deliver(self.it)

    def folder_of(self, name: str) -> list[str]:
        return sorted(path.name for path in self.house.box(name).iterdir())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[House, Path]:
    base = tmp_path_factory.mktemp("sftp")
    key = base / "id"
    line = make_key(key)
    return make_house(base, f'user = "utility"\nkeys = ["{line}"]', more="file_bytes = 20000\n"), key


@pytest.fixture
def at(made: tuple[House, Path], tmp_path: Path) -> Iterator[At]:
    house, key = made
    with serving(house) as it:
        person = Person(house, key)
        yield At(house, it, person, key.parent)


def test_a_table_comes_once_and_its_results_are_fetched(at: At) -> None:
    content = table("OUT-1", "OUT-2")
    at.file("outages.csv", content)
    at.person.does("put outages.csv in/outages.csv.part", "rename in/outages.csv.part in/outages.csv")
    at.taken(2)
    at.settle()
    assert at.folder_of("in") == [] and at.folder_of("refused") == []
    (receipt,) = at.folder_of("receipts")
    text = at.house.box("receipts", receipt).read_text()
    assert "file: outages.csv" in text and "result: 2 taken, 0 refused" in text
    (results,) = at.folder_of("out")
    at.person.does(f"get out/{results} got.csv", f"rm out/{results}")
    assert at.folder_of("out") == [] and b"accepted" in (at.folder / "got.csv").read_bytes()
    # The same again: one effect, the same receipt.
    at.person.does("put outages.csv in/again.csv.part", "rename in/again.csv.part in/again.csv")
    at.settle()
    assert len(inbox(at.it)) == 2 and at.house.box("receipts", receipt).read_text() == text


def test_what_no_table_is_lies_beside_its_reason(at: At) -> None:
    before = len(inbox(at.it))
    at.file("bad.csv", b"document,outage,kind\noutage_notice,OUT-9\n\x00\xff")
    at.person.does("put bad.csv in/bad.csv.part", "rename in/bad.csv.part in/bad.csv")
    at.settle()
    until(lambda: len(at.folder_of("refused")) >= 2)
    reason = next(name for name in at.folder_of("refused") if name.endswith(".reason.txt"))
    text = at.house.box("refused", reason).read_text()
    assert "0 taken, 1 refused" in text and "the file" in text
    assert at.house.box("refused", reason.removesuffix(".reason.txt")).read_bytes().startswith(b"document,")
    assert len(inbox(at.it)) == before


def test_a_line_that_breaks_a_rule_takes_no_other_with_it(at: At) -> None:
    before = len(inbox(at.it))
    content = table("OUT-11", "OUT-12").replace(b"OUT-12,unplanned", b"OUT-12,nonsense")
    at.file("half.csv", content)
    at.person.does("put half.csv in/half.csv.tmp", "rename in/half.csv.tmp in/half.csv")
    at.taken(before + 1)
    at.settle()
    receipts = [at.house.box("receipts", name).read_text() for name in at.folder_of("receipts")]
    assert any("1 taken, 1 refused" in text and "line 3: refused" in text for text in receipts)


def test_ours_is_received_when_it_was_fetched(at: At) -> None:
    message = say(at.it)
    deliver(at.it)
    assert state(at.it, message)[0] is State.SENDING
    name = next(name for name in at.folder_of("out") if str(message) in name)
    at.person.does(f"get out/{name} ours.csv")
    until(lambda: state(at.it, message)[0] is State.ACCEPTED)
    assert (at.folder / "ours.csv").read_bytes().startswith(b"document,")
    evidence = at.it.store.message(message, outgoing=True)
    assert evidence is not None and evidence.parcel is not None
    parcel = at.it.store.parcel(evidence.parcel, outgoing=True)
    assert parcel is not None and b"fetched by utility" in (parcel.receipt or b"")


def test_an_upload_counts_when_it_is_whole_and_goes_on_where_it_stopped(at: At) -> None:
    before = len(inbox(at.it))
    content = table(*(f"OUT-{number}" for number in range(100, 150)))
    at.file("long.csv", content[:700])
    at.person.does("put long.csv in/long.csv.part")
    at.settle()
    assert len(inbox(at.it)) == before and at.folder_of("in") == ["long.csv.part"]
    at.file("long.csv", content)
    at.person.does("reput long.csv in/long.csv.part", "rename in/long.csv.part in/long.csv")
    at.taken(before + 50)


@pytest.mark.parametrize(
    "line",
    [
        "put ok.csv ../outside.csv",
        "put ok.csv /etc/intertie-test.csv",
        "put ok.csv in/../../outside.csv",
        "put ok.csv out/ok.csv",
        "put ok.csv receipts/ok.csv",
        "put ok.csv in/con.csv",
        "put ok.csv in/LPT1.csv",
        "put ok.csv in/a/b.csv",
        "put ok.csv 'in/a\\b.csv'",
        "put ok.csv in/-rf",
        f"put ok.csv in/{'x' * 150}.csv",
        "put large.csv in/large.csv",
        "mkdir in/new",
        "mkdir new",
        "rmdir in",
        "ln ok.csv in/link.csv",
        "symlink /etc/passwd in/link.csv",
        "get /etc/passwd stolen",
        "get ../../intertie.toml stolen",
        "rename in out",
        "rm in",
    ],
)
def test_nothing_leads_out_of_a_mailbox(at: At, line: str) -> None:
    at.file("ok.csv", table("OUT-50"))
    at.file("large.csv", b"x" * 30_000)
    at.person.does("ls")  # the folders are there
    before = sorted(str(path) for path in at.house.place.rglob("*") if "store.db" not in path.name)
    at.person.fails(line)
    after = sorted(str(path) for path in at.house.place.rglob("*") if "store.db" not in path.name)
    left = set(after) - set(before)
    assert all(Path(path).parent == at.house.box("in") for path in left), (
        left
    )  # an upload that was begun, at most
    assert not (at.folder / "stolen").exists() and not Path("/etc/intertie-test.csv").exists()
    for path in left:
        Path(path).unlink()


def test_who_has_another_key_or_name_is_not_let_in(at: At, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    assert "ermission denied" in Person(at.house, tmp_path / "other").fails("ls")
    assert "ermission denied" in Person(at.house, at.person.key, user="somebody").fails("ls")
    stranger = Person(at.house, at.person.key, host_key=(tmp_path / "other.pub").read_text().strip())
    assert "verification failed" in stranger.fails("ls")
    Person(at.house, at.person.key)  # the right one again


def test_weak_algorithms_are_not_spoken(at: At) -> None:
    assert "no matching" in at.person.fails("ls", KexAlgorithms="diffie-hellman-group14-sha1").lower()
    assert "no matching" in at.person.fails("ls", Ciphers="aes128-cbc").lower()


def test_there_is_no_shell_and_no_way_through(at: At) -> None:
    options = [f"-oUserKnownHostsFile={at.person.known}", "-oIdentitiesOnly=yes", "-oBatchMode=yes"]
    words = ["ssh", *options, "-i", str(at.person.key), "-p", str(at.house.port), "utility@127.0.0.1"]
    done = subprocess.run([*words, "id"], capture_output=True, text=True, timeout=30)
    assert done.returncode != 0 and "uid=" not in done.stdout
    through = subprocess.run(
        [*words, "-W", "127.0.0.1:22"], input="", capture_output=True, text=True, timeout=30
    )
    assert through.returncode != 0


def test_two_uploads_of_one_name_at_once(at: At) -> None:
    """The second is told; the first comes whole."""
    before = len(inbox(at.it))
    pinned = asyncssh.import_public_key(public_line(at.it.ssh_key(HOST)))

    async def both() -> None:
        options = {
            "username": "utility",
            "client_keys": [str(at.person.key)],
            "known_hosts": ([pinned], [], []),
            "config": None,
        }
        async with (
            asyncssh.connect("127.0.0.1", at.house.port, **options) as one,
            asyncssh.connect("127.0.0.1", at.house.port, **options) as other,
            one.start_sftp_client() as mine,
            other.start_sftp_client() as theirs,
        ):
            content = table("OUT-70")
            async with mine.open("in/same.csv.part", "wb") as file:
                await file.write(content[:20])
                with pytest.raises(asyncssh.SFTPFailure, match="being uploaded"):
                    await theirs.open("in/same.csv.part", "wb")
                with pytest.raises(asyncssh.SFTPFailure, match="being uploaded"):
                    await theirs.rename("in/same.csv.part", "in/same.csv")
                await file.write(content[20:])
            await mine.rename("in/same.csv.part", "in/same.csv")

    asyncio.run(both())
    at.taken(before + 1)


def test_a_certificate_of_its_authority_lets_in_whom_it_names(tmp_path: Path) -> None:
    authority = make_key(tmp_path / "authority")
    for name, principal in (("good", "utility"), ("bad", "somebody")):
        make_key(tmp_path / name)
        subprocess.run(
            [
                "ssh-keygen",
                "-q",
                "-s",
                str(tmp_path / "authority"),
                "-I",
                name,
                "-n",
                principal,
                str(tmp_path / f"{name}.pub"),
            ],
            check=True,
        )
    house = make_house(tmp_path, f'user = "utility"\nauthorities = ["{authority}"]')
    with serving(house):
        Person(house, tmp_path / "good").does("ls")
        assert "ermission denied" in Person(house, tmp_path / "bad").fails("ls")


# At the partner's server


@needs_server
def test_we_go_to_its_server_both_ways(tmp_path: Path) -> None:
    line = make_key(tmp_path / "id")
    house = make_house(tmp_path, f'user = "utility"\nkeys = ["{line}"]')  # our keys are made
    it = Opened(house.place)
    ours = public_line(it.ssh_key(CLIENT))
    it.close()
    with sshd(tmp_path, ours) as (port, host, there):
        add_partner(house.place, server_terms(port, host))
        (there / "to_us" / "outages.csv").write_bytes(table("OUT-1"))
        (there / "to_us" / "late.csv.part").write_bytes(b"document")
        (there / "to_us" / "bad.csv").write_bytes(b"nothing of use")
        with serving(house) as it:
            until(lambda: len(inbox(it)) == 1)
            until(
                lambda: sorted(path.name for path in (there / "done").iterdir()) == ["bad.csv", "outages.csv"]
            )
            message = say(it)
            deliver(it)
            assert state(it, message)[0] is State.SENDING
            names = [path.name for path in (there / "from_us").iterdir()]
            mine = next(name for name in names if str(message) in name)
            assert not [name for name in names if name.endswith(".part")]
            receipts = sorted(path.read_text() for path in (there / "receipts").iterdir())
            assert len(receipts) == 2 and "1 taken, 0 refused" in "".join(receipts)
            deliver(it)  # the same again puts nothing twice
            (there / "from_us" / mine).unlink()  # its program takes it
            until(lambda: state(it, message)[0] is State.ACCEPTED)
            deliver(it)
            assert not (there / "from_us" / mine).exists()
            assert (there / "to_us" / "late.csv.part").exists()


@needs_server
def test_another_host_key_gets_nothing(tmp_path: Path) -> None:
    line = make_key(tmp_path / "id")
    house = make_house(tmp_path, f'user = "utility"\nkeys = ["{line}"]')
    it = Opened(house.place)
    ours = public_line(it.ssh_key(CLIENT))
    other = make_key(tmp_path / "another")
    with sshd(tmp_path, ours) as (port, _, there):
        add_partner(house.place, server_terms(port, other))
        partner = it.partners.find(THEM)
        assert partner is not None and partner.foreign is not None
        server = partner.foreign.sftp.server
        assert server is not None and partner.foreign.closing is Level.FETCHED
        client = SftpClient(lambda: it.ssh_key(CLIENT), 10.0)

        async def put() -> None:
            try:
                await client.put(server, "from_us", "a.csv", b"secret")
            finally:
                await client.aclose()

        with pytest.raises(PartnerError, match="another host key"):
            asyncio.run(put())
        message = say(it)
        deliver(it)
        assert state(it, message)[0] is State.SENDING and not list((there / "from_us").iterdir())
    it.close()


@needs_server
def test_an_upload_of_ours_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    line = make_key(tmp_path / "id")
    house = make_house(tmp_path, f'user = "utility"\nkeys = ["{line}"]')
    it = Opened(house.place)
    content = b"".join(f"{number}\n".encode() for number in range(30_000))
    with sshd(tmp_path, public_line(it.ssh_key(CLIENT))) as (port, host, there):
        add_partner(house.place, server_terms(port, host))
        partner = it.partners.find(THEM)
        assert partner is not None and partner.foreign is not None
        server = partner.foreign.sftp.server
        assert server is not None
        client = SftpClient(lambda: it.ssh_key(CLIENT), 10.0)

        async def put(name: str) -> None:
            await client.put(server, "from_us", name, content)

        async def all() -> None:
            (there / "from_us" / "cut.txt.part").write_bytes(content[:50_000])
            await put("cut.txt")
            (there / "from_us" / "other.txt.part").write_bytes(
                b"x" * 50_000
            )  # the beginning of something else
            await put("other.txt")
            await put("other.txt")
            await client.aclose()

        asyncio.run(all())
        assert (
            (there / "from_us" / "cut.txt").read_bytes()
            == (there / "from_us" / "other.txt").read_bytes()
            == content
        )
        assert sorted(path.name for path in (there / "from_us").iterdir()) == ["cut.txt", "other.txt"]
    it.close()
