"""OpenSSL as an external authority: it signs our requests, publishes lists and answers OCSP; and as a client of ours.

OpenSSL 3.0 knows no ML-DSA: that half of the keys is certified by the trial authority.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from openssl import OpenSslCa, needs_openssl, openssl, wait_for
from tests.ports import free_port

from intertie.bindings.revocation_http.client import StatusFetcher
from intertie.bindings.revocation_http.responder import make_responder
from intertie.cli import run
from intertie.model.errors import Refused, SettingsError
from intertie.model.ids import party_id
from intertie.seal.algorithms import generate_signing_key
from intertie.seal.ca_register import Register
from intertie.seal.ca_responder import PresentLists, answer_request
from intertie.seal.certificates import TrustStore, check_chain, read_certificate
from intertie.seal.csr import read_request, write_request
from intertie.seal.issued import check_issued
from intertie.seal.keys import chain_pem
from intertie.seal.ocsp import ANSWER_BYTES_MAX
from intertie.seal.pem import read_chain
from intertie.seal.revocation import TrustRules
from intertie.seal.status_sources import AnswerSource
from intertie.seal.trial_ca import TrialCa

pytestmark = needs_openssl
EC = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384")
RSA = ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072")
PARTY = party_id("agg.example")
DAY = timedelta(days=1)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module", params=["ec", "rsa"])
def ca(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> OpenSslCa:
    folder = tmp_path_factory.mktemp("openssl") / request.param
    return OpenSslCa(folder, PARTY, key=EC if request.param == "ec" else RSA)


def issued(ca: OpenSslCa, name: str) -> tuple[tuple[bytes, ...], object, Path]:
    """A chain for a fresh key, its public key, and the file."""
    key = generate_signing_key("ES256")
    csr = ca.folder / f"{name}.csr"
    csr.write_bytes(write_request(PARTY, key, "signing"))
    file = ca.chain(csr, "signing", f"{name}.pem")
    return read_chain(file.read_bytes(), name), key.public_key(), file


def trust_of(ca: OpenSslCa) -> TrustStore:
    return TrustStore.of_pem((ca.folder / "root.pem").read_bytes())


def test_openssl_reads_our_requests(tmp_path: Path) -> None:
    for alg, hosts in (("ES256", ()), ("ES384", ("gw.agg.example", "192.0.2.1"))):
        purpose = "tls" if hosts else "signing"
        (tmp_path / "r.pem").write_bytes(write_request(PARTY, generate_signing_key(alg), purpose, hosts))  # type: ignore[arg-type]
        said = openssl(tmp_path, "req", "-in", "r.pem", "-noout", "-text", "-verify")
        assert "verify OK" in said
        assert f"URI:urn:intertie:party:{PARTY}" in said
        assert ("Non Repudiation" in said) == (purpose == "signing")
        assert ("TLS Web Client Authentication" in said) == (purpose == "tls")
        assert ("IP Address:192.0.2.1" in said) == (purpose == "tls")


def test_we_read_openssls_requests(tmp_path: Path) -> None:
    openssl(tmp_path, "genpkey", *EC, "-out", "k.pem")
    extension = f"subjectAltName=URI:urn:intertie:party:{PARTY}"
    openssl(tmp_path, "req", "-new", "-key", "k.pem", "-subj", "/CN=x", "-addext", extension, "-out", "r.pem")
    request = read_request((tmp_path / "r.pem").read_bytes())
    assert (request.party, request.purpose) == (PARTY, "tls")


def test_its_chains_are_put_to_use_and_its_lists_take_them_out(ca: OpenSslCa) -> None:
    chain, public, file = issued(ca, "listed")
    trust = trust_of(ca)
    assert len(chain) == 2
    check_issued("ES256", public, chain, trust, PARTY, now())
    lists = (ca.crl(by="root"), ca.crl())
    certain = trust.with_lists(*lists).under(TrustRules(require="always"))
    check_chain(chain, certain, PARTY, now() + timedelta(seconds=1))
    before = now()
    time.sleep(1.1)  # certificates and lists count in seconds
    ca.revoke(file, "keyCompromise")
    after = trust.with_lists(ca.crl())
    with pytest.raises(Refused, match="certificate_revoked"):
        check_chain(chain, after, PARTY, now() + timedelta(seconds=1))
    check_chain(chain, after, PARTY, before)


def test_its_revoked_intermediate(ca: OpenSslCa, tmp_path: Path) -> None:
    other = OpenSslCa(tmp_path / "other", PARTY, key=EC)
    chain, _, _ = issued(other, "x")
    check_chain(chain, trust_of(other).with_lists(other.crl(by="root")), PARTY, now())
    other.revoke(other.folder / "sub.pem", "CACompromise", by="root")
    with pytest.raises(Refused, match="certificate_revoked"):
        check_chain(
            chain, trust_of(other).with_lists(other.crl(by="root")), PARTY, now() + timedelta(seconds=1)
        )


def test_a_certificate_for_tls_alone_is_not_put_to_use_for_signing(ca: OpenSslCa) -> None:
    key = generate_signing_key("ES256")
    csr = ca.folder / "t.csr"
    csr.write_bytes(write_request(PARTY, key, "tls", ["localhost"]))
    chain = read_chain(ca.chain(csr, "tls", "t.pem").read_bytes(), "t")
    check_issued("tls", key.public_key(), chain, trust_of(ca), PARTY, now())
    with pytest.raises(SettingsError, match="nonRepudiation"):
        check_issued("ES256", key.public_key(), chain, trust_of(ca), PARTY, now())


def ask(url: str, chain: tuple[bytes, ...], hash_name: str, trust: TrustStore) -> str:
    """The state that a responder says of a chain's leaf, after all our checks."""
    leaf, issuer = (read_certificate(der) for der in chain)
    source = AnswerSource(url, leaf, issuer)
    asked = source.ask(hash_name)  # type: ignore[arg-type]

    async def go() -> bytes:
        fetcher = StatusFetcher(10.0)
        try:
            return await fetcher.ask(url, asked.request, ANSWER_BYTES_MAX)
        finally:
            await fetcher.aclose()

    return source.take(asyncio.run(go()), asked, trust, now() + timedelta(seconds=2)).state


