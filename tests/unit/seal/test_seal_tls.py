"""Mutual TLS 1.3 in memory: who gets in, who does not."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from intertie.model.errors import SettingsError
from intertie.model.ids import party_id
from intertie.model.party import Role
from intertie.seal.certificates import TrustStore, party_of_certificate
from intertie.seal.keys import generate_keys, save_keys
from intertie.seal.tls import client_context, server_context
from intertie.seal.trial_ca import TrialCa


class House(NamedTuple):
    """The folders of one party."""

    keys: Path
    trust: Path

    def server(self) -> ssl.SSLContext:
        return server_context(self.keys, self.trust)

    def client(self) -> ssl.SSLContext:
        return client_context(self.keys, self.trust)


def house(
    ca: TrialCa, party: str, folder: Path, host: str = "localhost", trust: TrialCa | None = None
) -> House:
    """TLS judges certificates by the machine's clock, so these are valid for a century."""
    since, until = datetime(2000, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)
    roles = frozenset({Role.METER})
    made = generate_keys(
        party_id(party), roles, ca, since, ["classical"], hosts=[host], not_before=since, not_after=until
    )
    it = House(folder / party / "keys", folder / party / "trust")
    save_keys(it.keys, made)
    it.trust.mkdir()
    (it.trust / "root.pem").write_bytes((trust or ca).roots_pem())
    return it


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
    a, b = house(ca, "a.example", tmp_path), house(ca, "b.example", tmp_path)
    here, there = shake(b.server(), a.client())
    assert here.version() == there.version() == "TLSv1.3"
    assert party_of_certificate(there.getpeercert(True) or b"") == "a.example"
    assert party_of_certificate(here.getpeercert(True) or b"") == "b.example"


def test_a_client_without_a_certificate_does_not_get_in(ca: TrialCa, tmp_path: Path) -> None:
    b = house(ca, "b.example", tmp_path)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=ca.classical.certificate.public_bytes(Encoding.PEM).decode())
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        shake(b.server(), client)


def test_older_versions_are_refused(ca: TrialCa, tmp_path: Path) -> None:
    a, b = house(ca, "a.example", tmp_path), house(ca, "b.example", tmp_path)
    client = a.client()
    client.minimum_version = ssl.TLSVersion.TLSv1_2
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        shake(b.server(), client)


def test_another_authority_is_refused_on_either_side(ca: TrialCa, tmp_path: Path) -> None:
    other = TrialCa.create("TLS", datetime(2000, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC))
    b = house(ca, "b.example", tmp_path)
    stranger = house(other, "a.example", tmp_path, trust=ca)  # believes b, but b does not believe it
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        shake(b.server(), stranger.client())
    doubter = house(ca, "c.example", tmp_path, trust=other)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(b.server(), doubter.client())


def test_another_host_is_refused(ca: TrialCa, tmp_path: Path) -> None:
    a, b = house(ca, "a.example", tmp_path), house(ca, "b.example", tmp_path, "door.b.example")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake(b.server(), a.client())
    shake(b.server(), a.client(), "door.b.example")


def test_what_is_missing_is_a_settings_error(ca: TrialCa, tmp_path: Path) -> None:
    a = house(ca, "a.example", tmp_path)
    with pytest.raises(SettingsError, match="TLS"):
        server_context(tmp_path, a.trust)
    with pytest.raises(SettingsError, match="no trusted root"):
        client_context(a.keys, tmp_path)
    only = TrustStore(ca.trust().family(post_quantum=True))
    (a.trust / "root.pem").write_bytes(only.pem())
    with pytest.raises(SettingsError, match="elliptic"):
        server_context(a.keys, a.trust)
