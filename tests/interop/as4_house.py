"""Both sides of an exchange with the library `as4`: its process, and our keys."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.peers.environment import installed
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from intertie.formats.as4.message import Post
from intertie.formats.as4.terms import As4Terms
from intertie.formats.as4.user_message import Party
from intertie.seal.smime_keys import SmimeKey

PYTHON = installed("as4")
DRIVER = Path(__file__).with_name("as4_peer.py")
NOW = datetime.now(UTC)
KIND = "urn:fdc:peppol.eu:2017:identifiers:ap"
OURS, THEIRS = Party("PUT000001", KIND), Party("PAG000002", KIND)


class Peer:
    """The process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, **asked: Any) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))

    def build(self, identity: str, content: bytes, kind: str = "application/edi-x12", **more: Any) -> Post:
        said = self.ask(
            do="build", id=identity, content=base64.b64encode(content).decode(), kind=kind, **more
        )
        assert "failed" not in said, said
        return Post(tuple((name, value) for name, value in said["headers"]), base64.b64decode(said["body"]))

    def take(self, post: Post) -> dict[str, Any]:
        body = base64.b64encode(post.body).decode()
        said = self.ask(do="take", headers=list(post.headers), body=body)
        assert "failed" not in said, said
        return said | {name: base64.b64decode(said[name]) for name in ("content", "signal")}

    def signal(self, identity: str, signal: bytes) -> dict[str, Any]:
        return self.ask(do="signal", id=identity, signal=base64.b64encode(signal).decode())


def terms(key: SmimeKey, party: Party, url: str = "https://peer.example/as4", **more: Any) -> As4Terms:
    """What was agreed, in the words of the one profile that the library writes."""
    said: dict[str, Any] = {
        "party_id": party.name,
        "party_type": party.kind,
        "url": url,
        "certificates": (key.pem.decode(),),
        "service": "urn:fdc:intertie:files",
        "service_type": "cenbii-procid-ubl",
        "action": "busdox-docid-qns::urn:x::Invoice##urn:y::2.1",
        "agreement": "urn:fdc:peppol.eu:2017:agreements:tia:ap_provider",
        "original_sender": "9932:2",
        "final_recipient": "9932:1",
    }
    return As4Terms(**(said | more))


@contextmanager
def peer(folder: Path, ours: SmimeKey, theirs: SmimeKey) -> Iterator[Peer]:
    """The peer with these keys, until the end of the block."""
    plain = theirs.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "them.key").write_bytes(plain)
    (folder / "them.pem").write_bytes(theirs.certificate.public_bytes(Encoding.PEM))
    (folder / "us.pem").write_bytes(ours.pem)
    command = [str(PYTHON or sys.executable), str(DRIVER), str(folder), THEIRS.name, OURS.name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Peer(process)
        finally:
            process.kill()
