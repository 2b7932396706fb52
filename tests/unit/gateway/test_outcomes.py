"""What a receipt means for each message: final, or again when time can mend it, and never out of order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.exchange.outbound import State
from intertie.gateway.ports import MessageRow
from intertie.gateway.sending.outcomes import outcomes_of
from intertie.model.errors import RULES, Code
from intertie.model.ids import ConversationId, DocumentName, InterfaceCode, MessageId, PartyId
from intertie.seal.receipt import Outcome

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


def row(number: int, conversation: str | None = None, hours: int = 1) -> MessageRow:
    return MessageRow(
        seq=number,
        outgoing=True,
        id=MessageId(f"m{number}"),
        sender=PartyId("a.example"),
        recipient=PartyId("b.example"),
        interface=InterfaceCode("DA"),
        document=DocumentName("invoice"),
        mode="scheduled",
        conversation=None if conversation is None else ConversationId(conversation),
        agreement=None,
        created=NOW,
        expires=NOW + timedelta(hours=hours),
        priority=5,
        state=State.SENDING,
        leaf=bytes(32),
        parcel=None,
        position=number,
        at=NOW,
        done_at=None,
        attempts=0,
        next_attempt=None,
        detail="",
        body=b"",
    )


def said(status: str, code: str | None = None) -> Outcome:
    return Outcome(leaf="00" * 32, status=status, code=code, detail="why" if code else "")  # type: ignore[arg-type]


FUTURE = said("refused", Code.FROM_THE_FUTURE)
SCHEMA = said("refused", Code.SCHEMA)
DONE = said("accepted")


def states(rows: list[MessageRow], outcomes: list[Outcome], **options: bool) -> list[str]:
    return [state.value for _, state, _ in outcomes_of(rows, outcomes, NOW, **options)]


def test_what_is_said_is_what_it_comes_to() -> None:
    rows = [row(1), row(2), row(3)]
    moves = outcomes_of(rows, [DONE, said("duplicate"), SCHEMA], NOW)
    assert moves == [
        ("m1", State.ACCEPTED, ""),
        ("m2", State.DUPLICATE, ""),
        ("m3", State.REFUSED, "schema: why"),
    ]


@pytest.mark.parametrize("code", [*Code, "unheard_of"])
def test_only_what_time_can_mend_goes_again(code: str) -> None:
    helps = code in RULES and RULES[Code(code)].retry
    assert states([row(1)], [said("refused", code)]) == ["queued" if helps else "refused"]


def test_what_has_ended_or_was_given_up_does_not_go_again() -> None:
    assert states([row(1, hours=0)], [FUTURE]) == ["refused"]
    assert states([row(1)], [FUTURE], again=False) == ["refused"]


def test_it_does_not_go_again_after_a_later_one_of_its_conversation() -> None:
    rows = [row(1, "c"), row(2, "c"), row(3, "d"), row(4)]
    assert states(rows, [FUTURE, DONE, FUTURE, DONE]) == ["refused", "accepted", "queued", "accepted"]
    assert states(rows, [FUTURE, FUTURE, DONE, FUTURE]) == ["queued", "queued", "accepted", "queued"]
    assert states(rows, [FUTURE, SCHEMA, DONE, DONE])[:2] == ["queued", "refused"]


@given(
    parcel=st.lists(
        st.tuples(
            st.sampled_from([None, "c", "d"]), st.sampled_from([FUTURE, SCHEMA, DONE, said("duplicate")])
        ),
        max_size=12,
    )
)
def test_never_out_of_order(parcel: list[tuple[str | None, Outcome]]) -> None:
    rows = [row(number, conversation) for number, (conversation, _) in enumerate(parcel)]
    moves = outcomes_of(rows, [outcome for _, outcome in parcel], NOW)
    assert [message for message, _, _ in moves] == [r.id for r in rows]
    for place, (_, state, _) in enumerate(moves):
        if state is State.QUEUED and rows[place].conversation is not None:
            later = [
                s
                for r, (_, s, _) in list(zip(rows, moves, strict=True))[place:]
                if r.conversation == rows[place].conversation
            ]
            assert not {State.ACCEPTED, State.DUPLICATE} & set(later)
