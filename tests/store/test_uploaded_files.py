"""Files of our own people while they come: resumed, bounded, encrypted, each its owner's, and forgotten."""

from __future__ import annotations

import os
import shutil
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.exchange.house import NOW

from intertie.gateway.office import uploaded_ports as limits
from intertie.gateway.office.uploaded_ports import NoSuchUpload, UploadError, WrongOffset
from intertie.model.errors import StoreError
from intertie.model.ids import new_uuid7
from intertie.seal.key_port import KekOf
from intertie.stores import uploaded_files
from intertie.stores.uploaded_files import UploadedFiles

ANN, BOB = "ann", "bob"
TEXT = b"meter,start,value\n" * 50


@pytest.fixture
def files(tmp_path: Path) -> UploadedFiles:
    return UploadedFiles(tmp_path / "uploads", KekOf(bytes(32)))


def test_a_file_comes_in_pieces_and_goes_on_where_it_ended(files: UploadedFiles, tmp_path: Path) -> None:
    begun = files.begin(ANN, "readings.csv", len(TEXT), NOW)
    assert (begun.there, begun.whole, begun.name) == (0, False, "readings.csv")
    assert files.add(ANN, begun.id, 0, TEXT[:100]).there == 100
    after = UploadedFiles(tmp_path / "uploads", KekOf(bytes(32)))  # another process
    assert after.find(ANN, begun.id).there == 100
    with pytest.raises(UploadError, match="100 of"):
        after.content(ANN, begun.id)
    for wrong in (0, 99, 101):
        with pytest.raises(WrongOffset) as caught:
            after.add(ANN, begun.id, wrong, b"x")
        assert caught.value.there == 100
    assert after.add(ANN, begun.id, 100, TEXT[100:]).whole
    assert files.content(ANN, begun.id) == TEXT
    with pytest.raises(UploadError, match="more bytes"):
        files.add(ANN, begun.id, len(TEXT), b"x")


def test_nothing_of_it_can_be_read_on_the_disk(files: UploadedFiles, tmp_path: Path) -> None:
    begun = files.begin(ANN, "a.csv", len(TEXT), NOW)
    files.add(ANN, begun.id, 0, TEXT)
    found = [path for path in (tmp_path / "uploads").rglob("*") if path.is_file()]
    assert len(found) == 2 and not any(b"meter" in path.read_bytes() for path in found)
    assert {path.stat().st_mode & 0o077 for path in found} == {0}
    other = UploadedFiles(tmp_path / "uploads", KekOf(b"o" * 32))
    with pytest.raises(StoreError):
        other.content(ANN, begun.id)


def test_a_piece_that_was_changed_or_moved_does_not_open(files: UploadedFiles, tmp_path: Path) -> None:
    begun = files.begin(ANN, "a.csv", 20, NOW)
    files.add(ANN, begun.id, 0, b"0123456789")
    files.add(ANN, begun.id, 10, b"abcdefghij")
    first, second = sorted((tmp_path / "uploads" / begun.id).glob("*.piece"))
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    with pytest.raises(StoreError):
        files.content(ANN, begun.id)
    first.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    with pytest.raises(StoreError):
        files.content(ANN, begun.id)


def test_a_file_is_its_owner_s_alone(files: UploadedFiles) -> None:
    begun = files.begin(ANN, "a.csv", 1, NOW)
    files.add(ANN, begun.id, 0, b"x")
    for act in (files.find, files.content):
        with pytest.raises(NoSuchUpload):
            act(BOB, begun.id)
    with pytest.raises(NoSuchUpload):
        files.add(BOB, begun.id, 1, b"x")
    files.drop(BOB, begun.id)
    assert files.mine(BOB) == [] and [one.id for one in files.mine(ANN)] == [begun.id]
    files.drop(ANN, begun.id)
    files.drop(ANN, begun.id)
    assert files.mine(ANN) == []


