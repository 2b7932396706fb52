"""Write docs/coverage.md: one row for every actor, interface, flow, protocol and security need of the mission."""

from __future__ import annotations

from pathlib import Path

from intertie.catalogue.load import load_catalogue
from intertie.model.party import Role

EVERY_FLOW = "`tests/exchange/test_every_flow.py`"
ACTORS = {
    Role.DISTRIBUTION_UTILITY: "Distribution utility",
    Role.DER_AGGREGATOR: "DER aggregator / energy services company",
    Role.ISO_RTO: "ISO/RTO",
    Role.SCADA_DMS: "SCADA/DMS",
    Role.MARKET_CLEARINGHOUSE: "Energy market clearinghouse",
    Role.BACK_OFFICE: "Metering/billing/utility back office",
    Role.GATEWAY_ESI: "Customer gateway/ESI",
    Role.CUSTOMER_EMS: "Customer EMS",
    Role.EVSE_PEV: "EVSE/PEV",
    Role.SUBMETER_EUMD: "Submeter/EUMD",
    Role.METER: "Meter",
    Role.UTILITY_APPS: "Utility applications",
    Role.AGENCY: "Federal agency or state commission",
    Role.THIRD_PARTY: "Third party",
}
# (what, source, state, what shows it)
PROTOCOLS = [
    (
        "Parcels over HTTPS, mutual TLS 1.3 (HTTPS posts, TLS)",
        "000",
        "works",
        "`tests/command/test_two_gateways.py`",
    ),
    (
        "The same by long poll, for a partner that no inbound port leads to",
        "000",
        "works",
        "`tests/command/test_without_door.py`",
    ),
    (
        "REQ.21 ESPI: Green Button files in and out, by command and as partners' files",
        "000, 001",
        "works",
        "`tests/command/test_readings_espi.py`, `tests/interop/test_espi_peer.py`, `tests/exchange/test_files_espi.py`",
    ),
    (
        "REQ.21 ESPI: a custodian's resources, notification, authorisation by OAuth 2.0",
        "000, 001",
        "works",
        "`tests/interop/test_espi_service.py`, `tests/exchange/test_espi_resources.py`, `tests/exchange/test_espi_oauth.py`",
    ),
    (
        "REQ.21 ESPI: customers who agree, refuse and end it themselves, at the custodian's door",
        "000, 001",
        "works",
        "`tests/exchange/test_espi_customers.py`, `tests/portal/test_forms_in_chromium.py`",
    ),
    (
        "REQ.21 ESPI: fetching from a custodian as its third party",
        "000, 001",
        "works",
        "`tests/interop/test_espi_pair.py`, `tests/exchange/test_espi_fetching.py`",
    ),
    (
        "Secure FTP / SSH: a mailbox for partners, and our way to theirs",
        "000, 001",
        "works",
        "`tests/interop/test_sftp.py`, `tests/faults/test_sftp_kill.py`, `tests/faults/test_file_parcels_kill.py`",
    ),
    (
        "FTP (over TLS): a mailbox for partners, and our way to theirs",
        "000, 001",
        "works",
        "`tests/interop/test_ftps.py`, `tests/interop/test_ftps_client.py`, `tests/faults/test_ftps_kill.py`, "
        "`tests/faults/test_file_parcels_kill.py`",
    ),
    (
        "FTP without TLS, for sealed parcels alone, with partners that are flagged so",
        "000, 001",
        "works",
        "`tests/interop/test_ftps_parcels.py`, `tests/interop/test_ftp_plain_refusals.py`, "
        "`tests/faults/test_file_parcels_kill.py`",
    ),
    (
        "EDI: X12 004010 files to and from our documents",
        "000, 001",
        "works",
        "`tests/vectors/test_x12_vectors.py`, `tests/interop/test_x12_peers.py`",
    ),
    (
        "EDI / VAN: X12 over AS2",
        "000, 001",
        "works",
        "`tests/interop/test_as2_door.py`, `tests/exchange/test_as2.py`",
    ),
    (
        "EDI / VAN: files over AS4",
        "000, 001",
        "works",
        "`tests/interop/test_as4_peer.py`, `tests/exchange/test_as4.py`",
    ),
    (
        "EDI / VAN: NAESB Internet ET",
        "000, 001",
        "works",
        "`tests/interop/test_internet_et_page.py`, `tests/interop/test_internet_et_gpg.py`",
    ),
    (
        "A whole season of business in a partner's own protocol (Internet ET, AS2, SFTP, Green Button), the same to the cent",
        "000, 001",
        "works",
        "`tests/command/test_demo_speaks.py`, `tests/exchange/test_files_several.py`",
    ),
    (
        "EDI / VAN: a mailbox between third parties",
        "000, 001",
        "works",
        "`tests/command/test_relay.py`, `tests/faults/test_relay_kill.py`, `tests/interop/test_sftp_parcels.py`, "
        "`tests/interop/test_ftps_parcels.py`, `tests/exchange/test_parcels_inside.py`",
    ),
    (
        "Upload of files over HTTPS, by people and scripts (a form and an address)",
        "001",
        "works",
        "`tests/interop/test_upload.py`, `tests/faults/test_upload_kill.py`",
    ),
    (
        "Upload to a utility-hosted web portal: the page itself",
        "001",
        "works",
        "`tests/portal/test_proof_pages.py`, `tests/portal/test_money_in_chromium.py`",
    ),
    (
        "SD-WAN, IPsec, VPN",
        "000, 001",
        "works",
        "below us: a gateway asks only for an address; nothing in a parcel depends on the network",
    ),
]
NEEDS = [
    (
        "Confidentiality of sensitive information, identifiers and accounts (in transit)",
        "000",
        "works",
        "`tests/unit/seal/`, `vectors/parcel/`",
    ),
    (
        "Confidentiality at rest in the store",
        "000",
        "works",
        "`tests/store/test_protected.py`, `tests/command/test_nothing_leaks.py`",
    ),
    ("Integrity of data", "000, 002", "works", "`vectors/parcel/`, `tests/exchange/test_refusals.py`"),
    (
        "Identification and authentication of parties, X.509 v3",
        "000",
        "works",
        "`tests/interop/test_openssl_ca.py`, `tests/vectors/test_x509_vectors.py`, `tests/exchange/test_https_door.py`",
    ),
    ("Authorization of parties: role and flow", "000", "works", "`tests/unit/catalogue/`"),
    (
        "Authorization of parties: OAuth",
        "000",
        "works",
        "`tests/exchange/test_authorization.py`, `tests/exchange/test_oauth_server.py`",
    ),
    ("Partners meet without mailed certificates", "001", "works", "`tests/command/test_onboarding.py`"),
    (
        "Authentication and authorization of sender and receiver",
        "001",
        "works",
        "`tests/exchange/test_refusals.py`",
    ),
    ("Validated, reliable delivery with a time stamp", "000", "works", "`tests/faults/`, `tests/exchange/`"),
    (
        "Timeliness: priorities and expiry",
        "000, 001",
        "works",
        "`tests/store/`, `tests/exchange/test_refusals.py`",
    ),
    (
        "Timeliness: escalation of what is not acknowledged in time",
        "000, 001",
        "works",
        "`tests/exchange/test_escalate.py`, `tests/command/test_dead_letters.py`",
    ),
    (
        "Disruptive activities: size, count and rate limits before anything costs money",
        "000, 001",
        "works",
        "`tests/exchange/`, `tests/unit/bindings/`",
    ),
    (
        "Availability of the infrastructure: several processes, PostgreSQL",
        "000",
        "works",
        "`tests/faults/test_postgres_kill.py`, `tests/store/test_postgres.py`",
    ),
    (
        "Expected duration of protection: profile derived from the need",
        "000",
        "works",
        "`tests/unit/seal/test_seal_policy.py`",
    ),
    (
        "Expected duration of protection: key rotation and inventory",
        "000",
        "works",
        "`tests/faults/test_rotate_in_flight.py`, `tests/command/test_policy.py`",
    ),
    (
        "Expected duration of protection: evidence that outlives its algorithms",
        "000",
        "works",
        "`tests/unit/seal/test_seal_renewal.py`, `tests/command/test_proof.py`",
    ),
    (
        "Symmetric against asymmetric, quantum computers",
        "000",
        "works",
        "`tests/unit/seal/`, hybrid by default",
    ),
    (
        "Registration and real-time traffic differ",
        "000, 001",
        "works",
        "`docs/interfaces.md`: one document, two modes, two needs",
    ),
    (
        "Non-repudiation of commands, requests and accepted deals",
        "002",
        "works",
        "`tests/unit/seal/`, `tests/command/test_two_gateways.py`",
    ),
    (
        "Risk of intercepting, storing and reading later",
        "001",
        "works",
        "`tests/unit/seal/`: hybrid by default",
    ),
    (
        "Pass-through interfaces keep end-to-end security (relay)",
        "002",
        "works",
        "`tests/exchange/test_relay.py`, `tests/exchange/test_relay_refusals.py`, `tests/vectors/test_relay_vectors.py`",
    ),
    (
        "One-way architectures",
        "002",
        "works",
        "`tests/exchange/test_one_way.py`, `tests/command/test_relay_page.py`",
    ),
]

