"""Bodies of requests at a custodian's door: forms, and lists, in bounded bytes and time."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from intertie.bindings.oauth.server import FORM, FORM_BYTES_MAX, parse_form

# A form is one small packet or two.
FORM_SECONDS = 15.0


async def read_form(request: Request) -> dict[str, str]:
    """Its fields, each once; ValueError, TimeoutError."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise ValueError(f"the content type is not {FORM}")
    return parse_form(await read_body(request, FORM_BYTES_MAX))


async def read_body(request: Request, most: int) -> bytes:
    """The body; ValueError for more than so many bytes, TimeoutError."""
    body = bytearray()
    async with asyncio.timeout(FORM_SECONDS):
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise ValueError(f"larger than {most} bytes")
    return bytes(body)
