"""Repeats over Internet ET: one effect and the same receipt; the three ways to use refnums wrongly; errors told later."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.exchange.et_world import CODES, FILE, KEYS, OTHER, STRANGER, Two, elements, form, package, told
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_as2 import kinds  # type: ignore[attr-defined]

from intertie.exchange.outbound import State
from intertie.formats.as2 import mime
from intertie.formats.internet_et.form import write_form
from intertie.formats.internet_et.signed import write_signed
from intertie.gateway.translating.foreign import Level
from intertie.journal.entry import Kind

DUPLICATE = "EEDM121"


def post(two: Two, refnum: str, original: str, content: bytes = FILE) -> tuple[str, bytes]:
    """The status that it gets, and the whole receipt."""
    answer = two.post(*form(package(content), refnum=refnum, refnum_orig=original))
    return told(answer).status, answer.content


def test_resends_get_the_receipt_of_the_first_and_have_no_effect() -> None:
    two = Two()
    first = post(two, "1", "1")
    assert first[0] == "ok"
    assert post(two, "2", "1") == first and post(two, "3", "1") == first
    assert len(two.inbox(AGGREGATOR)) == 1


def test_the_very_same_request_again_gets_the_same() -> None:
    two = Two()
    body, headers = form()
    first = two.post(body, headers).content
    assert two.post(body, headers).content == first
    assert post(two, "2", "1")[1] == first and post(two, "2", "1")[1] == first
    assert post(two, "007", "1")[1] == first and post(two, "7", "1")[1] == first
    assert len(two.inbox(AGGREGATOR)) == 1


def test_a_resend_whose_first_never_came_is_taken_and_the_first_that_comes_late_is_a_repeat() -> None:
    two = Two()
    first = post(two, "2", "1")
    assert first[0] == "ok" and len(two.inbox(AGGREGATOR)) == 1
    assert post(two, "1", "1") == first and post(two, "2", "1") == first and post(two, "3", "1") == first
    assert len(two.inbox(AGGREGATOR)) == 1


@pytest.mark.parametrize(
    ("refnum", "original", "content"),
    [
        ("1", "1", OTHER),  # a new package with an old pair
        ("2", "2", OTHER),  # the same, of a resend's number
        ("2", "1", OTHER),  # a resend that is another package
        ("3", "1", OTHER),
        ("1", "2", OTHER),
        ("1", "99", FILE),  # a resend by an old number, of a first that never came
        ("2", "99", FILE),
    ],
)
def test_numbers_that_are_used_wrongly_are_refused(refnum: str, original: str, content: bytes) -> None:
    two = Two()
    assert post(two, "1", "1")[0] == post(two, "2", "1")[0] == "ok"
    entries = len(kinds(two, AGGREGATOR))
    assert post(two, refnum, original, content)[0].startswith(DUPLICATE)
    assert len(two.inbox(AGGREGATOR)) == 1 and len(kinds(two, AGGREGATOR)) == entries
    assert post(two, "4", "4", OTHER)[0] == "ok" and len(two.inbox(AGGREGATOR)) == 2


def test_numbers_that_are_none() -> None:
    two = Two()
    assert post(two, "one", "1")[0].startswith("EEDM119")
    assert post(two, "1", "9" * 41)[0].startswith("EEDM120")


def test_without_refnums_the_same_content_is_the_same_package() -> None:
    two = Two(refnums=False)
    first = told(two.post(*form(refnum=None, refnum_orig=None)))
    assert first.status == "ok"
    assert told(two.post(*form(refnum=None, refnum_orig=None))) == first
    assert told(two.post(*form(package(OTHER), refnum=None, refnum_orig=None))) != first
    assert len(two.inbox(AGGREGATOR)) == 2


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4), st.booleans()), max_size=6))
def test_whatever_comes_no_content_has_two_effects_under_one_number(
    said: list[tuple[int, int, bool]],
) -> None:
    two = Two()
    taken: dict[str, bytes] = {}
    for refnum, original, other in said:
        content = OTHER if other else FILE
        status, _ = post(two, str(refnum), str(original), content)
        if status == "ok":
            assert taken.setdefault(str(original), content) == content
            assert taken.setdefault(str(refnum), content) == content
    assert len(two.inbox(AGGREGATOR)) <= len(taken)


# Error Notifications


def notice(
    two: Two, *, by: object = None, signed: bool = True, **changed: str
) -> tuple[bytes, dict[str, str]]:
    """The aggregator's notification about the last package of the utility's, by the receipt that it gave."""
    receipt = told(two.answered[-1], KEYS[AGGREGATOR])
    said = {
        "orig-from": CODES[UTILITY],
        "orig-to": CODES[AGGREGATOR],
        "orig-input-format": "X12",
        "resp-time-c": receipt.time_c,
        "resp-server-id": receipt.server,
        "resp-trans-id": receipt.trans,
        "request-status": "EEDM601: Public Key Invalid",
        "comments": "see our new key",
    } | {name.replace("_", "-"): value for name, value in changed.items()}
    text = "".join(f"{name}={value}*\r\n" for name, value in said.items()).encode()
    report = b"--N1\r\ncontent-type: text/plain\r\n\r\n" + text + b"--N1--\r\n"
    key = KEYS[AGGREGATOR] if by is None else by
    kind, data = write_signed(report, "gisb-error-notification", "N1", "--n2", key.sign)  # type: ignore[attr-defined]
    if not signed:
        kind, data = "text/plain", mime.write([], text)
    fields = elements(
        from_=CODES[AGGREGATOR],
        to=CODES[UTILITY],
        receipt_disposition_to=CODES[AGGREGATOR],
        input_format="error",
        refnum=None,
        refnum_orig=None,
    )
    return write_form(fields, "error.txt", kind, data, "--e"), {
        "content-type": "multipart/form-data; boundary=--e"
    }


def sent() -> tuple[Two, str]:
    two = Two()
    message = two.say(UTILITY)
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED
    return two, message


def test_a_late_error_about_a_package_of_ours_is_journaled() -> None:
    two, message = sent()
    before = kinds(two, UTILITY)
    assert told(two.post(*notice(two), to=UTILITY), KEYS[UTILITY]).status == "ok"
    assert kinds(two, UTILITY) == [*before, Kind.REFUSAL]
    assert two.state(UTILITY, message)[0] is State.ACCEPTED  # what the receipt said stays said


def test_a_late_error_refuses_what_waits_for_more_than_the_receipt() -> None:
    two = Two()
    partners = two.gateways[UTILITY].partners
    found = partners.find(AGGREGATOR)
    assert found is not None and found.foreign is not None
    foreign = replace(found.foreign, received=Level.SYNTAX)
    partners.partners[AGGREGATOR] = found._replace(foreign=foreign)  # type: ignore[attr-defined]
    message = two.say(UTILITY)
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.SENDING
    two.now = two.now.replace(hour=13)
    two.carry(UTILITY)
    assert len(two.posted) == 1  # it has its receipt: it does not go again
    two.restart(UTILITY)
    two.now = two.now.replace(hour=14)
    two.carry(UTILITY)
    assert len(two.posted) == 1 and two.state(UTILITY, message)[0] is State.SENDING
    assert told(two.post(*notice(two), to=UTILITY), KEYS[UTILITY]).status == "ok"
    state, detail = two.state(UTILITY, message)
    assert state is State.REFUSED and "EEDM601" in detail


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"by": STRANGER}, "EEDM604"),
        ({"signed": False}, "EEDM604"),
        ({"resp_trans_id": "1"}, "EEDM702"),
        ({"request_status": "ok"}, "EEDM702"),
    ],
)
def test_a_notification_that_proves_nothing_or_is_about_nothing_is_refused(
    changed: dict[str, object], code: str
) -> None:
    two, _ = sent()
    before = kinds(two, UTILITY)
    assert told(two.post(*notice(two, **changed), to=UTILITY), KEYS[UTILITY]).status.startswith(code)  # type: ignore[arg-type]
    assert kinds(two, UTILITY) == before
