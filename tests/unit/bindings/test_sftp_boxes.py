"""Mailboxes on disk: a file is in one place or another, what was left is put aside, and what is said of a file is for people."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.exchange.house import NOW

from intertie.bindings.sftp import boxes
from intertie.bindings.sftp.boxes import Box, plain, receipt_name
from intertie.bindings.sftp.names import Folder
from intertie.bindings.sftp.taking import message_of, receipt_text
from intertie.gateway.translating.files import Item, Judged
from intertie.model.errors import StoreError
from intertie.model.ids import MessageId, PartyId
from intertie.seal.receipt import Outcome

PARTY = PartyId("utility.example")
HOUR = 3600.0


@pytest.fixture
def box(tmp_path: Path) -> Box:
    made = Box(tmp_path, PARTY)
    made.make()
    return made


def begun(box: Box, name: str, content: bytes = b"x", age: float = 0.0) -> Path:
    path = box.path(Folder.IN, name)
    path.write_bytes(content)
    aged(path, age)
    return path


def aged(path: Path, age: float) -> None:
    at = path.stat().st_mtime - age
    os.utime(path, (at, at))


def test_four_folders_for_nobody_else(box: Box, tmp_path: Path) -> None:
    assert sorted(path.name for path in box.root.iterdir()) == ["in", "out", "receipts", "refused"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in box.root.iterdir())
    box.make()  # again: nothing is changed
    assert (
        box.waiting() == 0 and box.arrived() == [] and Box(tmp_path, PartyId("other.example")).arrived() == []
    )


def test_files_are_taken_in_the_order_in_which_they_counted(box: Box) -> None:
    for name in ("b.csv", "a.csv", "c (2).csv"):
        begun(box, f"{name}.part", name.encode())
        box.arrive(f"{name}.part", name)
    assert [one.name for one in box.arrived()] == ["b.csv", "a.csv", "c (2).csv"]
    assert box.waiting() == 3 and list(box.path(Folder.IN).iterdir()) == []
    first = box.arrived()[0]
    assert box.read(first, 100) == b"b.csv" and len(box.read(first, 3)) == 4, "one byte more than the limit"
    box.done(first)
    box.done(first)  # a crash may come in between
    assert [one.name for one in box.arrived()] == ["a.csv", "c (2).csv"]


def test_what_was_fetched_from_a_server_counts_whole(box: Box) -> None:
    box.keep("theirs.csv", b"whole")
    (one,) = box.arrived()
    assert one.name == "theirs.csv" and box.read(one, 10) == b"whole"


def test_what_is_no_arrival_is_left_alone(box: Box, tmp_path: Path) -> None:
    (tmp_path / PARTY / "arrived" / "notes.txt").write_text("an operator's")
    assert box.arrived() == []


def test_a_file_of_ours_is_put_once_and_known_to_be_fetched(box: Box) -> None:
    box.put(Folder.OUT, "a.csv", b"one")
    box.put(Folder.OUT, "a.csv", b"one")
    assert box.has(Folder.OUT, "a.csv") and box.path(Folder.OUT, "a.csv").read_bytes() == b"one"
    assert [path.name for path in box.path(Folder.OUT).iterdir()] == ["a.csv"]
    assert box.fetched("a.csv") is None
    box.note_fetched("a.csv", "utility")
    assert box.fetched("a.csv") == "utility"


def test_what_lies_at_their_server_is_remembered(box: Box, tmp_path: Path) -> None:
    assert Box(tmp_path, PartyId("new.example")).put_names() == []
    box.note_put("a.csv")
    box.note_put("b.csv")
    assert box.was_put("a.csv") and box.put_names() == ["a.csv", "b.csv"]
    box.forget_put("a.csv")
    box.forget_put("a.csv")
    assert not box.was_put("a.csv") and box.put_names() == ["b.csv"]


def test_uploads_that_were_left_are_put_aside_with_a_reason(box: Box) -> None:
    begun(box, "left.csv.part", age=30 * HOUR)
    begun(box, ".hidden", age=30 * HOUR)
    begun(box, "going.csv.part", age=HOUR)
    now = begun(box, "new.part").stat().st_mtime
    assert sorted(box.sweep(now, unfinished=24 * HOUR, keep=720 * HOUR)) == [".hidden", "left.csv.part"]
    assert sorted(path.name for path in box.path(Folder.IN).iterdir()) == ["going.csv.part", "new.part"]
    aside = sorted(path.name for path in box.path(Folder.REFUSED).iterdir())
    assert len(aside) == 4 and sum(name.endswith(".reason.txt") for name in aside) == 2
    assert not any(name.startswith(".") for name in aside), "the partner sees them"


def test_what_was_kept_long_enough_goes_and_what_was_not_fetched_stays(box: Box) -> None:
    for folder, name in (
        (Folder.RECEIPTS, "old.txt"),
        (Folder.REFUSED, "old.csv"),
        (Folder.OUT, "fetched.csv"),
        (Folder.OUT, "waits.csv"),
    ):
        box.put(folder, name, b"x")
        aged(box.path(folder, name), 800 * HOUR)
    box.put(Folder.RECEIPTS, "new.txt", b"x")
    box.note_fetched("fetched.csv", "utility")
    now = box.path(Folder.RECEIPTS, "new.txt").stat().st_mtime
    assert box.sweep(now, unfinished=24 * HOUR, keep=720 * HOUR) == []
    left = sorted(path.name for folder in Folder for path in box.path(folder).iterdir())
    assert left == ["new.txt", "waits.csv"]


@pytest.mark.parametrize("when", ["listed", "looked at"])
def test_what_is_moved_while_it_is_swept_is_left_alone(
    box: Box, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Partners come at any time: a name that was listed may be gone when it is looked at, or put aside."""
    begun(box, "left.csv.part", age=30 * HOUR)
    now = begun(box, "new.part").stat().st_mtime
    real, gone = boxes._files, box.path(Folder.IN, "gone.part")
    monkeypatch.setattr(boxes, "_files", lambda folder: [folder / "gone.part", *real(folder)])
    if when == "looked at":
        older = boxes._is_older
        monkeypatch.setattr(boxes, "_is_older", lambda path, than: path == gone or older(path, than))
    assert box.sweep(now, unfinished=24 * HOUR, keep=720 * HOUR) == ["left.csv.part"]


