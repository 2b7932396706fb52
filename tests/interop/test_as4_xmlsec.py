"""libxmlsec on the other side of our signatures and keys: another canonical form, another XML Signature, another RSA-OAEP."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bench.peers.environment import installed
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import etree
from tests.unit.formats.as2_cases import ec_pair
from tests.unit.formats.as4_cases import NOW, THEM, US, find, sent, taken

from intertie.formats.as2 import mime
from intertie.formats.as4.flaws import As4Error, Flaw
from intertie.formats.as4.message import open_post, verify_signal, write_signal
from intertie.formats.as4.names import WSU_ID
from intertie.formats.as4.signal import read_signal, write_receipt
from intertie.formats.as4.terms import Quirk
from intertie.formats.as4.xml import new_envelope, parse_envelope, write_envelope

PYTHON = installed("xmlsec")
pytestmark = pytest.mark.skipif(PYTHON is None, reason="xmlsec is not here: `make peers` installs it")
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def them() -> Iterator[Ask]:
    command = [str(PYTHON), str(Path(__file__).with_name("xmlsec_peer.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def ask(**asked: Any) -> dict[str, Any]:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            said = dict(json.loads(process.stdout.readline()))
            assert "failed" not in said, said
            return said

        try:
            yield ask
        finally:
            process.kill()


def pem_of(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()  # type: ignore[no-any-return]


def receipt() -> bytes:
    messaging = write_receipt("r1@them", NOW, "m1@us", taken(sent().post).verified.raw)
    return write_signal(messaging, "r1@them", THEM)


def without_declaration(raw: bytes) -> str:
    return raw.decode().partition("?>")[2]


def test_it_verifies_our_receipts_and_no_changed_ones(them: Ask) -> None:
    xml, certificate = without_declaration(receipt()), THEM.pem.decode()
    assert them(do="verify", xml=xml, certificate=certificate)["valid"]
    assert not them(do="verify", xml=xml, certificate=US.pem.decode())["valid"]
    changed = xml.replace("m1@us", "m2@us")
    assert changed != xml and not them(do="verify", xml=changed, certificate=certificate)["valid"]


def unsigned() -> tuple[str, list[str]]:
    """An envelope without a signature, and the ids in it that are to be signed."""
    messaging = write_receipt("r1@them", NOW, "m1@us", taken(sent().post).verified.raw)
    envelope = new_envelope(messaging, "x")
    ids = [str(one.get(WSU_ID)) for one in (envelope.messaging, envelope.body)]
    return without_declaration(write_envelope(envelope)), ids


@pytest.mark.parametrize(("method", "digest"), [("rsa-sha256", "sha256"), ("rsa-sha512", "sha512")])
def test_we_verify_its_signatures(them: Ask, method: str, digest: str) -> None:
    xml, ids = unsigned()
    made = them(do="sign", xml=xml, key=pem_of(THEM.key), method=method, digest=digest, ids=ids)["xml"]
    assert read(made).about == "m1@us"
    with pytest.raises(As4Error) as caught:
        read(made.replace("m1@us", "m2@us"))
    assert caught.value.flaw is Flaw.SIGNATURE_INVALID


def test_we_verify_its_signatures_on_an_elliptic_curve(them: Ask) -> None:
    key, certificate = ec_pair()
    xml, ids = unsigned()
    made = them(do="sign", xml=xml, key=pem_of(key), method="ecdsa-sha256", digest="sha256", ids=ids)["xml"]
    # Beside an RSA certificate of the same partner, in either order.
    for pinned in ([certificate], [THEM.certificate, certificate], [certificate, THEM.certificate]):
        messaging = verify_signal(parse_envelope(made.encode()), pinned, frozenset())
        assert read_signal(messaging).about == "m1@us"
    with pytest.raises(As4Error):
        read(made)


@pytest.mark.parametrize(("method", "digest"), [("rsa-sha1", "sha256"), ("rsa-sha256", "sha1")])
def test_sha_1_needs_its_quirk(them: Ask, method: str, digest: str) -> None:
    xml, ids = unsigned()
    made = them(do="sign", xml=xml, key=pem_of(THEM.key), method=method, digest=digest, ids=ids)["xml"]
    with pytest.raises(As4Error) as caught:
        read(made)
    assert caught.value.flaw is Flaw.WEAK
    assert read(made, Quirk.SHA1).about == "m1@us"


def test_a_signature_over_less_than_the_header_is_none(them: Ask) -> None:
    xml, ids = unsigned()
    made = them(do="sign", xml=xml, key=pem_of(THEM.key), method="rsa-sha256", digest="sha256", ids=ids[1:])
    with pytest.raises(As4Error) as caught:
        read(made["xml"])
    assert caught.value.flaw is Flaw.NOT_SIGNED


def read(made: str, *quirks: Quirk) -> Any:
    messaging = verify_signal(parse_envelope(made.encode()), [THEM.certificate], frozenset(quirks))
    return read_signal(messaging)


def test_it_opens_the_keys_that_we_encrypt(them: Ask) -> None:
    made = sent()
    opened = open_post(mime.of_http(made.post.headers, made.post.body))
    alone = etree.tostring(find(opened.envelope.root, "EncryptedKey")).decode()
    key = base64.b64decode(them(do="open", xml=alone, key=pem_of(THEM.key))["key"])
    (file,) = opened.attached
    assert AESGCM(key).decrypt(file.content[:12], file.content[12:], None) == made.attached.content
