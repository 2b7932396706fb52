"""What was agreed with a partner that exchanges files by FTP over TLS: it comes to our mailbox, or we go to its server. Without
TLS, where that was agreed, for sealed parcels alone."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from intertie.formats.sftp_terms import There, User
from intertie.formats.upload_terms import Hashed
from intertie.model.record import Record, RuleError

# Of a certificate, in DER: what `openssl x509 -noout -fingerprint -sha256` says, in small letters and without colons.
Fingerprint = Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}(?!\n)$")]


class TheirFtps(There, frozen=True, kw_only=True):
    """The partner's FTPS server. It has one of these certificates, or one that an authority of `ca_file` made for `host`; to any
    other nothing is said, no secret least of all."""

    port: Annotated[int, Meta(ge=1, le=65_535)] = 21
    # `explicit`: AUTH TLS first (RFC 4217); `implicit`: TLS from the first byte, as on port 990; `none`: FTP as it was, and then
    # for what is sealed alone.
    tls: Literal["explicit", "implicit", "none"] = "explicit"
    # A file of ours, of mode 600, with the password in its first line.
    secret_file: Annotated[str, Meta(min_length=1, max_length=200)]
    certificates: Annotated[tuple[Fingerprint, ...], Meta(max_length=4)] = ()
    # PEM, in our directory.
    ca_file: Annotated[str, Meta(max_length=200)] = ""

    def check(self) -> None:
        """ValueError unless it is said how its server is known, if it can be."""
        if self.tls == "none":
            if self.certificates or self.ca_file:
                raise RuleError("tls: without it a server has no certificate")
            return
        if bool(self.certificates) is bool(self.ca_file):
            raise RuleError("certificates: its server is known by these, or by `ca_file`")

    @property
    def in_clear(self) -> bool:
        """Whether no connection there has TLS."""
        return self.tls == "none"


class FtpsTerms(Record, frozen=True, kw_only=True):
    """The `[ftps]` section of `partners/PARTY.legacy`: `user` and secrets, hashed as for uploads, or `server`."""

    user: User | None = None
    # A second one is there while the partner changes from the one to the other.
    secrets: Annotated[tuple[Hashed, ...], Meta(max_length=4)] = ()
    # With one of these it may come without TLS: for sealed parcels and what answers them, and nothing else. Whoever listens has
    # it, so it opens nothing over TLS.
    plain_secrets: Annotated[tuple[Hashed, ...], Meta(max_length=4)] = ()
    # When an upload counts: when it gets its name from NAME.part, or already when its writer closes it (docs/ftps.md).
    complete: Literal["renamed", "closed"] = "renamed"
    server: TheirFtps | None = None

    def check(self) -> None:
        """ValueError unless it comes to us, or we to it."""
        if (self.user is None) is (self.server is None):
            raise RuleError("user: it comes here as `user`, or we go to its `server`")
        if (self.user is not None) is not bool(self.secrets or self.plain_secrets):
            raise RuleError("secrets: whoever comes here as `user` has one, and nobody else")
        if set(self.secrets) & set(self.plain_secrets):
            raise RuleError("plain_secrets: one that is said without TLS opens nothing over it")
        # What ends an upload in order is said by TLS (docs/ftps.md).
        if self.plain_secrets and self.complete == "closed":
            raise RuleError("complete: without TLS nothing says that an upload was closed: renamed")

    @property
    def in_clear(self) -> bool:
        """Whether anything may go without TLS."""
        return bool(self.plain_secrets) or (self.server is not None and self.server.in_clear)

    @property
    def url(self) -> str:
        """Where we go; empty if it comes here."""
        there = self.server
        if there is None:
            return ""
        return f"{'ftps' if there.tls == 'implicit' else 'ftp'}://{there.user}@{there.host}:{there.port}"
