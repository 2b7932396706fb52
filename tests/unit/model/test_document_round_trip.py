"""Every document, and every part of one: what is written is read again exactly, and anything less is refused."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from copy import deepcopy
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from document_strategies import LARGE, bodies, fields_of
from hypothesis import given, settings
from hypothesis import strategies as st

from intertie.model.documents import DOCUMENTS, document_of, example, example_bytes, read_message
from intertie.model.errors import Code, Refused
from intertie.model.ids import DocumentName
from intertie.model.message import write_message
from intertie.model.record import Record

NAMES = sorted(DOCUMENTS)
QUICK = settings(max_examples=10, deadline=None, suppress_health_check=LARGE)


def parts_of(kind: type[Record]) -> set[type[Record]]:
    """A type and all record types its fields lead to."""
    found: set[type[Record]] = set()
    ahead: list[Any] = [kind]
    while ahead:
        hint = ahead.pop()
        if isinstance(hint, type) and issubclass(hint, Record):
            if hint not in found:
                found.add(hint)
                ahead.extend(fields_of(hint).values())
        else:
            ahead.extend(typing.get_args(hint))
    return found


PARTS = sorted(
    {part for d in DOCUMENTS.values() for part in parts_of(d.type)}, key=lambda part: part.__name__
)


def places(record: Any, raw: Any, path: str = "$.body") -> Iterator[tuple[Record, dict[str, Any], str]]:
    """Every record in a body, with the JSON object it was read from and its path."""
    if isinstance(record, Record):
        yield record, raw, path
        for name in record.__struct_fields__:
            if name in raw:
                yield from places(getattr(record, name), raw[name], f"{path}.{name}")
    elif isinstance(record, tuple):
        for index, (one, raw_one) in enumerate(zip(record, raw, strict=True)):
            yield from places(one, raw_one, f"{path}[{index}]")


def refusal(message: dict[str, Any]) -> Refused:
    """How a message is refused; fails if it is not."""
    with pytest.raises(Refused) as caught:
        read_message(json.dumps(message).encode())
    assert caught.value.code is Code.SCHEMA
    return caught.value


@pytest.mark.parametrize("name", NAMES)
def test_random_bodies_come_back_exactly(name: DocumentName) -> None:
    document = DOCUMENTS[name]
    header, _ = example(name)

    @QUICK
    @given(bodies(document.type))
    def holds(body: Record) -> None:
        raw = write_message(header, body)
        again = read_message(raw)
        assert again == (header, body)
        assert type(again[1]) is document.type
        assert write_message(*again) == raw

    holds()


@pytest.mark.parametrize("name", NAMES)
def test_random_bodies_fit_no_other_document(name: DocumentName) -> None:
    """A body read as another document is refused: forms do not overlap by accident."""
    _, body = example(name)
    assert document_of(body).name == name
    message = json.loads(example_bytes(name))
    for other in NAMES:
        if other != name:
            message["header"]["document"] = other
            refusal(message)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_each_required_field_is_required(part: type[Record]) -> None:
    @settings(max_examples=3, deadline=None, suppress_health_check=LARGE)
    @given(bodies(part), st.data())
    def holds(record: Record, data: st.DataObject) -> None:
        raw = json.loads(msgspec.json.encode(record))
        for field in msgspec.structs.fields(part):
            if field.required:
                less = {k: v for k, v in raw.items() if k != field.encode_name}
                with pytest.raises(
                    msgspec.ValidationError, match=f"missing required field `{field.encode_name}`"
                ):
                    msgspec.json.decode(json.dumps(less), type=part)
        with pytest.raises(msgspec.ValidationError, match="unknown field `sideways`"):
            msgspec.json.decode(json.dumps({**raw, "sideways": 1}), type=part)

    holds()


@pytest.mark.parametrize("name", NAMES)
def test_missing_fields_are_refused_with_their_path(name: DocumentName) -> None:
    header, body = example(name)
    message = json.loads(example_bytes(name))
    tried = 0
    for record, raw, path in places(body, message["body"]):
        for field in msgspec.structs.fields(type(record)):
            if field.required:
                kept = raw.pop(field.name)
                error = refusal(message)
                assert f"`{path}`" in error.detail and f"`{field.name}`" in error.detail
                assert (error.message, error.partner) == (header.id, header.sender)
                assert header.id in str(error) and header.sender in str(error)
                raw[field.name] = kept
                tried += 1
    assert tried


@pytest.mark.parametrize("name", NAMES)
def test_unknown_fields_are_refused_at_every_level(name: DocumentName) -> None:
    _, body = example(name)
    message = json.loads(example_bytes(name))
    for _record, raw, path in places(body, message["body"]):
        raw["sideways"] = None
        assert f"`{path}`" in refusal(message).detail
        del raw["sideways"]
    read_message(json.dumps(message).encode())


@pytest.mark.parametrize(
    "bad", ["NaN", "NaN1", "-sNaN12", "-NaN", "sNaN", "Infinity", "-Infinity", "1E+999999", "1E-10", "1E+13"]
)
def test_numbers_that_are_none_are_refused_everywhere(bad: str) -> None:
    tried = 0
    for name in NAMES:
        _, body = example(name)
        message = json.loads(example_bytes(name))
        for record, raw, path in places(body, message["body"]):
            for field in record.__struct_fields__:
                if isinstance(getattr(record, field), Decimal) and field in raw:
                    kept, raw[field] = raw[field], bad
                    detail = refusal(message).detail
                    assert field in detail and path in detail
                    raw[field] = kept
                    tried += 1
    assert tried > 50


def test_times_without_an_offset_are_refused_everywhere() -> None:
    tried = 0
    for name in NAMES:
        _, body = example(name)
        message = json.loads(example_bytes(name))
        for record, raw, path in places(body, message["body"]):
            for field in record.__struct_fields__:
                if isinstance(getattr(record, field), datetime) and field in raw:
                    kept, raw[field] = raw[field], raw[field].removesuffix("Z")
                    assert path in refusal(message).detail
                    raw[field] = kept
                    tried += 1
    assert tried > 100


def test_words_that_are_on_no_code_list_are_refused_everywhere() -> None:
    tried = 0
    for name in NAMES:
        _, body = example(name)
        message = json.loads(example_bytes(name))
        for record, raw, path in places(body, message["body"]):
            for field in record.__struct_fields__:
                if type(getattr(record, field)).__name__ in _code_lists() and field in raw:
                    kept, raw[field] = raw[field], "no_such_word"
                    detail = refusal(message).detail
                    assert f"{path}.{field}" in detail
                    raw[field] = kept
                    tried += 1
    assert tried > 50


def _code_lists() -> set[str]:
    """Names of the enumerations that some field holds."""
    hints = [hint for part in PARTS for hint in fields_of(part).values()]
    found: set[str] = set()
    while hints:
        hint = hints.pop()
        if isinstance(hint, type) and issubclass(hint, str) and hint is not str:
            found.add(hint.__name__)
        hints.extend(typing.get_args(hint))
    return found


def test_a_unit_that_does_not_fit_the_field_is_refused() -> None:
    fits_any = {
        "$.body.inputs[0].series",
        "$.body.inputs[1].series",
        "$.body.results[0].series",
        "$.body.results[1].series",
    }
    tried = 0
    for name in NAMES:
        _, body = example(name)
        message = json.loads(example_bytes(name))
        for record, raw, path in places(body, deepcopy(message["body"])):
            if "step_seconds" in record.__struct_fields__ and path not in fits_any:
                target: Any = message["body"]
                for key in path.removeprefix("$.body.").replace("[", ".").replace("]", "").split("."):
                    target = target[int(key)] if key.isdigit() else target[key]
                target["unit"] = "V"
                assert "must be in" in refusal(message).detail
                target["unit"] = raw["unit"]
                tried += 1
    assert tried > 20
