"""Files beside messages over real HTTPS: resumed and not restarted, there before their message, and gone with its body."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.exchange.attachment_world import World, a_world, keeping, queue_files, some
from tests.exchange.https_world import AGGREGATOR, UTILITY, link_of, now, queue_one, wait_until

from intertie.exchange.outbound import State
from intertie.gateway.attaching.attachment_ports import Attachments, Coming
from intertie.gateway.attaching.attachments import (
    NoAttachmentError,
    attach_again,
    attachments_of,
    open_attachment,
)
from intertie.gateway.attaching.sweep_attachments import sweep_attachments
from intertie.gateway.attaching.upload import PIECE_BYTES, NotNow, NotTaken, Uploads
from intertie.gateway.configuration.settings import Quota
from intertie.gateway.ports import Query
from intertie.gateway.proving.erase import NotErasedError, Why, erase_message
from intertie.gateway.proving.hold import hold
from intertie.gateway.sending.cancel import cancel
from intertie.gateway.sending.send_message import send_raw
from intertie.model.errors import Code, PartnerError, Refused, StoreError
from intertie.model.ids import MessageId, new_message_id
from intertie.model.message import read_envelope, write_message
from intertie.seal.attachment import AttachmentError, sealed_size
from intertie.stores.attachment_files import AttachmentFiles

MB = 2**20


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as it:
        yield it


def opened(world: World, name: str = "file-0.bin") -> bytes:
    """What the recipient gets out of the first message it has."""
    _, chunks = open_attachment(world.aggregator.gateway, world.inbox()[0], name)
    return b"".join(chunks)


# There, whole, before the message


def test_files_go_first_then_the_message(world: World) -> None:
    plain, other = some(3 * MB + 5), some(10)
    message = world.seal(plain, other)
    assert world.deliver() is None and world.inbox() == []  # its files are not there yet
    world.upload(message)
    assert [path.parent.name for path in world.files_there()] == ["coming", "coming"]
    assert world.deliver().receipted and world.row(message).state is State.ACCEPTED
    assert opened(world) == plain and opened(world, "file-1.bin") == other
    assert {path.parent.name for path in world.files_there()} == {message}
    assert attachments_of(world.inbox()[0]) == attachments_of(world.row(message))


def test_nothing_readable_lies_in_either_folder(world: World) -> None:
    plain = b"account 4711-0815 " * 5000
    world.upload(world.seal(plain))
    for folder in (world.folder(), world.utility.directory / "attachments"):
        kept = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
        assert kept and not any(b"4711" in raw for raw in kept)


def test_other_messages_do_not_wait_for_files_but_its_conversation_does(world: World) -> None:
    first = world.seal(some(100), conversation="talk")
    second = queue_files(world.utility.gateway, conversation="talk")  # no files: yet it may not overtake
    loose = queue_one(world.utility, world.aggregator)
    assert world.deliver().messages == 1
    assert [row.id for row in world.inbox()] == [loose]
    assert world.deliver() is None
    world.upload(first)
    world.deliver()
    assert [row.id for row in world.inbox()] == [loose, first, second]


def test_a_line_that_breaks_again_and_again(world: World) -> None:
    """The file arrives whole; what had arrived is not sent again."""
    plain = some(24 * MB)
    message = world.seal(plain)
    world.line.cut_after, world.line.cuts = 3 * MB, 6
    tries = world.upload(message, tries=20)
    assert world.line.cuts == 0 and tries > 5
    assert world.deliver().receipted and opened(world) == plain
    # What was on the wire when a connection broke is lost, under 1 MiB each time; from the beginning it would be 60 MB.
    assert world.line.count < 24 * MB + 7 * MB


def test_it_goes_on_at_the_byte_where_the_connection_broke(world: World) -> None:
    message = world.seal(some(6 * MB))
    world.line.cut_after, world.line.cuts = MB, 1
    with pytest.raises(PartnerError):
        world.upload(message)
    files, length = world.aggregator.gateway.attachments.files, sealed_size(6 * MB)
    coming = Coming(UTILITY, attachments_of(world.row(message))[0].id, length)
    wait_until(lambda: files.there(coming) > 0)  # the other side sees a moment later that the line broke
    there = files.there(coming)
    assert there < 2 * MB
    before = world.line.count
    world.upload(message)
    assert files.there(coming) == length
    assert abs(length - there - (world.line.count - before)) < MB // 2


def test_a_cancelled_message_stops_its_upload_and_goes_nowhere(world: World) -> None:
    message = world.seal(some(3 * PIECE_BYTES))
    link, calls = link_of(world.utility), 0
    add = link.add_to_file

    async def cancelling(*args: object, **more: object) -> object:
        nonlocal calls
        calls += 1
        cancel(world.utility.gateway, message, now())
        return await add(*args, **more)  # type: ignore[arg-type]

    link.add_to_file = cancelling  # type: ignore[method-assign, assignment]

    async def bring() -> None:
        uploads = Uploads(world.utility.gateway, link, now, lambda: 0.5, lambda party: None)
        uploads.start()
        while calls == 0 or world.utility.gateway.attachments.files.sending():
            await asyncio.sleep(0.05)
            uploads.start()
        await uploads.aclose()
        await link.aclose()

    asyncio.run(bring())
    assert calls == 1 and world.row(message).state is State.CANCELLED
    assert world.deliver() is None and world.inbox() == []


# A message is accepted with its files or not at all


def without_waiting(world: World, message: str) -> None:
    """A sender that does not wait for its files."""
    world.utility.gateway.attachments.files.set_sent(message)


def refusal_of(world: World, message: str) -> str:
    row = world.row(message)
    assert row.state is State.REFUSED and world.inbox() == []
    return row.detail


def test_a_message_whose_file_is_missing_is_refused_and_its_neighbour_is_not(world: World) -> None:
    message, good = world.seal(some(100)), queue_one(world.utility, world.aggregator)
    without_waiting(world, message)
    world.deliver()
    assert world.row(message).state is State.REFUSED
    assert world.row(message).detail.startswith("attachment_missing")
    assert [row.id for row in world.inbox()] == [good]


def test_a_message_whose_file_is_half_there_is_refused(world: World) -> None:
    message = world.seal(some(6 * MB))
    world.line.cut_after, world.line.cuts = MB, 1
    with pytest.raises(PartnerError):
        world.upload(message)
    without_waiting(world, message)
    world.deliver()
    assert refusal_of(world, message).startswith("attachment_missing")


def test_a_file_that_does_not_open_is_refused_and_removed(world: World) -> None:
    message = world.seal(some(2 * MB))
    world.upload(message)
    (path,) = world.files_there()
    raw = bytearray(path.read_bytes())
    raw[MB + 100] ^= 1
    path.write_bytes(raw)
    world.deliver()
    assert refusal_of(world, message).startswith("attachment_broken: attachment")
    assert "chunk 1 of 2" in world.row(message).detail and world.files_there() == []
    assert not any(name in world.row(message).detail for name in ("file-0", "csv"))


def test_where_one_file_does_not_open_the_others_go_too(world: World) -> None:
    """So that one gigabyte, brought once, cannot be made to be read for many messages."""
    message = world.seal(some(MB), some(100))
    world.upload(message)
    small = min(world.files_there(), key=lambda path: path.stat().st_size)
    small.write_bytes(bytes(small.stat().st_size))
    world.deliver()
    assert refusal_of(world, message).startswith("attachment_broken") and world.files_there() == []


def test_where_one_file_is_missing_the_others_are_not_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = world.seal(some(100), some(100))
    world.upload(message)
    world.files_there()[1].unlink()
    monkeypatch.setattr("intertie.gateway.attaching.take_attachment.open_file", None)
    without_waiting(world, message)
    world.deliver()
    assert refusal_of(world, message).startswith("attachment_missing") and len(world.files_there()) == 1


def test_a_file_that_came_from_somebody_else_does_not_count(world: World) -> None:
    message = world.seal(some(100))
    world.upload(message)
    (path,) = world.files_there()
    other = world.folder() / "in" / "third.example" / "coming"
    other.mkdir(parents=True)
    path.rename(other / path.name)
    world.deliver()
    assert refusal_of(world, message).startswith("attachment_missing")


def test_a_gateway_that_keeps_no_files_refuses_them_and_says_so(tmp_path: Path) -> None:
    with a_world(tmp_path) as world:
        object.__setattr__(world.door.authority.gateway, "attachments", None)
        message = world.seal(some(100))
        without_waiting(world, message)
        world.deliver()
        assert refusal_of(world, message).startswith("attachment_missing")


def test_a_crash_between_keeping_the_file_and_the_message_is_made_good_by_the_repeat(world: World) -> None:
    """The file moves to its message before the transaction: the parcel comes again, and finds it there."""
    message, plain = world.seal(some(MB)), None
    world.upload(message)
    ref = attachments_of(world.row(message))[0]
    coming = Coming(UTILITY, ref.id, sealed_size(ref.size))
    world.aggregator.gateway.attachments.files.keep(coming, message, now())
    assert world.deliver().receipted and plain is None
    assert len(opened(world)) == MB


# The sender


def test_a_message_that_names_files_which_were_not_sealed_here_is_not_queued(world: World) -> None:
    gateway = world.utility.gateway
    envelope = read_envelope(world.row(world.seal(some(10))).body)
    header = msgspec.structs.replace(envelope.header, id=new_message_id(now()))
    with pytest.raises(Refused) as caught:
        send_raw(gateway, write_message(header, envelope.body, envelope.attachments), now())
    assert caught.value.code is Code.ATTACHMENT_MISSING


def test_a_file_that_was_lost_here_fails_its_message(world: World) -> None:
    message = world.seal(some(10))
    world.utility.gateway.attachments.files.destroy(None, message)
    assert world.deliver() is None
    assert world.row(message).state is State.FAILED and "not here any more" in world.row(message).detail


def test_a_partner_without_a_door_for_files_fails_the_message(world: World) -> None:
    message = world.seal(some(10))
    world.door.app._attachments.clear()
    door = world.door.server.config.app
    routes = door.router.routes if hasattr(door, "router") else door._app.router.routes
    routes[:] = [route for route in routes if "attachments" not in route.path]
    with pytest.raises(NotTaken, match="takes no files"):
        world.upload(message)
    assert world.row(message).state is State.FAILED


def test_a_file_for_a_partner_that_lost_its_door_fails_its_message(world: World) -> None:
    message = world.seal(b"content")
    world.partner = world.partner._replace(url="")
    with pytest.raises(NotTaken, match="no door any more"):
        world.upload(message)
    assert world.row(message).state is State.FAILED
    assert "no door any more" in world.row(message).detail


def test_a_file_for_a_partner_without_a_door_is_refused_when_it_is_sent(world: World) -> None:
    world.utility.book.partners[AGGREGATOR] = world.partner._replace(url="")
    before = world.utility.gateway.store.head()
    with pytest.raises(Refused, match="has no door") as caught:
        world.seal(b"content")
    assert caught.value.code is Code.ATTACHMENT_MISSING
    assert world.utility.gateway.store.head() == before


def test_content_sent_again_under_a_new_id_takes_its_files_with_it(world: World) -> None:
    plain = some(MB)
    old, new = world.seal(plain), new_message_id(now())
    cancel(world.utility.gateway, old, now())
    envelope = read_envelope(world.row(old).body)
    attach_again(world.utility.gateway, old, new, now())
    header = msgspec.structs.replace(envelope.header, id=new)
    send_raw(world.utility.gateway, write_message(header, envelope.body, envelope.attachments), now())
    erase_message(world.utility.gateway, old, Why.MISTAKE, now())  # shares nothing that the new one needs
    world.upload(new)
    assert world.deliver().receipted and opened(world) == plain


def test_uploads_bring_one_message_after_the_other_and_wake_the_deliveries(world: World) -> None:
    gateway, woken = world.utility.gateway, []
    messages = [world.seal(some(100)), world.seal(some(100))]

    async def bring() -> None:
        link = link_of(world.utility)
        uploads = Uploads(gateway, link, now, lambda: 0.5, woken.append)
        while gateway.attachments.files.sending():
            uploads.step()
            await asyncio.sleep(0.02)
        await uploads.aclose()
        await link.aclose()

    asyncio.run(bring())
    assert woken == [AGGREGATOR, AGGREGATOR]
    assert world.deliver().messages == 2
    assert [row.id for row in world.inbox()] == messages


def test_a_folder_that_cannot_be_read_ends_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    folder = world.utility.directory / "attachments" / "out"
    folder.mkdir(parents=True)
    (folder / "sending").mkdir()
    broken = AttachmentFiles(world.utility.directory / "attachments")

    def sending() -> list[MessageId]:
        raise StoreError("the disk is gone")

    broken.sending = sending  # type: ignore[method-assign]
    gateway = replace(world.utility.gateway, attachments=Attachments(broken))
    uploads = Uploads(gateway, link_of(world.utility), now, lambda: 0.5, lambda party: None)
    uploads.step()
    said = [record.why for record in caplog.records if record.name == "intertie.upload"]
    assert said == ["the disk is gone"]


def test_a_partner_in_debt_with_its_quota_is_slowed_and_then_told_to_wait(tmp_path: Path) -> None:
    quota = Quota(bytes_per_second=2.0 * MB, bytes_burst=1.0 * MB)
    with a_world(tmp_path, quota=quota) as world:
        message = world.seal(some(9 * MB))
        begun = now()
        world.upload(message)  # 9 MB at 2 MB/s, less the burst and the last piece, which nobody waits for
        assert now() - begun > timedelta(seconds=2)
        assert world.deliver().receipted
    with a_world(tmp_path / "strict", quota=Quota(bytes_per_second=0.2 * MB, bytes_burst=1.0 * MB)) as world:
        with pytest.raises(NotNow, match="quota is used up") as caught:
            world.upload(world.seal(some(9 * MB)))
        assert caught.value.seconds is not None and caught.value.seconds > 5


# What is left


def test_erasing_removes_the_files_on_both_sides(world: World) -> None:
    message = world.seal(some(MB), some(10))
    world.upload(message)
    world.deliver()
    for house, partner in ((world.utility, None), (world.aggregator, UTILITY)):
        gateway = house.gateway
        hold(gateway, message, None, "CASE-1", now())
        with pytest.raises(NotErasedError):
            erase_message(gateway, message, Why.MISTAKE, now())
        assert len(list(gateway.attachments.files.owners())) == 1
        gateway.store.release(1, now())
        erase_message(gateway, message, Why.MISTAKE, now())
        assert list(gateway.attachments.files.owners()) == []
        assert not [path for path in house.directory.joinpath("attachments").rglob("*") if path.is_file()]
        assert gateway.attachments.files.open(partner, message, attachments_id()) is None


def attachments_id() -> str:
    return "0192f1c0-0000-7000-8000-000000000001"


def test_the_sweep_takes_what_nobody_needs_and_nothing_else(world: World) -> None:
    kept = world.seal(some(100))
    world.upload(kept)
    world.deliver()
    alone = world.seal(some(100))
    world.upload(alone)  # there, and its message does not come
    ours, theirs = world.utility.gateway, world.aggregator.gateway
    later = now() + timedelta(days=8)
    assert sweep_attachments(theirs, now()) == 0 and sweep_attachments(ours, now()) == 0
    assert sweep_attachments(theirs, later) == 1
    assert len(world.files_there()) == 1 and opened(world)
    assert sweep_attachments(ours, later) == 0  # its messages are known here

    files = ours.attachments.files
    with files.draft(new_message_id(now()), attachments_id(), now()) as sink:
        sink.write(b"never queued")
    assert sweep_attachments(ours, now()) == 0 and sweep_attachments(ours, later) == 1

    ours.store.erase([world.row(kept).seq], "mistake", now())  # and a crash before the files were removed
    assert sweep_attachments(ours, now()) == 1


def test_a_file_that_is_not_there_says_so(world: World) -> None:
    message = world.seal(some(100))
    world.upload(message)
    world.deliver()
    row = world.inbox()[0]
    with pytest.raises(NoAttachmentError, match="no file"):
        open_attachment(world.aggregator.gateway, row, "other.csv")
    (path,) = world.files_there()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(AttachmentError, match="ends within chunk 0"):
        opened(world)
    path.unlink()
    with pytest.raises(NoAttachmentError, match="is not here"):
        opened(world)
    assert len(world.aggregator.gateway.store.messages(Query(outgoing=False))) == 1
    assert keeping(world.utility).gateway.attachments is not None
