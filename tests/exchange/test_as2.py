"""AS2 between two gateways in memory: receipts after the commit, losses, repeats, tampering, and receipts that come later."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from httpx import Response
from msgspec.structs import replace
from tests.exchange.as2_world import NAMES, NOTICE, TRADING, URLS, Two, key_of, stranger
from tests.exchange.house import AGGREGATOR, UTILITY

from intertie.bindings.as2.kept import KeptMessage, KeptReceipt, read_kept
from intertie.exchange.outbound import State
from intertie.formats.as2 import mime
from intertie.formats.as2.flaws import As2Error, Flaw
from intertie.formats.as2.message import File, Post, write_message
from intertie.formats.as2.names import Names
from intertie.formats.as2.receipt import Fields, read_receipt, write_receipt
from intertie.formats.as2.terms import Compress, Quirk
from intertie.formats.x12.carried import write_carried
from intertie.gateway.ports import Query
from intertie.gateway.translating.accept_translated import known_of, original_of
from intertie.gateway.translating.deliver_translated import OWED_MAX
from intertie.journal.entry import Kind, read_entry
from intertie.model.documents import read_message
from intertie.model.errors import Refused
from intertie.model.ids import MessageId, new_uuid7
from intertie.seal.cms import CipherName, Digest, Transport, digest_of


def kinds(two: Two, party: str) -> list[Kind]:
    return [read_entry(raw).kind for _, raw, _ in two.gateways[party].store.entries()]


def theirs(content: bytes, identity: str = "<t1@partner.example>", **changed: object) -> Post:
    """A post of the utility's to the aggregator, made by hand."""
    world = Two()
    partner = world.gateways[UTILITY].partners.find(AGGREGATOR)
    assert partner is not None and partner.foreign is not None
    names = Names(NAMES[UTILITY], NAMES[AGGREGATOR], identity)
    terms = partner.foreign.as2
    key = changed.pop("by", key_of(UTILITY))
    return write_message(
        File(content, str(changed.pop("kind", "application/edi-x12"))),
        names,
        key,  # type: ignore[arg-type]
        terms,
        encrypt_for=key_of(AGGREGATOR).certificate,
    ).post


def notice_file() -> bytes:
    two = Two()
    message = two.say(UTILITY, NOTICE)
    row = two.gateways[UTILITY].store.message(message, outgoing=True)
    assert row is not None
    return write_carried(*read_message(row.body), TRADING, 7)


@pytest.mark.parametrize("compress", Compress)
def test_a_file_goes_and_its_receipt_is_the_receipt(compress: Compress) -> None:
    two = Two(compress=compress)
    message = two.say(UTILITY, NOTICE)
    assert two.state(UTILITY, message)[0] is State.QUEUED
    two.carry(UTILITY)
    assert two.state(UTILITY, message) == (State.ACCEPTED, "")
    (row,) = two.inbox(AGGREGATOR)
    _, body = read_message(row.body)
    assert body == NOTICE
    assert Kind.MESSAGE_IN in kinds(two, AGGREGATOR) and Kind.RECEIPT_IN in kinds(two, UTILITY)
    (_, headers, raw) = two.posted[0]
    assert headers["as2-to"] == '"Sun & Wind"' and message in headers["message-id"]
    assert not any(word in raw for word in (b"ISA", b"outage", b"multipart"))


