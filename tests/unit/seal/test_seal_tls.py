"""Mutual TLS 1.3 in memory, on both engines and between them: who gets in, who does not, and over what."""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tls_world import NOW, OPENSSL, STDLIB, A, B, End, Wire, end, make_ca, make_key

from intertie.model.errors import Refused, SettingsError
from intertie.model.ids import party_id
from intertie.seal import tls as tls_module
from intertie.seal import tls_openssl
from intertie.seal.certificates import TrustStore, thumbprint
from intertie.seal.keys import TlsKey
from intertie.seal.tls import PeerRefused, Tls, describe
from intertie.seal.tls_groups import DEFAULT_GROUPS, TlsOptions, hybrid_only, is_hybrid
from intertie.seal.trial_ca import TrialCa

ENGINES = {"openssl": OPENSSL, "stdlib": STDLIB}
PAIRS = [(server, client) for server in ENGINES for client in ENGINES]
NAMES_GROUPS = hasattr(ssl.SSLObject, "group")


@pytest.fixture(scope="module")
def ca() -> TrialCa:
    return make_ca()


def wire(server: End, client: End, party: str = B, host: str = "localhost", *, hybrid: bool = False) -> Wire:
    return Wire(
        server.tls.server_context(), client.tls.client_context(party_id(party), hybrid=hybrid), host
    ).shake()


@pytest.mark.parametrize(("server", "client"), PAIRS)
def test_both_sides_know_each_other(ca: TrialCa, server: str, client: str) -> None:
    a, b = end(ca, A, ENGINES[client]), end(ca, B, ENGINES[server])
    both = wire(b, a)
    here, there = describe(both.client), describe(both.server)
    assert (here.party(ca.trust(), NOW), there.party(ca.trust(), NOW)) == (B, A)
    assert (here.transport.engine, there.transport.engine) == (client, server)
    assert here.transport.version == there.transport.version == "TLSv1.3"
    assert here.transport.cipher == there.transport.cipher == "TLS_AES_256_GCM_SHA384"
    assert here.transport.certificate == thumbprint(there_leaf(b)).hex()
    assert there.transport.certificate == thumbprint(there_leaf(a)).hex()
    both.client.write(b"ping")
    assert both.read(both.server, 4) == b"ping"
    both.server.write(b"pong")
    assert both.read(both.client, 4) == b"pong"


def there_leaf(of: End) -> bytes:
    return ssl.PEM_cert_to_DER_cert(of.key.chain.decode())


def test_the_hybrid_group_is_negotiated_and_named_by_both(ca: TrialCa) -> None:
    both = wire(end(ca, B, OPENSSL), end(ca, A, OPENSSL))
    assert describe(both.client).transport.group == "X25519MLKEM768"
    assert describe(both.server).transport.group == "X25519MLKEM768"


def test_ml_dsa_certificates_on_both_sides(ca: TrialCa) -> None:
    a, b = end(ca, A, OPENSSL, "ML-DSA-65"), end(ca, B, OPENSSL, "ML-DSA-65")
    both = wire(b, a)
    assert describe(both.server).party(ca.trust(), NOW) == A
    assert describe(both.client).transport.group == "X25519MLKEM768"


def test_one_side_may_be_classical_while_the_other_has_moved_on(ca: TrialCa) -> None:
    both = wire(end(ca, B, OPENSSL, "ML-DSA-65"), end(ca, A, OPENSSL, "ES256"))
    assert describe(both.client).party(ca.trust(), NOW) == B
    assert describe(both.server).party(ca.trust(), NOW) == A


@pytest.mark.parametrize("group", DEFAULT_GROUPS)
def test_every_group_of_the_default_can_be_had(ca: TrialCa, group: str) -> None:
    only = TlsOptions(engine="openssl", groups=(group,))
    assert describe(wire(end(ca, B, OPENSSL), end(ca, A, only)).server).transport.group == group
    assert describe(wire(end(ca, B, only), end(ca, A, OPENSSL)).client).transport.group == group


def test_hybrid_is_preferred_even_if_the_client_would_rather_not(ca: TrialCa) -> None:
    """A classical key share is there, a hybrid group is only named: the server asks for it (HelloRetryRequest)."""
    client = end(ca, A, TlsOptions(engine="openssl", groups=("x25519", "X25519MLKEM768")))
    assert describe(wire(end(ca, B, OPENSSL), client).server).transport.group == "X25519MLKEM768"


