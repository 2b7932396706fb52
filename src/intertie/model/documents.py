"""Every document: its name, version, family and type; reading a body strictly; its JSON Schema and an example."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from intertie.model import (
    account,
    aggregation,
    agreement,
    availability,
    billing,
    consent,
    contract,
    dispatch,
    feeder,
    filing,
    market,
    metering,
    offers,
    settlement,
    system,
    vehicle,
)
from intertie.model.attachment import ATTACHMENTS_MAX, AttachmentRef
from intertie.model.errors import Code, Refused
from intertie.model.explain import why_unreadable
from intertie.model.ids import DocumentName
from intertie.model.message import Envelope, Header, read_envelope
from intertie.model.record import Record

SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class DocumentType(NamedTuple):
    """A kind of document. `family` is the file in model/ that its type is in."""

    name: DocumentName
    version: int
    family: str
    type: type[Record]
    title: str


def _documents() -> Mapping[DocumentName, DocumentType]:
    rows: list[tuple[str, type[Record], str]] = [
        ("base_contract", agreement.BaseContract, "Base contract, or an amendment of it"),
        ("contract_signature", agreement.ContractSignature, "Signature under a base contract"),
        ("contract_notice", agreement.ContractNotice, "Notice under a base contract"),
        ("confirmation", contract.Confirmation, "Transaction confirmation"),
        ("confirmation_response", contract.ConfirmationResponse, "Answer to a confirmation"),
        ("aggregation_registration", aggregation.AggregationRegistration, "Registration of an aggregation"),
        ("registration_decision", aggregation.RegistrationDecision, "Decision on each DER"),
        ("composition_change", aggregation.CompositionChange, "Change of an aggregation"),
        ("der_suspension", aggregation.DerSuspension, "DERs that do not take part for a while"),
        ("der_resumption", aggregation.DerResumption, "End of a suspension"),
        ("availability_declaration", availability.AvailabilityDeclaration, "Availability of an aggregation"),
        ("load_prognosis", availability.LoadPrognosis, "Expected load behind a point"),
        ("outage_notice", system.OutageNotice, "Outage"),
        ("outage_update", system.OutageUpdate, "News of an outage"),
        ("restoration_notice", system.RestorationNotice, "Restoration of supply"),
        ("system_condition", system.SystemCondition, "Limit, forecast, switching, or back to normal"),
        ("asset_outage", system.AssetOutage, "DERs out of service"),
        ("asset_return", system.AssetReturn, "DERs back in service"),
        ("feeder_model", feeder.FeederModel, "Sections of feeders and the points on them"),
        ("power_system_data", system.PowerSystemData, "Measurements of the power system"),
        ("operating_request", system.OperatingRequest, "Operator's request, command or price"),
        ("operating_response", system.OperatingResponse, "Answer to an operating request"),
        ("application_request", system.ApplicationRequest, "Request to a utility application"),
        ("application_result", system.ApplicationResult, "Result of a utility application"),
        ("market_requirement", market.MarketRequirement, "What a market needs"),
        ("bid", market.Bid, "Bid"),
        ("market_result", market.MarketResult, "Awards and prices"),
        ("need", offers.Need, "Need of a utility"),
        ("need_withdrawal", offers.NeedWithdrawal, "Withdrawal of a need"),
        ("offer", offers.Offer, "Offer"),
        ("sealed_offer", offers.SealedOffer, "Sealed offer"),
        ("offer_key", offers.OfferKey, "Key of a sealed offer"),
        ("offer_revocation", offers.OfferRevocation, "Revocation of an offer"),
        ("counter_offer", offers.CounterOffer, "Counter to an offer"),
        ("counter_answer", offers.CounterAnswer, "Answer to a counter"),
        ("order", offers.Order, "Order"),
        ("need_result", offers.NeedResult, "Result of a need"),
        ("dispatch_instruction", dispatch.DispatchInstruction, "Dispatch"),
        ("dispatch_response", dispatch.DispatchResponse, "Answer to a dispatch"),
        ("dispatch_cancel", dispatch.DispatchCancel, "Cancellation of a dispatch"),
        ("dispatch_report", dispatch.DispatchReport, "Start or end of a dispatch"),
        ("dispatch_telemetry", dispatch.DispatchTelemetry, "Power during a dispatch"),
        ("meter_readings", metering.MeterReadingSet, "Meter readings"),
        ("meter_request", metering.MeterRequest, "Request for meter readings"),
        ("performance_statement", settlement.PerformanceStatement, "Performance statement"),
        ("invoice", billing.Invoice, "Invoice"),
        ("remittance_advice", billing.RemittanceAdvice, "Remittance advice"),
        ("dispute", billing.Dispute, "Dispute of invoice lines"),
        ("dispute_answer", billing.DisputeAnswer, "Answer to a dispute"),
        ("credit_memo", account.CreditMemo, "Credit memo"),
        ("account_statement", account.AccountStatement, "Statement of account"),
        ("vehicle_identity", vehicle.VehicleIdentity, "Identity of a vehicle, its user and location"),
        ("vehicle_enrolment", vehicle.VehicleEnrolment, "Account or plan of a vehicle"),
        ("enrolment_decision", vehicle.EnrolmentDecision, "Decision on an enrolment"),
        ("vehicle_capability", vehicle.VehicleCapability, "What a vehicle can do"),
        ("charging_command", vehicle.ChargingCommand, "Command, request or price to a vehicle"),
        ("charging_status", vehicle.ChargingStatus, "Status of a vehicle"),
        ("tariff_filing", filing.TariffFiling, "Filing of a tariff"),
        ("filing_decision", filing.FilingDecision, "Decision on a filing"),
        ("consent_grant", consent.ConsentGrant, "Consent of a customer"),
        ("consent_revocation", consent.ConsentRevocation, "End of a consent"),
        ("data_request", consent.DataRequest, "Request for data under a consent"),
    ]
    return MappingProxyType({DocumentName(row[0]): _document(*row) for row in rows})


def _document(name: str, kind: type[Record], title: str) -> DocumentType:
    return DocumentType(DocumentName(name), 1, kind.__module__.rpartition(".")[2], kind, title)


DOCUMENTS: Mapping[DocumentName, DocumentType] = _documents()
_BY_TYPE = {document.type: document for document in DOCUMENTS.values()}
_DECODERS = {name: msgspec.json.Decoder(document.type) for name, document in DOCUMENTS.items()}


def document_of(body: Record) -> DocumentType:
    """The document that a body is; KeyError for a record that is a part of one."""
    return _BY_TYPE[type(body)]


def read_body(envelope: Envelope) -> Record:
    """The typed body. Refused(SCHEMA) names the JSON path, the message and the partner; so does an unknown document."""
    header = envelope.header
    document = DOCUMENTS.get(header.document)
    if document is None:
        raise _refused(header, f"there is no document {header.document!r}")
    if header.version != document.version:
        why = (
            f"{header.document} version {header.version} is not known; this gateway reads {document.version}"
        )
        raise _refused(header, why)
    try:  # OverflowError: an instant beyond the year 9999 that a rule works out.
        return _DECODERS[document.name].decode(envelope.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise _refused(header, why_unreadable(error, "$.body")) from error


def read_message(raw: bytes) -> tuple[Header, Record]:
    """Header and body of a message's bytes. Refused(BAD_MESSAGE) or Refused(SCHEMA)."""
    envelope = read_envelope(raw)
    return envelope.header, read_body(envelope)


