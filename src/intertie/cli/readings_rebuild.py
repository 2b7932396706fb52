"""`intertie readings rebuild`: the readings made anew from the journal's messages and the imported files."""

from __future__ import annotations

from intertie.cli._readings import show_summary
from intertie.cli._shared import HERE, Dir, Json, print_json
from intertie.gateway.metering.readings import rebuild as build_again
from intertie.run.readings import opened_readings


def rebuild(*, dir: Dir = HERE, json: Json = False) -> None:
    """Forget the Parquet files and make them anew: after another zone, a lost file, or an erasure of messages."""
    with opened_readings(dir) as it:
        it.store.unlock()
        taken = build_again(it.gateway, it.readings)
        summary = it.readings.store.summary()
    if json:
        print_json({"messages": taken.messages, "imports": taken.imports, "rows": taken.rows})
        return
    print(f"Read again: {taken.messages} messages and {taken.imports} imported files.")
    show_summary(summary)
