"""Keys of UFTP are replaced while messages go on: for a stated time the old one and the new one count, on either side."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.exchange.house import AGGREGATOR, NOW, UTILITY, trial_ca
from tests.exchange.uftp_world import DOMAINS, KEYS, NEED, Two, foreign_of, offer_to

from intertie.bindings.uftp.translator import Uftp
from intertie.exchange.outbound import State
from intertie.formats.uftp.terms import TimedKey
from intertie.gateway.ports import Query
from intertie.gateway.proving.export_evidence import export
from intertie.model.errors import Code, Refused
from intertie.model.message import read_envelope
from intertie.run.verifiers import VERIFIERS
from intertie.seal.evidence_file import verify_file
from intertie.seal.sodium_keys import EPOCH, OwnKey
from intertie.seal.sodium_sign import SodiumKey, write_public
from intertie.seal.translated_report import TranslatedReport

OLD = KEYS[AGGREGATOR]
NEW = SodiumKey.of_seed(b"N" * 32)
CHANGE = NOW + timedelta(hours=2)
OVERLAP = timedelta(hours=1)


def text(key: SodiumKey) -> str:
    return write_public(key.public)


def told(two: Two, **terms: object) -> None:
    """The utility's file about the aggregator is changed."""
    two.change(UTILITY, foreign=foreign_of(AGGREGATOR, **terms))


def signs(two: Two, key: SodiumKey) -> None:
    """The aggregator's program signs with this key."""
    two.uftp[AGGREGATOR]._keys = lambda: (OwnKey(EPOCH, key),)


def offers(two: Two, name: str) -> tuple[State, str]:
    return two.exchange(AGGREGATOR, offer_to(two, offer=name))


def kept_key(two: Two) -> str:
    row = two.gateways[UTILITY].store.messages(Query(outgoing=False))[-1]
    translated = read_envelope(row.body).translated
    assert translated is not None
    return translated.key


def test_a_partners_old_key_counts_until_its_end_and_the_new_one_from_its_beginning() -> None:
    two = Two()
    two.exchange(UTILITY, NEED)
    old = TimedKey(key=text(OLD), until=CHANGE + OVERLAP)
    new = TimedKey(key=text(NEW), since=CHANGE)
    told(two, keys=(new,))
    signs(two, NEW)
    message = two.say(AGGREGATOR, offer_to(two, offer="O1"))
    two.carry(AGGREGATOR)  # too early: it is told 401, and nothing is kept
    assert two.state(AGGREGATOR, message) == (State.REFUSED, "HTTP 401")
    two.now = CHANGE
    assert offers(two, "O2") == (State.ACCEPTED, "") and kept_key(two) == text(NEW)
    signs(two, OLD)
    assert offers(two, "O3") == (State.ACCEPTED, "") and kept_key(two) == text(OLD)
    told(two, key=text(NEW), keys=(old,))
    assert offers(two, "O4") == (State.ACCEPTED, "")
    two.now = CHANGE + OVERLAP
    assert offers(two, "O5") == (State.REFUSED, "HTTP 401")
    signs(two, NEW)
    assert offers(two, "O6") == (State.ACCEPTED, "")


def test_evidence_of_before_is_checked_by_the_key_of_then() -> None:
    two = Two()
    two.exchange(UTILITY, NEED)
    told(two, key=text(NEW), keys=(TimedKey(key=text(OLD), until=NOW + OVERLAP),))
    two.now = CHANGE
    (row,) = two.gateways[UTILITY].store.messages(Query(outgoing=True))
    report = verify_file(
        export(two.gateways[UTILITY], row.id, two.now), trial_ca().trust(), two.now, verifiers=VERIFIERS
    )
    assert isinstance(report, TranslatedReport)
    assert report.answer_key == text(OLD) and report.answered == "Accepted"


def test_our_next_key_signs_from_its_beginning_and_the_old_one_on_for_who_is_late() -> None:
    ours = KEYS[UTILITY]
    two = Two()
    keys = (OwnKey(CHANGE, NEW), OwnKey(EPOCH, ours))
    two.uftp[UTILITY] = Uftp(DOMAINS[UTILITY], lambda: keys)
    foreign = foreign_of(AGGREGATOR)
    late = foreign_of(AGGREGATOR, our_key=text(ours), our_key_until=CHANGE + OVERLAP)
    uftp = two.uftp[UTILITY]
    for now, expected, expected_late in (
        (CHANGE - OVERLAP, ours, ours),
        (CHANGE, NEW, ours),
        (CHANGE + OVERLAP, NEW, NEW),
    ):
        assert uftp.key_for(foreign, now) == expected
        assert uftp.key_for(late, now) == expected_late
        assert uftp.keys(late, now).ours[0] == text(expected_late)
        assert set(uftp.keys(late, now).ours) == {text(ours), text(NEW)}
    assert uftp.public_key(NOW) == ours.public


def test_a_key_of_ours_that_is_not_here_any_more_is_not_waited_for() -> None:
    uftp = Uftp(DOMAINS[UTILITY], lambda: (OwnKey(EPOCH, NEW),))
    late = foreign_of(AGGREGATOR, our_key=text(KEYS[UTILITY]), our_key_until=CHANGE)
    assert uftp.key_for(late, NOW) == NEW


def test_messages_and_answers_are_signed_by_the_key_of_the_hour() -> None:
    ours = KEYS[UTILITY]
    two = Two()
    keys = (OwnKey(CHANGE, NEW), OwnKey(EPOCH, ours))
    two.uftp[UTILITY]._keys = lambda: keys
    there = foreign_of(UTILITY, keys=(TimedKey(key=text(NEW), since=CHANGE),))
    two.change(AGGREGATOR, foreign=there)
    assert two.exchange(UTILITY, NEED) == (State.ACCEPTED, "")
    two.now = CHANGE
    assert offers(two, "O1") == (State.ACCEPTED, "")  # our answer is by the new key
    (row,) = two.gateways[AGGREGATOR].store.messages(Query(outgoing=True))
    two.change(AGGREGATOR, foreign=foreign_of(UTILITY, key=text(NEW)))
    report = verify_file(
        export(two.gateways[AGGREGATOR], row.id, two.now), trial_ca().trust(), two.now, verifiers=VERIFIERS
    )
    assert isinstance(report, TranslatedReport) and report.answer_key == text(NEW)


def test_a_stranger_is_not_helped_by_more_keys() -> None:
    two = Two()
    told(two, keys=(TimedKey(key=text(NEW), until=CHANGE),))
    signs(two, SodiumKey.of_seed(b"S" * 32))
    with pytest.raises(Refused) as caught:
        two.doors[UTILITY].take(
            two.uftp[AGGREGATOR].wrap(foreign_of(UTILITY), SodiumKey.of_seed(b"S" * 32).sign(b"<x/>"))
        )
    assert caught.value.code is Code.SIGNATURE_INVALID
