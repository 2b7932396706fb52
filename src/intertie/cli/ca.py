"""`intertie ca`: a certificate authority for trials: issues, revokes, publishes lists, answers OCSP requests."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from intertie.bindings.clock import system_clock
from intertie.bindings.revocation_http.responder import make_responder
from intertie.cli._shared import (
    Instant,
    Json,
    PartyOption,
    print_json,
    print_table,
    read_file,
    when,
    write_file,
)
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.seal.ca_register import LIFT, Register, Row
from intertie.seal.ca_responder import PresentLists, answer_request, new_lists
from intertie.seal.certificates import read_certificate
from intertie.seal.csr import read_request
from intertie.seal.issuing import Publishing, der
from intertie.seal.keys import BACKDATE, chain_pem
from intertie.seal.pem import read_chain
from intertie.seal.protection import Opener, Secrets
from intertie.seal.trial_ca import FAMILIES, TrialCa
from intertie.stores.partner_files import write_whole

app = App(name="ca", help="A certificate authority for trials. Not for operation: its keys lie in a folder.")

CaDir = Annotated[Path, Parameter(name="--ca", help="The authority's folder.")]
HERE = Path("ca")
Reason = Literal[
    "unspecified",
    "key_compromise",
    "ca_compromise",
    "affiliation_changed",
    "superseded",
    "cessation_of_operation",
    "certificate_hold",
    "privilege_withdrawn",
    "remove_from_crl",
]
# A trial certificate outlives a pilot, and no more.
YEARS, DAYS = 5, 730


@app.command
def init(
    *,
    ca: CaDir = HERE,
    name: Annotated[str, Parameter(help="What its certificates call it.")] = "Trial CA",
    under: Annotated[
        Path | None, Parameter(help="The folder of a trial root: makes an authority below it.")
    ] = None,
    years: Annotated[int, Parameter(help="For how many years.")] = YEARS,
    json: Json = False,
) -> None:
    """Make an authority: two roots, elliptic-curve and ML-DSA, or two authorities below those of another."""
    start = system_clock() - BACKDATE
    end = start + timedelta(days=366 * years)
    if under is None:
        authority = TrialCa.create(name, start, end)
    else:
        above = _load(under)
        end = min(end, *(above.issuer(family).certificate.not_valid_after_utc for family in FAMILIES))
        authority = above.intermediate(name, start, end)
    authority.save(ca, kind=_opener(ca).default_kind(), opener=_opener(ca))
    if under is not None:
        made = [der(authority.issuer(family).certificate) for family in FAMILIES]
        Register(under).record(made, system_clock())
    roots = ca / "roots.pem"
    write_whole(roots, authority.roots_pem())
    if json:
        print_json({"ca": str(ca), "roots": str(roots), "until": end})
    else:
        print(f"Made an authority in {ca}, until {when(end)}. Partners have to trust {roots}.")


def _opener(folder: Path) -> Opener:
    """Keys at rest: encrypted with the passphrase file that the environment names, or open."""
    return Opener(Secrets(), folder, os.environ)


def _load(folder: Path) -> TrialCa:
    return TrialCa.load(folder, opener=_opener(folder))


@app.command
def issue(
    *,
    party: PartyOption,
    csr: Annotated[
        tuple[Path, ...], Parameter(help="A certificate request (may be given again).", negative=())
    ],
    ca: CaDir = HERE,
    out: Annotated[
        Path | None, Parameter(help="Folder for the chains (default: beside the requests).")
    ] = None,
    days: Annotated[int, Parameter(help="For how many days.")] = DAYS,
    crl_url: Annotated[
        str,
        Parameter(help="Write into the certificate where this authority's list is (RFC 5280 s.4.2.1.13)."),
    ] = "",
    ocsp_url: Annotated[
        str, Parameter(help="Write into the certificate where its status can be asked for.")
    ] = "",
    json: Json = False,
) -> None:
    """Issue certificates for a party's requests, after a look at who asks: this authority believes --party.

    `{family}` in --crl-url becomes ec or mldsa.
    """
    authority, register, now = _load(ca), Register(ca), system_clock()
    written = []
    for file in csr:
        target = (out or file.parent) / f"{file.name.removesuffix('.pem').removesuffix('.csr')}.crt.pem"
        chain = _issue(authority, party, file, now, days, crl_url, ocsp_url)
        register.record(chain[:1], now)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_file(target, chain_pem(chain))
        written.append({"file": str(target), "serial": f"{read_certificate(chain[0]).serial_number:x}"})
    if json:
        print_json({"party": party, "chains": written})
    else:
        for line in written:
            print(f"{line['file']}  serial {line['serial']}")


def _issue(
    authority: TrialCa,
    party: PartyId,
    file: Path,
    now: datetime,
    days: int,
    crl_url: str,
    ocsp_url: str,
) -> tuple[bytes, ...]:
    request = read_request(read_file(file))
    if request.party not in (None, party):
        raise SettingsError(
            f"{file} is {request.party}'s request, not {party}'s", do="Issue it for the party that it names."
        )
    issuer = authority.issuer(request.family)
    end = min(now + timedelta(days=days), issuer.certificate.not_valid_after_utc)
    publishing = Publishing(crl_url.replace("{family}", request.family), ocsp_url)
    return authority.issue(
        party,
        request.public,
        request.purpose,
        now - BACKDATE,
        end,
        hosts=request.hosts,
        publishing=publishing,
    )


@app.command
def revoke(
    certificate: str,
    /,
    *,
    reason: Reason,
    since: Annotated[
        Instant | None,
        Parameter(help="Of a compromise: since when others had the key. Or a time to come (default: now)."),
    ] = None,
    ca: CaDir = HERE,
    json: Json = False,
) -> None:
    """Revoke a certificate, or lift a hold with --reason remove_from_crl. Partners see it in the next list.

    Parameters
    ----------
    certificate
        Its PEM file, or its serial number as `intertie ca list` shows it.
    """
    serial, now = _serial(certificate), system_clock()
    revocation = Register(ca).revoke(serial, reason, now, since=since)
    effective = None if revocation is None else revocation.invalid_since or revocation.since
    if json:
        print_json({"serial": f"{serial:x}", "reason": reason, "since": effective})
    elif reason == LIFT:
        print(f"{serial:x} is no longer on hold. Publish it: intertie ca crl --ca {ca}")
    else:
        print(f"{serial:x} is revoked since {when(effective)}. Publish it: intertie ca crl --ca {ca}")


def _serial(text: str) -> int:
    path = Path(text)
    if path.is_file():
        return read_certificate(read_chain(read_file(path), text)[0]).serial_number
    try:
        return int(text, 16)
    except ValueError as error:
        raise SettingsError(f"{text} is neither a file nor a serial number") from error


@app.command
def crl(
    *,
    ca: CaDir = HERE,
    out: Annotated[Path | None, Parameter(help="Folder for the lists (default: the authority's).")] = None,
    days: Annotated[int, Parameter(help="The next lists come within so many days.")] = 7,
    json: Json = False,
) -> None:
    """Write the revocation lists, ec.crl.pem and mldsa.crl.pem, also while nothing is revoked."""
    authority, register, now = _load(ca), Register(ca), system_clock()
    folder = out or ca
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for family, pem in new_lists(authority, register, now, timedelta(days=days)).items():
        path = folder / f"{family}.crl.pem"
        write_whole(path, pem)
        files[family] = str(path)
    until = now + timedelta(days=days)
    if json:
        print_json({"lists": files, "until": until})
    else:
        print(f"Wrote {', '.join(files.values())}: out of date on {when(until)}.")


@app.command(name="list")
def list_issued(*, ca: CaDir = HERE, json: Json = False) -> None:
    """List what was issued: to whom, for what, until when, and whether it is revoked."""
    _load(ca)
    rows = Register(ca).rows()
    if json:
        print_json({"certificates": [_row_json(row) for row in rows]})
        return
    print_table(
        f"Certificates of {ca}",
        ["serial", "party", "for", "family", "until", "revoked"],
        [
            (
                row.serial,
                row.party or "(an authority below)",
                row.purpose,
                row.family,
                when(row.certificate.not_valid_after_utc),
                _revoked(row),
            )
            for row in rows
        ],
        empty="Nothing was issued.",
    )


def _row_json(row: Row) -> dict[str, object]:
    revocation = row.revocation
    return {
        "serial": row.serial,
        "party": row.party,
        "purpose": row.purpose,
        "family": row.family,
        "issued": row.issued,
        "until": row.certificate.not_valid_after_utc,
        "revoked": None if revocation is None else revocation.since,
        "invalid_since": None if revocation is None else revocation.invalid_since,
        "reason": None if revocation is None or revocation.reason is None else revocation.reason.name,
    }


def _revoked(row: Row) -> str:
    if row.revocation is None:
        return ""
    reason = row.revocation.reason.name if row.revocation.reason else ""
    return f"{when(row.revocation.since)} {reason}"


@app.command
def ocsp(
    request: Path | None = None,
    /,
    *,
    out: Annotated[Path | None, Parameter(help="File for the answer (DER).")] = None,
    listen: Annotated[
        str | None, Parameter(help="host:port: answer over HTTP, and give the lists, until interrupted.")
    ] = None,
    ca: CaDir = HERE,
) -> None:
    """Answer OCSP requests about certificates of this authority: one from a file, or over HTTP.

    Parameters
    ----------
    request
        The request (DER), as `openssl ocsp -reqout` writes it.
    """
    authority, register = _load(ca), Register(ca)
    if (request is None) == (listen is None):
        raise SettingsError("a request file or --listen is needed", do="Give one of the two.")
    if listen is not None:
        _serve(authority, register, listen)
        return
    if request is None or out is None:
        raise SettingsError("the answer is binary", do="Name a file for it with --out.")
    write_file(out, answer_request(authority, register, read_file(request), system_clock()))
    print(f"Wrote {out}.")


def _serve(authority: TrialCa, register: Register, listen: str) -> None:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise SettingsError(f"--listen {listen} is not host:port")
    lists = PresentLists(authority, register)
    server = make_responder(
        host.strip("[]"),
        int(port),
        lambda request: answer_request(authority, register, request, system_clock()),
        lambda: lists.at(system_clock()),
    )
    with server:
        print(
            f"OCSP at http://{listen}/, lists at http://{listen}/ec.crl and mldsa.crl. End with Ctrl-C.",
            flush=True,
        )
        server.serve_forever()
