"""A time-stamping authority of our own: `openssl ts`, and a small HTTP server before it."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl program is not here")

CONFIG = """\
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = {digests}
accuracy = secs:1
ess_cert_id_alg = sha256
{more}
"""


class Tsa:
    """Keys, certificates and settings in a folder."""

    def __init__(
        self, folder: Path, name: str = "Test TSA", usage: str = "critical,timeStamping", days: int = 100
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.asked = 0
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        self._run(
            "req",
            "-x509",
            *new,
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-days",
            "4000",
            "-subj",
            f"/CN={name} root",
        )
        self._run("req", *new, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", f"/CN={name}")
        (folder / "extensions").write_text(
            f"extendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n", encoding="ascii"
        )
        sign = [
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            str(days),
            "-extfile",
            "extensions",
        ]
        self._run("x509", "-req", "-in", "tsa.csr", *sign, "-out", "tsa.pem")
        (folder / "serial").write_text("01\n", encoding="ascii")
        self.configure()

    def configure(self, digests: str = "sha256, sha512", more: str = "") -> None:
        text = CONFIG.format(folder=self.folder, digests=digests, more=more)
        (self.folder / "tsa.cnf").write_text(text, encoding="ascii")

    @property
    def root(self) -> Path:
        return self.folder / "ca.pem"

    def reply(self, request: bytes) -> bytes:
        self.asked += 1
        (self.folder / "q.tsq").write_bytes(request)
        self._run("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "q.tsq", "-out", "r.tsr")
        return (self.folder / "r.tsr").read_bytes()

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, timeout=30)
        assert done.returncode == 0, done.stderr.decode()


@contextmanager
def tsa_server(
    tsa: Tsa, status: int = 200, kind: str = "application/timestamp-reply", more: bytes = b""
) -> Iterator[str]:
    """The authority behind HTTP (RFC 3161 s.3.4); its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            right = self.headers["content-type"] == "application/timestamp-query"
            answer = (tsa.reply(body) if right else b"") + more
            self.send_response(status if right else 415)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/tsa"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