def test_both_sides_keep_what_was_signed_and_the_receipt_over_it() -> None:
    two = Two()
    message = two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    there, here = two.gateways[AGGREGATOR].store, two.gateways[UTILITY].store
    sent = here.message(message, outgoing=True)
    (came,) = there.messages(Query(outgoing=False))
    assert sent is not None and sent.parcel is not None and came.parcel is not None
    kept = read_kept(original_of(sent.body) or b"")
    assert isinstance(kept, KeptMessage)
    # The very bytes that one signed stand in the message that the other keeps.
    assert mime.entity(original_of(came.body) or b"").body == mime.entity(kept.signed).body
    answer = there.parcel(came.parcel, outgoing=False)
    back = here.parcel(sent.parcel, outgoing=True)
    assert answer is not None and answer.receipt and back is not None and back.receipt
    given = read_kept(answer.receipt)
    assert isinstance(given, KeptReceipt) and not given.address
    assert given.post.body == two.answered[0].content
    found = mime.entity(back.receipt)
    receipt = read_receipt(found, (key_of(AGGREGATOR).certificate,), frozenset())
    assert receipt.fields.mic == digest_of(kept.over, Digest.SHA256)
    assert receipt.signature and given.post.body == found.body


def test_a_lost_receipt_never_doubles_and_a_resend_has_the_same_bytes() -> None:
    two = Two()
    message = two.say(UTILITY, NOTICE)
    two.lose_answers = {AGGREGATOR}
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.SENDING and len(two.inbox(AGGREGATOR)) == 1
    two.now += timedelta(hours=1)
    two.carry(UTILITY)
    two.lose_answers = set()
    two.now += timedelta(hours=1)
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED and len(two.inbox(AGGREGATOR)) == 1
    assert len({body for _, _, body in two.posted}) == 1 == len({h["message-id"] for _, h, _ in two.posted})
    # A duplicate is answered with the same receipt, byte for byte.
    assert len(two.answered) == 3 and len({answer.content for answer in two.answered}) == 1
    assert kinds(two, AGGREGATOR).count(Kind.MESSAGE_IN) == 1


def test_a_lost_post_goes_again() -> None:
    two = Two()
    message = two.say(UTILITY, NOTICE)
    two.lose_posts = {AGGREGATOR}
    two.carry(UTILITY)
    assert not two.inbox(AGGREGATOR) and two.state(UTILITY, message)[0] is State.SENDING
    two.lose_posts = set()
    two.now += timedelta(hours=1)
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED and len(two.inbox(AGGREGATOR)) == 1


def test_a_resend_that_is_signed_and_encrypted_anew_is_a_duplicate() -> None:
    two, file = Two(), notice_file()
    answers = []
    for _ in range(2):
        post = theirs(file)
        two.now += timedelta(seconds=1)
        answers.append(two.doors[AGGREGATOR].take(list(post.headers), post.body))
    assert answers[0] == answers[1] and answers[0].post is not None
    assert len(two.inbox(AGGREGATOR)) == 1


def test_another_file_under_the_same_message_id_is_refused_in_its_receipt() -> None:
    two, file = Two(), notice_file()
    for content in (file, file.replace(b"*T*>", b"*P*>")):
        post = theirs(content)
        answer = two.doors[AGGREGATOR].take(list(post.headers), post.body)
        assert answer.post is not None
        fields = read_receipt(
            mime.of_http(*answer.post), (key_of(AGGREGATOR).certificate,), frozenset()
        ).fields
        assert fields.accepted is (content == file)
    assert "parcel_id_reused" in fields.text and len(two.inbox(AGGREGATOR)) == 1


@pytest.mark.parametrize(
    ("content", "kind", "word"),
    [
        (b"not x12", "application/edi-x12", "schema"),
        (b"%PDF", "application/pdf", "content type"),
        (notice_file().replace(b"*T*>", b"*P*>"), "application/edi-x12", "ISA15"),
        (notice_file().replace(b"006982359", b"006982358"), "application/edi-x12", "ISA06"),
    ],
)
def test_what_makes_no_message_is_refused_with_its_reason_and_journaled(
    content: bytes, kind: str, word: str
) -> None:
    two = Two()
    post = theirs(content, kind=kind)
    answer = two.doors[AGGREGATOR].take(list(post.headers), post.body)
    assert answer.post is not None
    receipt = read_receipt(mime.of_http(*answer.post), (key_of(AGGREGATOR).certificate,), frozenset())
    assert not receipt.fields.accepted and word in receipt.fields.text
    assert not two.inbox(AGGREGATOR) and Kind.REFUSAL in kinds(two, AGGREGATOR)


