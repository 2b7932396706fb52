"""`intertie trade show`: contracts, deals and void messages of a partner."""

from __future__ import annotations

from intertie.cli._shared import HERE, Dir, Json, print_json, print_table, when
from intertie.gateway.sending.send_message import find_partner
from intertie.gateway.trading.trade_books import Standing
from intertie.market import confirmation, contract
from intertie.model.documents import document_of
from intertie.model.ids import PartyId
from intertie.run import opened


def show(partner: PartyId, /, *, dir: Dir = HERE, json: Json = False) -> None:
    """Show contracts, deals and what is void, and the digest that must be equal on both sides."""
    with opened(dir) as it:
        find_partner(it.gateway, partner)
        now = it.clock()
        standing = it.gateway.books.of(it.gateway.store, partner)
    book, ledger = standing.ledger.book, standing.ledger
    contracts = [_contract_line(one, contract.status(one, now).value) for one in book.contracts.values()]
    deals: list[list[object]] = [
        [
            one.terms.confirmation,
            one.terms.agreement,
            one.terms.revision,
            confirmation.status(one, now).value,
            when(one.deadline),
        ]
        for one in book.deals.values()
    ]
    voids: list[list[object]] = [
        [void.event.message, void.event.sender, document_of(void.event.body).name, void.rule.name]
        for void in ledger.voids
    ]
    if json:
        print_json(_json(standing, contracts, deals, voids))
        return
    print_table("Contracts", ["agreement", "state", "revision", "terms"], contracts, empty="No contract.")
    print_table("Deals", ["deal", "agreement", "revision", "state", "deadline"], deals, empty="No deal.")
    print_table("Void", ["message", "from", "document", "rule"], voids, empty="Nothing is void.")
    print(f"{len(ledger.events)} messages, {standing.unread} unreadable; digest {ledger.digest()}")


def _contract_line(one: contract.Contract, state: str) -> list[object]:
    text = one.draft.text if one.draft is not None else one.texts[-1] if one.texts else None
    return [one.agreement, state, one.revision, contract.terms_hash(text) if text is not None else ""]


def _json(
    standing: Standing, contracts: list[list[object]], deals: list[list[object]], voids: list[list[object]]
) -> dict[str, object]:
    return {
        "contracts": [
            dict(zip(("agreement", "state", "revision", "terms"), c, strict=True)) for c in contracts
        ],
        "deals": [
            dict(zip(("deal", "agreement", "revision", "state", "deadline"), d, strict=True)) for d in deals
        ],
        "void": [dict(zip(("message", "from", "document", "rule"), v, strict=True)) for v in voids],
        "messages": len(standing.ledger.events),
        "unread": standing.unread,
        "digest": standing.ledger.digest(),
    }
