"""Write the cases of vectors/x12 anew: interchanges, each with one thing right or wrong. Running it twice writes the same files.

python vectors/make_x12.py --write
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from intertie.formats.x12.answers import judge
from intertie.formats.x12.findings import X12Error
from intertie.formats.x12.interchange import read_sets
from intertie.formats.x12.layout import profile
from intertie.formats.x12.sets import read_document, write_document, write_file
from intertie.formats.x12.trading import Trading, X12Party
from intertie.model.documents import example
from intertie.model.ids import DocumentName, PartyId

HERE = Path(__file__).parent / "x12"
NOW = datetime(2026, 8, 1, 13, 30, tzinfo=UTC)
UTILITY = X12Party(party=PartyId("utility.example"), name="EXAMPLE UTILITY", number="123456789")
AGGREGATOR = X12Party(
    party=PartyId("aggregator.example"), name="EXAMPLE AGGREGATOR", number="9876543210000", qualifier="09"
)
DOCUMENTS = {
    "810": ("invoice",),
    "820": ("remittance_advice",),
    "867": ("meter_readings",),
    "814": ("registration_decision",),
    "824": ("dispute",),
    "650": ("outage_notice", "outage_update", "restoration_notice"),
}

# Name, what of the 810 is changed into what, and the rule it comes from.
BROKEN: tuple[tuple[str, str, str, str], ...] = (
    ("an ISA segment that is a character short", "ISA*00*          *", "ISA*00*         *", "X12.5: ISA is fixed width"),
    ("another version in the ISA segment", "*00401*", "*00501*", "ISA12"),
    ("a component separator that separates elements", "*P*>~", "*P**~", "X12.5: separators differ"),
    ("a component separator that is a letter", "*P*>~", "*P*A~", "X12.5: separators are not data"),
    ("another version in the GS segment", "*X*004010", "*X*005010", "GS08"),
    ("a group without its number", "GS*IN*", "GS**", "GS01 is mandatory"),
    ("a set in a group of another kind", "GS*IN*", "GS*PT*", "GS01 and ST01"),
    ("a set that is not known", "ST*810*", "ST*850*", "ST01"),
    ("no control number of the set", "ST*810*0001~", "ST*810~", "ST02 is mandatory"),
    ("a set that counts one segment too few", "SE*30*", "SE*29*", "SE01"),
    ("a set whose trailer has another number", "SE*30*0001", "SE*30*0002", "SE02"),
    ("a set without its trailer", "SE*30*0001~", "", "ST needs SE"),
    ("a group that counts a set too many", "GE*1*1", "GE*2*1", "GE01"),
    ("a group whose trailer has another number", "GE*1*1", "GE*1*2", "GE02"),
    ("a group without its trailer", "GE*1*1~", "", "GS needs GE"),
    ("an interchange that counts a group too many", "IEA*1*", "IEA*2*", "IEA01"),
    ("an interchange whose trailer has another number", "IEA*1*000000007", "IEA*1*000000008", "IEA02"),
    ("an interchange that is cut off", "IEA*1*000000007~", "IEA*1*0000", "ISA needs IEA"),
    ("a group inside a set", "TDS*", "GS*IN*1*2*20260801*0930*2*X*004010~TDS*", "envelopes nest"),
    ("a character outside the character set", "EXAMPLE UTILITY", "EXÄMPLE UTILITY", "X12.6: character set"),
    ("a mandatory segment is missing", "CUR*SE*USD~", "", "map of 810"),
    ("a segment that the map does not have", "TDS*", "FOB*PP~TDS*", "map of 810"),
    ("a segment comes twice", "TDS*97945~", "TDS*97945~TDS*97945~", "map of 810"),
    ("a segment stands too late", "CTT*3~", "CTT*3~CUR*SE*USD~", "map of 810"),
    ("a segment without an identifier", "TDS*", "*1~TDS*", "X12.6: segment identifier"),
    ("a qualifier that the map does not have", "REF*CT*", "REF*QQ*", "map of 810"),
    ("a mandatory element is empty", "BIG*20260131*INV-2026-01*", "BIG*20260131**", "map of 810"),
    ("an element too many", "CUR*SE*USD~", "CUR*SE*USD*1~", "map of 810"),
    ("an element is too long", "INV-2026-01*", "INV-2026-01-AND-A-LOT-MORE*", "BIG02 is AN 1/22"),
    ("an element is too short", "CUR*SE*USD~", "CUR*SE*U~", "CUR02 is ID 3/3"),
    ("a code that may not stand there", "*ENC002*", "*ENC999*", "SAC04 in this profile"),
    ("a number with a letter in it", "*ENC002*9830", "*ENC002*98x0", "X12.6: N2"),
    ("a number with an exponent", "*98.3*KH", "*9E3*KH", "X12.6: R, as 4010 has it here"),
    ("a day that is not in the calendar", "ITD******20260225", "ITD******20260230", "X12.6: DT"),
    ("a time that is not of a day", "DTM*150*20260101", "DTM*150*20260101*2460", "X12.6: TM"),
    ("components where the element has none", "CUR*SE*USD", "CUR*SE*U>D", "X12.6: composite"),
    ("a total that is not what the lines add up to", "TDS*97945", "TDS*97946", "docs/settlement.md"),
    ("a count of lines that is not theirs", "CTT*3~", "CTT*4~", "CTT01"),
    ("an invoice that is due before it was issued", "ITD******20260225", "ITD******20250225", "invoice"),
)  # fmt: skip


def trading(name: Any) -> Trading:
    return Trading(profile=name, utility=UTILITY, aggregator=AGGREGATOR, account="000123")


def written(document: str, name: str) -> str:
    body = example(DocumentName(document))[1]
    made = write_document(body, trading(name), reference="REF0001", at=NOW)
    return write_file([made], trading(name), UTILITY, control=7, at=NOW).decode("ascii")


def verdict(text: str, name: str) -> dict[str, Any]:
    """What is to be found: the document's body, or the first thing wrong and its place."""
    try:
        [one] = read_sets(text.encode("latin-1"))
        found = judge(one, profile(name)).findings
        if found:
            raise X12Error(found[0])
        return {"ok": msgspec.to_builtins(read_document(one, profile(name)), builtin_types=())}
    except X12Error as error:
        place = error.finding.place
        return {
            "code": error.finding.code.value,
            "segment": place.segment,
            "id": place.id,
            "element": place.element,
        }


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each file's name and content."""
    for name in ("ny", "pa", "tx"):
        for set_id, documents in DOCUMENTS.items():
            for document in documents:
                text = written(document, name)
                yield f"{name} {set_id} {document.replace('_', ' ')}", case("docs/x12.md", name, text)
    base = written("invoice", "ny")
    for title, old, new, origin in BROKEN:
        if old not in base:
            raise SystemExit(f"{title}: {old} is not there")
        changed = base.replace(old, new, 1)
        if not old.startswith("SE*"):  # the trailer counts what is there: one failure a file
            more = new.count("~") - old.count("~")
            changed = (
                changed.replace("SE*30*", f"SE*{30 + more}*")
                if "IEA" not in old and "GE" not in old
                else changed
            )
        yield title, case(origin, "ny", changed)
    yield "line ends after segments", case("docs/x12.md", "ny", base.replace("~", "~\r\n"))
    yield "other separators", case("X12.5", "ny", base.replace("*", "|").replace("~", "\n").replace(">", ":"))


def case(origin: str, name: str, text: str) -> dict[str, Any]:
    return {"origin": origin, "profile": name, "text": text, "expect": verdict(text, name)}


def main() -> int:
    """Say what differs, or write it."""
    differ = 0
    for title, content in cases():
        path = HERE / f"{title.lower().replace(' ', '_')}.json"
        raw = json.dumps({"name": title, **content}, indent=1, ensure_ascii=False) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != raw:
            differ += 1
            if "--write" in sys.argv:
                path.write_text(raw, encoding="utf-8")
    print(f"{differ} {'written' if '--write' in sys.argv else 'differ'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
