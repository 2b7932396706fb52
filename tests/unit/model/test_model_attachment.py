"""What a message says of its files: in the envelope, strictly, and absent where there are none."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from intertie.model.attachment import ATTACHMENTS_MAX, CIPHER, AttachmentId, AttachmentRef, attachment_name
from intertie.model.documents import DOCUMENTS, example, example_bytes, read_message, schema
from intertie.model.errors import Code, Refused
from intertie.model.message import read_envelope, write_message

ID = "0192f1c0-0000-7000-8000-00000000000{}"


def ref(number: int = 1, **changed: Any) -> AttachmentRef:
    values: dict[str, Any] = {
        "id": AttachmentId(ID.format(number)),
        "name": f"readings-{number}.csv",
        "media_type": "text/csv",
        "size": 1,
        "sha256": "0" * 64,
        "cipher": CIPHER,
        "key": f"{number}" + "A" * 42,
    }
    return msgspec.convert(values | changed, AttachmentRef)


def with_files(*refs: dict[str, Any]) -> bytes:
    message = json.loads(example_bytes("outage_notice"))
    return json.dumps(message | {"attachments": list(refs)}).encode()


def as_json(one: AttachmentRef) -> dict[str, Any]:
    return json.loads(msgspec.json.encode(one))


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_a_message_without_files_is_the_bytes_it_was(name: str) -> None:
    """The member is optional: bytes written before there were files, and since, are the same."""
    header, body = example(name)
    raw = write_message(header, body)
    assert b'"attachments":[{"id"' not in raw and set(json.loads(raw)) == {"header", "body"}
    assert read_envelope(example_bytes(name)).attachments == ()


def test_files_come_back_as_they_were_written() -> None:
    header, body = example("outage_notice")
    raw = write_message(header, body, (ref(1), ref(2)))
    assert read_envelope(raw).attachments == (ref(1), ref(2))
    assert read_message(raw) == (header, body)


@pytest.mark.parametrize("what", ["id", "name", "key"])
def test_nothing_stands_twice(what: str) -> None:
    one, other = as_json(ref(1)), as_json(ref(2))
    with pytest.raises(Refused, match="stands twice") as caught:
        read_envelope(with_files(one, other | {what: one[what]}))
    assert caught.value.code is Code.BAD_MESSAGE and one["key"] not in str(caught.value)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("id", "0192f1c0-0000-4000-8000-000000000001"),
        ("id", "../0192f1c0-0000-7000-8000-000000000001"),
        ("name", "../etc/passwd"),
        ("name", "a/b"),
        ("name", ".hidden"),
        ("name", "-rf"),
        ("name", "two..dots"),
        ("name", "line\nend"),
        ("name", ""),
        ("media_type", "text"),
        ("size", 0),
        ("size", 2**31 + 1),
        ("sha256", "0" * 63),
        ("sha256", "A" * 64),
        ("cipher", "A128GCM"),
        ("key", "A" * 42),
        ("key", "A" * 42 + "B"),  # bits that no byte uses
        ("key", "=" * 43),
        ("path", "/tmp"),
    ],
)
def test_a_strange_one_is_refused(member: str, value: object) -> None:
    with pytest.raises(Refused) as caught:
        read_envelope(with_files(as_json(ref()) | {member: value}))
    assert caught.value.code is Code.BAD_MESSAGE


def test_the_largest_file_and_as_many_as_may_be() -> None:
    assert ref(size=2**31).size == 2**31
    many = [as_json(ref()) | {"id": f"0192f1c0-0000-7000-8000-{n:012x}"} for n in range(ATTACHMENTS_MAX + 1)]
    for number, one in enumerate(many):
        one |= {"name": f"{number}.csv", "key": f"{number:0>42}A"}
    assert len(read_envelope(with_files(*many[:-1])).attachments) == ATTACHMENTS_MAX
    with pytest.raises(Refused, match="more than 200"):
        read_envelope(with_files(*many))


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("readings.csv", "readings.csv"),
        ("Tarif général 2026 (v2).pdf", "Tarif general 2026 (v2).pdf"),
        (".bashrc", "_.bashrc"),
        ("-rf", "_-rf"),
        ("a..b", "a.b"),
        ("電力.csv", "_.csv"),
        ("x" * 200 + ".csv", "x" * 124 + ".csv"),
        ("a:b*c", "a_b_c"),
    ],
)
def test_names_are_made_to_fit(given: str, name: str) -> None:
    assert attachment_name(given) == name
    assert ref(name=name).name == name


def test_the_schema_has_them() -> None:
    assert schema("tariff_filing")["properties"]["attachments"]["maxItems"] == ATTACHMENTS_MAX
    assert "attachments" not in schema("tariff_filing")["required"]
