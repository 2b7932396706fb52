"""Evidence of a message that came or went in a partner's own protocol: its signed bytes, the keys, and our journal's word."""

from __future__ import annotations

from datetime import datetime

from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import MessageRow, ParcelRow
from intertie.gateway.translating.foreign import Foreign, Translator
from intertie.journal.checkpoint import Head
from intertie.journal.entry import read_entry
from intertie.journal.rows import TreeRows
from intertie.model.errors import IntertieError, Refused
from intertie.model.ids import PartyId
from intertie.model.message import original_bytes, read_envelope
from intertie.seal.receipt import JournalHead
from intertie.seal.translated_evidence import (
    UNSIGNED,
    JournalLine,
    PinnedKey,
    Translated,
    build_translated,
    wanted_lines,
)


class NoEvidenceError(IntertieError):
    """The message is not here, or was never sent, so that nothing proves it yet."""


def partner_of(row: MessageRow) -> PartyId:
    """The other party of a message."""
    return row.recipient if row.outgoing else row.sender


def export_translated(gateway: Gateway, row: MessageRow, parcel: ParcelRow, now: datetime) -> bytes:
    """The evidence file. Raises NoEvidenceError without the keys that signed, or the settings of the protocol."""
    party = partner_of(row)
    binding = parcel.manifest.decode()
    partner, translator = gateway.partners.find(party), gateway.translators.get(binding)
    original = read_envelope(row.body).translated
    if partner is None or partner.foreign is None or translator is None or original is None:
        raise NoEvidenceError(
            f"message {row.id} went in {binding}, for which {party} has no legacy file here, or we have no settings",
            do=f"`intertie partner legacy {party} FILE`, with the file that was in use then, and [{binding}] in intertie.toml",
        )
    foreign = partner.foreign
    author = _key(
        translator, foreign, original_bytes(original), party, now, ours=row.outgoing, kept=original.key
    )
    answerer = None
    if parcel.receipt is not None:
        answerer = _key(translator, foreign, parcel.receipt, party, now, ours=not row.outgoing)
    head = gateway.store.head()
    return build_translated(
        Translated(
            message=row.body,
            binding=binding,
            partner=party,
            author=author,
            head=JournalHead(size=head.size, root=head.root.hex()),
            lines=_lines(gateway, row, parcel, head),
            answer=parcel.receipt,
            answerer=answerer,
        ),
        gateway.keys,
        now,
    )


def _key(
    translator: Translator,
    foreign: Foreign,
    signed: bytes,
    party: PartyId,
    now: datetime,
    *,
    ours: bool,
    kept: str = "",
) -> PinnedKey:
    """The key that signed these bytes: the one that was kept with them, else one of those that are known. Where nobody signs, by
    what it is known whose they are."""
    if translator.verifier.algorithm == UNSIGNED:
        log_in = f"known by the log-in in the legacy file of {party} (to {foreign.legacy_until})"
        return PinnedKey(key=UNSIGNED, source="our own" if ours else log_in)
    keys = translator.keys(foreign, now)
    for key in (kept,) if kept else (keys.ours if ours else keys.theirs):
        try:
            translator.verifier.check(signed, key)
        except Refused:
            continue
        if ours:
            return PinnedKey(key=key, source="our own key")
        now_or_then = "is" if key in keys.theirs else "was, when it came,"
        return PinnedKey(
            key=key,
            source=f"{now_or_then} pinned in the legacy file of {party} (to {foreign.legacy_until}, out of band)",
        )
    raise NoEvidenceError(
        f"none of the keys known {'of ours' if ours else f'for {party}'} signed it",
        do="Name the key that was in use then under `keys` of the legacy file, with its last day.",
    )


def _lines(gateway: Gateway, row: MessageRow, parcel: ParcelRow, head: Head) -> list[JournalLine]:
    """The journal's lines about the message and its answer, with what leads to the head."""
    tree, found = TreeRows(gateway.store), []
    wanted = wanted_lines(row.body, parcel.receipt, outgoing=row.outgoing)
    for index, raw in gateway.store.parcel_entries(parcel.id):
        entry = read_entry(raw)
        what = (entry.kind.value, entry.digest)
        if what in wanted and index < head.size:
            wanted.remove(what)
            found.append(JournalLine(index, raw, tree.inclusion(index, head.size)))
    if wanted:
        raise NoEvidenceError(f"the journal has no line {wanted[0][0]} about message {row.id}")
    return found
