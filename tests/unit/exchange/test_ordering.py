"""Which messages go next: urgent first, conversations in order, whatever the mixture."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from intertie.exchange.ordering import Ahead, Waiting, choose
from intertie.model.ids import ConversationId


def ask(
    messages: list[Waiting], blocked: frozenset[str] = frozenset(), count: int = 100, size: int = 10**9
) -> list[int]:
    """What `choose` takes of messages that are all due; conversations in `blocked` have one on its way."""

    def ahead(conversation: ConversationId, seq: int) -> Ahead:
        before = [m for m in messages if m.conversation == conversation and m.seq < seq]
        return Ahead(conversation in blocked, before)

    due = sorted(messages, key=lambda m: (m.priority, m.seq))
    return choose(due, ahead, count=count, size=size)


def waiting(seq: int, priority: int = 5, conversation: str | None = None, size: int = 10) -> Waiting:
    return Waiting(seq, priority, None if conversation is None else ConversationId(conversation), size)


def test_nothing_due() -> None:
    assert ask([]) == []


def test_an_urgent_message_pulls_its_conversation_forward() -> None:
    messages = [waiting(1, 9, "c"), waiting(2, 3), waiting(3, 8, "c"), waiting(4, 0, "c"), waiting(5, 1)]
    assert ask(messages) == [1, 3, 4, 5, 2]


def test_the_cut_falls_inside_a_conversation_but_never_in_disorder() -> None:
    messages = [waiting(1, 9, "c"), waiting(2, 0, "c"), waiting(3, 1)]
    assert ask(messages, count=1) == [1]


def test_a_blocked_conversation_lets_others_pass() -> None:
    messages = [waiting(1, 0, "c"), waiting(2, 9), waiting(3, 0, "c"), waiting(4, 5, "d")]
    assert ask(messages, frozenset({"c"})) == [4, 2]


def test_size_counts_all_and_one_goes_anyway() -> None:
    messages = [waiting(1, size=60), waiting(2, size=40), waiting(3, size=1)]
    assert ask(messages, size=100) == [1, 2]
    assert ask(messages, size=99) == [1]
    assert ask(messages, size=1) == [1]


def test_due_is_read_no_further_than_needed() -> None:
    def endless():  # type: ignore[no-untyped-def]
        seq = 0
        while True:
            seq += 1
            yield waiting(seq)

    assert choose(endless(), lambda conversation, seq: Ahead(False, ()), count=3, size=1000) == [1, 2, 3]


MIXTURES = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([None, "a", "b", "c"]), st.integers(1, 50)), max_size=25
).map(lambda drawn: [waiting(seq, p, c, size) for seq, (p, c, size) in enumerate(drawn, 1)])


@given(
    messages=MIXTURES,
    blocked=st.frozensets(st.sampled_from("abc")),
    count=st.integers(1, 30),
    size=st.integers(1, 600),
)
def test_promises(messages: list[Waiting], blocked: frozenset[str], count: int, size: int) -> None:
    chosen = ask(messages, blocked, count, size)
    by_seq = {m.seq: m for m in messages}
    free = [m for m in messages if m.conversation not in blocked]
    assert len(chosen) == len(set(chosen)) <= count
    assert len(chosen) <= 1 or sum(by_seq[seq].size for seq in chosen) <= size
    assert bool(chosen) == bool(free)
    for conversation in "abc":
        inside = [seq for seq in chosen if by_seq[seq].conversation == conversation]
        assert inside == [m.seq for m in messages if m.conversation == conversation][: len(inside)]
        assert not inside or conversation not in blocked


@given(messages=MIXTURES)
def test_with_room_for_all_every_free_message_goes(messages: list[Waiting]) -> None:
    assert sorted(ask(messages)) == [m.seq for m in messages]


@given(messages=MIXTURES)
def test_messages_without_a_conversation_go_by_priority_then_age(messages: list[Waiting]) -> None:
    loose = [m._replace(conversation=None) for m in messages]
    assert ask(loose) == [m.seq for m in sorted(loose, key=lambda m: (m.priority, m.seq))]


@given(messages=MIXTURES)
def test_the_most_urgent_message_waits_only_for_its_own_conversation(messages: list[Waiting]) -> None:
    chosen = ask(messages)
    if messages:
        first = min(messages, key=lambda m: (m.priority, m.seq))
        before = [m for m in messages if m.conversation == first.conversation and m.seq < first.seq]
        assert chosen.index(first.seq) == (len(before) if first.conversation else 0)
