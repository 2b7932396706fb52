"""`intertie api key revoke`: a key counts no more."""

from __future__ import annotations

from intertie.cli._shared import HERE, Dir, Json, print_json
from intertie.gateway.office.api_keys import revoke_key
from intertie.run import opened
from intertie.stores.api_key_files import ApiKeyFiles


def revoke(name: str, /, *, dir: Dir = HERE, json: Json = False) -> None:
    """Let a key count no more, from the next request on; its streams of events end, too.

    Example: intertie api key revoke billing-system

    Parameters
    ----------
    name
        The key's name.
    """
    with opened(dir) as it:
        done = revoke_key(it.gateway, ApiKeyFiles(it.places.office), name, it.clock())
    print_json({"name": name, "revoked": len(done)}) if json else print(f"Revoked: {len(done)}.")
