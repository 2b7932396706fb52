"""Filing a tariff with an agency and its decision (ET16)."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from intertie.model.ids import Name, PartyName, ShortText, Text
from intertie.model.record import Record
from intertie.model.rules import needs, no_repeats

# Agencies' filing systems take files of some hundred megabytes at most; they travel beside the message.
ATTACHMENT_BYTES_MAX = 2**30
ATTACHMENTS_MAX = 200

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")]
MediaType = Annotated[str, Meta(pattern=r"^[a-z0-9.+-]{1,64}/[A-Za-z0-9.+-]{1,127}(?!\n)$")]


class Attachment(Record, frozen=True, kw_only=True):
    """A file that is named, not carried: by the SHA-256 of its bytes, and their number."""

    name: Name
    title: ShortText
    media_type: MediaType
    sha256: Sha256
    size_bytes: Annotated[int, Meta(ge=1, le=ATTACHMENT_BYTES_MAX)]


class FilingKind(StrEnum):
    """What is filed."""

    NEW_TARIFF = "new_tariff"
    CHANGE = "change"
    COMPLIANCE = "compliance"
    WITHDRAWAL = "withdrawal"
    RESPONSE = "response"


class TariffFiling(Record, frozen=True, kw_only=True):
    """A tariff to be approved. The docket is named once the agency has given one; a law firm may file for somebody else."""

    filing: Name
    kind: FilingKind
    title: ShortText
    proposed_effective: date
    attachments: Annotated[tuple[Attachment, ...], Meta(min_length=1, max_length=ATTACHMENTS_MAX)]
    docket: Name | None = None
    on_behalf_of: PartyName | None = None
    authority: ShortText = ""
    text: Text = ""

    def check(self) -> None:
        """Attachments once; whatever follows a first filing names its docket."""
        no_repeats("attachments", (one.name for one in self.attachments))
        if self.kind is not FilingKind.NEW_TARIFF:
            needs(self, self.kind, "docket")


class FilingOutcome(StrEnum):
    """What the agency decides."""

    DOCKETED = "docketed"
    ACCEPTED = "accepted"
    ACCEPTED_WITH_CONDITIONS = "accepted_with_conditions"
    SUSPENDED = "suspended"
    DEFICIENT = "deficient"
    REJECTED = "rejected"


class FilingDecision(Record, frozen=True, kw_only=True):
    """The agency's word on a filing, with the date it takes effect if accepted."""

    filing: Name
    docket: Name
    outcome: FilingOutcome
    decided: date
    effective: date | None = None
    conditions: Annotated[tuple[Text, ...], Meta(max_length=100)] = ()
    attachments: Annotated[tuple[Attachment, ...], Meta(max_length=ATTACHMENTS_MAX)] = ()
    text: Text = ""

    def check(self) -> None:
        """Accepted: from when; with conditions: which."""
        no_repeats("attachments", (one.name for one in self.attachments))
        if self.outcome in (FilingOutcome.ACCEPTED, FilingOutcome.ACCEPTED_WITH_CONDITIONS):
            needs(self, self.outcome, "effective")
        if self.outcome is FilingOutcome.ACCEPTED_WITH_CONDITIONS:
            needs(self, self.outcome, "conditions")
