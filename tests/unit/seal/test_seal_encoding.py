"""One value, one spelling."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.seal.encoding import from_base64url, read_canonical, require_utc, to_base64url, write_canonical


@given(st.binary(max_size=100))
def test_base64url_round_trip(data: bytes) -> None:
    assert from_base64url(to_base64url(data)) == data


@given(st.text(alphabet="ABCdef019-_=+/ \n", max_size=12))
def test_base64url_has_one_spelling(text: str) -> None:
    try:
        data = from_base64url(text)
    except ValueError:
        return
    assert to_base64url(data) == text


@pytest.mark.parametrize("text", ["A", "AB==", "AB", "A+AA", "A/AA", "AA A", "AAAA\n", "ÄAAA", "AAAAA"])
def test_base64url_refuses_other_spellings(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        from_base64url(text)


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Something to write."""

    x: int
    at: datetime | None = None
    text: str = ""


DECODER = msgspec.json.Decoder(Point)


@given(st.integers(-(2**53), 2**53), st.text(max_size=20))
def test_canonical_round_trip(x: int, text: str) -> None:
    point = Point(x=x, text=text)
    assert read_canonical(write_canonical(point), DECODER) == point


@pytest.mark.parametrize(
    "raw",
    [
        b'{"x": 1}',
        b'{"x":1} ',
        b'{"x":1,"x":1}',
        b'{"x":1.0}',
        b'{"x":1e0}',
        b'{"x":1,"text":""}',
        b'{"x":1,"text":"a"}',  # not in the order of names
        b'{"text":"\\u0061","x":1}',
        b'{"text":"\\/","x":1}',
        b'{"at":"2026-11-22T12:00:00+00:00","x":1}',
        b'{"at":"2026-11-22T12:00:00.000000Z","x":1}',
        b'{"at":"2026-11-22t12:00:00z","x":1}',
        b'{"x":1,"y":2}',
        b'{"x":"1"}',
        b"[" * 100_000,
        b'{"text":"\xff","x":1}',
        b"",
    ],
)
def test_any_other_spelling_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_canonical(raw, DECODER)


def test_times_are_in_utc() -> None:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    require_utc("at", at)
    with pytest.raises(ValueError, match="created: not in UTC"):
        require_utc("created", at.astimezone(timezone(timedelta(hours=1))))
