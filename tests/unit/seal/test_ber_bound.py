"""The bound before the parser: what is whole passes, what would keep a parser busy does not."""

from __future__ import annotations

import pytest
from asn1crypto import core
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.formats.as2_cases import AGGREGATOR, UTILITY, key_of

from intertie.seal import cms
from intertie.seal.ber_bound import BYTES_PER_ELEMENT, DEPTH_MAX, ELEMENTS_MIN, is_bounded
from intertie.seal.cms import CipherName, CmsError, CmsFlaw, Digest, Transport


def in_pieces(content: bytes, size: int) -> bytes:
    """A compressed structure in BER, whose content comes in pieces."""
    kind = core.ObjectIdentifier("1.2.840.113549.1.9.16.1.9").dump()
    zlib = core.ObjectIdentifier("1.2.840.113549.1.9.16.3.8").dump()
    data = core.ObjectIdentifier("1.2.840.113549.1.7.1").dump()
    pieces = b"".join(core.OctetString(content[at : at + size]).dump() for at in range(0, len(content), size))
    inside = b"\x30\x80" + data + b"\xa0\x80\x24\x80" + pieces + b"\0\0" * 3
    body = b"\x02\x01\x00\x30" + bytes([len(zlib)]) + zlib + inside
    return b"\x30\x80" + kind + b"\xa0\x80\x30\x80" + body + b"\0\0" * 3


def packed(content: bytes) -> bytes:
    """What zlib makes of it."""
    return bytes(
        cms._content(cms.compress(content), "compressed_data")["encap_content_info"]["content"].native
    )


@pytest.mark.parametrize("size", [300, 1000, 5000])
def test_pieces_as_programs_write_them_are_read(size: int) -> None:
    content = bytes(range(256)) * 200
    assert cms.decompress(in_pieces(packed(content), size), 100_000) == content


def test_more_pieces_than_the_size_explains_are_refused_at_once() -> None:
    for raw in (in_pieces(b"x" * 2_000_000, 1), b"\x30\x80" + b"\x05\x00" * 1_000_000 + b"\0\0"):
        assert not is_bounded(raw)
        with pytest.raises(CmsError) as caught:
            cms.kind_of(raw)
        assert caught.value.flaw is CmsFlaw.NOT_CMS


def test_the_bounds_are_where_they_are_said_to_be() -> None:
    assert is_bounded(b"\x30\x80" + b"\x05\x00" * (ELEMENTS_MIN - 2) + b"\0\0")
    assert not is_bounded(b"\x30\x80" + b"\x05\x00" * (ELEMENTS_MIN + 100) + b"\0\0")
    padding = core.OctetString(b"x" * BYTES_PER_ELEMENT * 200).dump()
    assert is_bounded(b"\x30\x80" + b"\x05\x00" * (ELEMENTS_MIN + 100) + padding + b"\0\0")
    assert is_bounded(b"\x30\x80" * (DEPTH_MAX - 1) + b"\x05\x00" + b"\0\0" * (DEPTH_MAX - 1))
    assert not is_bounded(b"\x30\x80" * (DEPTH_MAX + 1) + b"\0\0" * (DEPTH_MAX + 1))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x30",
        b"\x30\x05\x05\x00",  # longer than what is there
        b"\x30\x80\x05\x00",  # without its end
        b"\x04\x80\x00\x00",  # a primitive without a length
        b"\x00\x00",
        b"\x30\x02\x00\x00",  # an end in what has a length
        b"\x30\x04\x04\x09ab",  # an element that is longer than what holds it
        b"\x30\x89" + b"\0" * 9,
        b"\x1f\x01\x00",
        b"\x30\x06\x30\x80\x04\x09\x00\x00" + b"x" * 20,
    ],
)
def test_what_is_not_whole(raw: bytes) -> None:
    assert not is_bounded(raw)


def test_what_we_write_passes() -> None:
    key, other = key_of(AGGREGATOR), key_of(UTILITY)
    written = [cms.sign(b"x", key.key, key.certificate, Digest.SHA256), cms.compress(b"x" * 100_000)]
    written += [
        cms.encrypt(b"x" * 100_000, other.certificate, CipherName.AES256_GCM, one) for one in Transport
    ]
    assert all(map(is_bounded, written)) and Transport.PKCS1


@given(st.binary(max_size=200))
def test_it_ends_for_any_bytes(raw: bytes) -> None:
    assert is_bounded(raw) in (True, False)


NESTED = st.recursive(
    st.binary(max_size=20).map(lambda raw: core.OctetString(raw).dump()),
    lambda inner: (
        st.lists(inner, max_size=4)
        .map(b"".join)
        .flatmap(
            lambda raw: st.sampled_from([core.Sequence(contents=raw).dump(), b"\x30\x80" + raw + b"\0\0"])
        )
    ),
    max_leaves=20,
)


@given(NESTED)
def test_whatever_is_well_formed_passes(raw: bytes) -> None:
    assert is_bounded(raw) and not is_bounded(raw[:-1])
