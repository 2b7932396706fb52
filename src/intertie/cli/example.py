"""`intertie example`: the body of a document to start from, or its JSON Schema."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
from cyclopts import Parameter

from intertie.cli._shared import Json, print_json, print_table
from intertie.model.documents import DOCUMENTS, example_bytes, schema
from intertie.model.errors import SettingsError
from intertie.model.ids import DocumentName


def example(
    document: str = "",
    /,
    *,
    schema_only: Annotated[
        bool, Parameter(name="--schema", negative=(), help="Its JSON Schema instead.")
    ] = False,
    json: Json = False,
) -> None:
    """Print an example body of a document, ready for `intertie send`; without a name, list the documents."""
    if not document:
        _list(json)
        return
    name = DocumentName(document)
    if name not in DOCUMENTS:
        raise SettingsError(f"no document {document!r}", do="`intertie example` lists them")
    if schema_only:
        print_json(schema(name))
        return
    message = msgspec.json.decode(example_bytes(name))
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(message["body"]), indent=2).decode() + "\n")


def _list(json: bool) -> None:
    rows = [(d.name, d.family, d.version, d.title) for d in DOCUMENTS.values()]
    if json:
        print_json(
            {
                "documents": [
                    dict(zip(("name", "family", "version", "title"), row, strict=True)) for row in rows
                ]
            }
        )
    else:
        print_table(
            "Documents", ("document", "family", "version", "what it is"), rows, empty="There are none."
        )
