"""Callers that queue at once: written together, answered each for itself."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from store_builders import NOW, THEM, outgoing, queued_entries

from intertie.gateway.ports import NewMessage, Query
from intertie.journal.entry import Kind, read_entry
from intertie.model.errors import Code, Refused, StoreError
from intertie.stores.sending import Addition
from intertie.stores.writer import GroupWriter, Job, Together

CALLERS = 8


def at_once(store: Any, batches: list[list[NewMessage]]) -> list[list[int] | Refused]:
    """Queue batches from threads that begin together; what each got."""
    ready = Barrier(len(batches))

    def call(messages: list[NewMessage]) -> list[int] | Refused:
        ready.wait()
        try:
            return store.add_outgoing(messages, queued_entries(messages), NOW)  # type: ignore[no-any-return]
        except Refused as refused:
            return refused

    with ThreadPoolExecutor(len(batches)) as pool:
        return list(pool.map(call, batches))


def test_each_caller_gets_the_seqs_of_its_own(store: Any) -> None:
    batches = [[outgoing(2 * n), outgoing(2 * n + 1)] for n in range(1, CALLERS + 1)]
    answers = at_once(store, batches)
    kept = {row.id: row for row in store.messages(Query(outgoing=True, limit=100))}
    for messages, seqs in zip(batches, answers, strict=True):
        assert [kept[m.id].seq for m in messages] == seqs
        assert [kept[m.id].body for m in messages] == [m.body for m in messages]
    assert [row.id for row in store.take_outgoing(THEM, NOW, count=100, size=10**6)]
    noted = [read_entry(raw) for _, raw, _ in store.entries()]
    assert sorted(e.message for e in noted if e.kind is Kind.MESSAGE_OUT and e.message) == sorted(kept)


def test_one_that_is_refused_takes_nobody_with_it(store: Any) -> None:
    store.add_outgoing([outgoing(1)], queued_entries([outgoing(1)]), NOW)
    batches = [[outgoing(1, body=b'{"other":1}')], *([outgoing(n)] for n in range(2, CALLERS + 1))]
    refused, *others = at_once(store, batches)
    assert isinstance(refused, Refused) and refused.code is Code.MESSAGE_ID_REUSED
    assert len({seq for seqs in others if isinstance(seqs, list) for seq in seqs}) == CALLERS - 1
    assert len(store.messages(Query(outgoing=True, limit=100))) == CALLERS


def test_the_same_message_from_all_of_them_is_queued_once(store: Any) -> None:
    answers = at_once(store, [[outgoing(1)] for _ in range(CALLERS)])
    assert len({tuple(seqs) for seqs in answers if isinstance(seqs, list)}) == 1
    noted = [read_entry(raw) for _, raw, _ in store.entries()]
    assert [e.message for e in noted if e.kind is Kind.MESSAGE_OUT] == [outgoing(1).id]


class Adding(Together[list[str], str]):
    """Appends a word; refuses to do so together with a word that it does not like."""

    def __init__(self, word: str) -> None:
        self.word = word

    def all_of(self, db: list[str], those: Any) -> list[str]:
        words = [one.word for one in those]
        if "bad" in words:
            raise StoreError("a bad word")
        db.append("+".join(words))
        return [word.upper() for word in words]


class Listing(GroupWriter[list[str]]):
    """Writes into a list, without a thread."""

    def __init__(self) -> None:
        super().__init__()
        self.db: list[str] = []

    def _attempt(self, group: list[Job[list[str], Any]]) -> Exception | None:
        def apply(job: Job[list[str], Any]) -> None:
            job.error = None
            try:
                job.value = job.operation(self.db)
            except StoreError as error:
                job.error = error

        self._apply_all(group, apply)
        return None

    def _close(self) -> None: ...

    def write(self, *operations: Callable[[list[str]], Any]) -> list[Any]:
        """What came of each: a value or an error."""
        jobs = [Job(operation) for operation in operations]
        assert self._attempt(jobs) is None
        return [job.error or job.value for job in jobs]


def test_neighbours_of_a_kind_are_done_together_and_in_order() -> None:
    writer = Listing()
    found = writer.write(Adding("a"), Adding("b"), lambda db: db.append("between"), Adding("c"))
    assert found == ["A", "B", None, "C"]
    assert writer.db == ["a+b", "between", "c"]


def test_if_one_cannot_be_done_each_is_done_by_itself() -> None:
    writer = Listing()
    first, error, last = writer.write(Adding("a"), Adding("bad"), Adding("c"))
    assert (first, last) == ("A", "C") and isinstance(error, StoreError)
    assert writer.db == ["a", "c"]


def test_an_addition_alone_may_name_a_message_twice() -> None:
    asked: list[list[NewMessage]] = []

    def add(db: None, messages: Any, entries: Any, now: Any) -> list[int]:
        asked.append(list(messages))
        return [7] * len(messages)

    twice = Addition(add, [outgoing(1), outgoing(1)], (), NOW)
    assert twice(None) == [7, 7] and len(asked) == 1
    with pytest.raises(StoreError, match="twice at once"):
        twice.all_of(None, [twice, Addition(add, [outgoing(1)], (), NOW)])
