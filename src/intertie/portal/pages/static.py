"""Scripts and style sheets, from this package and nowhere else; their addresses carry their hash, so browsers keep them."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import Any

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
_FOLDER = resources.files("intertie.portal") / "static"
_FILES: dict[str, tuple[bytes, str]] = {
    one.name: (one.read_bytes(), kind)
    for one in _FOLDER.iterdir()
    for ending, kind in _TYPES.items()
    if one.name.endswith(ending)
}
_HASHES = {name: hashlib.sha256(content).hexdigest()[:16] for name, (content, _) in _FILES.items()}
KEPT = "public, max-age=31536000, immutable"


def static_url(name: str) -> str:
    """Where a file of ours is; KeyError for none."""
    return f"/static/{_HASHES[name]}/{name}"


@get("/static/{digest:str}/{name:str}", include_in_schema=False, sync_to_thread=False)
def static_file(digest: FromPath[str], name: FromPath[str]) -> Response[Any]:
    """One of them."""
    if _HASHES.get(name) != digest:
        raise NotFoundException
    content, kind = _FILES[name]
    return Response(content, media_type=kind, headers={"Cache-Control": KEPT})


@get("/favicon.ico", include_in_schema=False, sync_to_thread=False)
def favicon() -> Response[Any]:
    """What a browser asks for beside whatever is no page: numbers, a PDF."""
    content, kind = _FILES["mark.svg"]
    return Response(content, media_type=kind, headers={"Cache-Control": "public, max-age=86400"})


ROUTES = [static_file, favicon]