@pytest.mark.parametrize("id", ["", ".", "..", "../../etc", "a/b", "%2e%2e", "0" * 36, "\x00"])
def test_an_id_that_is_none_leads_nowhere(files: UploadedFiles, id: str) -> None:
    for act in (files.find, files.content):
        with pytest.raises(NoSuchUpload):
            act(ANN, id)
    files.drop(ANN, id)


@given(st.text(max_size=300))
def test_any_name_is_shown_as_one_short_line(name: str) -> None:
    shown = uploaded_files._plain(name)
    assert 0 < len(shown) <= uploaded_files.NAME_MAX and shown.isprintable()
    assert not {"/", "\\", "\n"} & set(shown)


def test_a_name_keeps_its_last_part(files: UploadedFiles) -> None:
    for name, shown in (
        ("../../x.csv", "x.csv"),
        ("C:\\tmp\\y.csv", "y.csv"),
        ("\u202e\n", "file"),
        ("", "file"),
    ):
        assert files.begin(ANN, name, 1, NOW).name == shown


def test_what_is_empty_or_too_much_is_not_begun(
    files: UploadedFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in (0, -1, limits.FILE_BYTES_MAX + 1):
        with pytest.raises(UploadError):
            files.begin(ANN, "a", size, NOW)
    begun = files.begin(ANN, "a", 10, NOW)
    for piece in (b"", b"x" * (limits.PIECE_BYTES_MAX + 1)):
        with pytest.raises(UploadError):
            files.add(ANN, begun.id, 0, piece)
    monkeypatch.setattr(uploaded_files, "FILES_MAX", 1)
    with pytest.raises(UploadError, match="of yours wait"):
        files.begin(ANN, "b", 1, NOW)
    monkeypatch.setattr(uploaded_files, "ALL_BYTES_MAX", 15)
    files.begin(BOB, "b", 5, NOW)
    with pytest.raises(UploadError, match="no more files fit"):
        files.begin("carol", "c", 1, NOW)


def test_what_nobody_wants_is_forgotten(files: UploadedFiles) -> None:
    old = files.begin(ANN, "old", 1, NOW)
    new = files.begin(ANN, "new", 1, NOW + limits.KEPT)
    assert [one.name for one in files.mine(ANN)] == ["new", "old"]
    assert files.sweep(NOW + limits.KEPT) == 0
    assert files.sweep(NOW + limits.KEPT + timedelta(seconds=1)) == 1
    assert [one.id for one in files.mine(ANN)] == [new.id] != [old.id]


def test_two_that_send_the_same_piece_write_it_once(files: UploadedFiles) -> None:
    begun = files.begin(ANN, "a", 8, NOW)
    refused: list[int] = []

    def send() -> None:
        try:
            files.add(ANN, begun.id, 0, b"12345678")
        except WrongOffset as error:
            refused.append(error.there)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == [8, 8, 8] and files.content(ANN, begun.id) == b"12345678"


def test_a_damaged_or_strange_folder_is_passed_over(files: UploadedFiles, tmp_path: Path) -> None:
    begun = files.begin(ANN, "a", 1, NOW)
    folder = tmp_path / "uploads"
    (folder / "lost+found").mkdir()
    broken = folder / new_uuid7(NOW)
    broken.mkdir()
    (broken / "about.json").write_text("{")
    (folder / new_uuid7(NOW)).mkdir()
    assert [one.id for one in files.mine(ANN)] == [begun.id]
    with pytest.raises(NoSuchUpload):
        files.find(ANN, broken.name)


def test_a_disk_that_fails_is_said(files: UploadedFiles, tmp_path: Path) -> None:
    begun = files.begin(ANN, "a", 1, NOW)
    shutil.rmtree(tmp_path / "uploads" / begun.id)
    with pytest.raises(NoSuchUpload):
        files.add(ANN, begun.id, 0, b"x")
    shutil.rmtree(tmp_path / "uploads")
    (tmp_path / "uploads").write_text("a file")
    with pytest.raises(StoreError, match="cannot be kept"):
        files.begin(ANN, "a", 1, NOW)
    assert os.path.isfile(tmp_path / "uploads")
