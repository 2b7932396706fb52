"""Time stamps against a real authority (`openssl ts`)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tsa import Tsa, needs_openssl

from intertie.model.errors import SettingsError
from intertie.seal.timestamp import (
    REPLY_BYTES_MAX,
    StampError,
    TsaTrust,
    load_tsa_roots,
    nonce_of,
    read_tsa_roots,
    request_stamp,
    stamp_time,
    verify_stamp,
)

pytestmark = needs_openssl
DATA = b"the head of a journal"


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> Tsa:
    return Tsa(tmp_path_factory.mktemp("tsa"))


@pytest.fixture(scope="module")
def trust(tsa: Tsa) -> TsaTrust:
    return read_tsa_roots(tsa.root.read_bytes())


@pytest.fixture(scope="module")
def exchange(tsa: Tsa) -> tuple[bytes, bytes]:
    request = request_stamp(DATA)
    return request, tsa.reply(request)


def test_a_stamp_says_when_and_who(exchange: tuple[bytes, bytes], trust: TsaTrust) -> None:
    request, reply = exchange
    said = verify_stamp(reply, DATA, trust, request)
    assert abs(said.at - datetime.now(UTC)) < timedelta(minutes=5)
    assert said.at == stamp_time(reply) == verify_stamp(reply, DATA, trust).at
    assert (said.authority, said.policy, said.algorithm) == ("CN=Test TSA", "1.2.3.4.1", "EC secp256r1")


def test_the_authority_sees_only_a_hash(exchange: tuple[bytes, bytes]) -> None:
    assert DATA not in exchange[0]
    assert nonce_of(request_stamp(DATA)) != nonce_of(request_stamp(DATA))


def test_other_bytes_another_request_another_root(
    exchange: tuple[bytes, bytes], trust: TsaTrust, tmp_path: Path
) -> None:
    _, reply = exchange
    with pytest.raises(StampError, match="Mismatch"):
        verify_stamp(reply, DATA + b".", trust)
    with pytest.raises(StampError, match="Nonce"):
        verify_stamp(reply, DATA, trust, request_stamp(DATA))
    other = Tsa(tmp_path / "other")
    with pytest.raises(StampError, match="does not verify"):
        verify_stamp(reply, DATA, read_tsa_roots(other.root.read_bytes()))
    with pytest.raises(StampError, match="no root"):
        verify_stamp(reply, DATA, TsaTrust(()))


def test_a_refusal_is_said(tsa: Tsa, trust: TsaTrust) -> None:
    tsa.configure(digests="sha256")
    try:
        reply = tsa.reply(request_stamp(DATA))
    finally:
        tsa.configure()
    with pytest.raises(StampError, match="refuses: status 2"):
        verify_stamp(reply, DATA, trust)


def test_several_certificates_in_the_wrong_order_are_named(tsa: Tsa, trust: TsaTrust) -> None:
    """openssl does not sort the set as DER asks; which order comes out depends on the certificates."""
    tsa.configure(more=f"certs = {tsa.root}")
    try:
        reply = tsa.reply(request_stamp(DATA))
    finally:
        tsa.configure()
    try:
        verify_stamp(reply, DATA, trust)
    except StampError as error:
        assert "DER order" in str(error)


def test_too_large(trust: TsaTrust) -> None:
    with pytest.raises(StampError, match="more than"):
        verify_stamp(b"0" * (REPLY_BYTES_MAX + 1), DATA, trust)


@given(junk=st.binary(max_size=200))
def test_junk_is_no_reply_and_no_request(junk: bytes) -> None:
    with pytest.raises(StampError):
        stamp_time(junk)
    with pytest.raises(StampError):
        nonce_of(junk)


@given(data=st.data())
def test_a_changed_reply_never_says_anything_else(
    exchange: tuple[bytes, bytes], trust: TsaTrust, data: st.DataObject
) -> None:
    """Some bytes of a reply are not signed (RFC 3161 leaves the status texts free); what it says of our bytes is."""
    changed = bytearray(exchange[1])
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        said = verify_stamp(bytes(changed), DATA, trust)
    except StampError:
        return
    assert (said.at, said.serial) == (stamp_time(exchange[1]), verify_stamp(exchange[1], DATA, trust).serial)


def test_roots_from_a_folder(tsa: Tsa, trust: TsaTrust, tmp_path: Path) -> None:
    assert load_tsa_roots(tmp_path / "none") == TsaTrust(())
    (tmp_path / "a.pem").write_bytes(tsa.root.read_bytes())
    assert load_tsa_roots(tmp_path) == trust
    (tmp_path / "b.pem").write_bytes(b"no certificate")
    with pytest.raises(SettingsError, match=r"b\.pem"):
        load_tsa_roots(tmp_path)
