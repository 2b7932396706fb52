"""The seam of carriers and formats: files become messages and messages files, with one effect, answers at three levels, and
refusals that say where."""

from __future__ import annotations

import contextlib
import re
from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.exchange.as2_world import NOTICE
from tests.exchange.file_world import Two, foreign_of
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.uftp_world import NEED, TALK, TEXT

from intertie.exchange.outbound import State
from intertie.formats.x12.advice_824 import Advice
from intertie.formats.x12.interchange import read_sets
from intertie.formats.x12.layout import profile
from intertie.formats.x12.sets import read_document
from intertie.gateway.ports import Query
from intertie.gateway.sending.send_message import send, send_raw
from intertie.gateway.translating import accept_file as taking
from intertie.gateway.translating.accept_translated import message_id, original_of
from intertie.gateway.translating.deliver_translated import PostAnswer
from intertie.gateway.translating.files import File, FileError, Purpose, read_files, write_files
from intertie.gateway.translating.foreign import CARRIERS, Level
from intertie.journal.entry import Kind, read_entry
from intertie.model.documents import read_message
from intertie.model.errors import Code, Refused, SettingsError
from intertie.model.ids import MessageId, PartyId, new_uuid7
from intertie.model.message import write_message
from intertie.model.party import Role
from intertie.model.record import RuleError


def entries(two: Two, party: PartyId) -> list[tuple[Kind, str]]:
    return [
        (one.kind, one.note) for _, raw, _ in two.gateways[party].store.entries() for one in [read_entry(raw)]
    ]


def interchange(*outages: str) -> bytes:
    """A file with a notice a set, as the utility's program would write it."""
    two = Two()
    for outage in outages:
        two.say(UTILITY, replace(NOTICE, outage=outage))
    return b"".join(file.content for file in two.carry(UTILITY))


def said(content: bytes) -> list[object]:
    return [read_document(one, profile("ny")) for one in read_sets(content)]


@pytest.mark.parametrize("format", ["x12", "csv", "json"])
def test_a_message_goes_as_a_file_and_comes_out_the_same(format: str) -> None:
    two = Two(format)
    message = two.say(UTILITY)
    (file,) = two.carry(UTILITY)
    assert file.name == f"outage_notice-{message}.{format}" and file.about == message
    (row,) = two.inbox(AGGREGATOR)
    header, body = read_message(row.body)
    assert body == NOTICE and header.agreement == TEXT.agreement
    assert (original_of(row.body) or b"").strip() == file.content.strip()


@pytest.mark.parametrize("format", ["x12", "csv", "json"])
def test_its_answer_closes_it_and_says_what_became_of_it(format: str) -> None:
    two = Two(format, received=Level.BUSINESS)
    message = two.say(UTILITY)
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.SENDING
    back = two.carry(AGGREGATOR)
    assert back[0].purpose is Purpose.RECEIPT and all(one.purpose is Purpose.ANSWER for one in back[1:])
    assert two.state(UTILITY, message)[0] is State.ACCEPTED
    assert Kind.RECEIPT_IN in [kind for kind, _ in entries(two, UTILITY)]
    assert not two.inbox(UTILITY)  # answers are no messages


def test_a_receipt_that_comes_with_the_file_closes_it_if_it_says_enough() -> None:
    for closing, state in ((Level.FETCHED, State.ACCEPTED), (Level.SYNTAX, State.SENDING)):
        two = Two(received=closing)
        two.trays[UTILITY].receipt = True
        message = two.say(UTILITY)
        two.post(UTILITY)
        assert two.state(UTILITY, message)[0] is state


def test_997_first_then_824() -> None:
    two = Two(received=Level.BUSINESS)
    message = two.say(UTILITY)
    two.carry(UTILITY)
    two.post(AGGREGATOR)
    receipt, syntax, business = two.trays[AGGREGATOR].put
    assert receipt.purpose is Purpose.RECEIPT and syntax.name.startswith("997-")
    two.take(UTILITY, syntax.content)
    assert two.state(UTILITY, message)[0] is State.SENDING
    assert (Kind.RECEIPT_IN, "syntax: 997: accepted") in entries(two, UTILITY)
    two.take(UTILITY, business.content)
    assert two.state(UTILITY, message) == (State.ACCEPTED, "824: accepted")


