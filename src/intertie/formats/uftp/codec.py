"""Reading and writing UFTP's XML by the types in `messages`: bytes become a frozen type, or an error that names the place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from lxml import etree

from intertie.model.errors import Fault, IntertieError

# A day of 5-minute intervals in fifty options is about 1.2 MB; a month's settlement of a busy point about as much.
XML_BYTES_MAX = 4 * 1024 * 1024
# FlexSettlement is the deepest message: message, ContractSettlement, Period, ISP.
DEPTH_MAX = 4
# Elements of one message: fifty options of a day of 5-minute intervals (15,000), and room.
ELEMENTS_MAX = 50_000
# Reasons and references are short; only the body of a SignedMessage is as long as a message.
TEXT_MAX = 2000

T = TypeVar("T", bound=msgspec.Struct)


class NotUftpError(IntertieError):
    """Bytes that are no UFTP message; `path` is the element and attribute."""

    fault = Fault.THEIRS

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"{path}: {why}", do="Ask the sender to validate its messages against the UFTP schema."
        )
        self.path = path


class Form(NamedTuple):
    """How the text of an attribute is read (ValueError if it is none of this form) and written, and how long it may be."""

    read: Callable[[str], Any]
    write: Callable[[Any], str]
    longest: int = TEXT_MAX


class Attribute(NamedTuple):
    """An attribute of the element."""

    name: str
    form: Form


class Children(NamedTuple):
    """Elements inside it, of one type."""

    name: str
    least: int = 1


class Field(NamedTuple):
    """A field of a type, and where it stands in XML."""

    name: str
    place: Attribute | Children
    kind: type[Any]
    required: bool


@cache
def fields_of(kind: type[msgspec.Struct]) -> tuple[Field, ...]:
    """The fields of a message type, in the order in which they are written."""
    hints = get_type_hints(kind, include_extras=True)
    found = []
    for one in msgspec.structs.fields(kind):
        hint = hints[one.name]
        assert get_origin(hint) is Annotated
        inner, place = get_args(hint)[:2]
        if isinstance(place, Children):
            inner = get_args(inner)[0]
        found.append(Field(one.name, place, inner, one.required))
    return tuple(found)


def parse_xml(raw: bytes) -> etree._Element:
    """The root element. No document type, no entities, no network, no large texts, bounded in size, depth and number."""
    if len(raw) > XML_BYTES_MAX:
        raise NotUftpError("/", f"larger than {XML_BYTES_MAX} bytes")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        recover=False,
    )
    try:
        root = etree.fromstring(raw, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise NotUftpError("/", f"not well-formed XML: {error}"[:200]) from error
    if root.getroottree().docinfo.doctype:
        raise NotUftpError("/", "has a document type; UFTP has none")
    _check_bounds(root)
    return root


def _check_bounds(root: etree._Element) -> None:
    depth, count = 0, 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        count += event == "start"
        if depth > DEPTH_MAX or count > ELEMENTS_MAX:
            raise NotUftpError(
                f"/{root.tag}", f"deeper than {DEPTH_MAX}, or more than {ELEMENTS_MAX} elements"
            )


def read_xml(raw: bytes, kinds: Mapping[str, type[msgspec.Struct]]) -> msgspec.Struct:
    """The message of these bytes, of the type that its root names; NotUftpError."""
    root = parse_xml(raw)
    kind = kinds.get(str(root.tag))
    if kind is None:
        raise NotUftpError(f"/{root.tag}"[:80], "no message of this name is read here")
    return _read(root, kind, f"/{root.tag}")


def _read(element: etree._Element, kind: type[T], path: str) -> T:
    values: dict[str, Any] = {}
    places = fields_of(kind)
    if (element.text or "").strip():
        raise NotUftpError(path, "has text")
    elements: dict[str, list[etree._Element]] = {}
    for child in element:
        elements.setdefault(str(child.tag), []).append(child)
        if (child.tail or "").strip():
            raise NotUftpError(path, "has text")
    for field in places:
        if isinstance(field.place, Attribute):
            text = element.get(field.place.name)
            if text is not None:
                values[field.name] = _value(text, field.place, path)
            elif field.required:
                raise NotUftpError(f"{path}/@{field.place.name}", "is missing")
            continue
        inside = elements.pop(field.place.name, [])
        if len(inside) < field.place.least:
            raise NotUftpError(f"{path}/{field.place.name}", "is missing")
        values[field.name] = tuple(
            _read(child, field.kind, f"{path}/{field.place.name}[{number}]")
            for number, child in enumerate(inside, 1)
        )
    if elements:
        raise NotUftpError(f"{path}/{next(iter(elements))}"[:120], "is not expected here")
    return kind(**values)


def _value(text: str, place: Attribute, path: str) -> Any:
    if len(text) > place.form.longest:
        raise NotUftpError(f"{path}/@{place.name}", f"longer than {place.form.longest} characters")
    try:
        return place.form.read(text.strip())  # white space is collapsed in all but plain strings
    except (ValueError, ArithmeticError, OverflowError) as error:
        raise NotUftpError(f"{path}/@{place.name}", str(error)[:200] or "is not of its form") from error


def write_xml(message: msgspec.Struct) -> bytes:
    """The bytes of a message, UTF-8 with a declaration. The same message always gives the same bytes."""
    raw: bytes = etree.tostring(
        _write(message, element_name(type(message))), xml_declaration=True, encoding="UTF-8"
    )
    return raw


def element_name(kind: type[msgspec.Struct]) -> str:
    """The name of a message's element: that of its type, but for one."""
    return kind.__name__.replace("DPrognosis", "D-Prognosis")


def _write(message: msgspec.Struct, name: str) -> etree._Element:
    element = etree.Element(name)
    for field in fields_of(type(message)):
        value = getattr(message, field.name)
        if isinstance(field.place, Children):
            element.extend([_write(one, field.place.name) for one in value])
        elif value is not None:
            element.set(field.place.name, field.place.form.write(value))
    return element
