"""Internet ET between two gateways in memory: the receipt after the commit, losses, resends, and three attempts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pysequoia import CipherSuite, Profile, Tsk
from tests.exchange.et_world import CODES, KEYS, NOTICE, OTHER, STRANGER, URLS, Two, form, package, told
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_as2 import kinds  # type: ignore[attr-defined]

from intertie.exchange.outbound import State
from intertie.formats.internet_et.fields import ORDER
from intertie.formats.internet_et.form import read_form
from intertie.formats.internet_et.terms import Quirk
from intertie.formats.upload_terms import hash_secret
from intertie.journal.entry import Kind, read_entry
from intertie.model.documents import read_message
from intertie.seal.pgp import PgpKey

QUARTER = timedelta(minutes=15)


def numbers(two: Two) -> list[tuple[str, str]]:
    forms = [read_form(headers["content-type"], body) for _, headers, body in two.posted]
    return [(one.fields["refnum"], one.fields["refnum-orig"]) for one in forms]


def test_a_package_goes_and_its_receipt_is_the_receipt() -> None:
    two = Two()
    message = two.say(UTILITY)
    assert two.state(UTILITY, message)[0] is State.QUEUED
    two.carry(UTILITY)
    assert two.state(UTILITY, message) == (State.ACCEPTED, "")
    (row,) = two.inbox(AGGREGATOR)
    assert read_message(row.body)[1] == NOTICE
    assert Kind.MESSAGE_IN in kinds(two, AGGREGATOR) and Kind.RECEIPT_IN in kinds(two, UTILITY)
    (_, headers, body) = two.posted[0]
    assert not any(word in body for word in (b"ISA*", b"outage"))
    fields = read_form(headers["content-type"], body).fields
    assert fields["from"] == CODES[UTILITY] and fields["input-format"] == "X12"
    order = [name for name in ORDER if f'name="{name}"'.encode() in body]
    assert sorted(order, key=lambda name: body.index(f'name="{name}"'.encode())) == order
    assert two.carry(AGGREGATOR) is None and two.carry(UTILITY) is None and len(two.posted) == 1


def test_a_lost_receipt_is_asked_for_by_a_resend_and_nothing_is_doubled() -> None:
    two = Two()
    message = two.say(UTILITY)
    two.lose_answers = {AGGREGATOR}
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.SENDING
    assert two.carry(UTILITY) is None  # not before a quarter of an hour
    two.now += QUARTER
    two.lose_answers = set()
    two.carry(UTILITY)
    assert two.state(UTILITY, message) == (State.ACCEPTED, "")
    assert len(two.inbox(AGGREGATOR)) == 1
    (first, original), (second, of) = numbers(two)
    assert first == original == of and second != first
    assert all(len(one) <= 40 and one.isdigit() for one in (first, second))
    one, again = two.answered
    assert one.content == again.content  # the same receipt, bytes for bytes


def test_three_attempts_then_an_exchange_failure_of_which_people_are_told_once() -> None:
    two = Two(contact="+1 555 0100")
    message = two.say(UTILITY)
    two.lose_posts = {AGGREGATOR}
    began = two.now
    for _ in range(5):
        two.carry(UTILITY)
        two.now += QUARTER
    assert len(two.posted) == 5
    ((party, contact, told_of, why),) = two.told
    assert (party, contact, told_of) == (AGGREGATOR, "+1 555 0100", message) and "ConnectError" in why
    assert timedelta(minutes=30) <= two.now - QUARTER * 3 - began <= timedelta(minutes=120)
    assert len({now for now, _ in numbers(two)}) == 5 and len({first for _, first in numbers(two)}) == 1
    notes = [read_entry(raw) for _, raw, _ in two.gateways[UTILITY].store.entries()]
    (line,) = [one for one in notes if one.note.startswith("exchange failure")]
    assert (line.message, line.partner) == (message, AGGREGATOR)
    two.lose_posts = set()
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED and len(two.inbox(AGGREGATOR)) == 1


def test_other_addresses_are_tried_in_turn() -> None:
    two = Two(other_urls=(f"https://{AGGREGATOR}/second", f"https://{UTILITY}/second"))
    two.lose_posts = {AGGREGATOR, UTILITY}
    two.say(UTILITY)
    for _ in range(3):
        two.carry(UTILITY)
        two.now += QUARTER
    assert two.posted[0][1]["url"] == URLS[AGGREGATOR] and two.posted[1][1]["url"].endswith("/second")


def test_after_a_crash_a_package_that_may_have_gone_is_a_resend() -> None:
    two = Two()
    message = two.say(UTILITY)
    store = two.gateways[UTILITY].store
    kept = store.retry_parcel
    store.retry_parcel = lambda *_: (_ for _ in ()).throw(RuntimeError("killed"))  # type: ignore[method-assign]
    two.lose_answers = {AGGREGATOR}
    with pytest.raises(RuntimeError):
        two.carry(UTILITY)
    store.retry_parcel = kept  # type: ignore[method-assign]
    two.lose_answers = set()
    two.restart(UTILITY)
    two.now += timedelta(minutes=5)
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED
    (first, _), (second, of) = numbers(two)
    assert of == first != second and len(two.inbox(AGGREGATOR)) == 1


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("EEDM601: Public key invalid", State.REFUSED),
        ("EEDM702: Package file format not recognised by receiving party", State.REFUSED),
        ("EEDM999: System error", State.SENDING),
        ("EEDM121: Duplicate refnum received", State.SENDING),
        ("WEDM100: Transaction set sent not mutually agreed", State.ACCEPTED),
        ("ok", State.ACCEPTED),
    ],
)
def test_what_a_receipt_says_is_what_becomes_of_the_message(status: str, state: State) -> None:
    two = Two()
    message = two.say(UTILITY)
    et = two.et[AGGREGATOR]
    kind, body = et.receipt(status, two.doors[AGGREGATOR]._stamp(), None)
    two.says = {AGGREGATOR: (200, {"content-type": kind}, body)}
    two.carry(UTILITY)
    found, detail = two.state(UTILITY, message)
    assert found is state and (state is State.ACCEPTED or status[:7] in detail)


def test_answers_that_are_no_receipt_are_failures_and_the_package_goes_again() -> None:
    two = Two()
    message = two.say(UTILITY)
    by_stranger = Two()
    by_stranger.keys[AGGREGATOR] = STRANGER
    kind, forged = by_stranger.et[AGGREGATOR].receipt("ok", by_stranger.doors[AGGREGATOR]._stamp(), None)
    for answer in [
        (500, {}, b""),
        (302, {"location": URLS[UTILITY]}, b""),
        (401, {}, b""),
        (200, {"content-type": "text/html"}, b"<html>welcome</html>"),
        (
            200,
            {"content-type": "text/plain"},
            b"time-c=20260115120000*request-status=ok*server-id=x*trans-id=1*",
        ),
        (200, {"content-type": kind}, forged),
    ]:
        two.says = {AGGREGATOR: answer}
        two.carry(UTILITY)
        assert two.state(UTILITY, message)[0] is State.SENDING
        assert "failure" in two.state(UTILITY, message)[1]
        two.now += QUARTER


def test_an_unsigned_receipt_counts_where_it_was_agreed() -> None:
    two = Two(Quirk.UNSIGNED_RECEIPT)
    message = two.say(UTILITY)
    text = b"time-c=20260115120001*request-status=ok*server-id=x*trans-id=1*"
    two.says = {AGGREGATOR: (200, {"content-type": "text/plain"}, text)}
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED


@pytest.mark.parametrize("quirk", [Quirk.SIGNED_WITH_HEADERS, Quirk.DATA_LAST, Quirk.NO_INNER_HEADER])
def test_what_is_done_for_a_partner_is_still_understood(quirk: Quirk) -> None:
    two = Two(quirk)
    message = two.say(UTILITY)
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED
    body = two.posted[0][2]
    if quirk is Quirk.DATA_LAST:
        assert body.index(b'name="input-data"') > body.index(b'name="refnum-orig"')


def test_a_partner_logs_in_where_it_was_agreed(tmp_path: Path) -> None:
    secret = tmp_path / "et.txt"
    secret.write_text("right\n")
    secret.chmod(0o600)
    login = {"user": "sunny", "password_file": "et.txt"}
    two = Two(folder=tmp_path, their_user="sunny", their_secrets=(hash_secret("right"),), **login)
    message = two.say(UTILITY)
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED
    body, headers = form()
    for said in ({}, {"authorization": "Basic c3Vubnk6d3Jvbmc="}, {"authorization": "Basic !"}):
        answer = two.post(body, headers | said)
        assert answer.status_code == 401 and "Basic" in answer.headers["www-authenticate"]
    assert len(two.inbox(AGGREGATOR)) == 1


def test_a_clock_that_is_wrong_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    for wrong, noticed in ((0, False), (4, False), (8, True), (-9, True)):
        two = Two()
        message = two.say(UTILITY)
        stamp = two.doors[AGGREGATOR]._stamp()
        kind, body = two.et[AGGREGATOR].receipt(
            "ok", stamp._replace(at=stamp.at + timedelta(seconds=wrong + 1)), None
        )
        two.says = {AGGREGATOR: (200, {"content-type": kind}, body)}
        caplog.clear()
        two.carry(UTILITY)
        assert two.state(UTILITY, message)[0] is State.ACCEPTED
        assert ("clocks are apart" in caplog.text) is noticed


def test_times_are_in_the_zone_that_was_agreed() -> None:
    two = Two(zone="America/Chicago")
    body, headers = form()
    said = told(two.post(body, headers))
    assert said.time_c == "20260115060001" and said.status == "ok"
    message = two.say(UTILITY)
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED


def test_the_key_of_a_generation_before_still_opens() -> None:
    two = Two()
    older = two.keys[AGGREGATOR]
    newer = STRANGER
    keys = two.et[AGGREGATOR]._keys
    keys._newest, keys._read = 2, {1: older, 2: newer}.__getitem__
    keys._known.clear()
    body, headers = form(package(to=older))
    assert told(two.post(body, headers), newer).status == "ok"
    two.change(AGGREGATOR, our_key=1)
    body, headers = form(package(OTHER, to=newer), refnum="2", refnum_orig="2")
    assert told(two.post(body, headers), older).status == "ok"
    assert KEYS[AGGREGATOR] is older


def test_a_count_of_failures_outlives_the_process() -> None:
    two = Two()
    two.say(UTILITY)
    two.lose_posts = {AGGREGATOR}
    for _ in range(3):
        two.carry(UTILITY)
        two.now += QUARTER
        two.restart(UTILITY)
    assert len(two.told) == 1 and len(two.posted) == 3


def test_what_a_key_that_has_ended_signs_counts_no_more() -> None:
    brief = PgpKey(
        bytes(
            Tsk.generate(
                user_id="b", cipher_suite=CipherSuite.Cv25519, profile=Profile.RFC4880, validity_seconds=3600
            )
        )
    )
    two = Two()
    two.change(AGGREGATOR, keys=(brief.public,))
    body, headers = form(package(by=brief))
    assert told(two.post(body, headers)).status == "ok"  # by the world's clock it is not even begun
    two = Two()
    two.change(AGGREGATOR, keys=(brief.public,))
    two.now = datetime.now(UTC) + timedelta(days=1)
    assert told(two.post(body, headers)).status.startswith("EEDM604")
    assert two.inbox(AGGREGATOR) == []
