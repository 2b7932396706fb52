"""Joining without the wire: two organisations that have only a code in common, and whoever stands between them."""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from joining_world import (
    CERTIFICATE,
    DAY,
    OTHER_CERTIFICATE,
    TERMS,
    Exchange,
    Side,
    invited,
    make_side,
    make_sides,
)
from tests.exchange.house import (
    AGGREGATOR,
    AGGREGATOR_ROLES,
    NOW,
    STRANGER,
    UTILITY,
    UTILITY_ROLES,
    keys_of,
    partner_of,
)

from intertie.exchange.joining import Event, JoinRefused, Reason, State, Terms
from intertie.exchange.joining_messages import Answer, Done, Hello, Offer
from intertie.exchange.outbound import ImpossibleEvent
from intertie.gateway.partners.join_partner import WRONG_MAX, advance, cancel, invite, open_invitations
from intertie.model.errors import SettingsError
from intertie.model.ids import AgreementId
from intertie.seal.joining import commitment, derive_keys


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    inviter, joiner = make_sides(tmp_path)
    return Exchange(inviter, joiner, invited(inviter))


def refused(reason: Reason) -> pytest.RaisesExc[JoinRefused]:
    return pytest.raises(JoinRefused, check=lambda error: error.reason is reason)


def kept(side: Side, exchange: Exchange) -> State | None:
    joining = side.book.find(exchange.code.invitation)
    return joining.state if joining else None


def test_both_sides_have_each_other_and_the_same_words(exchange: Exchange) -> None:
    ours, theirs = exchange.run()
    assert ours.other is not None and theirs.other is not None
    assert (ours.state, theirs.state) == (State.JOINED, State.JOINED)
    assert (ours.other.party, theirs.other.party) == (AGGREGATOR, UTILITY)
    assert ours.other.words == theirs.other.words and len(ours.other.words.split()) == 5
    assert ours.other.descriptor.encode() == exchange.joiner.ours.descriptor
    assert theirs.other.descriptor.encode() == exchange.inviter.ours.descriptor
    assert theirs.other.roots.encode() == exchange.inviter.ours.roots
    assert theirs.terms == TERMS and ours.other.covers == theirs.other.covers == ("DA",)


def test_the_exchange_is_what_the_page_says(exchange: Exchange) -> None:
    """docs/onboarding.md, "Exactly", written down once more with a hash and nothing of ours."""

    def h(*parts: bytes) -> bytes:
        return hashlib.sha256(b"".join(struct.pack(">I", len(part)) + part for part in parts)).digest()

    def k(key: bytes, salt: str, purpose: str) -> bytes:
        info = f"intertie joining 1 {purpose}\x01".encode()
        return hmac.digest(hmac.digest(salt.encode(), key, "sha256"), info, "sha256")

    hello = exchange.hello()
    said = exchange.offer(hello)
    seen = exchange.review(hello, said)
    sent = exchange.answer(seen)
    done = exchange.take(hello, sent)
    words = exchange.finish(hello, seen, sent, done).other
    name = exchange.code.invitation
    root = k(exchange.code.secret, name, "root")

    def p(what: str, *parts: bytes) -> str:
        return hmac.digest(k(root, "proof", what), h(*parts), "sha256").hex()

    ours, theirs = exchange.joiner.ours, exchange.inviter.ours
    nonce_j, nonce_i = bytes.fromhex(sent.nonce), bytes.fromhex(said.nonce)
    promise = h(b"intertie joining commitment", name.encode(), nonce_j, *ours)
    greeting = (name.encode(), CERTIFICATE, promise)
    terms = b'{"agreement":"DGS-1","covers":["DA"],"start":"2026-01-15T12:00:00Z"}'
    o = h(b"intertie joining offer", *greeting, nonce_i, *theirs, terms)
    a = h(b"intertie joining answer", o, nonce_j, *ours, b'["DA"]')
    assert hello.commitment == promise.hex() and hello.proof == p("hello", *greeting)
    assert said.proof == p("offer", o)
    assert (sent.token, sent.proof) == (k(exchange.code.secret, name, "token").hex(), p("answer", a))
    assert done.proof == p("done", a)
    bits = bytes.fromhex(p("words", a))[:10]
    pairs = [f"{high:08b}{low:08b}" for high, low in zip(bits[::2], bits[1::2], strict=True)]
    parts = [(two[:4], two[4:6], two[6:10], two[10:12], two[12:]) for two in pairs]
    spoken = [
        "".join(("bdfghjklmnprstvz" if len(part) == 4 else "aiou")[int(part, 2)] for part in word)
        for word in parts
    ]
    assert words is not None and words.words == " ".join(spoken)