def test_where_only_hybrid_will_do_a_classical_partner_gets_nothing(ca: TrialCa) -> None:
    classical = end(ca, B, TlsOptions(engine="openssl", groups=("x25519", "secp256r1")))
    with pytest.raises(ssl.SSLError, match=r"no suitable key share|handshake failure"):
        wire(classical, end(ca, A, OPENSSL), hybrid=True)
    assert describe(wire(end(ca, B, OPENSSL), end(ca, A, OPENSSL), hybrid=True).client).transport.group in (
        hybrid_only(DEFAULT_GROUPS)
    )


@pytest.mark.skipif(NAMES_GROUPS, reason="from Python 3.15 the standard library can choose groups")
def test_the_standard_library_never_promises_a_hybrid_group(ca: TrialCa) -> None:
    with pytest.raises(SettingsError, match="cannot choose only hybrid groups"):
        end(ca, A, STDLIB).tls.client_context(B, hybrid=True)
    with pytest.raises(SettingsError, match="cannot choose groups"):
        end(ca, A, TlsOptions(engine="stdlib", groups=("x25519",))).tls.server_context()
    assert describe(wire(end(ca, B, STDLIB), end(ca, A, OPENSSL)).server).transport.group == ""


def test_only_hybrid_without_a_hybrid_group_is_a_mistake_in_the_settings(ca: TrialCa) -> None:
    a = end(ca, A, TlsOptions(engine="openssl", groups=("x25519",)))
    with pytest.raises(SettingsError, match="no hybrid group"):
        a.tls.client_context(B, hybrid=True)


def test_a_group_nobody_knows_is_a_settings_error(ca: TrialCa) -> None:
    with pytest.raises(SettingsError, match="FrodoKEM"):
        end(ca, A, TlsOptions(engine="openssl", groups=("x25519", "FrodoKEM"))).tls.server_context()


@pytest.mark.parametrize("groups", [(), ("x25519", "x25519")])
def test_groups_are_some_and_each_once(groups: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="groups"):
        TlsOptions(groups=groups)


def test_what_cannot_be_named_is_not_hybrid() -> None:
    assert is_hybrid("X25519MLKEM768")
    assert not is_hybrid("")
    assert not is_hybrid("x25519")


# Who does not get in


