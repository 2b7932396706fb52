"""AS4 between two gateways in memory: receipts after the commit, losses, repeats, tampering, errors, and evidence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from lxml import etree
from msgspec.structs import replace
from tests.exchange.as2_world import NOTICE, TRADING
from tests.exchange.as4_world import PARTIES, Two, key_of, stranger, terms_of, theirs
from tests.exchange.house import AGGREGATOR, UTILITY, trial_ca
from tests.unit.formats.as4_cases import find

from intertie.bindings.as4.kept import (
    KeptAnswers,
    KeptMessage,
    KeptSignal,
    keep_answers,
    keep_signal,
    read_kept,
)
from intertie.bindings.as4.proof import As4Verifier, ids_of
from intertie.bindings.as4.replies import content_of
from intertie.exchange.outbound import State
from intertie.formats.as2 import mime
from intertie.formats.as4.flaws import OTHER, As4Error
from intertie.formats.as4.message import Post, sign_envelope, verify_signal, without_file, write_signal
from intertie.formats.as4.names import TEST_ACTION, TEST_SERVICE
from intertie.formats.as4.signal import Signal, read_signal, write_error, write_receipt
from intertie.formats.as4.user_message import Business, Party, UserMessage, write_user
from intertie.formats.as4.xml import new_envelope, parse_envelope, write_envelope
from intertie.formats.x12.carried import write_carried
from intertie.gateway.ports import Query
from intertie.gateway.proving.export_evidence import export
from intertie.gateway.translating.accept_translated import original_of
from intertie.gateway.translating.deliver_translated import OWED_MAX
from intertie.gateway.translating.foreign import Level
from intertie.journal.entry import Kind, read_entry
from intertie.model.documents import example, read_message
from intertie.model.errors import Code, EvidenceError, Refused
from intertie.model.ids import DocumentName, PartyId, new_uuid7
from intertie.run.verifiers import VERIFIERS
from intertie.seal.cms import CipherName, Digest
from intertie.seal.encoding import from_base64url, to_base64url
from intertie.seal.evidence_file import verify_file
from intertie.seal.translated_report import TranslatedReport

HOUR = timedelta(hours=1)


def kinds(two: Two, party: PartyId) -> list[Kind]:
    return [read_entry(raw).kind for _, raw, _ in two.gateways[party].store.entries()]


def signal_of(raw: bytes, party: PartyId = AGGREGATOR) -> Signal:
    """What a door answered, verified."""
    return read_signal(verify_signal(parse_envelope(raw), [key_of(party).certificate], frozenset()))


def notice_file() -> bytes:
    two = Two()
    row = two.gateways[UTILITY].store.message(two.say(UTILITY, NOTICE), outgoing=True)
    assert row is not None
    return write_carried(*read_message(row.body), TRADING, 7)


def test_a_file_goes_and_its_receipt_is_the_receipt() -> None:
    two = Two()
    message = two.say(UTILITY, NOTICE)
    assert two.state(UTILITY, message)[0] is State.QUEUED
    two.carry(UTILITY)
    assert two.state(UTILITY, message) == (State.ACCEPTED, "")
    (row,) = two.inbox(AGGREGATOR)
    assert read_message(row.body)[1] == NOTICE
    assert Kind.MESSAGE_IN in kinds(two, AGGREGATOR) and Kind.RECEIPT_IN in kinds(two, UTILITY)
    (_, headers, raw) = two.posted[0]
    assert headers["content-type"].startswith("multipart/related") and message.encode() in raw
    assert not any(word in raw for word in (b"ISA", b"x-intertie", b"outage"))
    assert two.answered[0].headers["content-type"].startswith("application/soap+xml")
    assert b"X-Intertie" not in two.answered[0].content


def test_both_sides_keep_what_was_signed_and_the_receipt_over_it() -> None:
    two = Two()
    message = two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    there, here = two.gateways[AGGREGATOR].store, two.gateways[UTILITY].store
    sent = here.message(message, outgoing=True)
    (came,) = there.messages(Query(outgoing=False))
    assert sent is not None and sent.parcel is not None and came.parcel is not None
    ours, its = (read_kept(original_of(one.body) or b"") for one in (sent, came))
    assert isinstance(ours, KeptMessage) and isinstance(its, KeptMessage)
    assert ours.attached == its.attached and ours.post is not None and its.post is None
    assert etree.tostring(ours.envelope.root) == etree.tostring(its.envelope.root), "envelope and all"
    given = there.parcel(came.parcel, outgoing=False)
    back = here.parcel(sent.parcel, outgoing=True)
    assert given is not None and given.receipt and back is not None and back.receipt
    one, other = read_kept(given.receipt), read_kept(back.receipt)
    assert isinstance(one, KeptSignal) and isinstance(other, KeptSignal)
    assert one.raw == other.raw == two.answered[0].content
    assert (one.sender, one.recipient) == (str(PARTIES[AGGREGATOR]), str(PARTIES[UTILITY]))
    assert len(signal_of(one.raw).references) == 3


def test_a_lost_receipt_never_doubles_and_a_resend_has_the_same_bytes() -> None:
    two = Two()
    message = two.say(UTILITY, NOTICE)
    two.lose_answers = {AGGREGATOR}
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.SENDING and len(two.inbox(AGGREGATOR)) == 1
    two.carry(UTILITY, HOUR)
    two.lose_answers = set()
    two.carry(UTILITY, HOUR)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED and len(two.inbox(AGGREGATOR)) == 1
    assert len({body for _, _, body in two.posted}) == 1
    # A duplicate is answered with the same receipt, byte for byte.
    assert len(two.answered) == 3 and len({answer.content for answer in two.answered}) == 1
    assert kinds(two, AGGREGATOR).count(Kind.MESSAGE_IN) == 1


def test_a_message_that_never_arrives_expires_and_escalates_as_any() -> None:
    two = Two()
    message = two.say(UTILITY, NOTICE)
    two.lose_posts = {AGGREGATOR}
    two.carry(UTILITY)
    assert not two.inbox(AGGREGATOR) and two.state(UTILITY, message)[0] is State.SENDING
    two.carry(UTILITY, timedelta(days=30))
    assert two.state(UTILITY, message)[0] is State.EXPIRED
    assert len({body for _, _, body in two.posted}) == 1


def test_a_resend_that_is_signed_and_encrypted_anew_is_a_duplicate() -> None:
    two, file = Two(), notice_file()
    answers = []
    for number in range(2):
        two.now += timedelta(seconds=1)
        answers.append(two.take(AGGREGATOR, theirs(file, at=two.now + timedelta(seconds=number))))
    assert answers[0].body == answers[1].body and len(two.inbox(AGGREGATOR)) == 1


def test_another_file_under_the_same_message_id_is_an_error() -> None:
    two, file = Two(), notice_file()
    for content in (file, file.replace(b"*T*>", b"*P*>")):
        signal = signal_of(two.take(AGGREGATOR, theirs(content)).body)
        assert signal.accepted is (content == file)
    assert "parcel_id_reused" in signal.words and len(two.inbox(AGGREGATOR)) == 1


@pytest.mark.parametrize(
    ("content", "kind", "word"),
    [
        (b"not x12", "application/edi-x12", "schema"),
        (b"%PDF", "application/pdf", "content type"),
        (notice_file().replace(b"*T*>", b"*P*>"), "application/edi-x12", "ISA15"),
    ],
)
def test_what_makes_no_message_is_an_error_with_its_reason_and_journaled(
    content: bytes, kind: str, word: str
) -> None:
    two = Two()
    answer = two.take(AGGREGATOR, theirs(content, kind=kind))
    signal = signal_of(answer.body)
    assert answer.status_code == 200 and not signal.accepted and signal.words.startswith("EBMS:0004")
    assert word in signal.words and signal.about == "t1@partner.example"
    assert not two.inbox(AGGREGATOR) and Kind.REFUSAL in kinds(two, AGGREGATOR)


@pytest.mark.parametrize(
    ("mark", "code"),
    [
        (b"<eb:Action>", "EBMS:0101"),
        (b"<ds:DigestValue>", "EBMS:0101"),
        (b"<ds:SignatureValue>", "EBMS:0101"),
        (b"<xenc:CipherValue>", "EBMS:0102"),
        (b"\r\n\r\n", "EBMS:0102"),  # the last one: before the encrypted file
    ],
)
def test_what_is_tampered_with_leaves_nothing_behind(mark: bytes, code: str) -> None:
    two = Two()
    message = two.say(UTILITY, NOTICE)

    def change(headers: Any, body: bytes) -> tuple[Any, bytes]:
        place = body.rindex(mark) + len(mark) + 5
        other = b"B" if body[place : place + 1] == b"A" else b"A"  # base64 as before, where it was
        return headers, body[:place] + other + body[place + 1 :]

    two.on_the_way = change
    before = kinds(two, AGGREGATOR)
    two.carry(UTILITY)
    assert not two.inbox(AGGREGATOR) and kinds(two, AGGREGATOR) == before
    state, detail = two.state(UTILITY, message)
    assert state is State.REFUSED and detail.startswith(code), detail


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda: {"certificates": (stranger().pem.decode(),)}, "EBMS:0101"),
        (lambda: {"service": "urn:other"}, "EBMS:0010"),
        (lambda: {"agreement": "urn:other"}, "EBMS:0010"),
    ],
)
def test_what_the_partner_does_not_take_is_told_by_a_signed_error(
    change: Callable[[], dict[str, Any]], code: str
) -> None:
    two = Two()
    two.change(AGGREGATOR, **change())
    message = two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    state, detail = two.state(UTILITY, message)
    assert state is State.REFUSED and detail.startswith(code)
    assert not two.inbox(AGGREGATOR) and not kinds(two, AGGREGATOR)


def test_our_key_of_another_day_cannot_be_encrypted_for() -> None:
    two = Two()
    two.keys[AGGREGATOR] = stranger()
    two.change(UTILITY, certificates=(key_of(AGGREGATOR).pem.decode(), stranger().pem.decode()))
    message = two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    state, detail = two.state(UTILITY, message)
    assert state is State.REFUSED and detail.startswith("EBMS:0102")


def test_a_receipt_by_another_key_proves_nothing_and_the_message_goes_again() -> None:
    two = Two()
    message = two.say(UTILITY, NOTICE)
    two.change(UTILITY, certificates=(stranger().pem.decode(),))
    delivery = two.carry(UTILITY)
    assert delivery is not None and "proves nothing" in delivery.detail
    assert two.state(UTILITY, message)[0] is State.SENDING
    two.change(UTILITY, certificates=(stranger().pem.decode(), key_of(AGGREGATOR).pem.decode()))
    two.carry(UTILITY, HOUR)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED and len(two.inbox(AGGREGATOR)) == 1


def answered_by(raw: bytes, kind: str = "application/soap+xml", status: int = 200) -> Any:
    return lambda _: httpx.Response(status, headers={"content-type": kind}, content=raw)


def receipt_for(two: Two, message: str, by: Any = None, about: str = "", **change: Any) -> bytes:
    """A receipt of the aggregator's made by hand."""
    row = two.gateways[UTILITY].store.message(message, outgoing=True)  # type: ignore[arg-type]
    kept = read_kept(original_of(row.body) or b"") if row is not None else None
    assert isinstance(kept, KeptMessage)
    signature = find(kept.envelope.root, "Signature")
    raw = [etree.tostring(one, method="c14n", exclusive=True) for one in find(signature, "SignedInfo")[2:]]
    if "digest" in change:
        raw = [one.replace(b"<ds:DigestValue>", b"<ds:DigestValue>" + change["digest"]) for one in raw]
    messaging = write_receipt("r@x", two.now, about or f"{message}@{UTILITY}", raw)
    return write_signal(messaging, "r@x", by or key_of(AGGREGATOR))


