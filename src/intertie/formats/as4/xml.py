"""XML of partners: no document type, no entities, no network, bounded in size, depth and number; and SOAP envelopes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from lxml import etree

from intertie.formats.as4.flaws import As4Error, Flaw
from intertie.formats.as4.names import PREFIXES, WSU_ID, eb, soap, wsse

# An envelope has four keys or certificates, and for each file some lines.
ENVELOPE_BYTES_MAX = 256 * 1024
DEPTH_MAX = 32
ELEMENTS_MAX = 2000


class Envelope(NamedTuple):
    """The parts of an envelope that count, each of which stands once, and where it has to."""

    root: Any
    messaging: Any
    body: Any
    security: Any  # None: it has none


def parse_envelope(raw: bytes) -> Envelope:
    """The envelope. Raises As4Error(NOT_XML | BAD_HEADER)."""
    root = parse_xml(raw)
    if root.tag != soap("Envelope"):
        raise As4Error(Flaw.NOT_XML, "not an envelope of SOAP 1.2")
    header, body = _only(root, soap("Header")), _only(root, soap("Body"))
    messaging = _only(header, eb("Messaging"))
    # Elsewhere in the envelope another one could be signed in place of the one that is read.
    for name in (eb("Messaging"), soap("Header"), soap("Body"), wsse("Security")):
        if sum(1 for _ in root.iter(name)) > 1:
            raise As4Error(Flaw.BAD_HEADER, f"more than one {etree.QName(name).localname}")
    for one in header:
        if one.tag not in (eb("Messaging"), wsse("Security")) and one.get(soap("mustUnderstand")) in (
            "1",
            "true",
        ):
            raise As4Error(Flaw.BAD_HEADER, "a header that must be understood, and is not")
    security = header.find(wsse("Security"))
    if security is None and next(root.iter(wsse("Security")), None) is not None:
        raise As4Error(Flaw.BAD_HEADER, "Security stands elsewhere than in the header")
    return Envelope(root, messaging, body, security)


def _only(parent: Any, name: str) -> Any:
    found = parent.findall(name)
    if len(found) != 1:
        raise As4Error(Flaw.BAD_HEADER, f"{len(found)} {etree.QName(name).localname} where one stands")
    return found[0]


def parse_xml(raw: bytes) -> Any:
    """The root of some XML. Raises As4Error(NOT_XML)."""
    if len(raw) > ENVELOPE_BYTES_MAX:
        raise As4Error(Flaw.NOT_XML, f"an envelope of more than {ENVELOPE_BYTES_MAX} bytes")
    if (
        b"<!DOCTYPE" in raw or b"<!ENTITY" in raw
    ):  # before it is parsed: an entity costs memory when it is declared
        raise As4Error(Flaw.NOT_XML, "it has a document type")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        recover=False,
    )
    try:
        root = etree.fromstring(raw, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise As4Error(Flaw.NOT_XML, "not well-formed XML") from error
    if root.getroottree().docinfo.doctype:
        raise As4Error(Flaw.NOT_XML, "it has a document type")
    depth, count = 0, 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        count += event == "start"
        if depth > DEPTH_MAX or count > ELEMENTS_MAX:
            raise As4Error(Flaw.NOT_XML, "too deep, or too many elements")
    return root


def new_envelope(messaging: Any, identity: str) -> Envelope:
    """A fresh one around a messaging header; `identity` is what its ids end in."""
    root = etree.Element(soap("Envelope"), nsmap=dict(PREFIXES))
    header = etree.SubElement(root, soap("Header"))
    security = etree.SubElement(header, wsse("Security"), {soap("mustUnderstand"): "true"})
    messaging.set(WSU_ID, f"messaging-{identity}")
    messaging.set(soap("mustUnderstand"), "true")
    header.append(messaging)
    body = etree.SubElement(root, soap("Body"), {WSU_ID: f"body-{identity}"})
    return Envelope(root, messaging, body, security)


def write_envelope(envelope: Envelope) -> bytes:
    """As bytes, which are what is signed and kept: nothing is indented."""
    raw: bytes = etree.tostring(envelope.root, xml_declaration=True, encoding="UTF-8")
    return raw


def add(parent: Any, name: str, text: str | None = None, /, **attributes: str) -> Any:
    """A child of ebMS's, with its text; attributes without a value are left out."""
    child = etree.SubElement(parent, eb(name), {key: value for key, value in attributes.items() if value})
    child.text = text
    return child


def only(parent: Any, *path: str) -> Any:
    """The one element at this path of ebMS names. As4Error(BAD_HEADER)."""
    for name in path:
        parent = _only(parent, eb(name))
    return parent


def at_most_one(parent: Any, name: str) -> Any:
    """The one element, or None. As4Error(BAD_HEADER)."""
    found = parent.findall(eb(name))
    if len(found) > 1:
        raise As4Error(Flaw.BAD_HEADER, f"{len(found)} {name}")
    return found[0] if found else None


def text_of(element: Any) -> str:
    """Its text, without the white space around. As4Error for an element with others in it."""
    if len(element):
        raise As4Error(Flaw.BAD_HEADER, f"{etree.QName(element).localname} has elements in it")
    return (element.text or "").strip()


def write_time(at: datetime) -> str:
    """As ebMS has it (s.5.2.2.1): UTC, with its Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_time(text: str) -> datetime:
    """A time stamp; one without a zone is UTC (as in ebMS 3.0). As4Error(BAD_HEADER)."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise As4Error(Flaw.BAD_HEADER, "Timestamp is no time") from error
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
