"""`intertie hold`: what must not be erased, whatever its retention says."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, print_json, print_table, when
from intertie.gateway.ports import Hold
from intertie.gateway.proving.hold import hold as hold_back
from intertie.gateway.proving.hold import release as let_go
from intertie.model.errors import SettingsError
from intertie.model.ids import AgreementId, MessageId
from intertie.run import opened


def hold(
    id: MessageId | None = None,
    /,
    *,
    agreement: Annotated[
        AgreementId | None, Parameter(help="Hold all messages under this agreement.")
    ] = None,
    reference: Annotated[str | None, Parameter(help="The case it is for, as CASE-2026-117.")] = None,
    release: Annotated[int | None, Parameter(help="End the hold with this number.")] = None,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Keep messages from being erased (legal hold), or end that. Without arguments: list the holds in force.

    Parameters
    ----------
    id
        The message to hold.
    """
    if sum(one is not None for one in (id, agreement, release)) > 1:
        raise SettingsError("nothing is changed: one message, one agreement, or one release at a time")
    with opened(dir) as it:
        now = it.clock()
        if release is not None:
            ended = let_go(it.gateway, release, now)
            print_json(_json(ended)) if json else print(f"Hold {ended.number} ({ended.reference}) has ended.")
        elif id is not None or agreement is not None:
            new = hold_back(it.gateway, id, agreement, reference or "", now)
            print_json(_json(new)) if json else print(f"Hold {new.number} ({new.reference}) is in force.")
        else:
            _list(it.gateway.store.holds(), json=json)


def _list(holds: list[Hold], *, json: bool) -> None:
    if json:
        print_json({"holds": [_json(one) for one in holds]})
        return
    print_table(
        "Holds in force",
        ["hold", "since", "reference", "message", "agreement"],
        [[h.number, when(h.at), h.reference, h.message, h.agreement] for h in holds],
        empty="Nothing is held.",
    )


def _json(hold: Hold) -> dict[str, object]:
    return hold._asdict()