def test_nobody_is_a_partner_before_people_compared_the_words(exchange: Exchange) -> None:
    exchange.run()
    assert not exchange.inviter.gateway.partners.all() and not exchange.joiner.gateway.partners.all()


def test_the_journals_say_who_and_when(exchange: Exchange) -> None:
    exchange.run()
    conversation = f"onboarding-{exchange.code.invitation}"
    assert exchange.inviter.notes == ["partner invited by tester", f"partner joined in {conversation}"]
    assert exchange.joiner.notes == [f"partner joined in {conversation}"]


def test_no_file_holds_the_code(exchange: Exchange, tmp_path: Path) -> None:
    exchange.run()
    keys = derive_keys(exchange.code)
    for path in tmp_path.rglob("*.json"):
        text = path.read_text()
        assert exchange.code.secret.hex() not in text and keys.token.hex() not in text


def test_who_reads_the_inviters_file_cannot_join_by_it(exchange: Exchange) -> None:
    """The file's root makes every proof, but not the token that only the code gives."""
    hello = exchange.hello()
    sent = exchange.answer(exchange.review(hello, exchange.offer(hello)))
    stolen = exchange.inviter.book.find(exchange.code.invitation)
    assert stolen is not None
    forged = msgspec.structs.replace(sent, token=stolen.token)
    with refused(Reason.WRONG_CODE):
        exchange.take(hello, forged)


@pytest.mark.parametrize("steps", range(1, 5))
def test_an_exchange_that_broke_off_anywhere_is_mended_by_the_same_command(
    exchange: Exchange, steps: int
) -> None:
    hello = exchange.hello()
    if steps > 1:
        said = exchange.offer(hello)
    if steps > 2:
        sent = exchange.answer(exchange.review(hello, said))
    if steps > 3:
        exchange.take(hello, sent)
    ours, theirs = exchange.run()
    assert ours.other is not None and theirs.other is not None
    assert ours.other.words == theirs.other.words
    again = exchange.run()
    assert again == (ours, theirs)
    assert len(exchange.inviter.notes) == 2


def test_a_captured_exchange_played_again_changes_nothing(exchange: Exchange) -> None:
    hello = exchange.hello()
    seen = exchange.review(hello, exchange.offer(hello))
    sent = exchange.answer(seen)
    done = exchange.take(hello, sent)
    before = exchange.inviter.book.find(exchange.code.invitation)
    assert exchange.take(hello, sent) == done
    assert exchange.inviter.book.find(exchange.code.invitation) == before
    with refused(Reason.WRONG_CODE):  # on a connection that ends elsewhere it is worth nothing
        exchange.take(hello, sent, OTHER_CERTIFICATE)
    assert before is not None
    advance(exchange.inviter.book, before, Event.CONFIRM)
    for played in (lambda: exchange.offer(hello), lambda: exchange.take(hello, sent)):
        with pytest.raises(JoinRefused):
            played()


def test_a_used_code_lets_nobody_else_in(exchange: Exchange, tmp_path: Path) -> None:
    before = exchange.run()[0]
    thief = make_side(tmp_path / "thief", STRANGER, AGGREGATOR_ROLES)
    second = replace(exchange, joiner=thief)
    with refused(Reason.USED):
        second.offer(second.hello())
    assert exchange.inviter.book.find(exchange.code.invitation) == before


def test_who_took_the_code_first_is_seen_by_the_words_and_by_the_joiner(
    exchange: Exchange, tmp_path: Path
) -> None:
    thief = replace(exchange, joiner=make_side(tmp_path / "thief", STRANGER, AGGREGATOR_ROLES))
    assert thief.run()[0].other is not None
    with refused(Reason.USED):
        exchange.offer(exchange.hello())


