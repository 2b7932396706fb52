"""The folder of attached files keeps what gateway/attaching/attachment_ports.py promises."""

from __future__ import annotations

import multiprocessing
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intertie.gateway.attaching.attachment_ports import Coming, OffsetError
from intertie.model.attachment import AttachmentId
from intertie.model.errors import StoreError
from intertie.model.ids import MessageId, PartyId, new_message_id, new_uuid7
from intertie.stores.attachment_files import AttachmentFiles

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
PARTNER = PartyId("utility.example")


@pytest.fixture
def files(tmp_path: Path) -> AttachmentFiles:
    return AttachmentFiles(tmp_path / "attachments")


def new_id() -> AttachmentId:
    return AttachmentId(new_uuid7(NOW))


def coming(length: int = 10, partner: PartyId = PARTNER) -> Coming:
    return Coming(partner, new_id(), length)


def drafted(files: AttachmentFiles, data: bytes = b"sealed", message: MessageId | None = None) -> MessageId:
    message = message or new_message_id(NOW)
    with files.draft(message, new_id(), NOW) as sink:
        sink.write(data)
    return message


# Coming in


def test_nothing_is_there_before_something_came(files: AttachmentFiles, tmp_path: Path) -> None:
    one = coming()
    assert files.there(one) == 0 and files.coming() == [] and list(files.owners()) == []
    assert files.received(one, new_message_id(NOW)) is None and files.free() > 0
    files.drop(one)
    files.keep(one, new_message_id(NOW), NOW)
    assert list(tmp_path.iterdir()) == []


def test_bytes_are_added_at_the_end_and_nowhere_else(files: AttachmentFiles) -> None:
    one = coming(10)
    assert files.append(one, 0, b"abcd", NOW) == 4
    for offset, data in ((0, b"x"), (3, b"x"), (5, b"x"), (4, b"x" * 7)):
        with pytest.raises(OffsetError) as caught:
            files.append(one, offset, data, NOW)
        assert caught.value.there == 4
    assert files.received(one, new_message_id(NOW)) is None  # not whole yet
    assert files.append(one, 4, b"efghij", NOW) == files.there(one) == 10
    files.sync(one)
    whole = files.received(one, new_message_id(NOW))
    assert whole is not None
    with whole:
        assert whole.read() == b"abcdefghij"
    with pytest.raises(OffsetError):
        files.append(one, 10, b"x", NOW)


@settings(max_examples=50, deadline=None)
@given(data=st.binary(min_size=1, max_size=200), cuts=st.lists(st.integers(1, 50), max_size=10))
def test_any_pieces_make_the_file(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, cuts: list[int]
) -> None:
    files, one = AttachmentFiles(tmp_path_factory.mktemp("any")), coming(len(data))
    end = 0
    for size in [*cuts, len(data)]:
        end = files.append(one, end, data[end : end + size], NOW)
    whole = files.received(one, new_message_id(NOW))
    assert whole is not None
    with whole:
        assert whole.read() == data


def test_the_same_id_of_another_partner_or_length_is_another_file(files: AttachmentFiles) -> None:
    one = coming(10)
    others = [one._replace(partner=PartyId("third.example")), one._replace(length=11)]
    files.append(one, 0, b"abc", NOW)
    assert [files.there(other) for other in others] == [0, 0]
    files.append(others[0], 0, b"x", NOW)
    assert {found for found, _ in files.coming()} == {one, others[0]}
    assert [found for found, _ in files.coming(PARTNER)] == [one]


def test_it_is_known_when_the_last_bytes_came_by_the_gateway_s_clock(files: AttachmentFiles) -> None:
    one = coming()
    files.append(one, 0, b"a", NOW)
    files.append(one, 1, b"b", NOW + timedelta(hours=5))
    assert files.coming() == [(one, NOW + timedelta(hours=5))]


def _append_all(folder: Path, one: Coming, number: int) -> None:
    files = AttachmentFiles(folder)
    while True:
        end = files.there(one)
        if end == one.length:
            return
        try:
            files.append(one, end, bytes([end % 251]) * 1, NOW)
        except OffsetError:
            continue


def test_two_processes_at_once_never_write_one_byte_twice(tmp_path: Path) -> None:
    one = coming(150)
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=_append_all, args=(tmp_path / "a", one, n)) for n in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
        assert process.exitcode == 0
    whole = AttachmentFiles(tmp_path / "a").received(one, new_message_id(NOW))
    assert whole is not None
    with whole:
        assert whole.read() == bytes(n % 251 for n in range(150))


