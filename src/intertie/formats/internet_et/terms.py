"""What was agreed with a partner that speaks Internet ET, as its worksheet and its legacy file say, and the named ways in which
its software departs from the standard."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta

from intertie.formats.as2.terms import Url
from intertie.formats.internet_et.fields import Agreed
from intertie.formats.sftp_terms import User
from intertie.formats.upload_terms import Hashed
from intertie.model.ids import ShortText
from intertie.model.record import Record

# D-U-N-S, or D-U-N-S+4.
CommonCode = Annotated[str, Meta(pattern=r"^[0-9]{9}([0-9A-Za-z]{1,4})?(?!\n)$")]
# What `gpg --armor --export` writes.
PublicKey = Annotated[str, Meta(pattern=r"^\s*-----BEGIN PGP PUBLIC KEY BLOCK-----", max_length=16 * 1024)]
TransactionSet = Annotated[str, Meta(pattern=r"^[0-9A-Za-z]{8}(?!\n)$")]


class Quirk(StrEnum):
    """What is taken from this partner, or done for it, although it is weak or not what the standard says."""

    SHA1 = "sha1"  # signatures by SHA-1, of packages and of receipts
    UNSIGNED_RECEIPT = "unsigned-receipt"  # receipts without a signature prove nothing
    SIGNED_WITH_HEADERS = (
        "signed-with-headers"  # our receipts: signed with the headers of the part, as RFC 1847 says
    )
    DATA_LAST = "data-last"  # our packages: the file after all other elements
    NO_INNER_HEADER = "no-inner-header"  # our packages: no MIME header before the file inside
    NO_SECURITY_SELECTION = "no-security-selection"  # it does not say what receipt it wants


class InternetEtTerms(Record, frozen=True, kw_only=True):
    """The `[internet_et]` section of `partners/PARTY.legacy`."""

    code: CommonCode  # its Common Code Identifier
    url: Url
    # Tried in turn after a failure.
    other_urls: Annotated[tuple[Url, ...], Meta(max_length=4)] = ()
    # Its signatures verify by one of these; we encrypt for the first.
    keys: Annotated[tuple[PublicKey, ...], Meta(min_length=1, max_length=4)]
    # Which of our keys we sign with for it, while it does not know the newest yet.
    our_key: Annotated[int, Meta(ge=1, le=1000)] | None = None
    # How we log in at its door; the password is the first line of this file, beside intertie.toml.
    user: Annotated[str, Meta(pattern=r"^[!-9;-~]{0,64}(?!\n)$")] = ""
    password_file: Annotated[str, Meta(max_length=200)] = ""
    # How it logs in at ours; without it, its signature alone says who it is.
    their_user: User | None = None
    their_secrets: Annotated[tuple[Hashed, ...], Meta(max_length=4)] = ()
    version: Annotated[str, Meta(pattern=r"^[0-9]{1,2}\.[0-9]{1,2}(?!\n)$")] = "1.6"
    refnums: bool = False
    # The first goes with each of our packages; none: the element is not used.
    transaction_sets: Annotated[tuple[TransactionSet, ...], Meta(max_length=50)] = ()
    # Of `time-c`, in its receipts and in ours to it: the standard does not say.
    zone: Annotated[str, Meta(max_length=64)] = "UTC"
    # Who is called, or written to, after an Exchange Failure.
    contact: ShortText | None = None
    quirks: frozenset[Quirk] = frozenset()

    def check(self) -> None:
        """ValueError for half a login, or a zone that nobody knows."""
        if bool(self.user) != bool(self.password_file):
            raise ValueError("user: goes with password_file")
        if (self.their_user is None) != (not self.their_secrets):
            raise ValueError("their_user: goes with their_secrets")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"zone: {self.zone} is not known") from error

    @property
    def agreed(self) -> Agreed:
        """What of the elements by mutual agreement is used."""
        assumed = Quirk.NO_SECURITY_SELECTION in self.quirks
        return Agreed(self.refnums, frozenset(self.transaction_sets), assumed)

    @property
    def sha1(self) -> bool:
        """Whether that digest is taken."""
        return Quirk.SHA1 in self.quirks
