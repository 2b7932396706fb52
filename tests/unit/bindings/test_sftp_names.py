"""Names and paths of mailboxes: what any system can have, and nothing that leads out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.bindings.sftp.boxes import plain, receipt_name
from intertie.bindings.sftp.names import Folder, Place, is_file_name, is_unfinished, place_of
from intertie.bindings.sftp.seen import Seen


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (b"", Place()),
        (b"/", Place()),
        (b".", Place()),
        (b"in", Place(Folder.IN)),
        (b"/in/", Place(Folder.IN)),
        (b"in/a.csv", Place(Folder.IN, "a.csv")),
        (b"in/../out/b.csv", Place(Folder.OUT, "b.csv")),
        (b"../../in/a.csv", Place(Folder.IN, "a.csv")),
        (b"in/My meters (May).csv", Place(Folder.IN, "My meters (May).csv")),
    ],
)
def test_paths_that_lead_somewhere(path: bytes, place: Place) -> None:
    assert place_of(path) == place


@pytest.mark.parametrize(
    "path",
    [
        b"etc/passwd",
        b"in/a/b",
        b"in/a\\b",
        b"in/\x00",
        b"in/\xff",
        b"in/con.txt",
        b"in/NUL",
        b"in/a.",
        b"in/a ",
        b"IN/a",
        b"in/" + b"x" * 130,
        b"in/..a",
        b"in/-a",
        b"in/a:b",
        b"in/lpt3.csv",
        b"in/\xc3\xa4.csv",
        b"in/a\nb",
    ],
)
def test_paths_that_lead_nowhere(path: bytes) -> None:
    assert place_of(path) is None


@given(st.binary(max_size=60))
def test_no_path_leads_out(path: bytes) -> None:
    found = place_of(path)
    if found is not None and found.name:
        assert "/" not in found.name and ".." not in found.name and found.folder in set(Folder)


@given(st.text(max_size=200))
def test_a_name_of_ours_is_a_name_whatever_theirs_was(name: str) -> None:
    assert is_file_name(plain(name))
    made = receipt_name(name, b"x")
    assert is_file_name(made) and len(made) < 110


def test_nor_is_it_a_device_where_theirs_was_one() -> None:
    assert [plain(name) for name in ("COM0", "con.csv", "Nul", "-aux-", "console.csv")] == [
        "file-COM0",
        "file-con.csv",
        "file-Nul",
        "file-aux",
        "console.csv",
    ]


def test_what_is_unfinished_says_so() -> None:
    assert all(map(is_unfinished, ("a.part", "a.TMP", ".a.csv", "x.filepart")))
    assert not any(map(is_unfinished, ("a.csv", "part", "a.part.csv")))


def test_a_file_that_still_grows_is_left_alone() -> None:
    seen = Seen()
    assert seen.still({"a": (1, 1), "b": (5, 1)}) == []
    assert seen.still({"a": (2, 2), "b": (5, 1), "c": (1, 1)}) == ["b"]
    assert seen.still({"a": (2, 2)}) == ["a"]
