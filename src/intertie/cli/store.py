"""`intertie store`: backups, and the keys that the store is encrypted with."""

from __future__ import annotations

from cyclopts import App

from intertie.cli._shared import HERE, Dir, Json, print_json, print_table, when
from intertie.cli.store_backup import backup
from intertie.cli.store_restore import restore
from intertie.run import opened
from intertie.seal.store_kek import StoreKeks, add_store_kek, store_kek_names

app = App(name="store", help="Backups of what is kept, and the keys that message bodies are encrypted with.")
for command in (backup, restore):
    app.command(command)


@app.command
def keys(*, dir: Dir = HERE, json: Json = False) -> None:
    """List the data keys: month, the port that wraps them, how many bodies were encrypted and how many are left."""
    with opened(dir) as it:
        found, left = it.store.data_keys(), it.store.unprotected()
    if json:
        print_json({"keys": [key._asdict() for key in found], "unprotected_chunks": left})
        return
    print_table(
        "Data keys",
        ["key", "month", "port", "made", "bodies", "left", "destroyed"],
        [[k.number, k.month, k.port, when(k.made_at), k.used, k.live, when(k.destroyed_at)] for k in found],
        empty="No message was kept yet.",
    )
    if left:
        print(f"{left} chunks of an earlier version are not encrypted yet: `intertie store protect` does it.")


@app.command
def protect(*, dir: Dir = HERE, json: Json = False) -> None:
    """Encrypt what a version without encryption kept. A serving gateway does it by itself; this waits until it is done."""
    with opened(dir) as it:
        count = it.store.unprotected()
        while it.store.protect():
            pass
    if json:
        print_json({"chunks": count, "left": 0})
    else:
        print(f"{count} chunks encrypted; every body in the store is.")


@app.command
def rewrap(*, dir: Dir = HERE, json: Json = False) -> None:
    """Wrap every data key by a fresh store key, and destroy the old one. Bodies are not touched, and a
    running gateway goes on."""
    with opened(dir) as it:
        it.store.unlock()
        with it.own.vault.lock():
            old = store_kek_names(it.own.vault)
            new = add_store_kek(it.own.vault)
            count = it.store.rewrap(StoreKeks(it.own.vault), it.clock())
            it.parquet_keys.rewrap(StoreKeks(it.own.vault))
            it.own.vault.destroy(old)
    if json:
        print_json({"rewrapped": count, "key": new})
    else:
        print(f"{count} data keys are wrapped by {new} now; {', '.join(old)} is destroyed.")