SETTLEMENT = [
    (
        "Disputes by rule: raised, answered, settled or gone on; with billing, against a model",
        "000",
        "works",
        "`tests/unit/market/test_market_dispute.py`, `tests/unit/market/test_market_billing_walk.py`",
    ),
    (
        "True-up on revised readings inside the adjustment window",
        "000",
        "works",
        "`tests/exchange/test_settle_true_up.py`, `tests/portal/test_money_by_hand.py`",
    ),
    (
        "Shadow settlement by the gateway itself: accepted, or disputed with the reading that differs",
        "000",
        "works",
        "`tests/exchange/test_settle_shadow.py`",
    ),
    (
        "The five baseline families of WEQ-015 and six programmes' presets, named by a deal",
        "000",
        "works",
        "`tests/unit/market/test_method.py`, `tests/unit/market/test_other_methods.py`",
    ),
    (
        "One statement on both sides from what each holds, explained line by line",
        "000",
        "works",
        "`tests/exchange/test_settle.py`",
    ),
    (
        "Questions of analysts about readings, in SQL, on the rows that settlement computes with",
        "000",
        "works",
        "`tests/command/test_readings.py`, `tests/unit/bindings/test_duckdb_questions.py`",
    ),
    (
        "Many meters by one kernel: one process, a pool, a cluster; resumable; only what changed again",
        "000",
        "works",
        "`tests/store/test_settle_many.py`, `tests/interop/test_settle_spark.py`",
    ),
    (
        "A DER that joins or leaves within a month, settled by days",
        "000",
        "works",
        "`tests/unit/market/test_many.py`, `tests/exchange/test_settle_inputs.py`",
    ),
]


