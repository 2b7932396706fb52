"""Opening one OpenPGP message in a process of its own, with little memory: what was compressed may become a thousand times as
long, and that is only known once it is. It gets a key and a message on standard input, and writes what was in it.

It is run by its path and imports nothing of this program.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterable, Iterator

from openpgp.composed import DecryptedMessage, Message, SignedSecretKey
from openpgp.errors import Error

# Python and the library before they have done anything, and some copies of what came out.
MEMORY_BASE, MEMORY_TIMES = 384 * 2**20, 6
# An RSA operation and some megabytes take much less.
CPU_SECONDS = 20
LENGTH = 4
# How it ends, if not well: the reason is the exit status.
NOT_ENCRYPTED, OTHER_KEY, TRUNCATED, BROKEN, TOO_LARGE, UNPROTECTED = range(10, 16)

# What the library says of bytes that end too early.
CUT_OFF = ("shorter than expected", "not enough bytes", "no more data", "BodyReader errored", "EOF")


def write_pieces(pieces: Iterable[bytes]) -> bytes:
    """Pieces of bytes as one, each after its length."""
    return b"".join(len(piece).to_bytes(LENGTH, "big") + piece for piece in pieces)


def read_pieces(raw: bytes) -> Iterator[bytes]:
    """The pieces again; ValueError if they are not whole."""
    at = 0
    while at < len(raw):
        size = int.from_bytes(raw[at : at + LENGTH], "big")
        at += LENGTH + size
        if at > len(raw):
            raise ValueError("a piece is cut off")
        yield raw[at - size : at]


class Failed(Exception):
    """The reason is its exit status."""


def open_message(keys: list[bytes], message: bytes, most: int) -> list[bytes]:
    """What was in it, then the signatures over that, each as the body of its packet. Without keys it is only signed."""
    try:
        said = (
            Message.from_armor(message.decode())[0]
            if message.startswith(b"-----")
            else Message.from_bytes(message)
        )
        if not keys and said.kind != "encrypted":
            return _content(said, most)
        if said.kind != "encrypted":
            raise Failed(NOT_ENCRYPTED)
        if said.encrypted_data_packet().kind == "sed":  # nobody would see that it was changed
            raise Failed(UNPROTECTED)
        packets = said.public_key_encrypted_session_key_packets()
        wanted = {packet.recipient_fingerprint or packet.recipient_key_id for packet in packets}
        hidden = any(packet.recipient_is_anonymous for packet in packets)
    except (Error, UnicodeDecodeError) as error:
        raise Failed(_reason(error)) from error
    secrets = [SignedSecretKey.from_bytes(key) for key in keys]
    ours = [one for one in secrets if hidden or wanted & _names(one)]
    if not ours:
        raise Failed(OTHER_KEY)
    try:
        return _content(_decrypted(said, ours), most)
    except (Error, MemoryError) as error:
        raise Failed(_reason(error)) from error


def _content(opened: Message | DecryptedMessage, most: int) -> list[bytes]:
    content = opened.as_data_vec()
    if len(content) > most:
        raise Failed(TOO_LARGE)
    return [content, *(one.to_bytes() for one in opened.signatures())]


def _names(key: SignedSecretKey) -> set[str]:
    parts = [part.key for part in key.secret_subkeys]
    ids = {key.key_id, *(one.key_id for one in parts)}
    return ids | {key.fingerprint, *(one.fingerprint for one in parts)}


def _decrypted(said: Message, keys: list[SignedSecretKey]) -> DecryptedMessage:
    """By the first key that does it: who hides the recipient leaves us to try."""
    for key in keys[:-1]:
        try:
            return said.decrypt(None, key)
        except Error:
            continue
    return said.decrypt(None, keys[-1])


def _reason(error: Exception) -> int:
    return TRUNCATED if any(word in str(error) for word in CUT_OFF) else BROKEN


def main() -> int:
    """Exit status: 0, or the reason."""
    most, message, *keys = read_pieces(sys.stdin.buffer.read())
    size = int(most)
    memory = MEMORY_BASE + MEMORY_TIMES * (size + len(message))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    try:
        said = open_message(keys, message, size)
    except Failed as failed:
        return int(failed.args[0])
    sys.stdout.buffer.write(write_pieces(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
