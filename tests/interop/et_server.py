"""A partner's server for Internet ET over TLS that shares no line with ours: the standard library reads the form, `gpg` opens,
verifies and signs. It is small, and knows only what the manual shows."""

from __future__ import annotations

import email.policy
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from tests.interop.gpg_home import Gpg


class Came(NamedTuple):
    """A package: its elements, and what was in it if it opened and the signature was good."""

    fields: dict[str, str]
    content: bytes
    good: bool


class Partner:
    """The server's book, and what it is told to do wrong."""

    def __init__(self, gpg: Gpg) -> None:
        self.gpg = gpg
        self.came: list[Came] = []
        self.files: dict[str, bytes] = {}  # by refnum-orig: one effect each
        self.lose = 0  # answers that break off
        self.by: Gpg = gpg  # who signs receipts
        self.tamper = False
        self.users: list[str] = []

    def take(self, kind: str, body: bytes) -> tuple[str, bytes]:
        """The receipt of a request."""
        whole = b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body
        form = BytesParser(policy=email.policy.HTTP).parsebytes(whole)
        fields, message = {}, b""
        for part in form.iter_parts():  # type: ignore[attr-defined]
            name = part.get_param("name", header="content-disposition")
            if name == "input-data":
                message = next(
                    one.get_payload(decode=True)
                    for one in part.walk()
                    if one.get_content_type() == "application/octet-stream"
                )
            else:
                fields[str(name)] = part.get_payload(decode=True).decode().strip()
        try:
            content, good = self.gpg.opened(message)
        except AssertionError:
            content, good = b"", False
        self.came.append(Came(fields, content, good))
        status = "ok" if good else "EEDM604: Encrypted file not signed or signature not matched"
        if good:
            self.files.setdefault(fields.get("refnum-orig", str(len(self.files))), content)
        return self.receipt(status)

    def receipt(self, status: str) -> tuple[str, bytes]:
        """As the manual's example, signed by gpg over the report alone."""
        at = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
        lines = f"time-c={at}*\r\nrequest-status={status}*\r\nserver-id=p.example*\r\ntrans-id={len(self.came)}*\r\n"
        page = f"<HTML><HEAD><TITLE>NAESB</TITLE></HEAD><BODY><P>\r\n{lines}</P></BODY></HTML>"
        report = (
            f"--NAESB7867\r\ncontent-type: text/html\r\n\r\n{page}\r\n"
            f"--NAESB7867\r\ncontent-type: text/plain\r\n\r\n{lines}\r\n--NAESB7867--"
        ).encode()
        signature = self.by.sign(report, "--digest-algo", "SHA256").replace(b"\n", b"\r\n").strip()
        if self.tamper:
            report = report.replace(b"p.example", b"q.example")
        head = b'content-type: multipart/report; report-type="gisb-acknowledgement-receipt"; boundary="NAESB7867"'
        mark, outer = b"----boundary2--200309090001", "--boundary2--200309090001"
        body = b"\r\n".join(
            [
                mark,
                head,
                b"",
                report,
                mark,
                b"content-type: application/pgp-signature",
                b"",
                signature,
                mark + b"--",
                b"",
            ]
        )
        return (
            f'multipart/signed; micalg=pgp-sha256; protocol="application/pgp-signature"; boundary={outer}',
            body,
        )


@contextmanager
def serving(partner: Partner, folder: Path) -> Iterator[int]:
    """Over TLS, by the certificate of this folder; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            partner.users.append(self.headers.get("authorization", ""))
            kind, answer = partner.take(self.headers["content-type"], body)
            if partner.lose:
                partner.lose -= 1
                self.connection.close()
                return
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "as2.pem", folder / "as2.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
        time.sleep(0)