def test_a_receipt_for_other_digests_is_a_refusal_that_people_see() -> None:
    two = Two()
    message = two.say(UTILITY, NOTICE)
    two.on_the_way_back = answered_by(receipt_for(two, message, digest=b"AAAA"))
    two.carry(UTILITY)
    state, detail = two.state(UTILITY, message)
    assert state is State.REFUSED and "other_digests" in detail


def test_a_receipt_for_other_digests_that_is_brought_here_closes_nothing() -> None:
    two = Two()
    message = two.say(UTILITY, NOTICE)
    two.lose_posts = {AGGREGATOR}
    two.carry(UTILITY)
    for _ in range(2):
        raw = receipt_for(two, message, digest=b"AAAA")
        assert two.take(UTILITY, without_file(raw)).status_code == 204
    state, detail = two.state(UTILITY, message)
    assert state is State.SENDING and "doubtful receipt: other_digests" in detail
    assert kinds(two, UTILITY).count(Kind.RECEIPT_IN) == 1
    two.lose_posts = set()
    two.carry(UTILITY, HOUR)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED


def test_what_is_no_receipt_for_it_lets_it_go_again() -> None:
    two = Two()
    message = two.say(UTILITY, NOTICE)
    other = two.say(UTILITY, NOTICE)
    user = theirs(b"x")
    unsigned = etree.fromstring(receipt_for(two, message))
    find(unsigned, "Signature").getparent().remove(find(unsigned, "Signature"))
    for answer in (
        answered_by(receipt_for(two, message, stranger())),
        answered_by(receipt_for(two, message, about=f"{other}@{UTILITY}")),
        answered_by(etree.tostring(unsigned)),
        answered_by(b"<x/>"),
        answered_by(b"x" * 400_000),
        answered_by(user.body, dict(user.headers)["Content-Type"]),
    ):
        two.on_the_way_back = answer
        two.carry(UTILITY, HOUR)
        assert two.state(UTILITY, message)[0] is State.SENDING, answer
    two.on_the_way_back = answered_by(receipt_for(two, message))
    two.carry(UTILITY, HOUR)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED


