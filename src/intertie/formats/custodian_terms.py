"""What was agreed with a data custodian whose feeds we fetch, as its legacy file says (`[green_button]`)."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta

from intertie.model.record import Record

Address = Annotated[str, Meta(pattern=r"^https?://[^\s#<>\"?]+[^\s#<>\"?/](?!\n)$", max_length=500)]


class CustodianTerms(Record, frozen=True, kw_only=True):
    """The `[green_button]` section of `partners/PARTY.legacy`: we are its third party."""

    # Its root of resources, as "https://utility.example/espi/1_1/resource": nothing outside of it is fetched.
    resources: Address
    token: Address
    client_id: Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,64}(?!\n)$")]
    # A file of ours, of mode 600, with the client secret in its first line.
    secret_file: Annotated[str, Meta(min_length=1, max_length=200)]
    # Of the token that is asked for; empty: all that was agreed.
    scope: Annotated[str, Meta(max_length=256)] = ""
    # Fetched by itself, whatever we are told: as "Batch/Bulk/b1".
    batches: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9/_.%-]{0,200}(?!\n)$")], ...],
        Meta(max_length=20),
    ] = ()
    poll_hours: Annotated[float, Meta(ge=0.01, le=8784)] = 24.0
    # Of one feed.
    feed_bytes: Annotated[int, Meta(ge=1024, le=2 * 1024 * 1024 * 1024)] = 256 * 1024 * 1024

    def check(self) -> None:
        """Plain HTTP leads to this machine only."""
        for address in (self.resources, self.token):
            parts = urlsplit(address)
            if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
                raise ValueError("resources and token: https, unless they are on this machine")
        if any(".." in batch for batch in self.batches):
            raise ValueError("batches: below resources")

    def is_ours(self, uri: str) -> bool:
        """Whether an address is below its root: what anybody tells us may lead there only."""
        path, _, _ = uri.partition("?")
        plain = uri.isascii() and uri.isprintable() and not set(" #\\<>\"'") & set(uri)
        return plain and path.startswith(f"{self.resources}/") and ".." not in path and "%" not in path[:8]
