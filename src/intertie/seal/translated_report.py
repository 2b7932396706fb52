"""What verified evidence of a message in another protocol proves, for programs and for people."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from intertie.model.ids import PartyId
from intertie.model.message import Header
from intertie.model.record import Record
from intertie.seal.evidence_report import (
    AlgorithmLine,
    Signatory,
    algorithm_lines,
    algorithm_text,
    holds_line,
    signatories,
    signatory_line,
    when,
)
from intertie.seal.profile import Profile
from intertie.seal.signed_part import FileChains

# A key's text for people; what is longer is a certificate, and is compared by a program.
KEY_SHOWN = 80


class TranslatedReport(Record, frozen=True, kw_only=True, omit_defaults=False):
    """Who said what to whom in which protocol, by which pinned key, and what was answered. `by` says where the keys are from
    and what its journal holds; `answered` None: the file has no answer; `algorithm` empty: nobody signs in that protocol."""

    kind: Literal["translated"] = "translated"
    message: str
    document: str
    version: int
    sender: str
    recipient: str
    agreement: str | None
    conversation: str | None
    written: datetime
    leaf: str
    binding: str
    algorithm: str
    signed_at: datetime
    author_key: str
    author_key_from: str
    answered: str | None
    answered_at: datetime | None
    answer_key: str | None
    answer_key_from: str | None
    by: str
    at: datetime
    profile: str
    signers: tuple[Signatory, ...]
    journal_size: int
    journal_root: str
    algorithms: tuple[AlgorithmLine, ...]
    holds_until: date | None
    notes: tuple[str, ...]

    def text(self) -> str:
        """The report for a person, a line for each thing that is proved."""
        lines = [
            f"what       {self.document} v{self.version}, in {self.binding}",
            f"message    {self.message}",
            f"from       {self.sender}",
            f"to         {self.recipient}",
            f"agreement  {self.agreement or '(none named)'}",
            *self._author_lines(),
            *self._answer_lines(),
            f"stated     by {self.by} at {when(self.at)}, {self.profile}",
            *(signatory_line(one) for one in self.signers),
            f"journal    of {self.journal_size} entries, root {self.journal_root}",
            *algorithm_text(self.algorithms),
            holds_line(self.holds_until),
            *(f"note       {note}" for note in self.notes),
        ]
        return "\n".join(lines)

    def _author_lines(self) -> list[str]:
        if not self.algorithm:
            return ["signed     by nobody", f"           {self.author_key_from}"]
        signed = f"{self.algorithm} at {when(self.signed_at)}, key {self.author_key[:KEY_SHOWN]}"
        return [f"signed     {signed}", f"           {self.author_key_from}"]

    def _answer_lines(self) -> list[str]:
        if self.answered is None or self.answered_at is None:
            return ["answer     none"]
        if not self.algorithm:
            return [f"answer     {self.answered}", f"           {self.answer_key_from}"]
        return [
            f"answer     {self.answered} at {when(self.answered_at)}, key {(self.answer_key or '')[:KEY_SHOWN]}",
            f"           {self.answer_key_from}",
        ]


def report_of(header: Header, profile: Profile, chains: FileChains, **said: Any) -> TranslatedReport:
    """The report of a message; `said` is what the statement and the protocol's own bytes say."""
    notes = [f"that the keys are those of their parties is {said['by']}'s word, by what it pinned"]
    if not said["algorithm"]:
        notes = [
            f"nobody signed these bytes: whose they are, and when they came, is {said['by']}'s word and its journal's"
        ]
    if said["answered"] is None:
        notes.append("without an answer: it proves who said it, not that it arrived")
    return TranslatedReport(
        message=header.id,
        document=header.document,
        version=header.version,
        sender=header.sender,
        recipient=header.recipient,
        agreement=header.agreement,
        conversation=header.conversation,
        written=header.created,
        profile=profile.name,
        signers=signatories(chains, PartyId(said["by"])),
        algorithms=algorithm_lines([profile]),
        notes=tuple(notes),
        **said,
    )
