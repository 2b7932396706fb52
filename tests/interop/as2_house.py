"""Both sides of an exchange with `pyas2lib`, or with `libas2`: its process, and our keys."""

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

from bench.peers.environment import installed, node_packages
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

from intertie.formats.as2.message import Post
from intertie.seal.smime_keys import SmimeKey

PYTHON = installed("pyas2lib")
DRIVER = Path(__file__).with_name("as2_peer.py")
LIBAS2 = node_packages("libas2")
LIBAS2_DRIVER = Path(__file__).with_name("libas2_peer.js")
NOW = datetime.now(UTC)
OURS, THEIRS = "UTILITY", "Peer & Sons"
PASSWORD = b"interop"


class Peer:
    """The process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, **asked: Any) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        said = json.loads(line)
        assert "failed" not in said, said
        return dict(said)

    def build(
        self, identity: str, content: bytes, kind: str = "application/octet-stream", **terms: Any
    ) -> dict[str, Any]:
        raw = base64.b64encode(content).decode()
        return self.ask(do="build", id=identity, content=raw, kind=kind, name="file.x12", terms=terms)

    def take(self, post: Post) -> dict[str, Any]:
        said = self.ask(do="take", **as_json(post))
        return said | {"content": base64.b64decode(said["content"])}

    def receipt(self, post: Post) -> dict[str, Any]:
        return self.ask(do="receipt", **as_json(post))


def as_json(post: Post) -> dict[str, Any]:
    return {"headers": list(post.headers), "body": base64.b64encode(post.body).decode()}


def as_post(said: dict[str, Any]) -> Post:
    return Post(tuple((name, value) for name, value in said["headers"]), base64.b64decode(said["body"]))


@contextmanager
def peer(
    folder: Path, ours: SmimeKey, theirs: SmimeKey, their_name: str = THEIRS, our_name: str = OURS
) -> Iterator[Peer]:
    """The peer with these keys, until the end of the block."""
    # The only kind of PKCS #12 that oscrypto reads.
    old = PrivateFormat.PKCS12.encryption_builder()
    old = old.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC).hmac_hash(hashes.SHA1())
    both = pkcs12.serialize_key_and_certificates(
        b"p", theirs.key, theirs.certificate, None, old.build(PASSWORD)
    )
    (folder / "them.p12").write_bytes(both)
    (folder / "us.pem").write_bytes(ours.pem)
    command = [str(PYTHON or sys.executable), str(DRIVER), str(folder), their_name, our_name]
    yield from _running(command, folder)


@contextmanager
def libas2(folder: Path, ours: SmimeKey, theirs: SmimeKey, their_name: str, our_name: str) -> Iterator[Peer]:
    """The other peer with these keys, until the end of the block."""
    key = theirs.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for name, raw in (("us.pem", ours.pem), ("them.pem", theirs.pem), ("them.key", key)):
        (folder / name).write_bytes(raw)
    command = ["node", str(LIBAS2_DRIVER), str(folder), their_name, our_name]
    yield from _running(command, LIBAS2 or folder)


def _running(command: list[str], folder: Path) -> Iterator[Peer]:
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder
    ) as process:
        try:
            yield Peer(process)
        finally:
            process.kill()