@pytest.mark.parametrize(
    ("status", "kind", "state"),
    [
        (202, "text/plain", State.SENDING),  # its receipt may come later, at our door
        (500, "application/soap+xml", State.SENDING),  # a fault of SOAP
        (503, "text/plain", State.SENDING),
        (302, "text/plain", State.SENDING),
        (403, "text/plain", State.REFUSED),
    ],
)
def test_an_answer_without_a_signal_counts_by_its_status(status: int, kind: str, state: State) -> None:
    two = Two()
    message = two.say(UTILITY, NOTICE)
    two.on_the_way_back = answered_by(b"<fault/>", kind, status)
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is state


def test_a_receipt_that_comes_later_is_taken_at_our_door_once() -> None:
    two = Two()
    message = two.say(UTILITY, NOTICE)
    two.on_the_way_back = answered_by(b"", "text/plain", 202)
    two.carry(UTILITY)
    post = without_file(two.answered[0].content)
    for _ in range(2):
        assert two.take(UTILITY, post).status_code == 204
    assert two.state(UTILITY, message)[0] is State.ACCEPTED
    assert kinds(two, UTILITY).count(Kind.RECEIPT_IN) == 1


def test_an_error_that_somebody_had_signed_refuses_nothing_at_our_door() -> None:
    two = Two()
    message = two.say(UTILITY, NOTICE)
    two.lose_posts = {AGGREGATOR}
    two.carry(UTILITY)
    # A stranger posts rubbish under our name and our message's id, and the partner signs an error about it.
    forged = two.take(AGGREGATOR, theirs(b"x", f"{message}@{UTILITY}", by=stranger()))
    assert signal_of(forged.body).about == f"{message}@{UTILITY}"
    assert two.take(UTILITY, without_file(forged.body)).status_code == 400
    assert two.state(UTILITY, message)[0] is State.SENDING
    two.lose_posts = set()
    two.carry(UTILITY, HOUR)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED


