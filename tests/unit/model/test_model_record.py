"""What a record is as bytes does not depend on whether its author wrote out what is meant anyway."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from intertie.model.billing import Invoice
from intertie.model.documents import example
from intertie.model.ids import DocumentName
from intertie.model.record import with_own_defaults


def again(text: str) -> str:
    """The same, as another object: as it is read from a file."""
    return "".join(list(text))


def test_a_default_that_was_said_is_left_out_as_one_that_was_not() -> None:
    _, body = example(DocumentName("invoice"))
    assert isinstance(body, Invoice)
    said = replace(body, rounding=again(body.rounding))
    assert b"rounding" in msgspec.json.encode(said)
    without = with_own_defaults(said)
    assert without == said and b"rounding" not in msgspec.json.encode(without)
    assert msgspec.json.encode(with_own_defaults(without)) == msgspec.json.encode(without)


def test_anything_else_stays_as_it_is() -> None:
    _, body = example(DocumentName("invoice"))
    assert isinstance(body, Invoice)
    changed = replace(body, text="as agreed")
    assert with_own_defaults(changed) == changed
    _, other = example(DocumentName("dispatch_cancel"))
    assert with_own_defaults(other) == other
