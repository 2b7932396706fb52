"""What stands in for cryptography in a simulation, where thousands of parcels have to cost next to nothing.

Only the primitives are replaced: everything that decides (frames, manifests, receipts, profiles, admission) is the real
thing. Ids are drawn from the seed, so that a run can be replayed.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any
from unittest.mock import patch

from intertie.model import ids
from intertie.model.errors import Code, Refused
from intertie.seal.hpke import OpeningKey, SealingKey

_TAG = 16


def _sign(alg: str, key: Any, data: bytes) -> bytes:
    return hashlib.sha256(alg.encode() + data).digest()


def _verify(alg: str, key: Any, value: bytes, data: bytes) -> bool:
    return value == _sign(alg, key, data)


def _tag(kid: str, plaintext: bytes, info: bytes) -> bytes:
    return hashlib.sha256(kid.encode() + info + plaintext).digest()[:_TAG]


def _seal(plaintext: bytes, key: SealingKey, info: bytes) -> bytes:
    return _tag(key.kid, plaintext, info) + plaintext


def _open(sealed: bytes, key: OpeningKey, info: bytes) -> bytes:
    tag, plaintext = sealed[:_TAG], sealed[_TAG:]
    if tag != _tag(key.kid, plaintext, info):
        raise Refused(Code.CANNOT_OPEN)
    return plaintext


def _nothing(*_: Any, **__: Any) -> None:
    """A certificate's path, which is the same all the time."""


@contextmanager
def seeded_ids(chance: random.Random) -> Iterator[None]:
    """Message and parcel ids from the seed."""

    def uuid7(now: datetime) -> str:
        return ids.uuid7(int(now.timestamp() * 1000), chance.getrandbits(ids.NUMBER_BITS))

    with patch.object(ids, "new_uuid7", uuid7), patch.object(ids, "MESSAGES", ids.Rising(chance.getrandbits)):
        yield


@contextmanager
def cheap_cipher() -> Iterator[None]:
    """Signatures that are hashes, sealing that hides nothing, paths that hold."""
    with ExitStack() as stack:
        for place, stub in (
            ("intertie.seal.jws.sign", _sign),
            ("intertie.seal.jws.verify", _verify),
            ("intertie.seal.jws.check_chain", _nothing),
            ("intertie.seal.jws.public_key_of", _nothing),
            ("intertie.seal.parcel.seal", _seal),
            ("intertie.seal.parcel.open_sealed", _open),
            ("intertie.seal.certificates.TrustStore.is_revoked", lambda *_: False),
        ):
            stack.enter_context(patch(place, stub))
        yield
