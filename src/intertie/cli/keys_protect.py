"""`intertie keys protect`: what opens the keys at rest."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, print_json
from intertie.run import opened
from intertie.seal.protection import Kind
from intertie.seal.vault import Vault


def protect(
    *,
    kind: Annotated[Kind, Parameter(name="--with", help="none (trials), passphrase, or pkcs11 (a token).")],
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Wrap the data keys of everything private anew: the gateway's keys, the store's, and the trial CA's if it is here. In
    one step each: after a crash it is the old protection or the new one.

    Where the passphrase file or the token is, [keys] of intertie.toml says.
    """
    with opened(dir) as it:
        vaults = [it.own.vault, Vault(it.places.ca, it.opener)]
        done = []
        for vault in vaults:
            if vault.exists:
                before = vault.kind()
                with vault.lock():
                    vault.protect(kind)
                done.append((vault.folder, before))
    if json:
        print_json({"protection": kind, "folders": [str(folder) for folder, _ in done]})
        return
    for folder, before in done:
        print(f"{folder}: protected by {kind} now (before: {before}).")
    if kind == "none":
        print("Whoever reads these folders has the keys: for trials only.")
    elif any(before == "none" for _, before in done):
        print("Copies made before now open without it: `intertie keys rotate`, and destroy old backups.")