def test_a_refusal_closes_it_and_after_its_receipt_it_is_journaled() -> None:
    two = Two(received=Level.SYNTAX)
    two.regard(AGGREGATOR, roles=frozenset({Role.DER_AGGREGATOR}))
    message = two.say(UTILITY)
    two.carry(UTILITY)
    two.post(AGGREGATOR)
    _, syntax, business = two.trays[AGGREGATOR].put
    two.take(UTILITY, syntax.content)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED
    two.take(UTILITY, business.content)  # too late to change the state, and not lost
    assert two.state(UTILITY, message)[0] is State.ACCEPTED
    notes = [note for kind, note in entries(two, UTILITY) if kind is Kind.REFUSAL]
    assert len(notes) == 1 and notes[0].startswith("business: 824: refused WRONG_ROLE")
    again = two.say(UTILITY, replace(NOTICE, outage="OUT-2"))
    two.carry(UTILITY)
    two.post(AGGREGATOR)
    two.take(UTILITY, two.trays[AGGREGATOR].put[-1].content)  # the 824 before the 997
    state, detail = two.state(UTILITY, again)
    assert state is State.REFUSED and "WRONG_ROLE" in detail and not two.inbox(AGGREGATOR)


def test_a_file_of_several_messages_has_an_outcome_for_each() -> None:
    whole = interchange("OUT-1", "OUT-2", "OUT-3")
    broken = whole.replace(b"OUT-2", b"OUT-2*" + b"X" * 90, 1)
    two = Two()
    receipt, syntax, business = two.take(AGGREGATOR, broken)
    kept = two.inbox(AGGREGATOR)
    outages = [read_message(row.body)[1] for row in kept]
    assert [one.outage for one in outages] == ["OUT-1", "OUT-3"]  # type: ignore[attr-defined]
    assert len({row.parcel for row in kept}) == 1 and [row.position for row in kept] == [0, 2]
    lines = receipt.content.decode().splitlines()
    assert [line.split(": ")[1].split()[0] for line in lines] == ["accepted", "refused", "accepted"]
    assert "set 2 (650 " in lines[1] and "element" in lines[1] and "X" * 20 not in lines[1]
    verdicts = [one for each in said(syntax.content) for one in each.sets]  # type: ignore[attr-defined]
    assert [one.accepted for one in verdicts] == [True, False, True]
    assert [type(one) for one in said(business.content)] == [Advice, Advice]  # none for what was not read
    (refusal,) = [one for _, one in two.gateways[AGGREGATOR].store.refusals()]
    assert refusal.code == Code.SCHEMA and refusal.partner == UTILITY


def test_each_message_keeps_its_own_part_of_the_file_or_all_that_was_signed() -> None:
    first, second = interchange("OUT-1"), interchange("OUT-2")
    two = Two()
    two.take(AGGREGATOR, first + second)
    assert [original_of(row.body) for row in two.inbox(AGGREGATOR)] == [first, second]
    two = Two()
    two.take(AGGREGATOR, first + second, signed=b"signed: both", key="a key")
    assert [original_of(row.body) for row in two.inbox(AGGREGATOR)] == [b"signed: both"] * 2


def test_signed_originals_are_not_kept_a_thousand_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "ORIGINALS_BYTES_MAX", 20)
    two = Two()
    files = two.take(AGGREGATOR, interchange("OUT-1", "OUT-2"), signed=b"eleven bytes")
    assert not two.inbox(AGGREGATOR) and b"refused" in files[0].content and len(files) == 1


def test_what_does_not_fit_a_message_is_refused_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = interchange("OUT-1"), interchange("OUT-2" + "2" * 40)
    monkeypatch.setattr(taking, "PART_BYTES_MAX", len(first))
    two = Two()
    two.take(AGGREGATOR, first + second)
    assert len(two.inbox(AGGREGATOR)) == 1
    ((_, refusal),) = two.gateways[AGGREGATOR].store.refusals()
    assert refusal.code == Code.TOO_LARGE


def test_the_same_file_again_has_one_effect_and_the_same_answer() -> None:
    two, file = Two(), interchange("OUT-1", "OUT-2")
    answers = [two.take(AGGREGATOR, file) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2] and len(two.inbox(AGGREGATOR)) == 2
    assert [kind for kind, _ in entries(two, AGGREGATOR)].count(Kind.RECEIPT_OUT) == 1


def test_a_name_of_the_carrier_that_is_used_again_is_refused_each_time_alike() -> None:
    two = Two()
    two.take(AGGREGATOR, interchange("OUT-1"), carrier_id="7")
    other = interchange("OUT-2")
    again = [two.take(AGGREGATOR, other, carrier_id="7") for _ in range(2)]
    assert again[0] == again[1] and b"refused" in again[0][0].content
    assert b"PARCEL_ID_REUSED" in again[0][2].content  # the 824
    assert len(two.inbox(AGGREGATOR)) == 1


