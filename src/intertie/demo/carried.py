"""What carried each flow, and whether it proves as much: the protocol and format of every message that was taken, evidence of one
message of each kind from both sides, and the settlement beside that of the same season in parcels."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from intertie.bindings.as2.translator import content_of as as2_content
from intertie.bindings.internet_et.translator import content_of as et_content
from intertie.demo.gateways import COMMAND, DemoError
from intertie.demo.season import Season
from intertie.demo.staff import Office
from intertie.exchange.outbound import DELIVERED
from intertie.gateway.ports import MessageRow
from intertie.gateway.proving.export_evidence import export_row
from intertie.gateway.translating.accept_file import content_of as file_content
from intertie.gateway.translating.accept_translated import original_of
from intertie.gateway.translating.file_formats import format_in
from intertie.model.errors import IntertieError
from intertie.model.ids import MessageId
from intertie.model.message import read_envelope
from intertie.run.verifiers import VERIFIERS
from intertie.seal.certificates import TrustStore
from intertie.seal.evidence_file import verify_file
from intertie.seal.translated_report import TranslatedReport

Json = dict[str, Any]
# How the file of a message is found in what its sender kept of it.
CONTENT_OF = {"sftp": file_content, "as2": as2_content, "internet_et": et_content}
PARCELS, NATIVE = "parcels", "json"
# A season beside this one; on a laden machine each takes minutes.
NATIVE_SECONDS = 900.0
# What both seasons must come to. Ids of messages, hashes over them and folders are their own.
SETTLED = ("flows", "contracts", "tender", "events", "invoice", "paid", "unreceipted")
ACCOUNT = ("statement", "rows", "closing", "currency", "same")


class Way(NamedTuple):
    """By what messages of a flow went."""

    category: str
    sender: Office
    recipient: str
    by: str
    format: str

    @property
    def direction(self) -> str:
        """From whom to whom."""
        return f"{self.sender.who.short}>{self.recipient}"


def ways(season: Season) -> Iterator[tuple[Way, MessageRow]]:
    """Every message that was taken, with what it went by, in the order of each side."""
    for desk in (season.utility, season.aggregator, season.rival):
        office = desk.office
        for row in office.all_messages(outgoing=True):
            if row.state in DELIVERED:
                yield _way(office, row), row


def _way(office: Office, row: MessageRow) -> Way:
    gateway, partner = office.gateway, office.gateway.partners.find(row.recipient)
    assert partner is not None
    header = read_envelope(row.body).header
    flow = gateway.catalogue.admit(header, gateway.party.roles, partner.roles)
    by, form = PARCELS, NATIVE
    kept = original_of(row.body)
    if kept is not None and partner.foreign is not None:
        by = partner.foreign.binding
        form = format_in(partner.foreign, CONTENT_OF[by](kept)).name
    return Way(str(flow.category), office, office.partner_of(row).short, by, form)


def carried(season: Season) -> list[Json]:
    """How many messages of each flow and direction went by which protocol, in which format."""
    counts = Counter(way for way, _ in ways(season))
    rows = sorted(
        counts.items(), key=lambda one: (one[0].category, one[0].direction, one[0].by, one[0].format)
    )
    return [
        {"flow": f"{way.category} {way.direction}", "by": way.by, "format": way.format, "messages": count}
        for way, count in rows
    ]


def prove(season: Season, root: Path) -> Json:
    """Evidence of the first message of each flow, direction and format between the utility and the aggregator, exported by its
    sender and by its recipient, below `root`, and verified with nothing but the trust roots. What does not verify is listed."""
    folder, roots = root / "evidence", TrustStore.of_pem((root / "trust-root.pem").read_bytes())
    folder.mkdir()
    offices = {desk.office.who.party: desk.office for desk in (season.utility, season.aggregator)}
    found: dict[Way, MessageRow] = {}
    for way, row in ways(season):
        if row.recipient in offices and way.by != PARCELS:
            found.setdefault(way, row)
    files, wrong = 0, []
    for way, row in found.items():
        for side, office in (("sent", way.sender), ("received", offices[row.recipient])):
            path = folder / f"{row.document}-{way.sender.who.short}-{way.format}-{side}.json"
            files += 1
            try:
                _prove_one(office, row.id, path, roots, season)
            except IntertieError as error:
                wrong.append(f"{path.name}: {error}")
    return {"folder": str(folder), "files": files, "verified": files - len(wrong), "wrong": wrong}


def _prove_one(office: Office, message: MessageId, path: Path, roots: TrustStore, season: Season) -> None:
    """Raises IntertieError unless it verifies and holds what its author wrote, and the answer."""
    row = office.store.message(message)
    if row is None:
        raise DemoError(f"{office.who.short} does not have {message}")
    path.write_bytes(export_row(office.gateway, row, season.clock.now))
    report = verify_file(path.read_bytes(), roots, season.clock.now, verifiers=VERIFIERS)
    if not isinstance(report, TranslatedReport) or report.answered is None:
        raise DemoError(f"{path.name} has no original, or no answer")


@contextlib.contextmanager
def native_season(root: Path, feeder: Path | None) -> Iterator[subprocess.Popen[bytes]]:
    """The same season in parcels, beside this one, in a process and a folder of its own."""
    more = ["--feeder", str(feeder)] if feeder is not None else []
    with (root / "native.json").open("wb") as out, (root / "native.log").open("wb") as log:
        playing = subprocess.Popen(
            [*COMMAND, "demo", "--json", "--keep", str(root / "native"), *more], stdout=out, stderr=log
        )
        try:
            yield playing
        finally:
            playing.terminate()
            playing.wait()


def native_summary(root: Path, playing: subprocess.Popen[bytes]) -> Path:
    """What it came to, once it is over. Raises DemoError."""
    try:
        code = playing.wait(NATIVE_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise DemoError(f"the season in parcels was not over after {NATIVE_SECONDS:g} s") from error
    if code:
        raise DemoError(f"the season in parcels went wrong: {(root / 'native.log').read_text()[-300:]}")
    return root / "native.json"


def compare(ours: Json, native: Path) -> Json:
    """What of this season's outcome is not that of the same in parcels: `differences` by name, none if all is the same to the
    cent; and the two settlements."""
    theirs = json.loads(native.read_bytes())
    ours = json.loads(json.dumps(ours, default=str))
    different = [name for name in SETTLED if ours[name] != theirs[name]]
    different += [f"account.{name}" for name in ACCOUNT if ours["account"][name] != theirs["account"][name]]
    if _kinds(ours["refused"]) != _kinds(theirs["refused"]):
        different.append("refused")
    return {
        "same": not different,
        "differences": different,
        "total": [ours["invoice"]["total"], theirs["invoice"]["total"]],
        "paid": [ours["paid"], theirs["paid"]],
        "native": str(native),
    }


def _kinds(refused: Iterable[Json]) -> list[list[str]]:
    """What was refused, of which name; a message's id is its own in each season, and each protocol words a reason in its way."""
    return [
        [
            one["what"],
            one["from"],
            one.get("document") or one["id"],
            *([] if "document" in one else [one["reason"]]),
        ]
        for one in refused
    ]
