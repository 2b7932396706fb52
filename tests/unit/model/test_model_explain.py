"""No error of reading says a word of what was read: shown on every document, with a marked value in any place."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import intertie.model
from intertie.journal.entry import read_entry
from intertie.model.documents import DOCUMENTS, example_bytes, read_message
from intertie.model.errors import EvidenceError, Refused
from intertie.model.explain import why_unreadable
from intertie.model.record import Record, RuleError
from intertie.seal.encoding import from_base64url, read_canonical

MARK = "ACCT-7731-4412"
FOLDER = Path(intertie.model.__file__).parent


class Kind(Record, frozen=True, kw_only=True):
    number: int = 0
    share: str = ""

    def check(self) -> None:
        if self.share == "rule":
            raise RuleError("share: breaks a rule")
        if self.share:
            raise ValueError(f"share: {self.share} is foreign")


DECODER = msgspec.json.Decoder(dict[str, Kind])


def why(raw: bytes, root: str = "$") -> str:
    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError, RecursionError)) as caught:
        DECODER.decode(raw)
    return why_unreadable(caught.value, root)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'{"a":{"number":"x"}}', "Expected `int`, got `str` - at `$[...].number`"),
        (b'{"a":{"ACCT":1}}', "Object contains a field that its type does not have - at `$[...]`"),
        (b'{"a":{"share":"rule"}}', "share: breaks a rule - at `$[...]`"),
        (b'{"a":{"share":"ACCT"}}', "it breaks a rule of its type - at `$[...]`"),
        (b"{", "Input data was truncated"),
        (b"{nothing}", "JSON is malformed: "),
        (b"[]", "Expected `object`, got `array`"),
    ],
)
def test_rule_and_place_are_said(raw: bytes, said: str) -> None:
    assert why(raw).startswith(said)


def test_the_place_is_where_the_bytes_stood_in_the_message() -> None:
    assert why(b'{"a":{"number":"x"}}', "$.body").endswith(" - at `$.body[...].number`")
    assert why(b"[]", "$.body").endswith(" - at `$.body`")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RecursionError(MARK), "nested too deep"),
        (OverflowError(MARK), "a time beyond the year 9999"),
        (UnicodeDecodeError("utf-8", b"ACCT\xff", 4, 5, MARK), "not UTF-8 (byte 4)"),
        (ValueError(MARK), "it breaks a rule of its type"),
        (KeyError(MARK), "it breaks a rule of its type"),
        (
            msgspec.ValidationError(f"Invalid enum value '{MARK}'"),
            "not one of the values that may stand here",
        ),
        (msgspec.ValidationError(f"Something new about {MARK}"), "it breaks a rule of its type"),
        (msgspec.ValidationError(f"Expected - at `$.{MARK}`"), "it breaks a rule of its type"),
    ],
)
def test_what_is_not_known_is_not_passed_on(error: Exception, said: str) -> None:
    assert why_unreadable(error) == said


def _allowed(part: ast.expr) -> bool:
    """What a rule's text may be made of: names of fields, limits, units, counts; nothing that stands in a field."""
    if isinstance(part, ast.Name):
        return part.id.isupper() or part.id in {"field", "name", "low", "high", "unit", "why", "place"}
    return ast.unparse(part) in {
        "series.unit",
        "self.state",  # an enumeration of ours
        "', '.join(fields)",
        "len(self.quality)",
        "len(self.series.values)",
    }


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_rules_are_put_into_words_without_values(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
            continue
        name = ast.unparse(node.exc.func)
        assert name != "ValueError" or path.name in {"ids.py", "quantity.py"}, (
            f"line {node.lineno}: RuleError"
        )
        if name == "RuleError":
            (text,) = node.exc.args
            parts = text.values if isinstance(text, ast.JoinedStr) else [text]
            for part in parts:
                good = isinstance(part, ast.Constant) or (
                    isinstance(part, ast.FormattedValue) and _allowed(part.value)
                )
                assert good, f"line {node.lineno}: {ast.unparse(part)}"


# Every document, marked anywhere


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything in a JSON value."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += places(inner, (*path, index))
    return found


def put(value: Any, path: tuple[Any, ...], how: str) -> Any:
    """The value with the mark at a path: in place of what is there, beside it under a new name, or as its name."""
    where = value
    for step in path[:-1]:
        where = where[step]
    last = path[-1]
    if how == "value":
        where[last] = MARK
    elif how == "list":
        where[last] = [MARK, MARK, {MARK: MARK}]
    elif how == "twice" and isinstance(where, list):
        where += [MARK, MARK]
    elif isinstance(where, dict):
        where[MARK] = where.pop(last) if how == "name" else MARK
    return value


def said_of(raw: bytes) -> str:
    try:
        read_message(raw)
    except Refused as refused:
        return f"{refused} {refused.detail} {refused.why} {refused.do}"
    return ""


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(sorted(DOCUMENTS)),
    st.integers(0, 10_000),
    st.sampled_from(["value", "list", "twice", "name", "beside"]),
    st.integers(0, 3000),
)
def test_no_error_of_a_message_holds_what_was_in_it(name: Any, place: int, how: str, cut: int) -> None:
    whole = json.loads(example_bytes(name))
    found = places(whole)
    raw = json.dumps(put(whole, found[place % len(found)], how)).encode()
    assert MARK not in said_of(raw)
    assert MARK not in said_of(raw[:cut])
    assert MARK not in said_of(raw.replace(MARK.encode(), MARK.encode() + b"\xff"))


def test_the_property_can_fail() -> None:
    raw = json.dumps(
        put(json.loads(example_bytes(sorted(DOCUMENTS)[0])), ("header", "verb"), "value")
    ).encode()
    assert said_of(raw)


def test_signed_things_and_journal_entries_do_not_quote_either() -> None:
    for raw in (b'{"kind":"%s"}' % MARK.encode(), b'{"%s":1}' % MARK.encode()):
        with pytest.raises(EvidenceError) as journal:
            read_entry(raw)
        with pytest.raises(ValueError, match=r".") as canonical:
            read_canonical(raw, msgspec.json.Decoder(Kind))
        assert MARK not in str(journal.value) + str(canonical.value)
    with pytest.raises(ValueError, match="not base64url") as base:
        from_base64url(MARK + "é")
    assert MARK not in str(base.value)