# What people do, walked through in a browser: each act once, whatever is reloaded; no console error, nothing against the pages'
# policy, and axe finds nothing.
BUSINESS, TRADE = "`tests/portal/test_business_in_chromium.py`", "`tests/portal/test_trade_in_chromium.py`"
MONEY, UPLOADS = "`tests/portal/test_money_in_chromium.py`", "`tests/portal/test_uploads_in_chromium.py`"
WALKS = [
    (
        "Each role signs in by passkey, and by password and one-time code",
        "`tests/portal/test_roles_in_chromium.py`",
    ),
    (
        "On-board a partner between two portals, from the code to live",
        "`tests/command/test_portal_onboarding.py`",
    ),
    ("Declare availability, and take it back", BUSINESS),
    ("Ask for power, offer, award", BUSINESS),
    ("A sealed need counts down, opens and is awarded", TRADE),
    ("Decide on DERs, by keyboard and without script", TRADE),
    ("Call, follow the plot, stop; answer and report", TRADE),
    ("Tell of an outage from the feeder; acknowledged; DERs are back", TRADE),
    ("State a month, invoice it, pay it", BUSINESS),
    ("Explain a line, compare with our own readings", MONEY),
    ("Dispute an invoice, concede, resolved", MONEY),
    ("Upload a good and a broken file: X12, CSV, JSON, of a partner of an older protocol", UPLOADS),
    ("Upload a good and a broken file: readings as CSV, JSON, ESPI; a parcel; documents of ours", UPLOADS),
    ("Upload over a line that breaks, and go on later", MONEY),
    ("Verify evidence, good and changed; prove a message; derive protection", MONEY),
    ("Every page of both sides of a season that a link leads to", "`tests/command/test_demo.py`"),
]


def render() -> str:
    """The page."""
    lines = [
        "# Coverage of the mission documents",
        "",
        "Written by `make docs`. 000 is the use case, 001 the minutes, 002 the electric-transportation interfaces.",
        "*works* names the test that shows it; *not yet* means that it is not there.",
        "",
        "| kind | what | source | state | shown by |",
        "|---|---|---|---|---|",
    ]
    catalogue = load_catalogue()
    for role, title in ACTORS.items():
        lines.append(f"| actor | {title} (`{role}`) | 000, 002 | works | {EVERY_FLOW} |")
    for code, interface in catalogue.interfaces.items():
        lines.append(f"| interface | {code}: {interface.title} | {interface.source} | works | {EVERY_FLOW} |")
    for flow in catalogue.flows():
        lines.append(f"| flow | `{flow.key}` | {flow.source} | works | {EVERY_FLOW} |")
    for kind, rows in (("protocol", PROTOCOLS), ("settlement", SETTLEMENT), ("security need", NEEDS)):
        for what, source, state, shown in rows:
            lines.append(f"| {kind} | {what} | {source} | {state} | {shown} |")
    lines += [f"| portal | {what} | 001 | works | {shown} |" for what, shown in WALKS]
    return "\n".join(lines) + "\n"


def write(root: Path) -> None:
    """Write the page into a checkout."""
    (root / "docs" / "coverage.md").write_text(render(), encoding="utf-8")