@pytest.mark.parametrize("at", [0.3, 0.6, 0.95])
def test_what_is_tampered_with_leaves_nothing_behind(at: float) -> None:
    two = Two()
    message = two.say(UTILITY, NOTICE)

    def change(headers: object, body: bytes) -> tuple[object, bytes]:
        place = int(len(body) * at)
        return headers, body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]

    two.on_the_way = change
    before = kinds(two, AGGREGATOR)
    two.carry(UTILITY)
    assert not two.inbox(AGGREGATOR) and kinds(two, AGGREGATOR) == before
    assert two.state(UTILITY, message)[0] is State.REFUSED


def test_another_key_than_the_pinned_one_is_nobody() -> None:
    two = Two()
    two.keys[UTILITY] = stranger()
    message = two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    state, detail = two.state(UTILITY, message)
    assert state is State.REFUSED and "authentication-failed" in detail
    assert not two.inbox(AGGREGATOR) and not kinds(two, AGGREGATOR)


def test_a_receipt_by_another_key_proves_nothing_and_the_message_goes_again() -> None:
    two = Two()
    message = two.say(UTILITY, NOTICE)
    two.change(UTILITY, certificates=(stranger().pem.decode(),))
    delivery = two.carry(UTILITY)
    assert delivery is not None and "proves nothing" in delivery.detail
    assert two.state(UTILITY, message)[0] is State.SENDING
    two.change(UTILITY, certificates=(stranger().pem.decode(), key_of(AGGREGATOR).pem.decode()))
    two.now += timedelta(hours=1)
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED and len(two.inbox(AGGREGATOR)) == 1


def pushed(two: Two, message: str, modifier: str = "", *, mic: bytes = b"", processed: bool = True) -> None:
    """The aggregator's signed receipt about a message of the utility's, brought to the utility's door by whomever."""
    names = Names(NAMES[AGGREGATOR], NAMES[UTILITY], "<r@x>")
    fields = Fields(f"<{message}@{UTILITY}>", processed, modifier, mic, Digest.SHA256 if mic else None)
    post = write_receipt(fields, names, key_of(AGGREGATOR), Digest.SHA256)
    assert two.doors[UTILITY].take(list(post.headers), post.body).status == 200


def mic_of(two: Two, message: str) -> bytes:
    row = two.gateways[UTILITY].store.message(MessageId(message), outgoing=True)
    kept = read_kept(original_of(row.body) or b"") if row is not None else None
    assert isinstance(kept, KeptMessage)
    return digest_of(kept.over, Digest.SHA256)


def on_its_way() -> tuple[Two, MessageId]:
    """A message that was posted, and the answer is not there."""
    two = Two()
    message = two.say(UTILITY, NOTICE)
    two.lose_answers = {AGGREGATOR}
    two.carry(UTILITY)
    return two, message


# What anybody gets signed by posting rubbish to the partner under the Message-ID of ours: none has the MIC of what we sent.
PROVOKED = {
    "decryption": ("error: decryption-failed", b"", True),
    "authentication": ("error: authentication-failed", b"", True),
    "failed": ("failure: unsupported format", b"", False),
    "over the rubbish": ("error: unexpected-processing-error", b"\0" * 32, True),
    "taken, over the rubbish": ("", b"\0" * 32, True),
    "here before, so the partner says": ("warning: duplicate-document", b"", True),
}