def test_signals_about_nothing_and_by_nobody_are_refused_at_our_door() -> None:
    two = Two()
    message = two.say(UTILITY, NOTICE)
    for about in ("x@y", f"{new_uuid7(two.now)}@{UTILITY}"):
        raw = write_signal(write_error("e@x", two.now, about, OTHER, "x"), "e@x", key_of(AGGREGATOR))
        assert two.take(UTILITY, without_file(raw)).status_code == 400
    raw = receipt_for(two, message, stranger())
    assert two.take(UTILITY, without_file(raw)).status_code == 400
    assert not kinds(two, UTILITY) or Kind.RECEIPT_IN not in kinds(two, UTILITY)
    assert two.state(UTILITY, message)[0] is State.QUEUED


@pytest.mark.parametrize(
    ("us", "status"), [(Party("nobody"), 403), (Party(PARTIES[UTILITY].name), 403), (PARTIES[UTILITY], 200)]
)
def test_who_is_not_known_gets_a_status_and_no_signal(us: Party, status: int) -> None:
    two = Two()
    answer = two.take(AGGREGATOR, theirs(notice_file(), us=us))
    assert answer.status_code == status and bool(answer.body) is (status == 200)
    assert bool(kinds(two, AGGREGATOR)) is (status == 200)


def test_what_is_for_another_is_not_taken() -> None:
    two = Two()
    answer = two.take(AGGREGATOR, theirs(notice_file(), party_id="somebody else"))
    assert answer.status_code == 403 and not kinds(two, AGGREGATOR)


