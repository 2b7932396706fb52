"""Parcels: sealed and opened, bounded, bound to their header. The cases of vectors/ hold every single rule."""

from __future__ import annotations

import struct
from datetime import timedelta, timezone

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seal_world import World

from intertie.model.errors import Code, IntertieError, Refused
from intertie.model.ids import party_id
from intertie.seal import parcel as parcel_module
from intertie.seal.encoding import write_canonical
from intertie.seal.keys import PublicKeys
from intertie.seal.parcel import (
    HEADER_BYTES_MAX,
    MESSAGES_MAX,
    Opened,
    open_frame,
    read_content,
    read_frame,
    verify_manifest,
)
from intertie.seal.profile import PROFILES
from intertie.seal.tree import leaf_hash, root

LIMIT = 1 << 24
SENDER = party_id("agg.example")


def test_every_profile_round_trips(world: World) -> None:
    messages = [b"%d" % n for n in range(5)]
    for profile in PROFILES.values():
        sealed = world.seal(messages, profile.name)
        frame = read_frame(sealed.blob, limit=LIMIT)
        assert frame.header == sealed.header
        opened = open_frame(frame, world.util)
        assert opened == Opened(sealed.manifest, tuple(messages))
        verified = verify_manifest(frame, opened, world.agg.public(), world.trust, world.now)
        assert verified.profile is profile
        assert verified.root == sealed.root == root([leaf_hash(m) for m in messages])
        assert verified.leaf_hashes == tuple(leaf_hash(m) for m in messages)
        assert verified.manifest.count == 5


def test_times_are_written_in_utc(world: World) -> None:
    sealed = world.seal([b"x"], created=world.now.astimezone(timezone(timedelta(hours=-5))))
    assert b'"created":"2026-11-22T12:00:00Z"' in sealed.blob[:400]


@settings(max_examples=25, deadline=None)
@given(messages=st.lists(st.binary(max_size=200), min_size=1, max_size=20))
def test_any_messages_come_out_as_they_went_in(world: World, messages: list[bytes]) -> None:
    sealed = world.seal(messages, "classical")
    frame = read_frame(sealed.blob, limit=LIMIT)
    opened = open_frame(frame, world.util)
    assert list(opened.messages) == messages
    verify_manifest(frame, opened, world.agg.public(), world.trust, world.now)


@given(raw=st.one_of(st.binary(max_size=80), st.binary(max_size=80).map(lambda b: b"ITP1" + b)))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    with pytest.raises(Refused) as refused:
        read_frame(raw, limit=LIMIT)
    assert refused.value.code in {Code.BAD_FRAME, Code.BAD_HEADER}


@given(parts=st.lists(st.binary(max_size=50), min_size=1, max_size=9), tail=st.binary(max_size=9))
def test_content_is_read_to_its_last_byte_or_refused(parts: list[bytes], tail: bytes) -> None:
    raw = b"".join(struct.pack(">I", len(part)) + part for part in parts) + tail
    try:
        opened = read_content(raw, SENDER)
    except Refused as refused:
        assert refused.partner == SENDER
        assert refused.code is (Code.BAD_MANIFEST if not parts[0] else Code.BAD_FRAME)
        return
    again = b"".join(struct.pack(">I", len(part)) + part for part in (opened.manifest, *opened.messages))
    assert again == raw