def test_an_invitation_for_one_party_is_for_no_other(exchange: Exchange, tmp_path: Path) -> None:
    terms = Terms(party=AGGREGATOR)
    code = invited(exchange.inviter, terms)
    thief = Exchange(exchange.inviter, make_side(tmp_path / "thief", STRANGER, AGGREGATOR_ROLES), code)
    with refused(Reason.OTHER_PARTY):
        thief.run()
    assert Exchange(exchange.inviter, exchange.joiner, code).run()[0].state is State.JOINED


def test_a_wrong_code_is_counted_and_closes_the_invitation(exchange: Exchange) -> None:
    wrong = replace(exchange, code=exchange.code._replace(secret=bytes(16)))
    hello = wrong.hello()
    for number in range(1, WRONG_MAX + 1):
        with refused(Reason.WRONG_CODE):
            wrong.offer(hello)
        joining = exchange.inviter.book.find(exchange.code.invitation)
        assert joining is not None and joining.wrong == number
    assert joining.state is State.CANCELLED and "wrong codes" in joining.why
    with refused(Reason.CANCELLED):  # the right one is told why, and does not get in either
        exchange.offer(exchange.hello())
    assert not open_invitations(exchange.inviter.book, NOW)


def test_a_wrong_code_after_joining_harms_nobody(exchange: Exchange) -> None:
    before = exchange.run()
    wrong = replace(exchange, code=exchange.code._replace(secret=bytes(16)))
    for _ in range(WRONG_MAX + 1):
        with refused(Reason.WRONG_CODE):
            wrong.offer(wrong.hello())
    assert exchange.run() == before


def test_a_code_of_another_inviter_is_unknown(exchange: Exchange, tmp_path: Path) -> None:
    other = make_side(tmp_path / "other", STRANGER, UTILITY_ROLES)
    elsewhere = replace(exchange, inviter=other)
    with refused(Reason.WRONG_CODE):
        elsewhere.offer(elsewhere.hello())
    invited(other)
    with refused(Reason.WRONG_CODE):
        elsewhere.offer(elsewhere.hello())


def test_an_expired_code_is_refused_on_both_sides(exchange: Exchange) -> None:
    hello = exchange.hello()
    late = replace(exchange, now=NOW + 2 * DAY)
    with refused(Reason.EXPIRED):
        late.offer(hello)
    with refused(Reason.EXPIRED):
        late.begin()
    assert not open_invitations(exchange.inviter.book, late.now)
    assert kept(exchange.inviter, exchange) is State.EXPIRED
    with refused(Reason.EXPIRED):
        exchange.offer(hello)


def test_the_end_may_come_between_offer_and_answer(exchange: Exchange) -> None:
    hello = exchange.hello()
    sent = exchange.answer(exchange.review(hello, exchange.offer(hello)))
    with refused(Reason.EXPIRED):
        replace(exchange, now=NOW + 2 * DAY).take(hello, sent)


def test_who_joined_may_ask_again_until_the_end_and_people_may_confirm_after_it(exchange: Exchange) -> None:
    exchange.run()
    book = exchange.inviter.book
    assert [one.id for one in open_invitations(book, NOW + DAY)] == [exchange.code.invitation]
    assert not open_invitations(book, NOW + 3 * DAY)
    assert kept(exchange.inviter, exchange) is State.JOINED