def test_messages_have_ids_that_follow_from_the_file() -> None:
    one, other = Two(), Two()
    file = re.sub(rb"BGN\*13\*[0-9A-Z]{25}", b"BGN*13*OURS-1", interchange("OUT-1", "OUT-2"))
    for two in (one, other):
        two.take(AGGREGATOR, file, carrier_id="7")
    ids = [row.id for row in one.inbox(AGGREGATOR)]
    assert ids == [row.id for row in other.inbox(AGGREGATOR)] and len(set(ids)) == 2
    assert ids[0] == message_id(foreign_of(UTILITY), "7")


@pytest.mark.parametrize("format", ["x12", "csv", "json"])
def test_a_message_that_has_an_id_of_our_kind_keeps_it(format: str) -> None:
    """Both sides call it so: what they answer, and the order of their books, is the same."""
    two = Two(format)
    message = two.say(UTILITY)
    two.carry(UTILITY)
    assert [row.id for row in two.inbox(AGGREGATOR)] == [message]


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7", b"ISA*00*", b"[]", b"{}", b"\x00" * 200])
@pytest.mark.parametrize("format", ["x12", "csv", "json"])
def test_what_cannot_be_read_is_refused_with_its_reason(format: str, content: bytes) -> None:
    two = Two(format)
    receipt, *answers = two.take(AGGREGATOR, content)
    assert b": refused " in receipt.content and not two.inbox(AGGREGATOR)
    assert len(answers) == (format != "x12")  # 997 is for whom an envelope names
    ((_, refusal),) = two.gateways[AGGREGATOR].store.refusals()
    assert refusal.code == Code.SCHEMA and refusal.detail


def test_another_content_type_is_another_file() -> None:
    two = Two()
    files = two.take(AGGREGATOR, interchange("OUT-1"), kind="application/pdf")
    assert b"no content type of x12" in files[0].content and not two.inbox(AGGREGATOR)
    two.take(AGGREGATOR, interchange("OUT-2"), kind="application/edi-x12")
    assert len(two.inbox(AGGREGATOR)) == 1


def test_an_answer_to_nothing_is_refused_and_a_suspended_partner_answers_nothing() -> None:
    two = Two(received=Level.SYNTAX)
    message = two.say(UTILITY)
    two.carry(UTILITY)
    two.post(AGGREGATOR)
    _, syntax, business = two.trays[AGGREGATOR].put
    two.regard(UTILITY, suspended=True)
    two.take(UTILITY, syntax.content)
    assert two.state(UTILITY, message)[0] is State.SENDING
    elsewhere = Two()
    for file in (syntax, business):
        (receipt,) = elsewhere.take(UTILITY, file.content)
        assert b"it answers nothing that was sent" in receipt.content


def test_an_answer_is_about_its_own_message_among_many() -> None:
    two = Two(received=Level.BUSINESS)
    bodies = [replace(NOTICE, outage=f"OUT-{n}") for n in range(5)]
    now = two.now
    ids = send(two.gateways[UTILITY], [two.outgoing(UTILITY, body) for body in bodies], now)
    files = two.carry(UTILITY)
    assert [file.about for file in files] == ids and len({file.content[90:99] for file in files}) == 5
    answered = two.take(AGGREGATOR, files[3].content)  # owed already: the same again
    for file in answered[1:]:
        two.take(UTILITY, file.content)
    states = [two.state(UTILITY, message)[0] for message in ids]
    assert states == [State.SENDING] * 3 + [State.ACCEPTED] + [State.SENDING]


def test_a_late_answer_finds_its_message_among_the_newest() -> None:
    two = Two(received=Level.FETCHED)
    two.trays[UTILITY].receipt = True
    first, second = two.say(UTILITY), two.say(UTILITY, replace(NOTICE, outage="OUT-2"))
    two.carry(UTILITY)
    assert {two.state(UTILITY, one)[0] for one in (first, second)} == {State.ACCEPTED}
    assert len(two.carry(AGGREGATOR)) == 6
    assert not list(two.gateways[UTILITY].store.refusals())


def test_without_an_answer_the_same_bytes_go_again_until_it_expires() -> None:
    two = Two()
    message = two.say(UTILITY)
    two.post(UTILITY)
    two.now += timedelta(minutes=16)
    two.post(UTILITY)
    first, second = two.trays[UTILITY].put
    assert first == second
    two.now += timedelta(days=4)
    two.post(UTILITY)
    assert two.state(UTILITY, message)[0] is State.EXPIRED