def test_a_disk_that_fails_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / PARTY).write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="mailbox"):
        Box(tmp_path, PARTY).make()


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("outages.csv", "outages.csv"),
        ("My meters (May).csv", "My_meters_May.csv"),
        (".hidden", "hidden"),
        ("a.b.c.csv", "a_b_c.csv"),
        ("ä", "file"),
        ("x" * 100 + "." + "y" * 50, "x" * 60 + "." + "y" * 20),
    ],
)
def test_names_of_theirs_in_names_of_ours(name: str, made: str) -> None:
    assert plain(name) == made


def test_receipts_of_files_of_one_name_are_two() -> None:
    assert receipt_name("a.csv", b"1") != receipt_name("a.csv", b"2")
    assert receipt_name("a.csv", b"1") == receipt_name("a.csv", b"1")


def test_a_receipt_says_what_became_of_each() -> None:
    one = Outcome(message=None, leaf="00", status="accepted")
    two = Outcome(message=None, leaf="00", status="refused", code="schema", detail="line 3: kind: unknown")
    judged = [Judged(Item("line 2", b""), one), Judged(Item("line 3", b""), two)]
    text = receipt_text("a b.csv", b"abc", judged, NOW)
    assert text.splitlines() == [
        "file: a_b.csv",
        "bytes: 3",
        "sha256: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        f"received: {NOW.isoformat()}",
        "result: 1 taken, 1 refused",
        "line 2: accepted",
        "line 3: refused: schema: kind: unknown",
    ]


def test_a_receipt_has_an_end() -> None:
    judged = [Judged(Item("line", b""), Outcome(message=None, leaf="00", status="accepted"))] * 1500
    text = receipt_text("a.csv", b"", judged, NOW)
    assert text.endswith("... and 500 more\n") and text.count("\n") < 1010


def test_a_message_is_known_by_the_name_of_its_file() -> None:
    id = MessageId("01990000-0000-7000-8000-000000000001")
    assert message_of(f"meter_request-{id}.csv") == id
    for name in (f"{id}.csv", "results-1.csv", f"x-{id}.csv.part/..", "meter_request-1.csv"):
        assert message_of(name) is None
