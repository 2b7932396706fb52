"""The base contracts: proposed by the utility to both aggregators, countered by one, signed by all; and the feeder's model."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from decimal import Decimal
from functools import partial

from msgspec.structs import replace

from intertie.demo.books import HOLIDAYS
from intertie.demo.gateways import AGGREGATOR, AGGREGATORS, RIVAL, UTILITY, Organisation
from intertie.demo.season import Desk, Season
from intertie.market.contract import terms_hash
from intertie.model.agreement import BaseContract, Calendar, ContractSignature, Elections, GeneralTerms
from intertie.model.feeder import FeederModel, PointPlace, Section
from intertie.model.ids import AgreementId, ConnectionPointId
from intertie.model.message import Mode, Verb

# What both have on paper. A real one has forty pages; its hash is what the contract names.
GENERAL_TERMS = """General terms and conditions for distribution grid services, edition of the example.
1. A transaction is binding once it is confirmed, or deemed confirmed.
2. Delivered is what the meters of the registered resources show against the agreed baseline.
3. What is not disputed is paid when it is due.
"""
TERMS_FILE = "general-terms.txt"


def plan(season: Season) -> None:
    """On the first morning."""
    for minutes, text, act in (
        (0, "the utility proposes base contracts", _propose),
        (60, "one aggregator counters: paid on the 20th", _counter),
        (120, "the utility signs both", _utility_signs),
        (150, "both aggregators sign", _aggregators_sign),
        (180, "the utility tells how its feeder is built", _tell_feeder),
    ):
        season.plan_action(season.clock.now + timedelta(minutes=minutes), text, partial(act, season))


def text_for(season: Season, aggregator: Organisation) -> BaseContract:
    """What the utility proposes: the defaults of the cover sheet, but for currency and tolerance."""
    return BaseContract(
        agreement=aggregator.agreement or AgreementId(""),
        buyer=UTILITY.party,
        seller=aggregator.party,
        effective=season.clock.now,
        elections=Elections(currency="EUR", tolerance_percent=Decimal("0.5")),
        general_terms=GeneralTerms(
            title="Distribution grid services, general terms",
            edition="example 2026",
            sha256=hashlib.sha256(GENERAL_TERMS.encode()).hexdigest(),
        ),
        calendar=Calendar(
            name="Business days of the region", zone=season.feeder.zone, holidays=tuple(sorted(HOLIDAYS))
        ),
    )


def _propose(season: Season) -> None:
    (season.utility.office.directory.parent / TERMS_FILE).write_text(GENERAL_TERMS, encoding="ascii")
    for who in AGGREGATORS:
        season.utility.office.send(text_for(season, who), verb=Verb.CREATE, about=who.agreement, to=who)


def _counter(season: Season) -> None:
    _, text = season.aggregator.newest(BaseContract)
    elections = replace(text.elections, payment_day_of_month=20)
    changed = replace(text, revision=2, elections=elections)
    season.aggregator.office.send(changed, verb=Verb.CHANGE, about=AGGREGATOR.agreement)


def _utility_signs(season: Season) -> None:
    for who in AGGREGATORS:
        _sign(season.utility, who, who)


def _aggregators_sign(season: Season) -> None:
    _sign(season.aggregator, UTILITY, AGGREGATOR)
    _sign(season.rival, UTILITY, RIVAL)


def _sign(desk: Desk, partner: Organisation, aggregator: Organisation) -> None:
    """Signed is the text that the gateway's book holds as the newest, and nothing that was read elsewhere."""
    draft = desk.office.book_with(partner).book.contracts[aggregator.agreement or AgreementId("")].draft
    assert draft is not None
    signature = ContractSignature(
        agreement=draft.text.agreement,
        revision=draft.text.revision,
        terms=terms_hash(draft.text),
        signatory=desk.office.who.name,
    )
    desk.office.send(signature, about=aggregator.agreement, to=partner)


def _tell_feeder(season: Season) -> None:
    feeder = season.feeder
    at = ConnectionPointId
    body = FeederModel(
        model=feeder.name,
        revision=1,
        effective=season.clock.now,
        sections=tuple(
            Section(section=node, feeder=feeder.name, parent=parent)
            for node, parent in feeder.parents.items()
        ),
        points=(
            PointPlace(point=season.point, section=feeder.root),
            *(PointPlace(point=at(node), section=node, parent=season.point) for node in feeder.parents),
        ),
    )
    for who in AGGREGATORS:
        season.utility.office.send(body, mode=Mode.REGISTRATION, about="feeder", to=who)