@given(st.data())
def test_no_bit_of_a_parcel_is_free(world: World, data: st.DataObject) -> None:
    blob = world.seal([b"one", b"two"], "classical").blob
    at = data.draw(st.integers(0, len(blob) * 8 - 1))
    changed = bytearray(blob)
    changed[at // 8] ^= 1 << at % 8
    with pytest.raises(Refused):
        frame = read_frame(bytes(changed), limit=LIMIT)
        opened = open_frame(frame, world.util)
        verify_manifest(frame, opened, world.agg.public(), world.trust, world.now)


def test_another_recipient_cannot_open(world: World) -> None:
    frame = read_frame(world.seal([b"x"]).blob, limit=LIMIT)
    with pytest.raises(Refused) as refused:
        open_frame(frame, world.agg)
    assert refused.value.code is Code.UNKNOWN_KEY
    assert refused.value.partner == SENDER


def test_a_recipient_cannot_forward_a_parcel_as_if_sent_to_another(world: World) -> None:
    """The manifest names the recipient: who opened it cannot seal it anew for someone else."""
    sealed = world.seal([b"x"])
    frame = read_frame(sealed.blob, limit=LIMIT)
    opened = open_frame(frame, world.util)
    header = msgspec.structs.replace(frame.header, recipient=party_id("third.example"))
    with pytest.raises(Refused, match="recipient differs") as refused:
        verify_manifest(frame._replace(header=header), opened, world.agg.public(), world.trust, world.now)
    assert refused.value.code is Code.BAD_MANIFEST


def test_a_manifest_cannot_be_moved_into_a_weaker_parcel(world: World) -> None:
    frame = read_frame(world.seal([b"x"], "classical").blob, limit=LIMIT)
    strong = world.seal([b"x"], "hybrid")
    with pytest.raises(Refused) as refused:
        verify_manifest(frame, Opened(strong.manifest, (b"x",)), world.agg.public(), world.trust, world.now)
    assert refused.value.code is Code.SIGNATURE_INVALID


def test_certificates_are_judged_now(world: World) -> None:
    frame = read_frame(world.seal([b"x"]).blob, limit=LIMIT)
    opened = open_frame(frame, world.util)
    with pytest.raises(Refused) as refused:
        verify_manifest(frame, opened, world.agg.public(), world.trust, world.now + timedelta(days=800))
    assert refused.value.code is Code.CERTIFICATE_EXPIRED


def test_nothing_weaker_is_sent_for_want_of_a_key(world: World) -> None:
    public = world.util.public()
    weak = PublicKeys(
        public.party,
        public.roles,
        public.signing,
        {k: v for k, v in public.sealing.items() if v.suite.startswith("X25519")},
    )
    assert world.seal([b"x"], "classical", recipient=weak)
    with pytest.raises(Refused) as refused:
        world.seal([b"x"], "hybrid", recipient=weak)
    assert refused.value.code is Code.PROTECTION_TOO_WEAK
    assert refused.value.partner == public.party
    assert weak.can_do(PROFILES["classical"])
    assert not weak.can_do(PROFILES["hybrid"])


def test_we_do_not_sign_with_less_for_want_of_a_key(world: World) -> None:
    signing = {"ES256": world.agg.signing["ES256"]}
    keys = type(world.agg)(world.agg.party, world.agg.roles, signing, world.agg.opening, world.agg.tls)
    with pytest.raises(Refused, match="no ML-DSA-65 key"):
        world.seal([b"x"], "hybrid", keys=keys)


def test_counts_and_sizes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match="1 to 65536 messages"):
        world.seal([])
    with pytest.raises(Refused, match="1 to 65536 messages"):
        world.seal([b""] * (MESSAGES_MAX + 1))
    monkeypatch.setattr(parcel_module, "MESSAGE_BYTES_MAX", 10)
    with pytest.raises(Refused, match="a message of 11 bytes"):
        world.seal([b"x" * 11])
    content = struct.pack(">I", 1) + b"m" + struct.pack(">I", 11) + b"x" * 11
    with pytest.raises(Refused, match="a message of 11 bytes"):
        read_content(content, SENDER)
    with pytest.raises(Refused, match="more than 65536 messages"):
        read_content(struct.pack(">I", 1) + b"m" + bytes(4) * (MESSAGES_MAX + 1), SENDER)


def test_size_is_judged_before_anything_is_read() -> None:
    with pytest.raises(Refused) as refused:
        read_frame(bytes(1001), limit=1000)
    assert refused.value.code is Code.TOO_LARGE
    with pytest.raises(Refused, match="a header of"):
        read_frame(
            b"ITP1" + struct.pack(">I", HEADER_BYTES_MAX + 1) + bytes(HEADER_BYTES_MAX + 1), limit=LIMIT
        )


@pytest.mark.parametrize("deep", [b"[" * 4000, b'{"a":' * 800, b"1" * 4000])
def test_deep_or_long_json_in_a_header(deep: bytes) -> None:
    with pytest.raises(Refused) as refused:
        read_frame(b"ITP1" + struct.pack(">I", len(deep)) + deep, limit=LIMIT)
    assert refused.value.code is Code.BAD_HEADER


def test_a_header_with_every_field_wrong(world: World) -> None:
    header = msgspec.to_builtins(world.seal([b"x"]).header)
    wrong = {
        "v": [0, 2, "1", None],
        "parcel": ["", "x", header["parcel"].upper(), 1],
        "from": ["", "A.example", "a..b", "-a", "a" * 121],
        "to": ["", "a/b", "a b"],
        "seq": [0, -1, 2**53, 1.5, "1"],
        "suite": ["", "x" * 65, "AES"],
        "kid": ["", "0" * 15, "0" * 17, "G" * 16],
        "created": ["", "2026-11-22", "2026-11-22T12:00:00", "2026-13-22T12:00:00Z", 5],
        "zip": ["", "zstd", None],
    }
    assert set(wrong) == set(header)
    for name, values in wrong.items():
        for value in values:
            raw = write_canonical(header | {name: value})
            with pytest.raises(IntertieError) as error:
                read_frame(b"ITP1" + struct.pack(">I", len(raw)) + raw, limit=LIMIT)
            assert isinstance(error.value, Refused)
            assert error.value.code is Code.BAD_HEADER, (name, value)
