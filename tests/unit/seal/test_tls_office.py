"""The office door's TLS: our certificate, none asked of who comes, 1.3 and nothing below, and a new key without a restart."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest

from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.model.party import Role
from intertie.seal.keys import TlsKey, generate_keys
from intertie.seal.tls_office import OfficeContext
from intertie.seal.trial_ca import TrialCa

NOW = datetime.now(UTC)
PARTY = PartyId("utility.example")
CA = TrialCa.create("Test", NOW - timedelta(days=1), NOW + timedelta(days=90))


def key() -> TlsKey:
    return generate_keys(
        PARTY,
        frozenset({Role.DISTRIBUTION_UTILITY}),
        CA,
        NOW,
        not_before=NOW - timedelta(hours=1),
        not_after=NOW + timedelta(days=30),
    ).tls


def shake(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both ends after the handshake, over buffers."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(there, back, server_side=True)
    theirs = client.wrap_bio(back, there, server_hostname=PARTY)
    done = 0
    for turn in range(20):
        try:
            (theirs, ours)[turn % 2].do_handshake()
            done |= 1 << turn % 2
        except ssl.SSLWantReadError:
            continue
        if done == 3:
            return ours, theirs
    raise AssertionError("the handshake does not end")


def client() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_who_has_no_certificate_gets_ours() -> None:
    ours, theirs = shake(OfficeContext(lambda: KEY), client())
    assert theirs.version() == "TLSv1.3"
    shown = theirs.getpeercert(binary_form=True)
    assert shown is not None and ssl.DER_cert_to_PEM_cert(shown).split() == first_of(KEY).split()
    assert ours.getpeercert(binary_form=True) is None


def first_of(key: TlsKey) -> str:
    """The leaf, as PEM."""
    end = "-----END CERTIFICATE-----"
    return key.chain.decode().split(end)[0] + end


def test_nothing_below_1_3() -> None:
    old = client()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shake(OfficeContext(lambda: KEY), old)


def test_a_new_key_is_taken_by_the_next_connection() -> None:
    held = [KEY]
    context = OfficeContext(lambda: held[0])
    before = shake(context, client())[1].getpeercert(binary_form=True)
    held[0] = key()
    after = shake(context, client())[1].getpeercert(binary_form=True)
    assert before != after and after is not None
    assert ssl.DER_cert_to_PEM_cert(after).split() == first_of(held[0]).split()


def test_a_new_key_that_cannot_be_used_leaves_the_old_one(caplog: pytest.LogCaptureFixture) -> None:
    held = [KEY]
    context = OfficeContext(lambda: held[0])
    held[0] = TlsKey(b"nothing", b"nothing")
    with caplog.at_level("ERROR"):
        _, theirs = shake(context, client())
        shake(context, client())
    assert theirs.version() == "TLSv1.3"
    assert len([line for line in caplog.records if "not taken" in line.getMessage()]) == 1  # said once


def test_a_key_that_cannot_be_used_is_said_at_the_start() -> None:
    with pytest.raises(SettingsError, match="cannot be used"):
        OfficeContext(lambda: TlsKey(b"nothing", b"nothing"))


KEY = key()
