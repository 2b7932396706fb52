"""A simulated partner looks at its book with the other side and says what its script says: whatever waits for it, in the manner
that comes next. All of it by the acts that people use, over the gateway that it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from intertie.gateway.gateway import Gateway
from intertie.gateway.simulating.simulate_script import Manner, Script
from intertie.gateway.trading.sealed_ports import SealedKeys
from intertie.gateway.trading.trade_contract import give_notice, propose, sign
from intertie.gateway.trading.trade_desk import Desk
from intertie.market import contract
from intertie.model.agreement import BaseContract, ContractAction
from intertie.model.errors import IntertieError, StoreError
from intertie.model.ids import DocumentName, PartyId
from intertie.model.made import made
from intertie.model.party import Role

# The contract begins a little before it is signed, whatever the two clocks say.
BEGINS_BEFORE = timedelta(minutes=5)
# A rehearsal's contract ends by itself.
CONTRACT_LASTS = timedelta(days=365)
# A proposal that was refused is made again: some seconds later, and not for ever.
PROPOSALS = 5
AGAIN_SECONDS = 2.0
PROPOSAL = DocumentName("base_contract")
GENERAL_TERMS = {
    "title": "Rehearsal terms, of no effect",
    "edition": "1",
    "sha256": "0" * 64,
}


class Memory:
    """What a simulated partner remembers while it runs: when it first saw what waits, and what it has done."""

    def __init__(self) -> None:
        self.seen: dict[str, datetime] = {}
        self.done: set[str] = set()


class Turn:
    """One look: the script, the time, what was said so far, and what is remembered between looks."""

    def __init__(
        self,
        gateway: Gateway,
        keys: SealedKeys,
        partner: PartyId,
        memory: Memory,
        script: Script,
        now: datetime,
    ) -> None:
        self.gateway = gateway
        self.keys = keys
        self.partner = partner
        self.script = script
        self.now = now
        self.said: list[str] = []
        self._memory = memory

    @property
    def desk(self) -> Desk:
        """The trade as it stands, with what this turn has said."""
        return Desk(self.gateway, self.partner, self.now)

    def once(self, key: str, after_seconds: float, do: Callable[[], object]) -> None:
        """Do this once, so long after it was first seen to be due; what goes wrong is said, and not tried again."""
        memory = self._memory
        first = memory.seen.setdefault(key, self.now)
        if key in memory.done or self.now < first + timedelta(seconds=after_seconds):
            return
        try:
            do()
        except StoreError:
            return  # the next turn tries it again
        except IntertieError as error:
            self.said.append(f"{key}: {error}")
        else:
            self.said.append(key)
        memory.done.add(key)


def contracts(turn: Turn) -> None:
    """Propose one if there is none; sign what is proposed, or decline it."""
    desk, part = turn.desk, turn.script.contract
    if part.propose and not desk.drafted.contracts:
        refused = _refused(turn)
        if refused < PROPOSALS:
            what = f"propose contract {part.agreement}" + (f", again ({refused})" if refused else "")
            wait = part.after_seconds + refused * AGAIN_SECONDS
            turn.once(what, wait, partial(propose, desk, text_of(turn)))
        return
    for number, (name, known) in enumerate(desk.book.contracts.items(), 1):
        draft, manner = known.draft, part.manner(number)
        said = desk.drafted.contracts[name].draft
        if draft is None or said is None or desk.us in said.signed or manner is Manner.SILENT:
            continue
        what = f"{name} revision {draft.text.revision}"
        if manner is Manner.REFUSE and draft.proposer != desk.us:
            turn.once(
                f"decline {what}",
                part.after_seconds,
                partial(give_notice, desk, name, ContractAction.DECLINE),
            )
        else:
            turn.once(f"sign {what}", part.after_seconds, partial(sign, desk, name, "simulated"))


def _refused(turn: Turn) -> int:
    """How many proposals came to nothing: who is live here a moment before it is live at its own gateway refuses the first."""
    dead = turn.gateway.store.dead_letters(partner=turn.partner)
    return sum(row.document == PROPOSAL for row in dead)


def in_force(turn: Turn) -> bool:
    """Whether business can be done."""
    desk = turn.desk
    return any(
        contract.status(one, turn.now) is contract.State.IN_FORCE for one in desk.book.contracts.values()
    )


def text_of(turn: Turn) -> BaseContract:
    """The contract that a simulated partner proposes."""
    desk, part = turn.desk, turn.script.contract
    ours = Role.DISTRIBUTION_UTILITY in turn.gateway.party.roles
    buyer, seller = (desk.us, desk.partner) if ours else (desk.partner, desk.us)
    return made(
        BaseContract,
        agreement=part.agreement,
        buyer=buyer,
        seller=seller,
        effective=turn.now - BEGINS_BEFORE,
        ends=turn.now + CONTRACT_LASTS,
        general_terms=GENERAL_TERMS,
        calendar={"name": "Rehearsal", "zone": part.zone},
    )
