"""Mutual TLS 1.3 in memory: who gets in, who does not."""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from seal_world import World

from intertie.model.errors import SettingsError
from intertie.model.ids import party_id
from intertie.model.party import Role
from intertie.seal.certificates import TrustStore, party_of_certificate
from intertie.seal.keys import PrivateKeys, generate_keys, load_keys, save_keys
from intertie.seal.tls import client_context, server_context
from intertie.seal.trial_ca import TrialCa


def keys(ca: TrialCa, party: str, folder: Path, host: str = "localhost") -> PrivateKeys:
    """TLS judges certificates by the machine's clock, so these are valid for a century."""
    since, until = datetime(2000, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)
    made = generate_keys(
        party_id(party),
        frozenset({Role.METER}),
        ca,
        since,
        ["classical"],
        hosts=[host],
        not_before=since,
        not_after=until,
    )
    save_keys(folder / party, made)
    return load_keys(folder / party)


@pytest.fixture
def ca() -> TrialCa:
    return TrialCa.create("TLS", datetime(2000, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC))


def shake(
    server: ssl.SSLContext, client: ssl.SSLContext, host: str = "localhost"
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """A handshake through two buffers, then one byte each way."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=host)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    done = [False, False]
    for _ in range(10):
        for n, side in enumerate((here, there)):
            if not done[n]:
                try:
                    side.do_handshake()
                    done[n] = True
                except ssl.SSLWantReadError:
                    continue
    assert all(done)
    here.write(b"x")
    assert there.read(1) == b"x"
    return here, there


def test_both_sides_know_each_other(ca: TrialCa, tmp_path: Path) -> None:
    a, b = keys(ca, "a.example", tmp_path), keys(ca, "b.example", tmp_path)
    here, there = shake(server_context(b, ca.trust()), client_context(a, ca.trust()))
    assert here.version() == there.version() == "TLSv1.3"
    assert party_of_certificate(there.getpeercert(True) or b"") == "a.example"
    assert party_of_certificate(here.getpeercert(True) or b"") == "b.example"


def test_a_client_without_a_certificate_does_not_get_in(ca: TrialCa, tmp_path: Path) -> None:
    b = keys(ca, "b.example", tmp_path)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(
        cadata=ca.roots_pem().split(b"-----END CERTIFICATE-----\n")[0].decode()
        + "-----END CERTIFICATE-----\n"
    )
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        shake(server_context(b, ca.trust()), client)


def test_older_versions_are_refused(ca: TrialCa, tmp_path: Path) -> None:
    a, b = keys(ca, "a.example", tmp_path), keys(ca, "b.example", tmp_path)
    client = client_context(a, ca.trust())
    client.minimum_version = ssl.TLSVersion.TLSv1_2
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shake(server_context(b, ca.trust()), client)


def test_another_authority_is_refused_on_either_side(ca: TrialCa, tmp_path: Path) -> None:
    other = TrialCa.create("TLS", datetime(2000, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC))
    a, b = keys(other, "a.example", tmp_path), keys(ca, "b.example", tmp_path)
    with pytest.raises(ssl.SSLError):
        shake(server_context(b, ca.trust()), client_context(a, ca.trust()))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(server_context(b, ca.trust()), client_context(a, other.trust()))


def test_another_host_is_refused(ca: TrialCa, tmp_path: Path) -> None:
    a, b = keys(ca, "a.example", tmp_path), keys(ca, "b.example", tmp_path, "door.b.example")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake(server_context(b, ca.trust()), client_context(a, ca.trust()))
    shake(server_context(b, ca.trust()), client_context(a, ca.trust()), "door.b.example")


def test_no_classical_root_or_no_key_file(ca: TrialCa, tmp_path: Path, world: World) -> None:
    a = keys(ca, "a.example", tmp_path)
    with pytest.raises(SettingsError):
        server_context(a, TrustStore(ca.trust().family(post_quantum=True)))
    with pytest.raises(SettingsError, match="from a file"):
        client_context(world.agg, world.trust)
    with pytest.raises(SettingsError, match="TLS"):
        client_context(replace(a, directory=tmp_path / "nowhere"), ca.trust())
    assert timedelta(0) < ca.classical.certificate.not_valid_after_utc - world.now