@pytest.mark.parametrize("name", PROVOKED)
def test_a_receipt_that_somebody_provoked_and_brought_here_closes_nothing(name: str) -> None:
    modifier, mic, processed = PROVOKED[name]
    two, message = on_its_way()
    before = kinds(two, UTILITY).count(Kind.RECEIPT_IN)
    for _ in range(3):  # it can be brought again and again
        pushed(two, message, modifier, mic=mic, processed=processed)
    state, detail = two.state(UTILITY, message)
    assert state is State.SENDING and "doubtful receipt" in detail and (modifier or "mic_mismatch") in detail
    assert kinds(two, UTILITY).count(Kind.RECEIPT_IN) == before + 1
    two.now += timedelta(hours=1)
    two.carry(UTILITY)  # and is lost again
    state, detail = two.state(UTILITY, message)
    assert state is State.SENDING and detail.count("doubtful receipt") == 1 and detail.startswith("no answer")
    two.lose_answers = set()
    two.now += timedelta(hours=1)
    two.carry(UTILITY)
    assert two.state(UTILITY, message) == (State.ACCEPTED, "") and len(two.inbox(AGGREGATOR)) == 1


def test_a_message_that_only_doubtful_receipts_were_about_expires_and_says_so() -> None:
    two, message = on_its_way()
    pushed(two, message, "error: decryption-failed")
    two.now += timedelta(days=30)
    two.carry(UTILITY)
    state, detail = two.state(UTILITY, message)
    assert state is State.EXPIRED and "doubtful receipt: error: decryption-failed" in detail


def test_a_receipt_that_was_brought_here_refuses_what_it_has_the_mic_of() -> None:
    two, message = on_its_way()
    pushed(two, message, "error: unexpected-processing-error", mic=mic_of(two, message))
    state, detail = two.state(UTILITY, message)
    assert state is State.REFUSED and "unexpected-processing-error" in detail


def test_what_was_delivered_or_never_sent_is_in_no_doubt() -> None:
    two = Two()
    message = two.say(UTILITY, NOTICE)
    pushed(two, message, "error: decryption-failed")
    assert two.state(UTILITY, message) == (State.QUEUED, "")
    two.carry(UTILITY)
    pushed(two, message, "error: decryption-failed")
    assert two.state(UTILITY, message) == (State.ACCEPTED, "")
    assert kinds(two, UTILITY).count(Kind.RECEIPT_IN) == 1


def test_a_receipt_over_other_bytes_on_the_connection_is_a_refusal_that_people_see() -> None:
    two = Two()
    message = two.say(UTILITY, NOTICE)
    wrong = write_receipt(
        Fields(f"<{message}@{UTILITY}>", True, "", b"\0" * 32, Digest.SHA256),
        Names(NAMES[AGGREGATOR], NAMES[UTILITY], "<r@x>"),
        key_of(AGGREGATOR),
        Digest.SHA256,
    )
    two.answer_with = Response(200, headers=list(wrong.headers), content=wrong.body)
    two.carry(UTILITY)
    state, detail = two.state(UTILITY, message)
    assert state is State.REFUSED and "mic_mismatch" in detail


def later() -> Two:
    """Receipts come later, at our doors."""
    return Two(receipt="async", receipt_urls=tuple(URLS.values()))


def test_a_receipt_that_comes_later_is_owed_and_posted() -> None:
    two = later()
    message = two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    assert two.answered[0].content == b"" and two.state(UTILITY, message)[0] is State.SENDING
    two.carry(AGGREGATOR)
    assert two.posted[1][0] == UTILITY and two.state(UTILITY, message)[0] is State.ACCEPTED
    assert "x-intertie-address" not in two.posted[1][1]
    two.now += timedelta(days=1)
    assert two.carry(AGGREGATOR) is None  # it has it: nothing is owed


def test_a_receipt_that_is_lost_is_posted_again_and_changes_nothing_twice() -> None:
    two = later()
    message = two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    two.lose_posts = {UTILITY}
    two.carry(AGGREGATOR)
    two.lose_posts, two.lose_answers = set(), {UTILITY}
    two.now += timedelta(hours=1)
    two.carry(AGGREGATOR)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED
    two.lose_answers = set()
    two.now += timedelta(hours=1)
    two.carry(AGGREGATOR)
    receipts = [body for party, _, body in two.posted if party == UTILITY]
    assert len(receipts) == 3 and len(set(receipts)) == 1
    assert kinds(two, UTILITY).count(Kind.RECEIPT_IN) == 1


