"""Write docs/schemas/: the JSON Schema of the whole message of each document."""

from __future__ import annotations

import json
from pathlib import Path

from intertie.model.documents import DOCUMENTS, schema


def pages() -> dict[str, str]:
    """The text of each schema file, by its name."""
    return {
        f"{name}.json": json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n" for name in DOCUMENTS
    }


def write(root: Path) -> None:
    """Write every schema under `root`, and remove those of documents that are no more."""
    folder = root / "docs" / "schemas"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    for old in folder.glob("*.json"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).parent.parent)