def test_who_we_are_may_differ_by_partner() -> None:
    two = Two()
    two.change(AGGREGATOR, our_id="agg-for-them", our_type="urn:own")
    two.change(UTILITY, party_id="agg-for-them", party_type="urn:own")
    message = two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED


@pytest.mark.parametrize("raw", [b"", b"x", b"<x/>", b"\0" * 100])
def test_what_is_no_envelope_is_told_by_its_status(raw: bytes) -> None:
    two = Two()
    for kind in ("application/soap+xml", "multipart/related; boundary=x", "text/plain"):
        answer = two.take(AGGREGATOR, Post((("Content-Type", kind),), raw))
        assert answer.status_code == 400 and not kinds(two, AGGREGATOR)


def test_a_test_of_the_way_is_receipted_and_nobody_is_told() -> None:
    two = Two()
    user = UserMessage(
        "t@x", two.now, PARTIES[UTILITY], PARTIES[AGGREGATOR], Business(TEST_SERVICE, TEST_ACTION), "x"
    )
    envelope = new_envelope(write_user(user), "t")
    sign_envelope(envelope, {}, key_of(UTILITY), Digest.SHA256, "t")
    signal = signal_of(two.take(AGGREGATOR, without_file(write_envelope(envelope))).body)
    assert signal.accepted and signal.about == "t@x" and len(signal.references) == 2
    assert not kinds(two, AGGREGATOR) and not two.inbox(AGGREGATOR)


def test_after_its_last_day_it_is_refused_and_nothing_goes() -> None:
    two = Two()
    post = theirs(notice_file())
    two.now = two.now.replace(year=2028)
    signal = signal_of(two.take(AGGREGATOR, post).body)
    assert not signal.accepted and "protection_too_weak" in signal.words
    with pytest.raises(Refused, match="protection_too_weak"):
        two.say(UTILITY, NOTICE)


def test_an_expired_certificate_signs_nothing_and_is_not_encrypted_for() -> None:
    two = Two()
    for party in (UTILITY, AGGREGATOR):
        two.set_foreign(party, replace(two.foreign(party), legacy_until=two.now.date().replace(year=2040)))
    two.now = two.now.replace(year=2031)
    signal = signal_of(two.take(AGGREGATOR, theirs(notice_file())).body)
    assert signal.words.startswith("EBMS:0101")
    with pytest.raises((As4Error, Refused), match="certificate is not valid"):
        two.say(UTILITY, NOTICE)


@pytest.mark.parametrize("cipher", [CipherName.AES128_GCM, CipherName.AES256_GCM])
@pytest.mark.parametrize("compress", [True, False])
def test_terms_are_the_partners(cipher: CipherName, compress: bool) -> None:
    two = Two(
        cipher=cipher, compress=compress, digest=Digest.SHA384, original_sender="c1", final_recipient="c4"
    )
    message = two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED
    assert cipher.value.encode() in two.posted[0][2] and b"sha384" in two.answered[0].content
    assert b"originalSender" in two.posted[0][2]


