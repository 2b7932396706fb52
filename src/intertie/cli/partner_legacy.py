"""`intertie partner legacy`: a partner that has no gateway of this kind and speaks a protocol of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

from intertie.cli._internet_et import check_internet_et, internet_et_lines
from intertie.cli._partner_as4 import as4_lines, check_as4
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_pairs
from intertie.cli._smime import check_our_key
from intertie.formats.ftps_terms import FtpsTerms, TheirFtps
from intertie.formats.upload_terms import UploadTerms
from intertie.gateway.translating.foreign import Foreign, paper_events
from intertie.gateway.translating.in_clear import all_secrets, check_secrets_apart
from intertie.market.book import fold
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.run import Opened, opened
from intertie.run.in_clear import check_way
from intertie.seal.private_files import read_secret_text
from intertie.seal.smime_keys import fingerprint, is_valid, read_certificate
from intertie.seal.sodium_sign import fingerprint as sodium_fingerprint
from intertie.seal.sodium_sign import read_public, write_public
from intertie.seal.ssh_keys import CLIENT, HOST, check_public_line, public_line, ssh_fingerprint
from intertie.seal.tls_files import context_towards
from intertie.stores.partner_files import LEGACY, Standing, read_foreign, standing_text, write_whole


def legacy(party: PartyOption, file: Path, /, *, dir: Dir = HERE, json: Json = False) -> None:
    """Add a partner from its legacy file, or bring a known one up to date; prints the key by which it verifies us.

    Parameters
    ----------
    party
        The partner's name here.
    file
        Who it is, by which key, until when it may, and the contract on paper (docs/uftp.md, as2.md, as4.md, sftp.md, ftps.md,
        upload.md, internet-et.md).
    """
    with opened(dir) as it:
        foreign = _read(it, party, file)
        folder = it.places.partners
        folder.mkdir(mode=0o700, exist_ok=True)
        standing = folder / f"{party}.toml"
        if not standing.exists():
            write_whole(standing, standing_text(party, Standing(added=it.clock())).encode())
        shutil.copyfile(file, folder / f"{party}{LEGACY}.new")
        (folder / f"{party}{LEGACY}.new").replace(folder / f"{party}{LEGACY}")
        ours = _our_key(it, foreign)
    lines = [("party", party), *legacy_lines(foreign), ("our key", ours)]
    if json:
        print_json(dict(lines))
    else:
        print_pairs(lines)


def _read(it: Opened, party: PartyId, file: Path) -> Foreign:
    foreign = read_foreign(file)
    if foreign is None:
        do = "docs/uftp.md, as2.md, as4.md, sftp.md, upload.md and espi.md have an example of a legacy file."
        raise SettingsError(f"{file} is not there", do=do)
    if foreign.binding == "as2":
        _check_as2(it, party, file, foreign)
    elif foreign.binding == "as4":
        check_as4(it, party, file, foreign)
        _check_ends(it, party, file, foreign)
    elif foreign.binding == "sftp":
        _check_sftp(it, party, file, foreign)
    elif foreign.binding == "ftps" and foreign.ftps.server is not None:
        _check_ftps_server(it, party, file, foreign)
    elif foreign.binding in ("upload", "ftps"):
        _check_comes(it, party, file, foreign)
    elif foreign.binding == "green_button":
        _check_custodian(it, foreign)
    elif foreign.binding == "internet_et":
        check_internet_et(it, party, file, foreign)
        _check_ends(it, party, file, foreign)
    else:
        read_public(foreign.uftp.key)
        if it.uftp is None:
            raise SettingsError(
                "[uftp] domain says nobody that we are", do="Name our domain in intertie.toml."
            )
    contract = foreign.contract
    if contract is not None and it.settings.party.id not in (contract.buyer, contract.seller):
        raise SettingsError(
            f"{file}: we are no party of contract {contract.agreement}", do="Name buyer and seller as here."
        )
    for void in fold(paper_events(foreign)).voids:
        what = f"{type(void.event.body).__name__} breaks {void.rule.name}"
        raise SettingsError(f"{file}: {what}: {void.detail}", do=void.rule.text)
    return foreign


def _check_as2(it: Opened, party: PartyId, file: Path, foreign: Foreign) -> None:
    """What a message to it, or from it, would stumble over."""
    terms, trading = foreign.as2, foreign.trading
    certificates = [read_certificate(pem) for pem in terms.certificates]
    ends = {trading.utility.party, trading.aggregator.party}
    if ends != {party, it.settings.party.id}:
        raise SettingsError(
            f"{file}: [x12] is between {' and '.join(sorted(ends))}", do="Name the partner and us there."
        )
    encrypt_for = read_certificate(terms.encrypt_for or terms.certificates[0], encrypts=True)
    if not all(is_valid(one, it.clock()) for one in (certificates[0], encrypt_for)):
        do = "Ask the partner for its new one, and put it first."
        raise SettingsError(f"{file}: the first certificate is not valid today", do=do)
    if it.as2 is None:
        raise SettingsError("[as2] name says nobody that we are", do="Name us in intertie.toml.")
    if terms.ca_file:
        context_towards(it.places.of(terms.ca_file), "ca_file")
    check_our_key("as2", terms.our_key, it.settings.as2.key_number)
    if terms.receipt == "async" and not it.settings.as2.receipts_url:
        do = "Name our door as the partner reaches it, or take receipts as `sync`."
        raise SettingsError("receipts that come later need [as2] receipts_url", do=do)


def _check_sftp(it: Opened, party: PartyId, file: Path, foreign: Foreign) -> None:
    """What a file to it, or from it, would stumble over."""
    terms = foreign.sftp
    there = terms.server
    for line in (*terms.keys, *terms.authorities, *(there.host_keys if there is not None else ())):
        check_public_line(line)
    if not it.settings.sftp.enabled:
        raise SettingsError("[sftp] is not enabled", do="Set enabled = true in [sftp] of intertie.toml.")
    if terms.user is not None and not it.settings.sftp.listen:
        raise SettingsError("[sftp] has no mailbox that it could come to", do="Name an address: listen.")
    for partner in it.partners.all():
        other = partner.foreign.sftp_terms if partner.foreign is not None else None
        if (
            partner.party != party
            and other is not None
            and terms.user is not None
            and other.user == terms.user
        ):
            raise SettingsError(f"{file}: {partner.party} logs in as {terms.user}", do="Choose another user.")
    _check_ends(it, party, file, foreign)


def _comes(foreign: Foreign) -> UploadTerms | FtpsTerms:
    """Of a partner that comes with user and secret."""
    return foreign.upload if foreign.binding == "upload" else foreign.ftps


def _check_ftps_server(it: Opened, party: PartyId, file: Path, foreign: Foreign) -> None:
    """What going there would stumble over."""
    there = foreign.ftps.server
    if there is None or not it.settings.ftps.visits:
        do = "Set visits = true in [ftps] of intertie.toml."
        raise SettingsError("[ftps] goes to no partner's server", do=do)
    read_secret_text(it.places.of(there.secret_file), "password")
    if there.in_clear:
        check_way(it, party, foreign, there)
    if there.ca_file:
        context_towards(it.places.of(there.ca_file), "ca_file")
    _check_ends(it, party, file, foreign)


def _check_comes(it: Opened, party: PartyId, file: Path, foreign: Foreign) -> None:
    door = it.settings.upload if foreign.binding == "upload" else it.settings.ftps
    if not door.listen:
        do = "Name an address: listen."
        raise SettingsError(f"[{foreign.binding}] has no door that it could come to", do=do)
    if foreign.in_clear and not it.settings.ftps.plain:
        do = "Agree on TLS, or set plain = true in [ftps] of intertie.toml."
        raise SettingsError("[ftps] does nothing without TLS", do=do)
    check_secrets_apart(party, foreign, it.partners.all())
    user = _comes(foreign).user
    for partner in it.partners.all():
        other = partner.foreign
        if partner.party == party or other is None or other.binding != foreign.binding:
            continue
        if _comes(other).user == user:
            raise SettingsError(f"{file}: {partner.party} comes as {user}", do="Choose another user.")
    _check_ends(it, party, file, foreign)


def _check_custodian(it: Opened, foreign: Foreign) -> None:
    """What fetching from it would stumble over."""
    if not it.settings.espi.fetch:
        raise SettingsError("[espi] does not fetch", do="Set fetch = true in [espi] of intertie.toml.")
    read_secret_text(it.places.of(foreign.custodian.secret_file), "client secret")


def _check_ends(it: Opened, party: PartyId, file: Path, foreign: Foreign) -> None:
    """The two ends of its X12, if it speaks it, are the partner and us."""
    x12 = foreign.x12
    if x12 is not None and {x12.utility.party, x12.aggregator.party} != {party, it.settings.party.id}:
        raise SettingsError(f"{file}: [x12] is between others", do="Name the partner and us there.")


def _our_key(it: Opened, foreign: Foreign) -> str:
    """By which the partner verifies us; in AS2 it encrypts for it too."""
    if foreign.binding == "as2":
        return it.as2.certificate().decode() if it.as2 is not None else ""
    if foreign.binding == "as4":
        return it.as4.certificate().decode() if it.as4 is not None else ""
    if foreign.binding == "internet_et":
        return it.internet_et.public_key() if it.internet_et is not None else ""
    if foreign.binding == "sftp":  # by which it knows our mailbox, or lets us in
        return public_line(it.ssh_key(HOST if foreign.sftp.user is not None else CLIENT))
    if foreign.binding in ("upload", "ftps", "green_button"):  # none of ours: a door's certificate, a secret
        return ""
    return write_public(it.uftp.key_for(foreign, it.clock()).public) if it.uftp is not None else ""


def legacy_lines(foreign: Foreign) -> list[tuple[str, str]]:
    """How a partner in its own protocol stands."""
    paper = [
        (
            "on paper",
            foreign.agreement or "no contract: what needs one is taken once it is made through the gateways",
        ),
        *(("deal", one.confirmation) for one in foreign.deals),
    ]
    if foreign.binding == "as2":
        return [*_as2_lines(foreign), *paper]
    if foreign.binding == "as4":
        return [*as4_lines(foreign), *paper]
    if foreign.binding == "sftp":
        return [*_sftp_lines(foreign), *paper]
    if foreign.binding == "internet_et":
        return [*internet_et_lines(foreign), *paper]
    if foreign.binding in ("upload", "ftps"):
        return [*_comes_lines(foreign), *paper]
    if foreign.binding == "green_button":
        return [*_custodian_lines(foreign), *paper]
    return [
        ("speaks", f"{foreign.binding} as {foreign.uftp.role} {foreign.uftp.domain} at {foreign.url}"),
        (
            "legacy",
            f"until {foreign.legacy_until}: signed (Ed25519) but not sealed, TLS as its address says, not post-quantum",
        ),
        ("its key", f"SHA-256 {sodium_fingerprint(read_public(foreign.uftp.key))}"),
        *_key_lines(foreign),
        *paper,
    ]


def _custodian_lines(foreign: Foreign) -> list[tuple[str, str]]:
    terms = foreign.custodian
    return [
        ("speaks", f"green_button (we fetch as {terms.client_id} from {terms.resources}), {foreign.format}"),
        ("legacy", f"until {foreign.legacy_until}: TLS in transit, feeds neither signed nor sealed"),
        ("by itself", f"{', '.join(terms.batches) or 'nothing'}, every {terms.poll_hours:g} hours"),
    ]


def _as2_lines(foreign: Foreign) -> list[tuple[str, str]]:
    terms = foreign.as2
    certificates = [read_certificate(pem) for pem in terms.certificates]
    how = f"signed ({terms.digest}) and encrypted ({terms.cipher} under {terms.key_transport}), not post-quantum"
    profile = f" ({foreign.x12.profile})" if foreign.x12 is not None else ""
    return [
        ("speaks", f"as2 as {terms.name} at {terms.url}, {foreign.format}{profile}"),
        ("legacy", f"until {foreign.legacy_until}: {how}; receipts {terms.receipt}"),
        ("quirks", ", ".join(sorted(terms.quirks)) or "none"),
        *(
            ("its certificate", f"SHA-256 {fingerprint(one)} until {one.not_valid_after_utc.date()}")
            for one in certificates
        ),
    ]


def _sftp_lines(foreign: Foreign) -> list[tuple[str, str]]:
    terms = foreign.sftp
    where = f"comes as {terms.user}" if terms.server is None else f"we go to {terms.url}"
    pinned = terms.keys if terms.server is None else terms.server.host_keys
    return [
        ("speaks", f"sftp ({where}), {foreign.format}"),
        (
            "legacy",
            f"until {foreign.legacy_until}: SSH in transit, files neither signed nor sealed; what is received: {foreign.closing}",
        ),
        *(("its key", ssh_fingerprint(line)) for line in pinned),
        *(("its authority", ssh_fingerprint(line)) for line in terms.authorities),
    ]


def _comes_lines(foreign: Foreign) -> list[tuple[str, str]]:
    if foreign.binding == "ftps" and foreign.ftps.server is not None:
        return _ftps_server_lines(foreign, foreign.ftps.server)
    how = f"{_in_transit(foreign)}; what is received: {foreign.closing}"
    return [
        ("speaks", f"{foreign.binding} (comes as {_comes(foreign).user}), {foreign.format}"),
        ("legacy", f"until {foreign.legacy_until}: {how}"),
        ("secrets", str(len(list(all_secrets(foreign))))),
    ]


def _in_transit(foreign: Foreign) -> str:
    if foreign.in_clear:
        return "FTP without TLS, for sealed parcels and signed receipts alone"
    return "TLS in transit, files neither signed nor sealed"


def _ftps_server_lines(foreign: Foreign, there: TheirFtps) -> list[tuple[str, str]]:
    how = f"{_in_transit(foreign)}; what is received: {foreign.closing}"
    return [
        ("speaks", f"ftps (we go to {foreign.ftps.url}), {foreign.format}"),
        ("legacy", f"until {foreign.legacy_until}: {how}"),
        *(("its certificate", one) for one in there.certificates),
        *([("its authority", there.ca_file)] if there.ca_file else []),
    ]


def _key_lines(foreign: Foreign) -> list[tuple[str, str]]:
    """What else counts, and for how long."""
    lines = []
    for one in foreign.uftp.keys:
        since = f"from {one.since.isoformat()} " if one.since else ""
        until = f"until {one.until.isoformat()} " if one.until else ""
        lines.append(("its other key", f"{since}{until}SHA-256 {sodium_fingerprint(read_public(one.key))}"))
    if foreign.uftp.our_key is not None and foreign.uftp.our_key_until is not None:
        until = foreign.uftp.our_key_until.isoformat()
        said = f"until {until} SHA-256 {sodium_fingerprint(read_public(foreign.uftp.our_key))}"
        lines.append(("our older key", said))
    return lines
