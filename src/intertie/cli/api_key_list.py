"""`intertie api key list`: who may come in at the office door."""

from __future__ import annotations

from intertie.cli._shared import HERE, Dir, Json, print_json, print_table, when
from intertie.gateway.office.api_keys import ApiKey
from intertie.run import opened
from intertie.stores.api_key_files import ApiKeyFiles

COLUMNS = ("name", "role", "made", "expires", "revoked", "counts")


def list_keys(*, dir: Dir = HERE, json: Json = False) -> None:
    """List the API keys, without the keys.

    Example: intertie api key list
    """
    with opened(dir) as it:
        now = it.clock()
        rows = [_line(key, "yes" if key.valid(now) else "no") for key in ApiKeyFiles(it.places.office).all()]
    if json:
        print_json({"keys": [dict(zip(COLUMNS, row, strict=True)) for row in rows]})
    else:
        print_table("API keys", COLUMNS, rows, empty="There is no key: `intertie api key add` makes one.")


def _line(key: ApiKey, counts: str) -> list[str]:
    return [key.name, key.role.value, when(key.made), when(key.expires), when(key.revoked), counts]