CHANGES: dict[str, dict[str, object]] = {
    "hello commitment": {"commitment": "00" * 32},
    "hello proof": {"proof": "00" * 32},
    "offer nonce": {"nonce": "00" * 16},
    "offer descriptor": {"descriptor": "{}"},
    "offer roots": {"roots": "other"},
    "offer terms": {"terms": Terms(agreement=AgreementId("DGS-1"), start=NOW + timedelta(seconds=1))},
    "offer proof": {"proof": "00" * 32},
    "answer nonce": {"nonce": "00" * 16},
    "answer descriptor": {"descriptor": "{}"},
    "answer roots": {"roots": "other"},
    "answer covers": {"covers": ("DA/invoice",)},
    "answer token": {"token": "00" * 32},
    "answer proof": {"proof": "00" * 32},
    "done proof": {"proof": "00" * 32},
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_is_changed_on_the_way_ends_it(exchange: Exchange, change: str) -> None:
    where, _, _ = change.partition(" ")

    def pass_on(message: Hello | Offer | Answer | Done) -> object:
        if type(message).__name__.lower() != where:
            return message
        return msgspec.structs.replace(message, **CHANGES[change])

    hello = exchange.hello()
    with pytest.raises(JoinRefused) as found:
        said = exchange.offer(pass_on(hello))  # type: ignore[arg-type]
        seen = exchange.review(hello, pass_on(said))  # type: ignore[arg-type]
        sent = exchange.answer(seen)
        done = exchange.take(hello, pass_on(sent))  # type: ignore[arg-type]
        exchange.finish(hello, seen, sent, pass_on(done))  # type: ignore[arg-type]
    assert found.value.reason in (Reason.WRONG_CODE, Reason.CHANGED)
    assert kept(exchange.joiner, exchange) is State.INVITED
    assert kept(exchange.inviter, exchange) is (State.JOINED if where == "done" else State.INVITED)
    assert exchange.run()[1].state is State.JOINED  # without the interference the same code still works


def test_a_relay_between_two_connections_proves_nothing(exchange: Exchange) -> None:
    """It has a certificate of its own on the joiner's side, and the inviter's on the other."""
    hello = exchange.hello(OTHER_CERTIFICATE)
    with refused(Reason.WRONG_CODE):
        exchange.offer(hello, CERTIFICATE)


def test_a_relay_with_its_own_descriptor_but_no_code_proves_nothing(
    exchange: Exchange, tmp_path: Path
) -> None:
    middle = make_side(tmp_path / "middle", UTILITY, UTILITY_ROLES)
    code = invited(middle)
    hello = exchange.hello(OTHER_CERTIFICATE)
    fake = replace(exchange, inviter=middle, joiner=middle, code=code)
    said = fake.offer(fake_hello(fake, OTHER_CERTIFICATE), OTHER_CERTIFICATE)
    with refused(Reason.CHANGED):
        exchange.review(hello, said, OTHER_CERTIFICATE)


def fake_hello(exchange: Exchange, certificate: bytes) -> Hello:
    other = replace(
        exchange, joiner=make_side(exchange.joiner.book._folder.parent / "x", STRANGER, AGGREGATOR_ROLES)
    )
    return other.hello(certificate)


def test_a_relay_that_stole_the_code_is_told_by_the_words(exchange: Exchange, tmp_path: Path) -> None:
    """It plays the inviter to the joiner and the joiner to the inviter; only the phone call finds it."""
    as_inviter = make_side(tmp_path / "m1", UTILITY, UTILITY_ROLES)
    as_joiner = make_side(tmp_path / "m2", AGGREGATOR, AGGREGATOR_ROLES)
    stolen = exchange.inviter.book.find(exchange.code.invitation)
    assert stolen is not None
    as_inviter.book.put(stolen)
    to_joiner = replace(exchange, inviter=as_inviter).run()[1]
    to_inviter = replace(exchange, joiner=as_joiner).run()[0]
    assert to_joiner.other is not None and to_inviter.other is not None
    assert to_joiner.other.words != to_inviter.other.words


def test_a_joiner_cannot_change_what_it_committed_to_after_it_saw_the_offer(exchange: Exchange) -> None:
    """So it cannot search for a nonce that gives chosen words."""
    hello = exchange.hello()
    seen = exchange.review(hello, exchange.offer(hello))
    joining = msgspec.structs.replace(exchange.begin(), nonce="77" * 16)
    exchange.joiner.book.put(joining)
    late = exchange.answer(seen)
    assert commitment(joining.id, b"\x77" * 16, *exchange.joiner.ours).hex() != hello.commitment
    with refused(Reason.WRONG_CODE):
        exchange.take(hello, late)


def test_the_inviters_nonce_is_fixed_by_the_commitment_and_not_to_be_foreseen(exchange: Exchange) -> None:
    hello = exchange.hello()
    assert exchange.offer(hello) == exchange.offer(hello)
    second = Exchange(exchange.inviter, exchange.joiner, invited(exchange.inviter))
    assert exchange.offer(hello).nonce != second.offer(second.hello()).nonce


def test_our_own_party_does_not_join_us(exchange: Exchange, tmp_path: Path) -> None:
    double = replace(exchange, joiner=make_side(tmp_path / "double", UTILITY, UTILITY_ROLES))
    with refused(Reason.KNOWN_PARTY):
        double.run()
    assert kept(exchange.inviter, exchange) is State.INVITED


def test_a_partner_does_not_join_again(exchange: Exchange) -> None:
    exchange.inviter.partners.partners[AGGREGATOR] = partner_of(keys_of(AGGREGATOR, AGGREGATOR_ROLES))
    with refused(Reason.KNOWN_PARTY):
        exchange.run()


def test_a_party_that_waits_to_be_confirmed_does_not_join_by_a_second_code(exchange: Exchange) -> None:
    exchange.run()
    second = replace(exchange, code=invited(exchange.inviter))
    with refused(Reason.KNOWN_PARTY):
        second.run()


def test_we_do_not_join_our_own_invitation(exchange: Exchange) -> None:
    with refused(Reason.OTHER_PARTY):
        replace(exchange, joiner=exchange.inviter).begin()


def test_a_descriptor_under_other_roots_than_its_own_is_refused(exchange: Exchange) -> None:
    false = replace(exchange.joiner, ours=exchange.joiner.ours._replace(roots=exchange.inviter.ours.roots))
    with refused(Reason.BAD_DESCRIPTOR):
        replace(exchange, joiner=false).run()


@pytest.mark.parametrize("roots", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_roots_that_are_none_are_refused(exchange: Exchange, roots: bytes) -> None:
    false = replace(exchange.joiner, ours=exchange.joiner.ours._replace(roots=roots))
    with refused(Reason.BAD_DESCRIPTOR):
        replace(exchange, joiner=false).run()


def test_a_part_of_the_terms_may_be_accepted_and_nothing_else(exchange: Exchange) -> None:
    hello = exchange.hello()
    seen = exchange.review(hello, exchange.offer(hello))
    with refused(Reason.OTHER_TERMS):
        exchange.answer(seen, ("ET2",))
    sent = exchange.answer(seen, ("DA/invoice",))
    exchange.take(hello, sent)
    ours = exchange.inviter.book.find(exchange.code.invitation)
    assert ours is not None and ours.other is not None and ours.other.covers == ("DA/invoice",)


def test_a_joiner_that_accepts_more_than_was_offered_is_refused(exchange: Exchange) -> None:
    hello = exchange.hello()
    seen = exchange.review(hello, exchange.offer(hello))
    greedy = seen._replace(terms=msgspec.structs.replace(seen.terms, covers=()))
    with refused(Reason.OTHER_TERMS):
        exchange.take(hello, exchange.answer(greedy, ("ET2",)))


def test_what_was_cancelled_lets_nobody_in(exchange: Exchange) -> None:
    cancel(exchange.inviter.gateway, exchange.inviter.book, exchange.code.invitation, NOW, "tester")
    with refused(Reason.CANCELLED):
        exchange.offer(exchange.hello())
    with pytest.raises(ImpossibleEvent):
        cancel(exchange.inviter.gateway, exchange.inviter.book, exchange.code.invitation, NOW, "tester")
    with pytest.raises(SettingsError, match="no joining"):
        cancel(exchange.inviter.gateway, exchange.inviter.book, "ffffffffff", NOW, "tester")


def test_secrets_are_gone_once_the_words_are_confirmed(exchange: Exchange) -> None:
    for joining, side in zip(exchange.run(), (exchange.inviter, exchange.joiner), strict=True):
        after = advance(side.book, joining, Event.CONFIRM)
        assert (after.root, after.token, after.salt, after.nonce) == ("", "", "", "")
        assert after.state is State.PROVING and after.other == joining.other
    with refused(Reason.USED):
        exchange.begin()


def test_an_address_that_is_none_is_said_before_anything_is_kept(exchange: Exchange) -> None:
    side = exchange.inviter
    with pytest.raises(SettingsError, match="host:port"):
        invite(side.gateway, side.book, TERMS, "nowhere", NOW, NOW + DAY, "tester")
    assert len(side.book.all()) == 1
