"""The door for AS2 as it is served: over TLS by the certificate of the settings, in a process."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from datetime import timedelta
from functools import cache
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec.structs import replace
from tests.command.as2_houses import AGGREGATOR, NAMES, UTILITY, legacy_text
from tests.command.gateways import served
from tests.command.test_onboarding import wait_open
from tests.exchange.test_as2 import notice_file
from tests.ports import free_port

from intertie.bindings.as2.client import As2Client
from intertie.bindings.as2.kept import keep_receipt
from intertie.bindings.clock import system_clock
from intertie.cli import run
from intertie.formats.as2 import mime
from intertie.formats.as2.message import File, Post, write_message
from intertie.formats.as2.names import Names
from intertie.formats.as2.receipt import check_receipt, read_receipt
from intertie.formats.as2.terms import As2Terms
from intertie.gateway.ports import Query
from intertie.model.errors import PartnerError
from intertie.run import Opened
from intertie.seal.smime_keys import SmimeKey, read_certificate


@cache
def theirs() -> SmimeKey:
    return SmimeKey.generate("utility", system_clock())


def tls_pair(folder: Path) -> None:
    """A certificate for this machine, of nobody's."""
    key, now = ec.generate_private_key(ec.SECP256R1()), system_clock()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "as2")])
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(5).not_valid_before(now - timedelta(days=1))
    certificate = (
        builder.not_valid_after(now + timedelta(days=9)).add_extension(host, False).sign(key, hashes.SHA256())
    )
    (folder / "as2.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "as2.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


async def posted(it: Opened, door: str, ca_file: str) -> int:
    """Our way to a server whose certificate only this file vouches for."""
    assert it.as2 is not None
    client = As2Client(it.gateway, it.as2, it.clock, 10, file=it.places.of)
    partner = it.partners.find(UTILITY)
    assert partner is not None and partner.foreign is not None and partner.foreign.as2_terms is not None
    terms = replace(partner.foreign.as2_terms, url=door, ca_file=ca_file)
    kept = keep_receipt(Post((), b"x"), door)
    try:
        said = await client.post(replace(partner.foreign, as2_terms=terms), kept)
        return said.status
    finally:
        await client.aclose()


def test_a_message_over_tls_is_kept_and_receipted_once(tmp_path: Path) -> None:
    place, port = tmp_path / "aggregator", free_port()
    url = f"https://127.0.0.1:{free_port()}"
    assert run(["init", AGGREGATOR, "--role", "der_aggregator", "--url", url, "--dir", str(place)]) == 0
    tls_pair(place)
    said = f'[as2]\nname = "{NAMES[AGGREGATOR]}"\nlisten = "127.0.0.1:{port}"\n'
    said += 'certificate = "as2.pem"\nkey = "as2.key"'
    settings = place / "intertie.toml"
    settings.write_text(settings.read_text().replace("[as2]", said, 1))
    file = tmp_path / "them.file"
    file.write_text(
        legacy_text(UTILITY, 9, theirs().pem.decode()).replace(
            'profile = "ny"', 'profile = "ny"\nusage = "T"'
        )
    )
    assert run(["partner", "legacy", UTILITY, str(file), "--dir", str(place)]) == 0
    it = Opened(place)
    try:
        assert it.as2 is not None
        ours = read_certificate(it.as2.certificate().decode())
        terms = As2Terms(
            name=NAMES[AGGREGATOR], url="https://a.example", certificates=(theirs().pem.decode(),)
        )
        names = Names(NAMES[UTILITY], NAMES[AGGREGATOR], "<tls@utility.example>")
        sent = write_message(
            File(notice_file(), "application/edi-x12"), names, theirs(), terms, encrypt_for=ours
        )
        trust = ssl.create_default_context(cafile=str(place / "as2.pem"))
        with served(place), httpx.Client(verify=trust, trust_env=False) as client:
            wait_open(port)  # the street door, which `served` waits for, may open first
            door = f"https://127.0.0.1:{port}/as2"
            answers = [
                client.post(door, headers=dict(sent.post.headers), content=sent.post.body) for _ in range(2)
            ]
            assert client.get(door).status_code == 405
            assert client.post(door, content=b"x" * 6_000_000).status_code == 413
            assert client.post(door, content=b"x").status_code == 400
            assert asyncio.run(posted(it, door, "as2.pem")) == 400
            with pytest.raises(PartnerError, match="ConnectError"):
                asyncio.run(posted(it, door, ""))
        assert [one.status_code for one in answers] == [200, 200]
        assert answers[0].content == answers[1].content
        found = mime.of_http(answers[0].headers.multi_items(), answers[0].content)
        receipt = read_receipt(found, (ours,), frozenset())
        check_receipt(receipt, names, sent.mic, sent.digest)
        assert receipt.fields.accepted
        assert len(list(it.store.messages(Query(outgoing=False)))) == 1
    finally:
        it.close()