def test_a_message_that_is_queued_again_is_the_same_file() -> None:
    two = Two()
    raw = written(two)
    send_raw(two.gateways[UTILITY], raw, two.now)
    send_raw(two.gateways[UTILITY], raw, two.now)
    assert len(two.carry(UTILITY)) == 1
    changed = raw.replace(b"OUT-2026-0031", b"OUT-2026-0032")
    with pytest.raises(Refused, match="message_id_reused"):
        send_raw(two.gateways[UTILITY], changed, two.now)


def written(two: Two) -> bytes:
    """A message that a caller wrote in full."""
    other = Two()
    other.say(UTILITY)
    header, body = read_message(other.gateways[UTILITY].store.messages(Query(outgoing=True))[0].body)
    return write_message(replace(header, id=MessageId(new_uuid7(two.now))), body)


def test_a_carrier_that_never_takes_it_refuses_the_message_in_its_words() -> None:
    two = Two()
    message = two.say(UTILITY)
    two.trays[UTILITY].say = PostAnswer(403, said="permission denied")
    two.post(UTILITY)
    assert two.state(UTILITY, message) == (State.REFUSED, "permission denied")


def test_a_loss_is_no_loss() -> None:
    two = Two(received=Level.SYNTAX)
    message = two.say(UTILITY)
    two.trays[UTILITY].lose = True
    two.post(UTILITY)
    two.trays[UTILITY].lose = False
    two.now += timedelta(hours=1)
    two.carry(UTILITY)
    two.carry(AGGREGATOR)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED and len(two.inbox(AGGREGATOR)) == 1


def test_a_document_that_no_set_says_is_refused_when_it_is_queued() -> None:
    with pytest.raises(Refused, match="no X12 set carries this document"):
        Two().say(UTILITY, NEED, TALK)


def test_after_its_end_date_nothing_comes_and_nothing_is_answered() -> None:
    two = Two(received=Level.SYNTAX)
    message = two.say(UTILITY)
    two.carry(UTILITY)
    two.post(AGGREGATOR)
    two.change(UTILITY, legacy_until=date(2026, 1, 1))
    two.take(UTILITY, two.trays[AGGREGATOR].put[1].content)
    assert two.state(UTILITY, message)[0] is State.SENDING
    ((_, refusal),) = two.gateways[UTILITY].store.refusals()
    assert refusal.code == Code.PROTECTION_TOO_WEAK


# What a legacy file may say


def test_a_carrier_and_a_format_and_an_answer_that_can_come() -> None:
    whole = foreign_of(AGGREGATOR)
    assert (whole.binding, whole.format, whole.closing, whole.url) == ("sftp", "x12", Level.SYNTAX, "")
    assert foreign_of(AGGREGATOR, "csv").closing is Level.FETCHED
    for wrong, why in (
        ({"sftp_terms": None}, "a legacy file has one of"),
        ({"x12": None}, "a file carrier goes with one or more of"),
        ({"received": Level.RECEIPT}, "received: one of syntax, business, fetched"),
    ):
        with pytest.raises(RuleError, match=why):
            replace(whole, **wrong)
    with pytest.raises(RuleError, match="received: one of fetched, business"):
        foreign_of(AGGREGATOR, "csv", received=Level.SYNTAX)
    with pytest.raises(SettingsError, match="does not speak UFTP"):
        assert whole.uftp
    assert set(CARRIERS) == {"uftp", "as2", "as4", "sftp", "upload", "ftps", "internet_et", "green_button"}


def test_levels_are_in_order() -> None:
    assert Level.BUSINESS.reaches(Level.SYNTAX) and not Level.FETCHED.reaches(Level.RECEIPT)
    assert all(one.reaches(one) for one in Level)


# What is kept of files

names = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_-]{0,20}(\.[a-z0-9]{1,5}){0,3}\Z")
files = st.builds(
    lambda name, content, purpose: File(name=name, kind="text/plain", content=content, purpose=purpose),
    names,
    st.binary(max_size=60),
    st.sampled_from(Purpose),
)


@given(st.lists(files, max_size=4))
def test_what_is_kept_is_read_again(some: list[File]) -> None:
    assert read_files(write_files(some)) == some


@given(st.binary(max_size=80))
def test_other_bytes_are_no_files(raw: bytes) -> None:
    with contextlib.suppress(FileError):
        assert write_files(read_files(raw)) is not None


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/b", ".hidden", "a..b", "", "x\n", "x\0", "a" * 200]
)
def test_a_name_that_leads_elsewhere_is_none(name: str) -> None:
    raw = write_files([File(name="a.txt", kind="text/plain", content=b"1")])
    with pytest.raises(FileError):
        read_files(raw.replace(b'"a.txt"', msgspec.json.encode(name)))
