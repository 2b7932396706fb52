"""The door for uploads: a partner says who it is by user and secret, brings files, hears at once what became of each message in
them, and fetches files of ours. An answer that a file was taken is given once its messages are on disk."""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from intertie.bindings.parcel_https.limits import Addresses
from intertie.bindings.sftp.boxes import Box
from intertie.bindings.sftp.names import Folder, is_file_name
from intertie.bindings.sftp.taking import receipt_of, take_fetched
from intertie.bindings.upload.form import BadForm, Uploaded, files_of
from intertie.formats.upload_terms import hash_secret, is_secret_of
from intertie.gateway.configuration.upload_settings import UploadDoor
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.translating.accept_file import AnswerWriter, Brought, accept_file
from intertie.gateway.translating.files import Purpose, read_files
from intertie.model.errors import Code, IntertieError, Refused, StoreError

LOG = logging.getLogger("intertie.upload")
# What a form adds to its files.
FORM_BYTES = 64 * 1024
# Requests of an address that come at once.
BURST = 30.0
NAME_HEADER = "x-file-name"
_HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
_STATUSES = {Code.UNKNOWN_SENDER: 403, Code.SENDER_SUSPENDED: 403}


class UploadDoorway:
    """The application. `ticks` is a monotonic clock in seconds, `clock` the gateway's."""

    def __init__(
        self,
        gateway: Gateway,
        settings: UploadDoor,
        folder: Path,
        clock: Callable[[], datetime],
        ticks: Callable[[], float],
    ) -> None:
        self._gateway, self._settings, self._folder = gateway, settings, folder
        self._clock = clock
        self._addresses = Addresses(settings.requests_per_minute, BURST, ticks)

    def app(self) -> Starlette:
        """For a server."""
        return Starlette(
            routes=[
                Route("/upload", self.upload, methods=["POST"]),
                Route("/files", self.look, methods=["GET"]),
                Route("/files/{name}", self.fetch, methods=["GET"]),
                Route("/files/{name}", self.remove, methods=["DELETE"]),
            ]
        )

    async def upload(self, request: Request) -> Response:
        """POST files; 200 with what became of each, also where all of it was refused."""
        partner = self._enter(request)
        if isinstance(partner, Response):
            return partner
        try:
            body = await self._body(request)
        except ClientDisconnect:
            return _problem(400, "the connection was lost", "Send it again.")
        if body is None:
            most = self._settings.file_bytes
            return _problem(413, f"a file has at most {most} bytes", "Send it in several files.")
        kind, name = request.headers.get("content-type", ""), request.headers.get(NAME_HEADER, "")
        try:
            files = files_of(kind, name, body, self._settings.files)
            if any(len(file.content) > self._settings.file_bytes for file in files):
                return _problem(
                    413, f"a file has at most {self._settings.file_bytes} bytes", "Send it in several files."
                )
            told = [await run_in_threadpool(self._take, partner, file) for file in files]
        except BadForm as error:
            return _problem(400, error.why, error.do)
        except StoreError as error:
            LOG.error("store", extra={"why": error.why})
            return _problem(503, "nothing can be kept now", "Send it again later.", {"retry-after": "5"})
        except Refused as refused:
            return _problem(_STATUSES.get(refused.code, 400), refused.why, refused.do)
        return _json(200, {"files": told})

    def _take(self, partner: Partner, file: Uploaded) -> dict[str, Any]:
        """One file, taken in; what is said of it. The same bytes again get the same."""
        now = self._clock()
        kept = accept_file(self._gateway, Brought(partner.party, file.content, now), _answer(file, now), now)
        receipt = next(one for one in read_files(kept) if one.purpose in (Purpose.RECEIPT, Purpose.REFUSAL))
        said: dict[str, Any] = msgspec.json.decode(receipt.content)
        LOG.info("upload", extra={"partner": partner.party, "count": len(file.content)})
        return said

    async def look(self, request: Request) -> Response:
        """GET what waits for the partner."""
        partner = self._enter(request)
        if isinstance(partner, Response):
            return partner
        names = await run_in_threadpool(self._names, Box(self._folder, partner.party))
        return _json(200, {"files": names})

    def _names(self, box: Box) -> list[dict[str, Any]]:
        box.make()
        paths = sorted(path for path in box.path(Folder.OUT).iterdir() if is_file_name(path.name))
        return [{"name": path.name, "bytes": path.stat().st_size} for path in paths]

    async def fetch(self, request: Request) -> Response:
        """GET a file of ours: it is fetched once all of it was handed out."""
        found = self._file(request)
        if isinstance(found, Response):
            return found
        partner, box, name = found
        content = await run_in_threadpool(box.path(Folder.OUT, name).read_bytes)
        user = partner.foreign.upload.user if partner.foreign is not None else ""

        async def told() -> None:
            await run_in_threadpool(self._told, box, name, user)

        headers = _HEADERS | {"content-disposition": f'attachment; filename="{name}"'}
        return _Whole(content, headers, told)

    def _told(self, box: Box, name: str, user: str) -> None:
        try:
            box.note_fetched(name, user)
            take_fetched(self._gateway, box.party, name, user, self._clock())
        except IntertieError as error:  # the delivery finds the note, and says it then
            LOG.error("upload", extra={"partner": box.party, "why": error.why})

    async def remove(self, request: Request) -> Response:
        """DELETE a file of ours that the partner has."""
        found = self._file(request)
        if isinstance(found, Response):
            return found
        _, box, name = found
        box.path(Folder.OUT, name).unlink(missing_ok=True)
        return Response(status_code=204, headers=_HEADERS)

    def _file(self, request: Request) -> tuple[Partner, Box, str] | Response:
        partner = self._enter(request)
        if isinstance(partner, Response):
            return partner
        box, name = Box(self._folder, partner.party), request.path_params["name"]
        if not is_file_name(name) or not box.has(Folder.OUT, name):
            return _problem(404, "there is no such file", "GET /files lists them.")
        return partner, box, name

    # Who comes

    def _enter(self, request: Request) -> Partner | Response:
        """The partner, by its user and secret; or what it is told instead."""
        address = request.client.host if request.client else ""
        wait = self._addresses.wait(address)
        if wait:
            return _problem(429, "too many requests", "Wait.", {"retry-after": str(int(wait) + 1)})
        user, secret = _basic(request.headers)
        for partner in self._gateway.partners.all():
            terms = partner.foreign.upload_terms if partner.foreign is not None else None
            if terms is not None and terms.user == user:
                if is_secret_of(terms, secret) and not partner.suspended:
                    return partner
                break
        else:
            hash_secret(secret)  # a user that is not known takes as long
        LOG.warning("upload refused", extra={"why": "not let in"})
        headers = {"www-authenticate": 'Basic realm="files", charset="UTF-8"'}
        return _problem(401, "user and secret are not known", "curl -u USER: asks for the secret.", headers)

    async def _body(self, request: Request) -> bytes | None:
        body = bytearray()
        most = self._settings.file_bytes * self._settings.files + FORM_BYTES
        async for part in request.stream():
            body += part
            if len(body) > most:
                return None
        return bytes(body)


class _Whole(Response):
    """A file; what follows is done only once the server took all of it to send."""

    def __init__(self, content: bytes, headers: Mapping[str, str], told: Callable[[], Any]) -> None:
        super().__init__(content, 200, dict(headers), "application/octet-stream")
        self._handed_out = told

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it, then say so."""
        await super().__call__(scope, receive, send)
        await self._handed_out()


def _answer(file: Uploaded, now: datetime) -> AnswerWriter:
    """What is said at once, and the format's own answers for the partner to fetch."""
    return receipt_of(file.name, file.content, now, json=True)


def _basic(headers: Mapping[str, str]) -> tuple[str, str]:
    scheme, _, said = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, secret = base64.b64decode(said.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, secret


def _json(status: int, said: Any, more: Mapping[str, str] | None = None) -> Response:
    body = msgspec.json.format(msgspec.json.encode(said), indent=1) + b"\n"
    return Response(body, status, {**_HEADERS, **(more or {})}, "application/json")


def _problem(status: int, why: str, do: str, more: Mapping[str, str] | None = None) -> Response:
    body = msgspec.json.encode({"status": status, "detail": why, "do": do}) + b"\n"
    return Response(body, status, {**_HEADERS, **(more or {})}, "application/problem+json")