def foreign(ca: TrialCa) -> ssl.SSLContext:
    """A client of somebody else's making that believes our authority."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=ca.classical.certificate.public_bytes(Encoding.PEM).decode())
    client.verify_flags |= ssl.VerifyFlags(0x200000)  # these tests have a time of their own
    return client


@pytest.mark.parametrize("engine", ENGINES)
def test_a_client_without_a_certificate_does_not_get_in(ca: TrialCa, engine: str) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)peer.did.not.return.a.certificate"):
        Wire(end(ca, B, ENGINES[engine]).tls.server_context(), foreign(ca)).shake()


@pytest.mark.parametrize("engine", ENGINES)
def test_older_versions_are_refused(ca: TrialCa, engine: str) -> None:
    client = foreign(ca)
    client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match=r"(?i)unsupported.protocol"):
        Wire(end(ca, B, ENGINES[engine]).tls.server_context(), client).shake()


@pytest.mark.parametrize(("server", "client"), PAIRS)
def test_another_authority_is_refused_on_either_side(ca: TrialCa, server: str, client: str) -> None:
    other = make_ca()
    stranger = End(make_key(other, A), ca.trust(), ENGINES[client])
    with pytest.raises(ssl.SSLError, match=r"(?i)certificate.verify.failed"):
        wire(end(ca, B, ENGINES[server]), stranger)
    doubter = End(make_key(ca, A), other.trust(), ENGINES[client])
    with pytest.raises(ssl.SSLCertVerificationError):
        wire(end(ca, B, ENGINES[server]), doubter)


def test_the_reason_of_a_failed_path_is_told(ca: TrialCa) -> None:
    stranger = End(make_key(make_ca("Else"), A), ca.trust(), OPENSSL)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"unable to get (local )?issuer"):
        wire(end(ca, B, OPENSSL), stranger)


@pytest.mark.parametrize("engine", ENGINES)
def test_another_host_is_refused_by_the_client(ca: TrialCa, engine: str) -> None:
    b = End(make_key(ca, B, hosts=["door.b.example", "192.0.2.7", "::1"]), ca.trust(), OPENSSL)
    a = end(ca, A, ENGINES[engine])
    for wrong in ("localhost", "192.0.2.8", "b.example", "other.b.example", "::2"):
        with pytest.raises(PeerRefused):
            wire(b, a, host=wrong)
    for right in ("door.b.example", "192.0.2.7", "::1"):
        assert describe(wire(b, a, host=right).client).host == right


def test_no_host_is_no_host_check_and_so_no_connection(ca: TrialCa) -> None:
    context = end(ca, A).tls.client_context(B)
    with pytest.raises(PeerRefused, match="host name"):
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())


@pytest.mark.parametrize("engine", ENGINES)
def test_the_door_of_another_party_is_refused_before_it_sees_who_calls(ca: TrialCa, engine: str) -> None:
    b, a = end(ca, B, OPENSSL), end(ca, A, ENGINES[engine])
    both = Wire(b.tls.server_context(), a.tls.client_context(party_id("c.example")))
    with pytest.raises(PeerRefused, match=r"belongs to b\.example, not to c\.example"):
        both.shake()
    if engine == "openssl":
        assert both.buffers[1].pending == 0  # the client's certificate never left


@pytest.mark.parametrize("engine", ENGINES)
def test_dates_are_judged_by_the_gateways_clock(ca: TrialCa, engine: str) -> None:
    a, b = end(ca, A, ENGINES[engine]), end(ca, B, OPENSSL)
    wire(b, a)  # NOW is not the machine's time
    a.now = NOW + timedelta(days=31)
    with pytest.raises(PeerRefused, match="valid from"):
        wire(b, a)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_revoked_door_is_not_called(ca: TrialCa, engine: str) -> None:
    a, b = end(ca, A, ENGINES[engine]), end(ca, B, OPENSSL)
    a.trust = a.trust.with_revoked(there_leaf(b), NOW)
    with pytest.raises(PeerRefused, match="revoked"):
        wire(b, a)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_connection_is_never_resumed(ca: TrialCa, engine: str) -> None:
    """A client of somebody else's making that tries: the server does the whole handshake again."""
    b, a = end(ca, B, ENGINES[engine]).tls.server_context(), end(ca, A, STDLIB)
    inner = a.tls.client_context(B)._made._context  # type: ignore[attr-defined,union-attr]
    inner.options &= ~ssl.OP_NO_TICKET
    session = None
    for _ in range(2):
        both = Wire(b, a.tls.client_context(B))
        client_in, client_out = both.buffers[:2]
        both.client = inner.wrap_bio(client_in, client_out, server_hostname="localhost", session=session)
        both.shake()
        both.server.write(b"x")
        assert both.read(both.client, 1) == b"x"
        assert not both.client.session_reused
        session = both.client.session


# Keys and trust that change


@pytest.mark.parametrize("engine", ENGINES)
def test_a_new_key_is_used_by_the_next_connection_and_the_open_one_lives_on(ca: TrialCa, engine: str) -> None:
    a, b = end(ca, A, OPENSSL), end(ca, B, ENGINES[engine])
    door, caller = b.tls.server_context(), a.tls.client_context(B)
    before = Wire(door, caller).shake()
    old, b.key = there_leaf(b), make_key(ca, B)
    after = Wire(door, caller).shake()
    assert describe(before.client).transport.certificate == thumbprint(old).hex()
    assert describe(after.client).transport.certificate == thumbprint(there_leaf(b)).hex()
    before.server.write(b"still here")
    assert before.read(before.client, 10) == b"still here"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_new_root_is_believed_at_the_next_connection(ca: TrialCa, engine: str) -> None:
    other = make_ca("Other")
    b = end(ca, B, ENGINES[engine])
    newcomer = End(make_key(other, A), ca.trust(), OPENSSL)
    door = b.tls.server_context()
    with pytest.raises(ssl.SSLError):
        Wire(door, newcomer.tls.client_context(B)).shake()
    b.trust = b.trust.joined(other.trust().confined_to(A))
    both = Wire(door, newcomer.tls.client_context(B)).shake()
    assert describe(both.server).party(b.trust, NOW) == A