def test_a_repeat_is_owed_the_same_receipt_again() -> None:
    two = later()
    message = two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    two.lose_posts = {UTILITY}
    two.carry(AGGREGATOR)
    two.now += OWED_MAX + timedelta(hours=1)
    two.carry(AGGREGATOR)  # given up
    assert two.carry(AGGREGATOR) is None
    two.lose_posts = set()
    _, headers, body = two.posted[0]
    two.doors[AGGREGATOR].take(list(headers.items()), body)
    two.carry(AGGREGATOR)
    receipts = [body for party, _, body in two.posted if party == UTILITY]
    assert len(set(receipts)) == 1 and len(two.inbox(AGGREGATOR)) == 1
    assert two.state(UTILITY, message)[0] is State.ACCEPTED


def test_receipts_go_nowhere_but_to_the_partners_own_addresses() -> None:
    two = Two(receipt="async")  # its file does not say that its receipts go to this address
    two.change(AGGREGATOR, url="https://elsewhere.example/as2")
    message = two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    assert two.answered[0].status_code == 422 and not two.inbox(AGGREGATOR)
    assert two.state(UTILITY, message)[0] is State.REFUSED


def test_what_fails_is_told_on_the_connection_when_its_receipt_would_come_later() -> None:
    two = later()
    two.keys[UTILITY] = stranger()
    two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    assert (two.answered[0].status_code, two.answered[0].text) == (422, "authentication-failed")
    assert two.carry(AGGREGATOR) is None  # nothing is owed to who may be anybody


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("as2-from", "nobody", 403),
        ("as2-to", "nobody", 403),
        ("as2-from", '"', 400),
        ("message-id", "", 400),
        ("as2-version", "7", 400),
    ],
)
def test_who_is_not_known_gets_a_status_and_no_receipt(name: str, value: str, status: int) -> None:
    two = Two()
    post = theirs(notice_file())
    headers = [(one, value if one.lower() == name else said) for one, said in post.headers]
    answer = two.doors[AGGREGATOR].take(headers, post.body)
    assert (answer.status, answer.post) == (status, None) and not kinds(two, AGGREGATOR)


def test_who_wants_no_receipt_gets_none() -> None:
    two = Two()
    post = theirs(notice_file())
    headers = [(name, value) for name, value in post.headers if not name.startswith("Disposition-Not")]
    assert two.doors[AGGREGATOR].take(headers, post.body) == (200, None, "")
    assert len(two.inbox(AGGREGATOR)) == 1


def test_after_its_last_day_it_is_refused_and_nothing_goes() -> None:
    two = Two()
    partners = two.gateways[AGGREGATOR].partners
    partner = partners.find(UTILITY)
    assert partner is not None and partner.foreign is not None
    post = theirs(notice_file())
    two.now = two.now.replace(year=2028)
    answer = two.doors[AGGREGATOR].take(list(post.headers), post.body)
    assert answer.post is not None and b"protection_too_weak" in answer.post.body
    with pytest.raises(Refused, match="protection_too_weak"):
        two.say(UTILITY, NOTICE)
    assert partner.foreign.legacy_until == date(2027, 12, 31)


def test_an_expired_certificate_signs_nothing_and_is_not_encrypted_for() -> None:
    two = Two()
    foreign = two.gateways[UTILITY].partners.find(AGGREGATOR)
    assert foreign is not None and foreign.foreign is not None
    two.now = two.now.replace(year=2030)
    post = theirs(notice_file())
    answer = two.doors[AGGREGATOR].take(list(post.headers), post.body)
    assert answer.post is not None and b"authentication-failed" in answer.post.body
    header, _ = read_message(_notice_row())
    header = replace(header, created=two.now, expires=two.now + timedelta(days=1))
    with pytest.raises(As2Error) as caught:
        two.as2[UTILITY].write(foreign.foreign, header, NOTICE, known_of(two.gateways[UTILITY], AGGREGATOR))
    assert caught.value.flaw is Flaw.WEAK


