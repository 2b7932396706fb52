"""Examples and schemas: there is one for each document, they agree with each other, and the pages are current."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from document_strategies import LARGE, bodies
from hypothesis import given, settings

from intertie.catalogue.load import load_catalogue
from intertie.model import documents
from intertie.model.documents import (
    DOCUMENTS,
    document_of,
    example,
    example_bytes,
    read_body,
    read_message,
    schema,
)
from intertie.model.errors import Code, Refused
from intertie.model.ids import DocumentName, uuid7_time
from intertie.model.message import read_envelope, write_message
from intertie.model.party import Role
from intertie.model.quantity import Money
from intertie.model.record import Record

ROOT = Path(__file__).parents[3]
NAMES = sorted(DOCUMENTS)
FAMILIES = {
    "agreement": "base_contract contract_signature contract_notice",
    "contract": "confirmation confirmation_response",
    "aggregation": "aggregation_registration registration_decision composition_change "
    "der_suspension der_resumption",
    "availability": "availability_declaration load_prognosis",
    "system": "outage_notice outage_update restoration_notice system_condition asset_outage asset_return "
    "power_system_data operating_request operating_response application_request application_result",
    "market": "market_requirement bid market_result",
    "offers": "need need_withdrawal offer sealed_offer offer_key offer_revocation counter_offer counter_answer order "
    "need_result",
    "dispatch": "dispatch_instruction dispatch_response dispatch_cancel dispatch_report dispatch_telemetry",
    "feeder": "feeder_model",
    "metering": "meter_readings meter_request",
    "settlement": "performance_statement",
    "billing": "invoice remittance_advice dispute dispute_answer",
    "account": "credit_memo account_statement",
    "vehicle": "vehicle_identity vehicle_enrolment enrolment_decision vehicle_capability charging_command "
    "charging_status",
    "filing": "tariff_filing filing_decision",
    "consent": "consent_grant consent_revocation data_request",
}
ROLES = {
    "utility.example": Role.DISTRIBUTION_UTILITY,
    "aggregator.example": Role.DER_AGGREGATOR,
    "iso.example": Role.ISO_RTO,
    "scada.utility.example": Role.SCADA_DMS,
    "apps.utility.example": Role.UTILITY_APPS,
    "backoffice.utility.example": Role.BACK_OFFICE,
    "clearinghouse.example": Role.MARKET_CLEARINGHOUSE,
    "esi.customer.example": Role.GATEWAY_ESI,
    "agency.example": Role.AGENCY,
    "thirdparty.example": Role.THIRD_PARTY,
}


def validator(name: DocumentName) -> jsonschema.Draft202012Validator:
    page = json.loads((ROOT / "docs" / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(page)
    return jsonschema.Draft202012Validator(page)


def changed(name: str, **header: Any) -> bytes:
    message = json.loads(example_bytes(DocumentName(name)))
    message["header"].update(header)
    return json.dumps(message).encode()


def test_the_documents_are_the_ones_of_the_catalogue() -> None:
    assert {n: d.family for n, d in DOCUMENTS.items()} == {
        name: family for family, names in FAMILIES.items() for name in names.split()
    }
    assert {flow.document for flow in load_catalogue().flows()} == set(DOCUMENTS)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_a_whole_message_of_january_2026(name: DocumentName) -> None:
    header, body = example(name)
    assert header.document == name and document_of(body).name == name
    assert (header.created.year, header.created.month) == (2026, 1)
    assert uuid7_time(header.id) == header.created
    assert header.sender.endswith(".example") and header.recipient.endswith(".example")
    assert read_message(write_message(header, body)) == (header, body)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_admitted_by_the_catalogue(name: DocumentName) -> None:
    header, _ = example(name)
    flow = load_catalogue().admit(
        header, frozenset({ROLES[header.sender]}), frozenset({ROLES[header.recipient]})
    )
    assert flow.agreement == (header.agreement is not None)


def test_there_is_no_example_without_a_document() -> None:
    folder = Path(documents.__file__).parent / "examples"
    assert {page.stem for page in folder.glob("*.json")} == set(DOCUMENTS)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_fits_its_schema(name: DocumentName) -> None:
    check = validator(name)
    check.validate(json.loads(example_bytes(name)))
    check.validate(json.loads(write_message(*example(name))))
    assert not check.is_valid(json.loads(changed(name, document="something_else")))
    assert not check.is_valid(json.loads(changed(name, version=2)))
    assert not check.is_valid(json.loads(changed(name, sideways=1)))
    message = json.loads(example_bytes(name))
    message["body"]["sideways"] = 1
    assert not check.is_valid(message)


@pytest.mark.parametrize("name", NAMES)
def test_random_bodies_fit_the_schema(name: DocumentName) -> None:
    """What this program writes, another program that holds the schema accepts."""
    check = validator(name)
    header, _ = example(name)

    @settings(max_examples=5, deadline=None, suppress_health_check=LARGE)
    @given(bodies(DOCUMENTS[name].type))
    def holds(body: Record) -> None:
        check.validate(json.loads(write_message(header, body)))

    holds()


def test_the_schema_pages_are_current() -> None:
    """If this fails: make docs."""
    spec = importlib.util.spec_from_file_location("write_schemas", ROOT / "tools" / "write_schemas.py")
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    found = {page.name: page.read_text(encoding="utf-8") for page in (ROOT / "docs/schemas").glob("*.json")}
    assert found == tool.pages()


def test_writing_the_schemas_removes_old_ones(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("write_schemas", ROOT / "tools" / "write_schemas.py")
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    old = tmp_path / "docs" / "schemas" / "telegram.json"
    old.parent.mkdir(parents=True)
    old.write_text("{}")
    tool.write(tmp_path)
    assert {page.stem for page in old.parent.glob("*.json")} == set(DOCUMENTS)


def test_a_schema_says_what_is_what() -> None:
    page = schema(DocumentName("dispatch_instruction"))
    assert page["$schema"].endswith("2020-12/schema")
    assert page["title"] == "Dispatch"
    body = page["$defs"]["DispatchInstruction"]
    assert body["properties"]["respond_by"] == {"type": "string", "format": "date-time"}
    assert "Asks for power" in body["description"]
    with pytest.raises(KeyError):
        schema(DocumentName("telegram"))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"document": "telegram"}, "there is no document 'telegram'"),
        ({"version": 2}, "invoice version 2 is not known"),
        ({"document": "bid"}, "`$.body`"),
    ],
)
def test_an_unknown_document_or_version_is_refused(header: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=r"partner aggregator\.example") as caught:
        read_body(read_envelope(changed("invoice", **header)))
    assert caught.value.code is Code.SCHEMA
    assert words in caught.value.detail
    assert caught.value.message == example(DocumentName("invoice"))[0].id


def test_a_body_that_is_no_object_is_refused() -> None:
    message = json.loads(example_bytes(DocumentName("invoice")))
    for body in ([], "x", 1, None, [[]]):
        with pytest.raises(Refused, match=r"\$\.body"):
            read_message(json.dumps({**message, "body": body}).encode())


def test_a_deep_body_is_refused_and_nothing_breaks() -> None:
    header = json.dumps(json.loads(example_bytes(DocumentName("invoice")))["header"]).encode()
    deep = b'{"header":' + header + b',"body":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    with pytest.raises(Refused):
        read_message(deep)


def test_a_part_is_no_document() -> None:
    with pytest.raises(KeyError):
        document_of(msgspec.convert({"amount": "1", "currency": "USD"}, Money))