def test_openssl_answers_our_questions(ca: OpenSslCa) -> None:
    chain, _, file = issued(ca, "asked")
    openssl(ca.folder, "genpkey", *EC, "-out", "responder.key")
    request = ["-new", "-key", "responder.key", "-subj", "/CN=Responder", "-config", "sub.cnf"]
    openssl(ca.folder, "req", *request, "-out", "responder.csr")
    ca.sign(ca.folder / "responder.csr", "responder", "responder.pem")
    delegated = {"certificate": "responder.pem", "key": "responder.key"}
    for more in ({}, delegated):
        with ca.responder(**more) as url:
            assert {ask(url, chain, name, trust_of(ca)) for name in ("sha1", "sha256")} == {"good"}
    ca.revoke(file, "superseded")
    for more in ({}, delegated):
        with ca.responder(**more) as url:
            assert ask(url, chain, "sha256", trust_of(ca)) == "revoked"


def test_a_responder_of_another_authority_is_not_believed(ca: OpenSslCa) -> None:
    chain, _, _ = issued(ca, "odd")
    with ca.responder(certificate="root.pem", key="root.key") as url:
        with pytest.raises(SettingsError, match="not signed for its authority"):
            ask(url, chain, "sha256", trust_of(ca))


# The other way round


@contextmanager
def our_responder(ca: TrialCa, register: Register) -> Iterator[str]:
    lists = PresentLists(ca, register)
    server = make_responder(
        "127.0.0.1", 0, lambda request: answer_request(ca, register, request, now()), lambda: lists.at(now())
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_openssl_believes_our_answers_and_our_lists(tmp_path: Path) -> None:
    root = TrialCa.create("Trial", now() - DAY, now() + 99 * DAY)
    ca = root.intermediate("Below", now() - DAY, now() + 99 * DAY)
    register = Register(tmp_path)
    chain = ca.issue_signing(PARTY, generate_signing_key("ES256"), now() - DAY, now() + DAY)
    register.record(chain[:1], now())
    (tmp_path / "leaf.pem").write_bytes(chain_pem(chain[:1]))
    (tmp_path / "sub.pem").write_bytes(chain_pem(chain[1:]))
    (tmp_path / "root.pem").write_bytes(root.roots_pem())

    def ocsp(url: str) -> str:
        more = ["-issuer", "sub.pem", "-cert", "leaf.pem", "-url", url, "-CAfile", "root.pem"]
        return openssl(tmp_path, "ocsp", *more, "-verify_other", "sub.pem")

    def verify() -> subprocess.CompletedProcess[str]:
        root_list = root.lists({}, 1, now(), now() + DAY)["ec"]
        (tmp_path / "all.pem").write_bytes(
            root.roots_pem() + root_list + ca.lists(register.revocations(), 2, now(), now() + DAY)["ec"]
        )
        more = ["-crl_check_all", "-CAfile", "all.pem", "-untrusted", "sub.pem", "-x509_strict", "leaf.pem"]
        return subprocess.run(["openssl", "verify", *more], cwd=tmp_path, capture_output=True, text=True)

    with our_responder(ca, register) as url:
        said = ocsp(url)
        assert "Response verify OK" in said
        assert "leaf.pem: good" in said
        assert verify().returncode == 0, verify().stderr
        register.revoke(read_certificate(chain[0]).serial_number, "key_compromise", now())
        assert "leaf.pem: revoked" in ocsp(url)
        assert "keyCompromise" in ocsp(url)
        assert "certificate revoked" in verify().stderr


def test_a_request_file_answered_by_the_command(tmp_path: Path) -> None:
    ca = tmp_path / "ca"
    assert run(["ca", "init", "--ca", str(ca)]) == 0
    (tmp_path / "r.csr.pem").write_bytes(write_request(PARTY, generate_signing_key("ES384"), "signing"))
    issue = ["ca", "issue", "--ca", str(ca), "--party", PARTY, "--csr", str(tmp_path / "r.csr.pem")]
    assert run(issue) == 0
    openssl(tmp_path, "ocsp", "-issuer", "ca/ec.pem", "-cert", "r.crt.pem", "-reqout", "q.der")
    question, out = str(tmp_path / "q.der"), str(tmp_path / "a.der")
    assert run(["ca", "ocsp", question, "--out", out, "--ca", str(ca)]) == 0
    said = openssl(
        tmp_path,
        "ocsp",
        "-issuer",
        "ca/ec.pem",
        "-cert",
        "r.crt.pem",
        "-no_nonce",
        "-respin",
        "a.der",
        "-CAfile",
        "ca/ec.pem",
    )
    assert "r.crt.pem: good" in said


def test_the_responder_as_a_command(tmp_path: Path) -> None:
    ca, port = tmp_path / "ca", free_port()
    assert run(["ca", "init", "--ca", str(ca)]) == 0
    program = [sys.executable, "-c", "from intertie.cli import main; main()"]
    command = [*program, "ca", "ocsp", "--listen", f"127.0.0.1:{port}", "--ca", str(ca)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for(port)
        fetched = asyncio.run(StatusFetcher(10.0).get(f"http://127.0.0.1:{port}/mldsa.crl", 100_000))
        trust = TrialCa.load(ca).trust()
        (tmp_path / "ec.pem").write_bytes((ca / "ec.pem").read_bytes())
        assert fetched[:1] == b"\x30"
        assert len(trust.roots) == 2
    finally:
        process.terminate()
        process.wait(20)


def test_a_gateway_under_an_external_authority(tmp_path: Path) -> None:
    """Requests out, chains in: OpenSSL certifies what is elliptic-curve, the trial authority the ML-DSA keys; a partner that
    trusts both roots for this party takes the new descriptor."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    openssl_ca = OpenSslCa(tmp_path / "openssl", PARTY, key=EC)
    assert run(["init", PARTY, "--role", "der_aggregator", "--dir", str(ours)]) == 0
    assert run(["init", "utility.example", "--role", "distribution_utility", "--dir", str(theirs)]) == 0
    assert run(["keys", "rotate", "--csr", str(tmp_path / "r"), "--dir", str(ours)]) == 0
    chains = []
    for name, kind in (("ES256", "signing"), ("ES384", "signing"), ("tls", "tls")):
        chains.append(openssl_ca.chain(tmp_path / "r" / f"{name}.csr.pem", kind, f"{name}.pem"))
    for name in ("ML-DSA-65", "ML-DSA-87"):
        issue = ["ca", "issue", "--ca", str(ours / "ca"), "--party", PARTY, "--out", str(tmp_path / "c")]
        assert run([*issue, "--csr", str(tmp_path / "r" / f"{name}.csr.pem")]) == 0
        chains.append(tmp_path / "c" / f"{name}.crt.pem")
    install = ["keys", "install", *map(str, chains), "--overlap", "0s", "--dir", str(ours)]
    assert run(install) == 1  # its root is not trusted yet
    root = str(openssl_ca.folder / "root.pem")
    assert run(["trust", "add", root, "--dir", str(ours)]) == 0
    assert run(install[:3] + install[4:]) == 1  # one chain is missing
    assert run(install) == 0
    add = ["partner", "add", str(ours / "descriptor.json"), "--dir", str(theirs)]
    assert run(add) == 1
    assert run(["trust", "add", root, "--party", PARTY, "--dir", str(theirs)]) == 0
    trial = str(ours / "trust" / "trial-ca.pem")
    assert run([*add, "--root", trial]) == 0
    assert run(["doctor", "--dir", str(ours)]) == 0
