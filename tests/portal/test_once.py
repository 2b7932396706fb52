"""A request that comes again: after a crash at any point, from two threads at once, from two processes; and what is forgotten."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.exchange.house import NOW
from tests.portal.world import World, outage

from intertie.gateway.office import office_acts
from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.office_acts import send_document, take_back, was_queued
from intertie.gateway.office.office_once import KEPT, Answered, KeyReused, Stamp, once
from intertie.gateway.ports import Query
from intertie.model.errors import StoreError
from intertie.model.office import SendMessage
from intertie.stores.kept_answers import KeptAnswers

OWNER, KEY = "0123456789ab", "request-0001"


@pytest.fixture
def book(tmp_path: Path) -> KeptAnswers:
    return KeptAnswers(tmp_path)


def test_the_second_is_answered_as_the_first(book: KeptAnswers, tmp_path: Path) -> None:
    done: list[Stamp] = []

    def act(stamp: Stamp) -> Answered:
        done.append(stamp)
        return Answered(202, b"yes")

    first = once(book, OWNER, KEY, "digest", NOW, act)
    later = once(KeptAnswers(tmp_path), OWNER, KEY, "digest", NOW + timedelta(hours=1), act)
    assert first == Answered(202, b"yes") and later == Answered(202, b"yes", repeated=True)
    assert len(done) == 1 and done[0].at == NOW and not done[0].again
    with pytest.raises(KeyReused):
        once(book, OWNER, KEY, "another", NOW, act)
    once(book, "another-owner", KEY, "another", NOW, act)
    assert len(done) == 2


def test_what_may_go_well_later_is_tried_anew(book: KeptAnswers) -> None:
    answers = [Answered(503, b"no"), Answered(429, b"no"), Answered(202, b"yes")]
    said = [once(book, OWNER, KEY, "d", NOW, lambda stamp: answers.pop(0)) for _ in range(4)]
    assert [one.status for one in said] == [503, 429, 202, 202] and said[-1].repeated


def test_a_crash_between_act_and_answer_is_taken_up_with_the_same_stamp(book: KeptAnswers) -> None:
    stamps: list[Stamp] = []

    def crash(stamp: Stamp) -> Answered:
        stamps.append(stamp)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        once(book, OWNER, KEY, "d", NOW, crash)

    def act(stamp: Stamp) -> Answered:
        stamps.append(stamp)
        return Answered(202, b"")

    once(book, OWNER, KEY, "d", NOW + timedelta(minutes=5), act)
    first, second = stamps
    assert second == first._replace(again=True)


def test_a_message_that_was_queued_before_the_crash_is_not_queued_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    said = outage()
    request = SendMessage(**said)
    raw = msgspec.json.encode(said)

    def act(stamp: Stamp) -> list[Any]:
        return list(send_document(world.gateway, frozenset({OfficeRole.OPERATOR}), request, raw, stamp))

    crashed = Stamp(NOW, office_acts.MessageId("01990000-0000-7000-8000-000000000001"), False)
    (first,) = act(crashed)
    assert not was_queued(world.gateway, crashed)  # it is asked only when the request came again
    (again,) = act(crashed._replace(again=True))
    assert first == again == crashed.message
    assert len(world.gateway.store.messages(Query(outgoing=True))) == 1
    taken = take_back(world.gateway, frozenset({OfficeRole.OPERATOR}), first, crashed)
    assert (
        take_back(world.gateway, frozenset({OfficeRole.OPERATOR}), first, crashed._replace(again=True))
        == taken
    )
    world.close()


def test_two_at_once_have_one_effect(book: KeptAnswers, tmp_path: Path) -> None:
    done: list[Stamp] = []
    both = threading.Barrier(2)

    def act(stamp: Stamp) -> Answered:
        done.append(stamp)
        return Answered(202, b"yes")

    def ask(at: KeptAnswers) -> None:
        both.wait()
        once(at, OWNER, KEY, "d", NOW, act)

    threads = [threading.Thread(target=ask, args=(at,)) for at in (book, KeptAnswers(tmp_path))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 1


def test_the_lock_of_a_process_that_was_killed_is_free(book: KeptAnswers, tmp_path: Path) -> None:
    held = (
        "import os,sys; from pathlib import Path; from intertie.stores.kept_answers import KeptAnswers\n"
        f"with KeptAnswers(Path({str(tmp_path)!r})).alone({OWNER!r}, {KEY!r}): os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", held], check=False).returncode == -9
    assert once(book, OWNER, KEY, "d", NOW, lambda stamp: Answered(200, b"")).status == 200


def test_old_requests_are_forgotten(book: KeptAnswers) -> None:
    once(book, OWNER, KEY, "d", NOW, lambda stamp: Answered(200, b""))
    later = NOW + KEPT + timedelta(seconds=1)
    once(book, OWNER, "request-0002", "d", later, lambda stamp: Answered(200, b""))
    assert book.find(OWNER, KEY) is None and book.find(OWNER, "request-0002") is not None


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "office").write_text("a file")
    with pytest.raises(StoreError, match="cannot be kept"):
        KeptAnswers(tmp_path / "office")
