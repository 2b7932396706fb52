"""`intertie partner secret`: a secret for a partner that uploads files."""

from __future__ import annotations

from intertie.cli._shared import Json, print_json, print_pairs
from intertie.formats.upload_terms import hash_secret, new_secret


def secret(*, json: Json = False) -> None:
    """Make a secret for a partner that uploads files. It is shown once; what stands in its legacy file is its hash."""
    made = new_secret()
    lines = [("secret", made), ("in its legacy file", f'secrets = ["{hash_secret(made)}"]')]
    if json:
        print_json({"secret": made, "hash": hash_secret(made)})
    else:
        print_pairs(lines)