def _notice_row() -> bytes:
    two = Two()
    row = two.gateways[UTILITY].store.message(two.say(UTILITY, NOTICE), outgoing=True)
    assert row is not None
    return row.body


@pytest.mark.parametrize("cipher", [CipherName.AES128_CBC, CipherName.AES256_GCM])
@pytest.mark.parametrize("transport", Transport)
def test_terms_are_the_partners(cipher: CipherName, transport: Transport) -> None:
    two = Two(cipher=cipher, key_transport=transport, digest=Digest.SHA512)
    message = two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED
    assert b"micalg" not in two.posted[0][2] and b"sha-512" in two.answered[0].content


def test_receipts_about_nothing_and_by_nobody_are_refused() -> None:
    two = Two()
    names = Names(NAMES[AGGREGATOR], NAMES[UTILITY], "<r@x>")
    for about in ("<x@y>", f"<{new_uuid7(two.now)}@{UTILITY}>"):
        post = write_receipt(Fields(about, True), names, key_of(AGGREGATOR), Digest.SHA256)
        assert two.doors[UTILITY].take(list(post.headers), post.body).status == 400
    strange = write_receipt(Fields("<x@y>", True), names._replace(sender="nobody"), stranger(), Digest.SHA256)
    assert two.doors[UTILITY].take(list(strange.headers), strange.body).status == 403
    assert not kinds(two, UTILITY)


def test_an_unsigned_receipt_needs_its_quirk() -> None:
    for quirks, state in (((), State.SENDING), ((Quirk.UNSIGNED_RECEIPT,), State.ACCEPTED)):
        two = Two(*quirks)
        message = two.say(UTILITY, NOTICE)
        two.lose_answers = {AGGREGATOR}
        two.carry(UTILITY)
        row = two.gateways[UTILITY].store.message(message, outgoing=True)
        kept = read_kept(original_of(row.body) or b"") if row is not None else None
        assert isinstance(kept, KeptMessage)
        fields = Fields(f"<{message}@{UTILITY}>", True, "", digest_of(kept.over, kept.digest), kept.digest)
        names = Names(NAMES[AGGREGATOR], NAMES[UTILITY], "<r@x>")
        post = write_receipt(fields, names, key_of(AGGREGATOR), None)
        two.doors[UTILITY].take(list(post.headers), post.body)
        assert two.state(UTILITY, message)[0] is state


@pytest.mark.parametrize(
    ("digest", "quirks", "state"),
    [
        (Digest.SHA512, (), State.ACCEPTED),
        (Digest.SHA1, (), State.SENDING),
        (Digest.SHA1, (Quirk.SHA1,), State.ACCEPTED),
    ],
)
def test_a_mic_by_another_digest_is_over_the_same_bytes(
    digest: Digest, quirks: tuple[Quirk, ...], state: State
) -> None:
    two = Two(*quirks)
    message = two.say(UTILITY, NOTICE)
    two.lose_answers = {AGGREGATOR}
    two.carry(UTILITY)
    row = two.gateways[UTILITY].store.message(message, outgoing=True)
    kept = read_kept(original_of(row.body) or b"") if row is not None else None
    assert isinstance(kept, KeptMessage)
    fields = Fields(f"<{message}@{UTILITY}>", True, "", digest_of(kept.over, digest), digest)
    post = write_receipt(
        fields, Names(NAMES[AGGREGATOR], NAMES[UTILITY], "<r@x>"), key_of(AGGREGATOR), Digest.SHA256
    )
    assert two.doors[UTILITY].take(list(post.headers), post.body).status == 200
    assert two.state(UTILITY, message)[0] is state
