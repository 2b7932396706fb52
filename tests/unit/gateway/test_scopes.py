"""Scopes: what follows from the catalogue, how an operator narrows it, and what a token has to cover."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.catalogue.load import load_catalogue
from intertie.gateway.gateway import Partner
from intertie.gateway.receiving.scopes import (
    FETCH,
    Scope,
    ScopeRefused,
    check_scopes,
    covered,
    narrow,
    scope_of,
    scopes_between,
    scopes_of,
)
from intertie.model.documents import example
from intertie.model.errors import Code
from intertie.model.message import Header
from intertie.model.party import Role

CATALOGUE = load_catalogue()
UTILITY, AGGREGATOR = frozenset({Role.DISTRIBUTION_UTILITY}), frozenset({Role.DER_AGGREGATOR})
ROLES = st.frozensets(st.sampled_from(sorted(Role)), max_size=4)
SCOPES = sorted(scopes_between(CATALOGUE, frozenset(Role), frozenset(Role)))
SCOPE = msgspec.json.Decoder(Scope)


def partner(
    roles: frozenset[Role], scopes: tuple[str, ...] | None = None, *, fetches: bool = False
) -> Partner:
    return SimpleNamespace(roles=roles, scopes=scopes, fetches=fetches)  # type: ignore[return-value]


def test_who_fetches_may_whatever_else_is_narrowed() -> None:
    alone = scopes_of(CATALOGUE, partner(AGGREGATOR, (), fetches=True), UTILITY)
    assert alone == {FETCH}
    assert SCOPE.decode(msgspec.json.encode(FETCH)) == FETCH
    everything = scopes_of(CATALOGUE, partner(AGGREGATOR, fetches=True), UTILITY)
    assert everything == scopes_of(CATALOGUE, partner(AGGREGATOR), UTILITY) | {FETCH}
    assert FETCH not in SCOPES, "no interface has its name"


def header(interface: str, document: str) -> Header:
    made, _ = example("invoice")
    return msgspec.structs.replace(made, interface=interface, document=document)


def test_an_aggregator_may_send_the_utility_invoices_and_not_dispatches() -> None:
    scopes = scopes_between(CATALOGUE, AGGREGATOR, UTILITY)
    assert "DA/invoice" in scopes
    assert "DA/dispatch_instruction" not in scopes
    assert "DA/dispatch_instruction" in scopes_between(CATALOGUE, UTILITY, AGGREGATOR)


@given(ROLES, ROLES)
def test_a_scope_is_there_exactly_if_a_flow_is(sender: frozenset[Role], recipient: frozenset[Role]) -> None:
    scopes = scopes_between(CATALOGUE, sender, recipient)
    for flow in CATALOGUE.flows():
        if flow.sender in sender and flow.recipient in recipient:
            assert scope_of(flow.interface, flow.document) in scopes
    flows = {
        f"{f.interface}/{f.document}"
        for f in CATALOGUE.flows()
        if f.sender in sender and f.recipient in recipient
    }
    assert scopes == flows


def test_parties_without_a_flow_between_them_have_no_scope() -> None:
    assert scopes_between(CATALOGUE, AGGREGATOR, AGGREGATOR) == frozenset()
    assert scopes_between(CATALOGUE, frozenset(), UTILITY) == frozenset()


def test_every_scope_of_the_catalogue_is_one_that_a_file_may_hold() -> None:
    for scope in SCOPES:
        assert SCOPE.decode(msgspec.json.encode(scope)) == scope


@pytest.mark.parametrize("scope", ["DA/*", "DA/invoice", "ET17/consent"])
def test_what_a_scope_looks_like(scope: str) -> None:
    SCOPE.decode(msgspec.json.encode(scope))


@pytest.mark.parametrize(
    "scope",
    [
        "",
        "DA",
        "DA/",
        "/invoice",
        "*/*",
        "*",
        "da/invoice",
        "DA/Invoice",
        "DA/in voice",
        'DA/"',
        "DA/a/b",
        "DA/x\n",
    ],
)
def test_what_it_does_not_look_like(scope: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        SCOPE.decode(msgspec.json.encode(scope))


def test_an_operator_narrows_to_documents_and_interfaces() -> None:
    everything = scopes_of(CATALOGUE, partner(AGGREGATOR), UTILITY)
    assert everything == scopes_between(CATALOGUE, AGGREGATOR, UTILITY)
    assert scopes_of(CATALOGUE, partner(AGGREGATOR, ("DA/invoice",)), UTILITY) == {"DA/invoice"}
    whole = scopes_of(CATALOGUE, partner(AGGREGATOR, ("DA/*",)), UTILITY)
    assert whole == {scope for scope in everything if scope.startswith("DA/")}
    assert scopes_of(CATALOGUE, partner(AGGREGATOR, ()), UTILITY) == frozenset()


def test_narrowing_never_widens() -> None:
    """`DA/dispatch_instruction` is the utility's to send: naming it grants an aggregator nothing."""
    assert (
        scopes_of(CATALOGUE, partner(AGGREGATOR, ("DA/dispatch_instruction", "ZZ/*")), UTILITY) == frozenset()
    )


@given(st.frozensets(st.sampled_from(SCOPES)), st.frozensets(st.sampled_from([*SCOPES, "DA/*", "ET3/*"])))
def test_narrowed_is_what_both_have(scopes: frozenset[str], wanted: frozenset[str]) -> None:
    kept = narrow(scopes, wanted)
    assert kept <= scopes
    assert kept == {scope for scope in scopes if covered(wanted, scope)}


@pytest.mark.parametrize(
    ("scopes", "scope", "is_covered"),
    [
        ({"DA/invoice"}, "DA/invoice", True),
        ({"DA/*"}, "DA/invoice", True),
        ({"DA/invoice"}, "DA/invoices", False),
        ({"DA/invoice"}, "DA/payment", False),
        ({"D/*"}, "DA/invoice", False),
        ({"*", "*/*", "DA"}, "DA/invoice", False),
        ({"ET1/*"}, "ET17/consent", False),
        (set(), "DA/invoice", False),
    ],
)
def test_covering(scopes: set[str], scope: str, is_covered: bool) -> None:
    assert covered(frozenset(scopes), scope) is is_covered


def test_messages_that_are_all_covered_pass() -> None:
    check_scopes([header("DA", "invoice"), header("DA", "payment")], frozenset({"DA/*"}))
    check_scopes([], frozenset())


def test_what_is_not_covered_is_named_once_each() -> None:
    headers = [header("DA", name) for name in ("payment", "invoice", "dispatch", "payment")]
    with pytest.raises(ScopeRefused) as caught:
        check_scopes(headers, frozenset({"DA/invoice"}), headers[0].sender)
    refused = caught.value
    assert refused.code is Code.INSUFFICIENT_SCOPE
    assert (refused.step, refused.rule.http, refused.retry) == (4, 403, False)
    assert refused.missing == ("DA/dispatch", "DA/payment")
    assert "DA/dispatch, DA/payment" in refused.detail
    assert refused.partner == headers[0].sender


def test_a_refusal_stays_short() -> None:
    refused = ScopeRefused(f"DA/d{n}" for n in range(500))
    assert "and 490 more" in refused.detail
    assert len(refused.detail) < 300
