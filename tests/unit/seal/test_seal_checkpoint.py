"""Checkpoints and witness statements: one spelling, the writer's, for this reader, with the hybrid profile."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seal_world import NOW, World

from intertie.model.errors import Code, Refused
from intertie.model.ids import party_id
from intertie.seal.checkpoint import (
    CHECKPOINT_TYP,
    HEADS_MAX,
    Checkpoint,
    StampWord,
    Witness,
    read_checkpoint,
    sign_checkpoint,
    sign_witness,
    stamped_bytes,
    verify_checkpoint,
    verify_witness,
)
from intertie.seal.encoding import read_canonical, write_canonical
from intertie.seal.jws import sign_json
from intertie.seal.receipt import JournalHead

UTIL, AGG = party_id("utility.example"), party_id("agg.example")
HEADS = (
    JournalHead(size=3, root="1" * 64),
    JournalHead(size=3, root="2" * 64),
    JournalHead(size=9, root="0" * 64),
)


def checkpoint(**change: object) -> Checkpoint:
    said = {
        "v": 1,
        "sender": UTIL,
        "recipient": AGG,
        "at": NOW,
        "size": 7,
        "root": "ab" * 32,
        "present": 9,
    } | change
    return Checkpoint(**said)  # type: ignore[arg-type]


def witness(**change: object) -> Witness:
    said = {"v": 1, "sender": UTIL, "recipient": AGG, "at": NOW, "heads": HEADS, "more": False} | change
    return Witness(**said)  # type: ignore[arg-type]


def test_a_checkpoint_comes_back(world: World) -> None:
    raw = sign_checkpoint(checkpoint(), world.util)
    found = verify_checkpoint(raw, writer=world.util.public(), reader=AGG, trust=world.trust, now=NOW)
    assert found == checkpoint()
    assert b'"from"' in write_canonical(found)


def test_a_witness_statement_comes_back(world: World) -> None:
    raw = sign_witness(witness(), world.util)
    assert (
        verify_witness(raw, writer=world.util.public(), reader=AGG, trust=world.trust, now=NOW) == witness()
    )


@pytest.mark.parametrize(
    "change", [{"sender": party_id("other.example")}, {"recipient": party_id("other.example")}]
)
def test_for_somebody_else_or_of_somebody_else(world: World, change: dict[str, object]) -> None:
    for raw, verify in (
        (sign_checkpoint(checkpoint(**change), world.util), verify_checkpoint),
        (sign_witness(witness(**change), world.util), verify_witness),
    ):
        with pytest.raises(Refused) as caught:
            verify(raw, writer=world.util.public(), reader=AGG, trust=world.trust, now=NOW)
        assert caught.value.code is Code.BAD_MANIFEST


def test_another_partys_signature_and_a_changed_one(world: World) -> None:
    raw = sign_checkpoint(checkpoint(), world.agg)
    with pytest.raises(Refused) as caught:
        verify_checkpoint(raw, writer=world.util.public(), reader=AGG, trust=world.trust, now=NOW)
    assert caught.value.code is Code.UNKNOWN_CERTIFICATE
    good = sign_checkpoint(checkpoint(), world.util)
    for place in range(5, len(good), 401):
        bad = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
        with pytest.raises(Refused):
            verify_checkpoint(bad, writer=world.util.public(), reader=AGG, trust=world.trust, now=NOW)


def test_classical_signatures_are_too_few(world: World) -> None:
    raw = sign_json(write_canonical(checkpoint()), CHECKPOINT_TYP, [world.util.signing["ES256"]])
    with pytest.raises(Refused) as caught:
        verify_checkpoint(raw, writer=world.util.public(), reader=AGG, trust=world.trust, now=NOW)
    assert caught.value.code is Code.PROTECTION_TOO_WEAK
    poor = replace(world.util, signing={"ES256": world.util.signing["ES256"]})
    with pytest.raises(Refused) as caught:
        sign_checkpoint(checkpoint(), poor)
    assert caught.value.code is Code.PROTECTION_TOO_WEAK


def test_one_kind_is_not_taken_for_the_other(world: World) -> None:
    raw = sign_witness(witness(), world.util)
    with pytest.raises(Refused):
        verify_checkpoint(raw, writer=world.util.public(), reader=AGG, trust=world.trust, now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"size": 10},
        {"size": -1},
        {"root": "AB" * 32},
        {"v": 2},
        {"at": "2026-11-22T12:00:00+01:00"},
        {"more": 1},
        {"present": 2**60},
        {"stamp": {"size": 8, "root": "ab" * 32, "reply": ""}},
        {"stamp": {"size": 3, "root": "ab" * 32, "reply": "A" * 22_000}},
        {"stamp": {"size": 3, "root": "ab" * 32}},
    ],
)
def test_a_payload_that_is_none(change: dict[str, object]) -> None:
    fields = msgspec.to_builtins(checkpoint()) | change
    with pytest.raises(Refused) as caught:
        read_checkpoint(write_canonical(fields))
    assert caught.value.code is Code.BAD_MANIFEST


@pytest.mark.parametrize("heads", [HEADS[::-1], HEADS[:1] * 2])
def test_heads_are_in_order_and_each_once(heads: tuple[JournalHead, ...]) -> None:
    with pytest.raises(ValueError, match="order"):
        witness(heads=heads)


def test_a_page_is_bounded() -> None:
    many = [{"size": n, "root": "0" * 64} for n in range(HEADS_MAX + 1)]
    raw = write_canonical(msgspec.to_builtins(witness()) | {"heads": many})
    with pytest.raises(ValueError, match="length"):
        read_canonical(raw, msgspec.json.Decoder(Witness))


@given(
    size=st.integers(0, 2**53 - 1),
    more=st.integers(0, 1000),
    root=st.binary(min_size=32, max_size=32),
    seconds=st.integers(0, 10**9),
)
def test_what_is_written_is_read(size: int, more: int, root: bytes, seconds: int) -> None:
    said = checkpoint(
        size=size, root=root.hex(), present=min(size + more, 2**53 - 1), at=NOW + timedelta(seconds=seconds)
    )
    assert read_checkpoint(write_canonical(said)) == said


def test_a_checkpoint_with_a_stamp_comes_back(world: World) -> None:
    said = checkpoint(stamp=StampWord(size=3, root="cd" * 32, reply="AAAA"))
    raw = sign_checkpoint(said, world.util)
    assert verify_checkpoint(raw, writer=world.util.public(), reader=AGG, trust=world.trust, now=NOW) == said


def test_what_a_stamp_is_over() -> None:
    expected = b'{"party":"utility.example","root":"%s","size":7,"v":1}' % (b"ab" * 32)
    assert stamped_bytes(UTIL, 7, b"\xab" * 32) == expected