def schema(name: DocumentName) -> dict[str, Any]:
    """JSON Schema 2020-12 of the whole message of a document; KeyError if there is none of that name."""
    document = DOCUMENTS[name]
    (header, body, attachments), parts = msgspec.json.schema_components(
        (Header, document.type, tuple[AttachmentRef, ...]), ref_template="#/$defs/{name}"
    )
    this = {"document": {"const": document.name}, "version": {"const": document.version}}
    return {
        "$schema": SCHEMA_DIALECT,
        "$id": f"urn:intertie:document:{document.name}:{document.version}",
        "title": document.title,
        "type": "object",
        "properties": {
            "header": {**header, "properties": this},
            "body": body,
            "attachments": {**attachments, "maxItems": ATTACHMENTS_MAX},
        },
        "required": ["header", "body"],
        "additionalProperties": False,
        "$defs": parts,
    }


@cache
def example_bytes(name: DocumentName) -> bytes:
    """The bytes of the example message of a document; KeyError if there is none of that name."""
    document = DOCUMENTS[name]
    return (resources.files("intertie.model") / "examples" / f"{document.name}.json").read_bytes()


def example(name: DocumentName) -> tuple[Header, Record]:
    """Header and body of the example message of a document; KeyError if there is none of that name."""
    return read_message(example_bytes(name))


def _refused(header: Header, why: str) -> Refused:
    return Refused(Code.SCHEMA, why, message=header.id, partner=header.sender)