def test_too_long_a_post_is_not_read() -> None:
    two = Two()
    two.doors[AGGREGATOR] = two.door(AGGREGATOR, body_bytes=1024)
    message = two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    state, detail = two.state(UTILITY, message)
    assert state is State.REFUSED and "413" in detail and not two.inbox(AGGREGATOR)


def test_an_address_that_posts_too_often_waits() -> None:
    two = Two()
    two.doors[AGGREGATOR] = two.door(AGGREGATOR, posts_per_minute=0.001)
    said = asyncio.run(_posts(two, 102))
    assert said[:100] == [400] * 100 and said[-1] == 429


async def _posts(two: Two, count: int) -> list[int]:
    app = httpx.ASGITransport(two.doors[AGGREGATOR].app())
    async with httpx.AsyncClient(transport=app) as client:
        return [(await client.post("https://a.example/as4", content=b"x")).status_code for _ in range(count)]


# Answers of the file's format, as messages of their own


def answering(closing: Level = Level.BUSINESS, **terms: Any) -> Two:
    two = Two(**terms)
    x12 = replace(TRADING, acknowledge=True, advice="all")
    for party in (UTILITY, AGGREGATOR):
        two.set_foreign(party, replace(two.foreign(party), x12=x12, received=closing))
    return two


def test_its_receipt_says_that_it_is_there_and_its_824_closes_it() -> None:
    two = answering()
    message = two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.SENDING  # the signed receipt alone is not enough here
    two.carry(AGGREGATOR)
    assert two.state(UTILITY, message) == (State.ACCEPTED, "824: accepted")
    assert not two.inbox(UTILITY) and len(two.inbox(AGGREGATOR)) == 1
    notes = [read_entry(raw) for _, raw, _ in two.gateways[UTILITY].store.entries()]
    said = [one.note for one in notes if one.kind is Kind.RECEIPT_IN]
    assert said == ["receipt: ", "syntax: 997: accepted", ""]
    assert not two.gateways[AGGREGATOR].store.owed_answers(UTILITY, two.now + timedelta(days=1))


def test_answers_that_are_lost_go_again_under_their_own_ids() -> None:
    two = answering()
    message = two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    two.lose_posts = {UTILITY}
    two.carry(AGGREGATOR)
    two.lose_posts = set()
    two.carry(AGGREGATOR, timedelta(minutes=30))
    assert two.state(UTILITY, message)[0] is State.ACCEPTED
    sent = [body for party, _, body in two.posted if party == UTILITY]
    assert len(sent) == 3 and len(set(sent)) == 2 and all(b"@answer" in one for one in sent)


def test_answers_that_are_refused_by_a_signed_error_are_given_up() -> None:
    two = answering()
    two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    two.change(UTILITY, service="urn:other")
    delivery = two.carry(AGGREGATOR)
    assert delivery is not None and "given up" in delivery.detail and "EBMS:0010" in delivery.detail
    assert two.carry(AGGREGATOR, OWED_MAX) is None


def test_the_evidence_of_a_receipt_with_answers_is_the_receipt() -> None:
    two = answering()
    two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    (row,) = two.inbox(AGGREGATOR)
    assert row.parcel is not None
    parcel = two.gateways[AGGREGATOR].store.parcel(row.parcel, outgoing=False)
    assert parcel is not None and parcel.receipt is not None
    kept = read_kept(parcel.receipt)
    assert isinstance(kept, KeptAnswers) and len(kept.messages) == 2
    facts = As4Verifier().check(parcel.receipt, key_of(AGGREGATOR).pem.decode())
    sent = two.gateways[UTILITY].store.messages(Query(outgoing=True))[0]
    assert sent.id in facts.answers and facts.result == "received"