# With a message


def test_it_goes_to_its_message_and_is_found_there_again(files: AttachmentFiles) -> None:
    one, message = coming(4), new_message_id(NOW)
    files.append(one, 0, b"abcd", NOW)
    files.keep(one, message, NOW + timedelta(days=1))
    assert files.coming() == [] and files.there(one) == 0
    for file in (files.received(one, message), files.open(PARTNER, message, one.id)):
        assert file is not None
        with file:
            assert file.read() == b"abcd"
    files.keep(one, message, NOW)  # again: harmless
    (owner,) = files.owners()
    assert (owner.partner, owner.message, owner.at) == (PARTNER, message, NOW + timedelta(days=1))
    assert files.received(one, new_message_id(NOW)) is None  # no other message has it
    assert files.open(PartyId("third.example"), message, one.id) is None
    files.destroy(PARTNER, message)
    files.destroy(PARTNER, message)
    assert list(files.owners()) == [] and files.open(PARTNER, message, one.id) is None


def test_what_does_not_open_is_dropped_wherever_it_is(files: AttachmentFiles) -> None:
    one, message = coming(1), new_message_id(NOW)
    files.append(one, 0, b"a", NOW)
    files.drop(one, message)
    assert files.coming() == []
    files.append(one, 0, b"a", NOW)
    files.keep(one, message, NOW)
    files.drop(one, message)
    assert files.received(one, message) is None


# Going out


def test_a_draft_becomes_what_is_sent_and_then_what_was(files: AttachmentFiles) -> None:
    message = drafted(files)
    assert files.sending() == [] and not files.is_sent(message)
    files.queue(message, NOW)
    assert files.sending() == [message] and not files.is_sent(message)
    files.set_sent(message)
    files.set_sent(message)
    assert files.sending() == [] and files.is_sent(message)
    (owner,) = files.owners()
    assert owner == (None, message, NOW)
    files.destroy(None, message)
    assert not files.is_sent(message) and list(files.owners()) == []


def test_they_go_in_the_order_in_which_they_were_queued(files: AttachmentFiles) -> None:
    ids = [new_message_id(NOW + timedelta(seconds=n)) for n in range(5)]
    for message in reversed(ids):
        files.queue(drafted(files, message=message), NOW)
    assert files.sending() == ids


def test_a_draft_that_was_left_is_swept_in_time(files: AttachmentFiles, tmp_path: Path) -> None:
    message = new_message_id(NOW)
    with pytest.raises(RuntimeError), files.draft(message, new_id(), NOW) as sink:
        sink.write(b"half")
        raise RuntimeError
    assert files.sweep_drafts(NOW) == 0
    assert files.sweep_drafts(NOW + timedelta(seconds=1)) == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_second_message_shares_the_bytes_and_outlives_the_first(files: AttachmentFiles) -> None:
    old, new = drafted(files, b"sealed" * 100), new_message_id(NOW)
    files.queue(old, NOW)
    files.set_sent(old)
    files.link(old, new, NOW)
    files.link(new_message_id(NOW), new_message_id(NOW), NOW)  # nothing to share: no effect
    assert files.sending() == [new] and files.is_sent(old)
    files.destroy(None, old)
    (path,) = (files._folder / "out" / "sending" / new).iterdir()
    assert path.read_bytes() == b"sealed" * 100


# The disk


def test_only_the_owner_can_read(files: AttachmentFiles, tmp_path: Path) -> None:
    files.queue(drafted(files), NOW)
    files.append(coming(), 0, b"x", NOW)
    for path in (tmp_path / "attachments").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "attachments").mkdir(mode=0o500)
    with pytest.raises(StoreError, match="attachments' folder"):
        AttachmentFiles(tmp_path / "attachments").append(coming(), 0, b"x", NOW)


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "attachments").write_bytes(b"")
    files = AttachmentFiles(tmp_path / "attachments")
    with pytest.raises(StoreError, match="Check its permissions"):
        files.append(coming(), 0, b"x", NOW)
    with pytest.raises(StoreError):
        drafted(files)


def test_foreign_files_are_left_alone(files: AttachmentFiles) -> None:
    one = coming()
    files.append(one, 0, b"x", NOW)
    folder = files._folder / "in" / PARTNER / "coming"
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    assert [found for found, _ in files.coming()] == [one]
