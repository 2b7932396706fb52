"""Gateways that exchange parcels as files, each in a directory of its own, and what a person carries between them."""

from __future__ import annotations

import hashlib
import json
import ssl
from pathlib import Path
from typing import NamedTuple

from tests.command.gateways import command
from tests.command.relaying import AGGREGATOR, HOME, Three, make_three
from tests.interop.test_ftps import certificate
from tests.ports import free_port

from intertie.formats.upload_terms import hash_secret, new_secret

SECRET = new_secret()
# What is said without TLS.
PLAIN = new_secret()


def put_legacy(directory: Path, party: str, role: str, section: str, until: str = "2099-12-31") -> None:
    """The legacy file beside the partner's descriptor: its parcels are files."""
    (directory / "partners" / f"{party}.legacy").write_text(legacy_text(party, role, section, until))


def legacy_text(party: str, role: str, section: str, until: str = "2099-12-31") -> str:
    """What it says."""
    return f'name = "{party}"\nroles = ["{role}"]\nlegacy_until = {until}\n\n{section}\n\n[parcel]\n'


def set_section(directory: Path, section: str, lines: str) -> None:
    """Lines at the beginning of a section of the settings."""
    settings = directory / "intertie.toml"
    settings.write_text(settings.read_text().replace(f"[{section}]\n", f"[{section}]\n{lines}", 1))


def open_mailbox(directory: Path, *, plain: bool, more: str = "") -> int:
    """A mailbox by FTP; its port."""
    certificate(directory)
    port = free_port()
    said = f'listen = "127.0.0.1:{port}"\ncertificate = "ftps.pem"\nkey = "ftps.key"\nplain = {str(plain).lower()}\n{more}'
    set_section(directory, "ftps", said)
    return port


def keep_secret(directory: Path, secret: str = SECRET) -> None:
    file = directory / "password.txt"
    file.write_text(f"{secret}\n")
    file.chmod(0o600)


def comes(user: str, *, plain: bool = False, tls: bool = True) -> str:
    """The section of a partner that comes: over TLS, without it, or both, each by its own secret."""
    secrets = [f'secrets = ["{hash_secret(SECRET)}"]'] * tls
    return "\n".join(
        ["[ftps]", f'user = "{user}"', *secrets, *[f'plain_secrets = ["{hash_secret(PLAIN)}"]'] * plain]
    )


def two(base: Path) -> Three:
    """The aggregator and the customer's gateway, and nobody between."""
    three = make_three(base)
    for directory, other in ((three.aggregator, HOME), (three.home, AGGREGATOR)):
        assert command("partner", "via", other, "--direct", "--dir", directory).code == 0
    return three


def two_by_ftp(base: Path, *, plain: bool, more: str = "") -> Three:
    """The aggregator has the mailbox; the customer's gateway goes there, over TLS or without it. Nobody stands between."""
    three = two(base)
    port = open_mailbox(three.aggregator, plain=plain, more=more)
    set_section(three.home, "ftps", f"visits = true\nplain = {str(plain).lower()}\n")
    keep_secret(three.home, PLAIN if plain else SECRET)
    put_legacy(three.aggregator, HOME, "gateway_esi", comes("home", plain=plain, tls=not plain))
    known = 'tls = "none"' if plain else f'certificates = ["{pin(three.aggregator)}"]'
    there = (
        f'[ftps]\nserver = {{ host = "127.0.0.1", port = {port}, user = "home", secret_file = "password.txt", {known}, '
        'to = "in", fetch = "out", answers = "receipts", receipts = "in", poll_seconds = 1 }'
    )
    put_legacy(three.home, AGGREGATOR, "der_aggregator", there)
    return three


def pin(directory: Path) -> str:
    """Of the mailbox's certificate."""
    der = ssl.PEM_cert_to_DER_cert((directory / "ftps.pem").read_text())
    return f"sha256:{hashlib.sha256(der).hexdigest()}"


class Exported(NamedTuple):
    """A parcel as a file, and which it is."""

    file: Path
    parcel: str


def export(three: Three, medium: Path) -> Exported:
    """A command of the aggregator to the customer's gateway, sealed into a file."""
    return _export(three.aggregator, HOME, "charging_command", medium)


def export_status(three: Three, medium: Path) -> Exported:
    """How the customer's charging point stands, for the aggregator."""
    return _export(three.home, AGGREGATOR, "charging_status", medium)


def _export(directory: Path, to: str, document: str, medium: Path) -> Exported:
    medium.mkdir(exist_ok=True)
    body = medium / f"{document}.json"
    body.write_text(command("example", document).out)
    sent = command(
        "send", body, "--to", to, "--document", document, "--interface", "ET8", "--mode", "real_time",
        "--dir", directory, "--json",
    )  # fmt: skip
    assert sent.code == 0, sent.err
    out = command("parcel", "export", to, "--to", medium, "--dir", directory, "--json").json
    return Exported(Path(out["file"]), out["parcel"])


def bring_back(*files: Path, to: Path) -> str:
    """What was fetched goes back to whom it is for; what became of its newest message."""
    for file in files:
        done = command("parcel", "import", file, "--to", file.parent, "--dir", to)
        assert done.code == 0, done.err
    return str(json.loads(command("outbox", "--dir", to, "--json").out)["messages"][0]["state"])