def test_what_was_kept_is_one_of_three_things() -> None:
    with pytest.raises(As4Error):
        content_of(mime.write([("Content-Type", "text/plain")], b"x"))
    signal = keep_signal(receipt_of_nothing(), Party("a"), Party("b"))
    with pytest.raises(As4Error):
        content_of(signal)
    with pytest.raises(As4Error):
        read_kept(keep_answers(signal, [signal]))
    assert keep_answers(b"alone", []) == b"alone"


def receipt_of_nothing() -> bytes:
    return write_signal(write_error("e@x", Two().now, "m@x", OTHER, "x"), "e@x", stranger())


# Evidence


def delivered() -> tuple[Two, dict[PartyId, Any]]:
    two = Two()
    message = two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    return two, {UTILITY: message, AGGREGATOR: two.inbox(AGGREGATOR)[0].id}


def checked(raw: bytes, two: Two) -> TranslatedReport:
    report = verify_file(raw, trial_ca().trust(), two.now, verifiers=VERIFIERS)
    assert isinstance(report, TranslatedReport)
    return report


@pytest.mark.parametrize("party", [UTILITY, AGGREGATOR])
def test_both_sides_prove_what_went_and_what_came(party: PartyId) -> None:
    two, ids = delivered()
    report = checked(export(two.gateways[party], ids[party], two.now), two)
    assert (report.document, report.sender, report.by) == ("outage_notice", UTILITY, party)
    assert report.author_key == key_of(UTILITY).pem.decode() and report.answered == "received"
    assert (report.author_key_from == "our own key") is (party == UTILITY)
    assert (report.answer_key_from == "our own key") is (party == AGGREGATOR)


@pytest.mark.parametrize("party", [UTILITY, AGGREGATOR])
@pytest.mark.parametrize(("member", "place"), [("message", 0.5), ("answer", 0.3), ("answer", 0.7)])
def test_no_byte_of_message_or_answer_is_free(party: PartyId, member: str, place: float) -> None:
    two, ids = delivered()
    file = json.loads(export(two.gateways[party], ids[party], two.now))
    raw = bytearray(from_base64url(file[member]))
    raw[int(len(raw) * place)] ^= 1
    file[member] = to_base64url(bytes(raw))
    with pytest.raises(EvidenceError):
        checked(json.dumps(file, separators=(",", ":")).encode(), two)


def test_the_verifier_knows_whose_signature_it_is() -> None:
    two, ids = delivered()
    row = two.gateways[AGGREGATOR].store.message(ids[AGGREGATOR], outgoing=False)
    assert row is not None
    signed = original_of(row.body) or b""
    facts = As4Verifier().check(signed, key_of(UTILITY).pem.decode())
    assert ids[AGGREGATOR] in facts.names
    assert (facts.sender, facts.recipient) == (str(PARTIES[UTILITY]), str(PARTIES[AGGREGATOR]))
    for raw, key, code in (
        (signed, stranger().pem.decode(), Code.SIGNATURE_INVALID),
        (signed, "no key", Code.SIGNATURE_INVALID),
        (b"nothing", key_of(UTILITY).pem.decode(), Code.SCHEMA),
        (
            signed.replace(b"<eb:Action>exchange", b"<eb:Action>exchangf"),
            key_of(UTILITY).pem.decode(),
            Code.SIGNATURE_INVALID,
        ),
    ):
        with pytest.raises(Refused) as caught:
            As4Verifier().check(raw, key)
        assert caught.value.code is code


def test_an_id_is_ours_or_derived_and_of_its_sender_alone() -> None:
    uuid = new_uuid7(Two().now)
    assert ids_of("A", f"{uuid}@a")[0] == uuid and len(ids_of("A", "1@a")) == 1
    assert ids_of("A", "1@a") == ids_of("A", "1@a") != ids_of("B", "1@a")


def test_the_other_way_round_it_is_the_same() -> None:
    two = Two()
    message = two.say(AGGREGATOR, example(DocumentName("dispute"))[1])
    two.carry(AGGREGATOR)
    assert two.state(AGGREGATOR, message)[0] is State.ACCEPTED and len(two.inbox(UTILITY)) == 1
    assert terms_of(UTILITY).accepted_action == "exchange"
