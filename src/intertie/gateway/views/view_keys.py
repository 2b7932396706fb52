"""Our keys with their ends, and which partners know the newest of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from intertie.gateway.gateway import Gateway
from intertie.gateway.operating.turning_ports import KeyLine, TurningKeys
from intertie.model.ids import PartyId

# Partners that a page names; of more it says how many.
LATE_SHOWN = 50


class GenerationLines(NamedTuple):
    """The keys of one generation. `may_end`: each is replaced, or waits for its certificate, and some are not destroyed yet."""

    number: int
    keys: tuple[KeyLine, ...]
    may_end: bool


class KeysView(NamedTuple):
    """`late` are partners that have not acknowledged the newest descriptor: they speak to the keys that they know."""

    generations: tuple[GenerationLines, ...]
    protection: str
    can_issue: bool
    waiting: tuple[str, ...]  # parts that wait for certificates
    late: tuple[PartyId, ...]
    late_left_out: int


def keys_view(gateway: Gateway, turning: TurningKeys, now: datetime) -> KeysView:
    """The page. SettingsError, KeyPortError, StoreError."""
    lines = turning.lines(now)
    numbers = list(dict.fromkeys(line.generation for line in lines))
    late = _late(gateway, turning.sequence())
    waiting = [one for one in lines if one.state == WAITS and one.use != "open"]
    newest = max((one.generation for one in waiting), default=0)
    return KeysView(
        tuple(_generation(number, [one for one in lines if one.generation == number]) for number in numbers),
        turning.protection(),
        turning.can_issue(),
        tuple(one.algorithm for one in waiting if one.generation == newest),
        late[:LATE_SHOWN],
        max(len(late) - LATE_SHOWN, 0),
    )


WAITS, RETIRED, IN_USE = "waits for its certificate", "retired", "in use"


def _generation(number: int, keys: Sequence[KeyLine]) -> GenerationLines:
    states = {one.state for one in keys}
    may_end = IN_USE not in states and any(not one.private_key.startswith("destroyed") for one in keys)
    return GenerationLines(number, tuple(keys), may_end)


def _late(gateway: Gateway, sequence: int) -> tuple[PartyId, ...]:
    known = [one.party for one in gateway.partners.all() if one.foreign is None and not one.suspended]
    return tuple(sorted(party for party in known if gateway.store.announced(party) < sequence))
