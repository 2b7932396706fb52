"""`intertie api key add`: a key for a person or a system of ours."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, print_json, when
from intertie.gateway.office.api_keys import OfficeRole, add_key
from intertie.run import opened
from intertie.stores.api_key_files import ApiKeyFiles


def add(
    name: str,
    /,
    *,
    role: Annotated[OfficeRole, Parameter(help="What it is for; docs/api.md says what each role may do.")],
    days: Annotated[float, Parameter(help="How long it counts.")] = 90.0,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Make an API key and print it: it is shown this once. What is kept of it opens nothing.

    Example: intertie api key add billing-system --role settlement

    Parameters
    ----------
    name
        Who holds it, as `billing-system`: the log names it with each act.
    """
    with opened(dir) as it:
        keys = ApiKeyFiles(it.places.office)
        made = add_key(it.gateway, keys, name, role, timedelta(days=days), it.clock())
    if json:
        print_json({"name": name, "role": role.value, "expires": made.key.expires, "key": made.text})
    else:
        print(made.text)
        print(f"Until {when(made.key.expires)}, as {role.value}. It is not shown again.")