def test_the_same_objects_are_not_read_again(ca: TrialCa, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    real = tls_module.OpensslContext

    class Counted(real):  # type: ignore[misc,valid-type]
        def __init__(self, *args: object, **more: object) -> None:
            made.append(args)
            super().__init__(*args, **more)

    monkeypatch.setattr(tls_module, "OpensslContext", Counted)
    b = end(ca, B, OPENSSL)
    door, caller = b.tls.server_context(), end(ca, A, STDLIB).tls.client_context(B)
    for _ in range(3):
        Wire(door, caller).shake()
    assert len(made) == 1
    b.trust = replace(b.trust)
    Wire(door, caller).shake()
    assert len(made) == 2


def test_a_damaged_new_key_leaves_the_door_as_it_was_and_is_told_once(
    ca: TrialCa, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = end(ca, A, OPENSSL), end(ca, B, OPENSSL)
    door = b.tls.server_context()
    good = b.key
    b.key = TlsKey(b"damaged", good.chain)
    for _ in range(2):
        assert describe(Wire(door, a.tls.client_context(B)).shake().client).party(ca.trust(), NOW) == B
    assert [record.message for record in caplog.records] == ["new TLS key or trust not taken"]
    assert "damaged" not in caplog.text


# What cannot be used


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_missing_is_a_settings_error(ca: TrialCa, engine: str) -> None:
    good = end(ca, A, ENGINES[engine])
    other = make_key(ca, A)
    bad = [
        TlsKey(b"", good.key.chain),
        TlsKey(good.key.key, b""),
        TlsKey(good.key.key, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        TlsKey(other.key, good.key.chain),
    ]
    for key in bad:
        with pytest.raises(SettingsError, match="TLS: our key"):
            replace(good, key=key).tls.server_context()
    with pytest.raises(SettingsError, match="no trusted root"):
        replace(good, trust=TrustStore(())).tls.server_context()


@pytest.mark.skipif(ssl.OPENSSL_VERSION_INFO >= (3, 5), reason="the host's OpenSSL knows ML-DSA")
def test_what_an_old_host_cannot_do_says_so(ca: TrialCa) -> None:
    only = TrustStore(ca.trust().family(post_quantum=True))
    with pytest.raises(SettingsError, match="elliptic") as caught:
        End(make_key(ca, A), only, STDLIB).tls.server_context()
    assert "openssl" in caught.value.do
    with pytest.raises(SettingsError) as caught:
        end(ca, A, STDLIB, "ML-DSA-65").tls.server_context()
    assert "openssl" in caught.value.do


@pytest.mark.parametrize("engine", ENGINES)
def test_no_key_stays_in_the_file_system(
    ca: TrialCa, engine: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    end(ca, A, ENGINES[engine]).tls.server_context()
    assert list(tmp_path.iterdir()) == []  # type: ignore[attr-defined]


def test_auto_takes_the_engine_that_knows_hybrid_groups(ca: TrialCa, monkeypatch: pytest.MonkeyPatch) -> None:
    one: Tls = end(ca, A).tls
    assert one.engine() == "openssl"
    assert one.library().startswith("OpenSSL ")
    monkeypatch.setattr(tls_module, "knows_hybrid_groups", lambda: False)
    assert one.engine() == "stdlib"
    assert one.library() == ssl.OPENSSL_VERSION


def test_a_library_without_hybrid_groups_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tls_openssl.knows_hybrid_groups()
    monkeypatch.setattr(tls_openssl, "_LIB", OldLibrary())
    assert not tls_openssl.knows_hybrid_groups()


class OldLibrary:
    """An OpenSSL that cannot be told its groups."""

    def ERR_clear_error(self) -> None:  # OpenSSL's name
        """Nothing to clear."""


def test_blocking_sockets_are_not_for_these_contexts(ca: TrialCa) -> None:
    with pytest.raises(ssl.SSLError, match="asynchronous"):
        end(ca, A).tls.client_context(B).wrap_socket(None)


def test_a_connection_without_certificate_is_nobody(ca: TrialCa) -> None:
    class Bare:
        def get_unverified_chain(self) -> list[bytes]:
            return []

    with pytest.raises(Refused, match="no certificate"):
        describe(Bare())  # type: ignore[arg-type]
