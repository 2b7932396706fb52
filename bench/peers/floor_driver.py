"""The floor: what this exchange costs at least on this machine, written by hand with the same primitives and without a feature.

Two processes, mutual TLS, parcels that grow under load. A parcel has one Merkle root, signed with each algorithm of the
profile, and is sealed with HPKE; the recipient opens it, verifies, reads the id of each message and commits all of it to a
bare SQLite file (WAL, synchronous=FULL); then it signs a receipt, which the sender verifies and commits to its own file.
Nothing is asked of partners, flows, policy, dates or revocation; there is no journal, no encryption at rest, no retry.

`python -m bench.peers.floor_driver run SECONDS SIZE:CALLERS[:BACKLOG] ... [--classical]`, a JSON line for each load.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import secrets
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, hpke, serialization
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, mlkem, x25519

from bench.messages import availability
from bench.peers import load
from intertie.model.ids import PartyId

SENDER, RECIPIENT = PartyId("aggregator.bench"), PartyId("utility.bench")
CLASSICAL = load.flag("classical")
LENGTH = struct.Struct(">I")
# As many in a parcel as share its signatures well; as many parcels under way as there are cores to work on them.
MESSAGES, BYTES = 1000, 4_000_000
LANES = 2
# Rows of a backlog that are read at once.
READ = 50
# Threads hand over to each other several times a parcel: with the interpreter's own 5 ms that would be all there is.
SWITCH_SECONDS = 0.0005
PATIENCE_SECONDS = 120.0
SHA256, ECDSA = hashlib.sha256, ec.ECDSA(hashes.SHA256())
SIGNATURES = 1 if CLASSICAL else 2
KEM = hpke.KEM.X25519 if CLASSICAL else hpke.KEM.MLKEM768_X25519
SUITE = hpke.Suite(KEM, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


class _Header(msgspec.Struct):
    id: str


class _Message(msgspec.Struct):
    header: _Header


_MESSAGE = msgspec.json.Decoder(_Message)


class Keys:
    """Of one party: signing, opening, and its TLS certificate. Kept as pickled raw bytes in its folder."""

    def __init__(self, folder: Path, name: str) -> None:
        raw = pickle.loads((folder / f"{name}.keys").read_bytes())
        self.ec = serialization.load_der_private_key(raw["ec"], None)
        self.mldsa = mldsa.MLDSA65PrivateKey.from_seed_bytes(raw["mldsa"])
        curve = x25519.X25519PrivateKey.from_private_bytes(raw["x25519"])
        lattice = mlkem.MLKEM768PrivateKey.from_seed_bytes(raw["mlkem"])
        self.open: Any = curve if CLASSICAL else hpke.MLKEM768X25519PrivateKey(lattice, curve)
        self.seal: Any = (
            curve.public_key()
            if CLASSICAL
            else hpke.MLKEM768X25519PublicKey(lattice.public_key(), curve.public_key())
        )
        self.verifying = self.ec.public_key(), self.mldsa.public_key()

    def sign(self, data: bytes) -> list[bytes]:
        """One signature for each algorithm."""
        first = self.ec.sign(data, ECDSA)
        return [first] if CLASSICAL else [first, self.mldsa.sign(data)]

    def verify(self, signatures: Sequence[bytes], data: bytes) -> None:
        """All of them, or InvalidSignature."""
        self.verifying[0].verify(signatures[0], data, ECDSA)
        if not CLASSICAL:
            self.verifying[1].verify(signatures[1], data)


def make_keys(folder: Path, name: str) -> None:
    """All keys of a party, and a certificate that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    der, pem, plain = serialization.Encoding.DER, serialization.Encoding.PEM, serialization.NoEncryption()
    pkcs8 = serialization.PrivateFormat.PKCS8
    raw = {"ec": key.private_bytes(der, pkcs8, plain), "mldsa": secrets.token_bytes(32)}
    raw |= {"x25519": secrets.token_bytes(32), "mlkem": secrets.token_bytes(64)}
    (folder / f"{name}.keys").write_bytes(pickle.dumps(raw))
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1))
    made = made.not_valid_after(now + timedelta(days=30))
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = made.sign(key, hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(key.private_bytes(pem, pkcs8, plain) + certificate.public_bytes(pem))


def tls(folder: Path, name: str, other: str, *, server: bool) -> ssl.SSLContext:
    """TLS 1.3 with a certificate on both sides."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(folder / f"{name}.pem")
    context.load_verify_locations(folder / f"{other}.pem")
    return context


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Merkle tree hash (RFC 9162, 2.1)."""
    level = [SHA256(b"\0" + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        pairs = [SHA256(b"\1" + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


def pack(parts: Sequence[bytes]) -> bytes:
    """Each with its length before it."""
    return b"".join(piece for part in parts for piece in (LENGTH.pack(len(part)), part))


def unpack(data: bytes) -> list[bytes]:
    """The parts again."""
    parts, place = [], 0
    while place < len(data):
        (size,) = LENGTH.unpack_from(data, place)
        parts.append(data[place + 4 : place + 4 + size])
        place += 4 + size
    return parts


def database(path: Path) -> apsw.Connection:
    """Bare tables, on disk when a transaction returns."""
    db = apsw.Connection(str(path))
    db.pragma("journal_mode", "wal")
    db.pragma("synchronous", "full")
    db.execute("CREATE TABLE parcel (id INTEGER PRIMARY KEY, body BLOB, receipt BLOB)")
    db.execute("CREATE TABLE outgoing (number INTEGER PRIMARY KEY, id TEXT, body BLOB)")
    db.execute("CREATE TABLE incoming (id TEXT PRIMARY KEY, parcel INTEGER, place INTEGER) WITHOUT ROWID")
    return db


class Wire:
    """Frames over one connection."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self._connection = connection
        self._file = connection.makefile("rb")

    def send(self, data: bytes) -> None:
        """One frame."""
        self._connection.sendall(LENGTH.pack(len(data)) + data)

    def receive(self) -> bytes:
        """One frame; empty at the end."""
        head = self._file.read(4)
        return self._file.read(LENGTH.unpack(head)[0]) if len(head) == 4 else b""


def serve(folder: Path, port: int) -> None:
    """The recipient, a thread for each connection."""
    own, other = Keys(folder, RECIPIENT), Keys(folder, SENDER)
    db, lock = database(folder / "recipient.db"), threading.Lock()
    context = tls(folder, RECIPIENT, SENDER, server=True)

    def one(raw: socket.socket) -> None:
        try:
            wire = Wire(context.wrap_socket(raw, server_side=True))
        except (ssl.SSLError, OSError):  # somebody who only looked whether we listen
            return
        while blob := wire.receive():
            plain = SUITE.decrypt(blob, own.open, b"")
            parts = unpack(plain)
            signatures, bodies = parts[:SIGNATURES], parts[SIGNATURES:]
            root = root_of(bodies)
            other.verify(signatures, root)
            rows = [(_MESSAGE.decode(body).header.id, place) for place, body in enumerate(bodies)]
            receipt = pack(own.sign(root))
            with lock, db:
                db.execute("INSERT INTO parcel (body, receipt) VALUES (?, ?)", (plain, receipt))
                parcel = db.last_insert_rowid()
                db.executemany(
                    "INSERT INTO incoming VALUES (?, ?, ?)", ((id, parcel, place) for id, place in rows)
                )
            wire.send(receipt)

    door = socket.create_server(("127.0.0.1", port), backlog=64)
    while True:
        raw, _ = door.accept()
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=one, args=(raw,), daemon=True).start()


# Id, bytes, and who waits for its receipt.
Waiting = tuple[str, bytes, threading.Event | None]


class Outbox:
    """What waits, and the lanes that empty it."""

    def __init__(self, folder: Path, port: int, number: int) -> None:
        self._own, self._other = Keys(folder, SENDER), Keys(folder, RECIPIENT)
        self._db, self._lock = database(folder / f"sender-{number}.db"), threading.Lock()
        self._waiting: deque[Waiting] = deque()
        self._read = self._left = 0  # of a backlog: up to where it was read, and how many are left
        self._some, self._closed = threading.Condition(), False
        self._context = tls(folder, SENDER, RECIPIENT, server=False)
        self._port, self._parcels = port, 0
        self._lanes = [threading.Thread(target=self._lane, daemon=True) for _ in range(LANES)]

    def start(self) -> None:
        """Begin to send."""
        for lane in self._lanes:
            lane.start()

    def keep(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """A backlog: on disk first, read from there again."""
        self._left = len(messages)
        with self._db:
            self._db.executemany("INSERT INTO outgoing (id, body) VALUES (?, ?)", messages)

    def send(self, id: str, body: bytes) -> None:
        """One message; returns when its receipt is on disk."""
        done = threading.Event()
        with self._some:
            self._waiting.append((id, body, done))
            self._some.notify()
        if not done.wait(PATIENCE_SECONDS):
            raise RuntimeError("no receipt")

    def finish(self) -> None:
        """Until nothing waits."""
        with self._some:
            self._closed = True
            self._some.notify_all()
        for lane in self._lanes:
            lane.join()

    def _take(self) -> list[Waiting]:
        with self._lock:
            query = "SELECT number, id, body FROM outgoing WHERE number > ? ORDER BY number LIMIT ?"
            kept = []
            while self._left and sum(len(body) for _, body, _ in kept) < BYTES and len(kept) < MESSAGES:
                rows = self._db.execute(query, (self._read, READ)).fetchall()
                self._read, self._left = rows[-1][0], self._left - len(rows)
                kept += [(id, body, None) for _, id, body in rows]
            if kept:
                return kept
        with self._some:
            while not self._waiting and not self._closed:
                self._some.wait()
            return [self._waiting.popleft() for _ in range(min(MESSAGES, len(self._waiting)))]

    def _lane(self) -> None:
        try:
            self._send_all()
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
            os._exit(1)  # nobody waits for a lane that is gone

    def _send_all(self) -> None:
        raw = socket.create_connection(("127.0.0.1", self._port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire = Wire(self._context.wrap_socket(raw))
        while taken := self._take():
            bodies = [body for _, body, _ in taken]
            root = root_of(bodies)
            blob = SUITE.encrypt(pack([*self._own.sign(root), *bodies]), self._other.seal, b"")
            with self._lock, self._db:
                self._parcels += 1
                parcel = self._parcels
                self._db.execute("INSERT INTO parcel VALUES (?, ?, NULL)", (parcel, blob))
                if taken[0][2] is not None:
                    self._db.executemany(
                        "INSERT INTO outgoing (id, body) VALUES (?, ?)", ((id, body) for id, body, _ in taken)
                    )
            wire.send(blob)
            receipt = wire.receive()
            self._other.verify(unpack(receipt), root)
            with self._lock, self._db:
                self._db.execute("UPDATE parcel SET body = NULL, receipt = ? WHERE id = ?", (receipt, parcel))
            for _, _, done in taken:
                if done is not None:
                    done.set()


def messages(count: int, size: int) -> list[tuple[str, bytes]]:
    """The same that the gateways are measured with."""
    now = datetime.now(UTC)
    return [availability(SENDER, RECIPIENT, n, size, now, now + timedelta(hours=12)) for n in range(count)]


def measure(
    folder: Path,
    port: int,
    recipient: int,
    number: int,
    seconds: float,
    size: int,
    callers: int,
    backlog: int,
) -> dict[str, Any]:
    """One load."""
    outbox = Outbox(folder, port, number)
    ready = messages(backlog or 2000, size)
    if backlog:
        outbox.keep(ready)
    load.reset_peak(recipient)
    load.reset_peak(os.getpid())
    cpu, start = load.cpu_seconds(recipient) + load.cpu_seconds(os.getpid()), time.perf_counter()
    outbox.start()
    took: list[float] = []
    if not backlog:
        fresh = iter(range(10**9))

        def exchange() -> None:
            place = next(fresh)
            id, body = ready[place % len(ready)]
            again = f"{number:03}-{place:012}".ljust(len(id), "0")
            outbox.send(again, body.replace(id.encode(), again.encode()))

        took = load.in_turns([exchange] * callers, start + seconds)
    outbox.finish()
    seconds = time.perf_counter() - start
    cpu = load.cpu_seconds(recipient) + load.cpu_seconds(os.getpid()) - cpu
    count = backlog or len(took)
    return {
        "size": size,
        "callers": callers,
        "backlog": backlog,
        "count": count,
        "msgs_per_s": count / seconds,
        **(load.percentiles(took) if took else {}),
        "cpu_us_per_msg": cpu / count * 1e6,
        "rss_mb": load.peak_mb(recipient) + load.peak_mb(os.getpid()),
    }


def run(seconds: float, loads: Sequence[str]) -> None:
    """Each load in turn, printed."""
    with tempfile.TemporaryDirectory(prefix="bench-floor-") as name:
        folder, port = Path(name), load.free_port()
        for party in (SENDER, RECIPIENT):
            make_keys(folder, party)
        flags = ["--classical"] if CLASSICAL else []
        recipient = subprocess.Popen(
            [sys.executable, "-m", "bench.peers.floor_driver", "serve", name, str(port), *flags]
        )
        try:
            load.wait_for(port, recipient)
            for number, text in enumerate(loads):
                size, callers, backlog = map(int, (*text.split(":"), "0")[:3])
                row = measure(folder, port, recipient.pid, number, seconds, size, callers, backlog)
                print(json.dumps(row), flush=True)
        finally:
            recipient.send_signal(signal.SIGTERM)
            recipient.wait(10)


if __name__ == "__main__":
    sys.setswitchinterval(SWITCH_SECONDS)
    word, *rest = (word for word in sys.argv[1:] if not word.startswith("--"))
    if word == "serve":
        serve(Path(rest[0]), int(rest[1]))
    else:
        run(float(rest[0]), rest[1:])
