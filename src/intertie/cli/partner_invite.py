"""`intertie partner invite`: open the joining door for somebody, and print the code that lets in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from cyclopts import Parameter

from intertie.bindings.joining.door import Door
from intertie.cli._onboarding import joining_json, operator, say, show_words, terms_text
from intertie.cli._shared import HERE, Dir, Instant, Json, PartyOption, print_json, when
from intertie.exchange.joining import State, Terms
from intertie.gateway.partners.join_partner import Joining
from intertie.model.errors import SettingsError
from intertie.model.ids import AgreementId
from intertie.run import Opened, opened
from intertie.run.onboarding import LIFE_MAX
from intertie.run.onboarding import invite as open_invitation

# A working day to reach the right person, and one more.
DEFAULT_HOURS = 48.0
HOURS_MAX = LIFE_MAX / timedelta(hours=1)
# How often `--wait` looks whether somebody joined.
LOOK_SECONDS = 0.2


def invite(
    *,
    party: Annotated[
        PartyOption | None, Parameter(help="The only party that may join (default: who has the code).")
    ] = None,
    agreement: Annotated[AgreementId | None, Parameter(help="The base agreement you propose.")] = None,
    start: Annotated[
        Instant | None, Parameter(name="--from", help="It is in force from here on (default: now).")
    ] = None,
    until: Annotated[Instant | None, Parameter(help="It ends at this time (default: open).")] = None,
    flow: Annotated[
        tuple[str, ...],
        Parameter(
            negative=(),
            help="What is agreed: an interface (DA) or a document on it (DA/invoice); may be given again. "
            "Default: every flow that the roles of both allow.",
        ),
    ] = (),
    hours: Annotated[float, Parameter(help="How long the code works.")] = DEFAULT_HOURS,
    wait: Annotated[
        bool, Parameter(negative=(), help="Stay, run the door if no `serve` does, and show the words.")
    ] = False,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Invite a new partner. Prints a one-time code: give it to them by any way; they run `intertie partner join CODE`."""
    with opened(dir) as it:
        now = it.clock()
        if not 0 < hours <= HOURS_MAX:
            raise SettingsError(f"--hours: {hours:g} is not between 0 and {HOURS_MAX:g}", do="Give fewer.")
        terms = _terms(party, agreement, start, until, flow, now)
        code, joining = open_invitation(it, terms, now + timedelta(hours=hours), now, operator())
        _print(code, joining, json=json)
        if not wait:
            return 0
        joining = asyncio.run(_wait(it, joining))
    if json:
        print_json(joining_json(joining))
    elif joining.other is not None:
        show_words(joining.other)
    return int(joining.other is None)


def _terms(
    party: str | None,
    agreement: AgreementId | None,
    start: datetime | None,
    until: datetime | None,
    flow: tuple[str, ...],
    now: datetime,
) -> Terms:
    terms = {
        "agreement": agreement,
        "start": (start or now) if agreement is not None else start,
        "until": until,
        "covers": flow,
        "party": party,
    }
    try:
        return msgspec.convert(terms, Terms)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"the terms make no sense: {error}", do="`intertie partner invite --help`."
        ) from error


def _print(code: str, joining: Joining, *, json: bool) -> None:
    if json:
        print_json({"code": code, **joining_json(joining)})
        return
    say(f"Invitation {joining.id}: {terms_text(joining.terms, joining.terms.covers)}")
    say(f"It works once, until {when(joining.end)}, at {joining.address}, while `intertie serve` runs.")
    say("They run: intertie partner join CODE, with this code:")
    print(code, flush=True)


async def _wait(it: Opened, joining: Joining) -> Joining:
    """The record once it is joined, or over. Runs the door if its address is free; else `serve` has it."""
    door = it.joining_door()
    watching = await _door_if_free(door)
    try:
        return await _joined(it, joining, it.clock)
    finally:
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def _door_if_free(door: Door) -> asyncio.Task[None] | None:
    try:
        await door.look()
    except SettingsError:
        return None
    return asyncio.create_task(door.watch())


async def _joined(it: Opened, joining: Joining, clock: Callable[[], datetime]) -> Joining:
    """Wait for it. The door stays a moment longer than the record: its answer is still on the way."""
    while True:
        latest = it.joinings.find(joining.id) or joining
        if latest.state is not State.INVITED or clock() >= latest.end:
            await asyncio.sleep(LOOK_SECONDS)
            return latest
        await asyncio.sleep(LOOK_SECONDS)
