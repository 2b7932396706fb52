"""A small server for trials: answers OCSP requests, and gives the authority's present revocation lists.

POST /            an OCSP request (RFC 6960 appendix A)
GET  /<base64>    the same in the address (RFC 5019 s.5)
GET  /ec.crl, /mldsa.crl
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from intertie.bindings.revocation_http import OCSP_ANSWER, OCSP_REQUEST, PKIX_CRL
from intertie.model.errors import IntertieError, SettingsError

Answer = Callable[[bytes], bytes]
Lists = Callable[[], dict[str, bytes]]
# A request about one certificate is under 200 bytes; with a nonce and a signature still under this.
REQUEST_BYTES_MAX = 16 * 1024
# One connection that says nothing must not stay for ever.
SILENCE_SECONDS = 10.0


def make_responder(host: str, port: int, answer: Answer, lists: Lists) -> ThreadingHTTPServer:
    """A server, bound and not yet serving. `answer` makes an OCSP answer of a request, `lists` the lists in DER by name.

    SettingsError if the address cannot be had.
    """

    class Handler(_Handler):
        answers = staticmethod(answer)
        present = staticmethod(lists)

    try:
        return ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {host}:{port}: {error.strerror or error}", do="Name another port."
        ) from error


class _Handler(BaseHTTPRequestHandler):
    answers: Answer
    present: Lists
    timeout = SILENCE_SECONDS
    server_version = "intertie"
    sys_version = ""

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if self.headers.get_content_type() != OCSP_REQUEST:
            self._say(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        elif not length.isdecimal() or int(length) > REQUEST_BYTES_MAX:
            self._say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            self._answer(self.rfile.read(int(length)))

    def do_GET(self) -> None:
        name = unquote(self.path[1:])
        try:
            if name.endswith(".crl"):
                lists = self.present()
                found = lists.get(name.removesuffix(".crl"))
                self._say(HTTPStatus.OK if found else HTTPStatus.NOT_FOUND, found or b"", PKIX_CRL)
            else:
                self._answer(base64.b64decode(name, validate=True))
        except binascii.Error:
            self._say(HTTPStatus.NOT_FOUND)
        except IntertieError:
            self._say(HTTPStatus.INTERNAL_SERVER_ERROR)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: whoever needs to know asks `intertie ca list`."""

    def _answer(self, request: bytes) -> None:
        try:
            self._say(HTTPStatus.OK, self.answers(request), OCSP_ANSWER)
        except IntertieError:
            self._say(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _say(self, status: HTTPStatus, body: bytes = b"", kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
