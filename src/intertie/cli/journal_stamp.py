"""`intertie journal stamp`: a third party's time over the journal's head."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from intertie.bindings.tsa_http.client import ask_authority
from intertie.cli._shared import HERE, Dir, Json, print_json, print_table, read_file, when, write_file
from intertie.gateway.proving.stamp_journal import Kept, begin_stamp, finish_stamp, kept_stamps
from intertie.model.errors import SettingsError
from intertie.run import Opened, opened
from intertie.seal.timestamp import load_tsa_roots


def stamp(
    *,
    tsa: Annotated[
        str | None, Parameter(help="Address of a time-stamping authority (RFC 3161 over HTTP).")
    ] = None,
    request: Annotated[Path | None, Parameter(help="Write the request into this file instead.")] = None,
    reply: Annotated[
        Path | None, Parameter(help="Read the reply to an earlier request from this file.")
    ] = None,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Have the journal's head time-stamped. The authority sees a hash, nothing else.

    Its root certificate belongs into the gateway's folder `tsa`: a reply that does not verify is not kept. Without a
    network, carry the request to the authority and the reply back: --request FILE, later --reply FILE.
    """
    if sum(way is not None for way in (tsa, request, reply)) != 1:
        raise SettingsError("how is the authority asked?", do="Give one of --tsa, --request and --reply.")
    with opened(dir) as it:
        if request is not None:
            _write_request(it, request, json)
            return
        answer = (
            read_file(reply)
            if reply is not None
            else ask_authority(tsa or "", begin_stamp(it.gateway, it.clock()).request)
        )
        kept = finish_stamp(it.gateway, answer, load_tsa_roots(it.places.tsa), it.clock())
    if json:
        print_json(_json(kept))
    else:
        said = kept.stamped
        print(
            f"{said.authority} says that the journal had its first {kept.head.size} entries at {when(said.at)}"
        )


def stamps(*, dir: Dir = HERE, json: Json = False) -> None:
    """List the time stamps over this gateway's journal."""
    with opened(dir) as it:
        found = kept_stamps(it.gateway, load_tsa_roots(it.places.tsa))
    if json:
        print_json(
            {
                "stamps": [
                    _json(Kept(head, said)) if said else {"size": head.size, "verified": False}
                    for head, said in found
                ]
            }
        )
        return
    rows = [
        (
            head.size,
            when(said.at) if said else "does not verify under the roots in tsa/",
            said.authority if said else "",
        )
        for head, said in found
    ]
    print_table(
        "Time stamps",
        ("entries", "at", "authority"),
        rows,
        empty="No time stamp yet: `intertie journal stamp`.",
    )


def _write_request(it: Opened, path: Path, json: bool) -> None:
    begun = begin_stamp(it.gateway, it.clock())
    write_file(path, begun.request)
    if json:
        print_json({"request": str(path), "size": begun.head.size, "root": begun.head.root.hex()})
    else:
        print(
            f"{path}: request for a time stamp over {begun.head.size} entries. Bring the reply with --reply FILE"
        )


def _json(kept: Kept) -> dict[str, object]:
    said = kept.stamped
    return {
        "size": kept.head.size,
        "root": kept.head.root.hex(),
        "at": said.at,
        "authority": said.authority,
        "serial": said.serial,
        "policy": said.policy,
        "algorithm": said.algorithm,
        "verified": True,
    }
