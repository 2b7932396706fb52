"""What was agreed with a partner that exchanges files by SFTP: it comes to our mailbox, or we go to its server."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from intertie.model.record import Record

# One line as in authorized_keys or known_hosts, without options or host: type, base64, and what it is called.
PublicKey = Annotated[
    str, Meta(pattern=r"^(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [ -~]{1,100})?(?!\n)$", max_length=8192)
]
User = Annotated[str, Meta(pattern=r"^[a-z_][a-z0-9_-]{0,31}(?!\n)$")]
# A directory at the partner: below where we are put, without a way up.
Folder = Annotated[
    str, Meta(pattern=r"^/?[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}){0,8}(?!\n)$")
]


class There(Record, frozen=True, kw_only=True):
    """A partner's server, by whatever protocol, and what lies where on it."""

    host: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}(?!\n)$")]
    user: User
    # Where our files go, and where its files are.
    to: Folder
    fetch: Folder
    # Where our receipts go; without it none is written.
    receipts: Folder | None = None
    # Where it puts its receipts for our sealed parcels, if it is a gateway (docs/relay.md, "By file").
    answers: Folder | None = None
    # Where files go that were taken; without it they are removed.
    taken: Folder | None = None
    # How often we look there.
    poll_seconds: Annotated[float, Meta(ge=0.1, le=86_400)] = 60.0
    # When a file there is whole: once it was the same at two looks, or by its name, since it has another one until then.
    complete: Literal["still", "renamed"] = "still"

    @property
    def in_clear(self) -> bool:
        """Whether nothing protects what goes there: then it has to be sealed, or signed, itself."""
        return False


class Theirs(There, frozen=True, kw_only=True):
    """The partner's SFTP server. Its host key is one of these, and no other is believed."""

    port: Annotated[int, Meta(ge=1, le=65_535)] = 22
    host_keys: Annotated[tuple[PublicKey, ...], Meta(min_length=1, max_length=4)]


class SftpTerms(Record, frozen=True, kw_only=True):
    """The `[sftp]` section of `partners/PARTY.legacy`: `user` with `keys` or `authorities`, or `server`."""

    # By which it logs in here, and with which keys, or with certificates of which authorities that name `user` as principal.
    user: User | None = None
    keys: Annotated[tuple[PublicKey, ...], Meta(max_length=8)] = ()
    authorities: Annotated[tuple[PublicKey, ...], Meta(max_length=4)] = ()
    # When an upload counts: when it gets its name from NAME.part, or already when its writer closes it (docs/sftp.md).
    complete: Literal["renamed", "closed"] = "renamed"
    server: Theirs | None = None

    def check(self) -> None:
        """ValueError unless it comes to us, or we to it."""
        if (self.user is None) is (self.server is None):
            raise ValueError("user: it comes here as `user`, or we go to its `server`")
        if self.user is not None and not (self.keys or self.authorities):
            raise ValueError("keys: whoever comes here has keys, or certificates of authorities")
        if self.user is None and (self.keys or self.authorities):
            raise ValueError("keys: they belong to `user`")

    @property
    def url(self) -> str:
        """Where we go; empty if it comes here."""
        there = self.server
        return f"sftp://{there.user}@{there.host}:{there.port}" if there is not None else ""
