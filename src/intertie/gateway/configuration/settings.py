"""The settings of one gateway: `intertie.toml`, read once at start into frozen types, and where everything else lies."""

from __future__ import annotations

import json
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Meta

from intertie.gateway.attaching.attachment_ports import AttachmentLimits
from intertie.gateway.configuration.as2_settings import As2Door
from intertie.gateway.configuration.as4_settings import As4Door
from intertie.gateway.configuration.espi_settings import EspiDoor
from intertie.gateway.configuration.ftps_settings import FtpsDoor
from intertie.gateway.configuration.internet_et_settings import InternetEtDoor
from intertie.gateway.configuration.listening import LOOPBACK, address_of
from intertie.gateway.configuration.office_settings import OfficeDoor
from intertie.gateway.configuration.quota import Quota as Quota
from intertie.gateway.configuration.relay_settings import RelayRules
from intertie.gateway.configuration.settings_template import TEMPLATE
from intertie.gateway.configuration.settlement_settings import SettlementSettings
from intertie.gateway.configuration.sftp_settings import SftpDoor
from intertie.gateway.configuration.single_sign_on import OidcSettings
from intertie.gateway.configuration.upload_settings import UploadDoor
from intertie.gateway.gateway import Limits
from intertie.gateway.metering.readings_ports import ReadingsSettings
from intertie.model.errors import SettingsError
from intertie.model.party import Party
from intertie.model.record import Record
from intertie.seal.ocsp import HashName
from intertie.seal.policy_settings import PolicySettings
from intertie.seal.protection import Secrets
from intertie.seal.revocation import Require, TrustRules
from intertie.seal.tls_groups import TlsOptions

FILE = "intertie.toml"
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
FlowName = Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9]{1,7}/[a-z][a-z0-9_]{1,63}(?!\n)$")]
# A century: beyond any duty to keep.
Days = Annotated[int, Meta(ge=1, le=36_600)]


class Street(Record, frozen=True, kw_only=True):
    """The door for partners: where it listens, what they are told, and how much it bears."""

    url: str
    listen: str = "127.0.0.1:8443"
    # One partner holds a few connections; 512 serve a hundred partners and bound the memory of their buffers.
    connections: Count = 512
    # Of one certificate, so that no partner can take all of them: several workers and repeats there need a few each.
    connections_per_partner: Count = 64
    # Checking a parcel is milliseconds of mathematics that mostly releases the interpreter lock.
    workers: Annotated[int, Meta(ge=1, le=64)] = 4
    # A header is one small packet: whoever takes longer is not sending one.
    header_seconds: Seconds = 10.0
    # A parcel of 64 MiB over a 10 Mbit/s line takes 54 s.
    body_seconds: Seconds = 90.0
    # Silence within a body: longer is a lost connection or an idler who holds a place.
    idle_seconds: Seconds = 15.0
    keep_alive_seconds: Seconds = 75.0
    # Bodies in memory at once, over all partners: four of the largest.
    held_bytes: Annotated[int, Meta(ge=1)] = 256 * 1024 * 1024
    # Parcels being received at once, over all partners: what can wait is shed from half of it on, what is urgent at the end.
    parcels_at_once: Count = 128
    # A body slower than this is a mistake or an attack: a modem had twice as much.
    bytes_per_second_least: Annotated[float, Meta(ge=0)] = 4096.0

    def check(self) -> None:
        """Partners reach us over TLS or not at all: then both addresses are empty."""
        if not self.url or not self.listen:
            if self.url or self.listen:
                raise ValueError('url and listen: a gateway without a door has neither; set both to ""')
            return
        parts = urlsplit(self.url)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError(f"url: {self.url!r} is not an https:// address")
        self.address()

    @property
    def is_open(self) -> bool:
        """Whether there is a door. Without one we come for our parcels."""
        return bool(self.listen)

    def address(self) -> tuple[str, int]:
        """Host and port of `listen`; ValueError if it is not host:port."""
        return address_of(self.listen)


class Pull(Record, frozen=True, kw_only=True):
    """Parcels for partners without a door, who come for them by long poll; and our own coming for parcels."""

    # An open request is answered after this at the latest: firewalls and proxies forget a silent connection after a minute.
    wait_seconds: Annotated[float, Meta(gt=0, le=50)] = 30.0
    # Without a receipt the same bytes are handed out again after this (and the time that they take on the way): checking
    # the largest parcel and a slow disk take a few seconds.
    again_seconds: Seconds = 15.0
    # Open requests of one partner: one, and one that was cut off without our hearing of it.
    polls_per_partner: Annotated[int, Meta(ge=1, le=64)] = 2

    @property
    def again(self) -> timedelta:
        """The same as a duration."""
        return timedelta(seconds=self.again_seconds)


class Delivery(Record, frozen=True, kw_only=True):
    """How long to wait for a partner's door before the outcome counts as unknown."""

    connect_seconds: Seconds = 10.0
    answer_seconds: Seconds = 60.0


class Authorization(Record, frozen=True, kw_only=True):
    """The access tokens that partners get here."""

    # Short: a token that leaks is of no use without the certificate's key, and of none at all soon. A partner fetches
    # one every few minutes, in milliseconds.
    token_seconds: Annotated[int, Meta(ge=30, le=3600)] = 300


class StorePlace(Record, frozen=True, kw_only=True, rename={"schema_name": "schema"}):
    """Where this gateway keeps what it sent and received: a file, or a PostgreSQL database that several gateways share."""

    file: str = "store.db"
    # As "postgresql://intertie@db.example/intertie". Empty: the file.
    url: str = ""
    schema_name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,62}(?!\n)$")] = "intertie"
    # Its one line is the password. Empty: PGPASSWORD, PGPASSFILE or ~/.pgpass, as libpq looks for it, or a certificate.
    password_file: str = ""

    def check(self) -> None:
        """ValueError for an address of something else, or one with a password in it: settings are shown to people."""
        if not self.url:
            return
        parts = urlsplit(self.url)
        if parts.scheme not in ("postgresql", "postgres"):
            raise ValueError("url: it must begin with postgresql://")
        if parts.password or "password" in parse_qs(parts.query):
            raise ValueError("url: it holds a password; set password_file, or PGPASSWORD or PGPASSFILE")


class JoiningDoor(Record, frozen=True, kw_only=True):
    """The door for those who have an invitation's code. It is open only while an invitation is."""

    listen: str = "127.0.0.1:8453"
    # host:port that the code names; empty: the host of [street] url and the port of `listen`.
    address: str = ""
    # A hello and an answer are two packets and a signature check; a person at a slow line has no more to send.
    seconds: Seconds = 30.0
    # Whoever has a code needs one connection.
    connections: Count = 16
    # Of one address: a person mistypes a code this often before looking again.
    attempts_per_minute: Annotated[float, Meta(gt=0)] = 10.0

    def check(self) -> None:
        """ValueError if `listen` is not host:port."""
        address_of(self.listen)


class ClockFile(Record, frozen=True, kw_only=True):
    """For rehearsals: a file with one RFC 3339 time that stands for now. Without it, the system clock."""

    file: str | None = None


class Revocation(Record, frozen=True, kw_only=True):
    """How revoked certificates are found out."""

    require: Require = "if_listed"
    # Lists from the addresses that certificates name, and from these.
    fetch: bool = True
    crls: Annotated[tuple[Annotated[str, Meta(pattern=r"^https?://[^\s]+$")], ...], Meta(max_length=64)] = ()
    # Partners' certificates, at the responders that they name.
    ocsp: bool = True
    ocsp_hash: HashName = "sha256"
    # Authorities publish daily or weekly, and at once when it matters.
    refresh_seconds: Annotated[float, Meta(ge=10, le=86_400)] = 3600.0
    fetch_seconds: Seconds = 15.0


class Operations(Record, frozen=True, kw_only=True):
    """The door for those who run this gateway: health, readiness, metrics."""

    # Port 0: a free one, which `intertie status` finds. Empty: no such door.
    listen: str = "127.0.0.1:0"
    # The door asks nobody who they are, so it stays on this machine unless somebody says otherwise.
    anywhere: bool = False

    def check(self) -> None:
        """ValueError if `listen` is not host:port, or leads off this machine unasked."""
        if self.listen and not self.anywhere and address_of(self.listen)[0] not in LOOPBACK:
            raise ValueError(f"listen: {self.listen!r} is not on loopback; set anywhere = true if it must be")


class Log(Record, frozen=True, kw_only=True):
    """How lines of the log look."""

    format: Literal["json", "text"] = "json"


class Telemetry(Record, frozen=True, kw_only=True):
    """Where traces go."""

    # As "http://127.0.0.1:4318/v1/traces". Empty: no traces.
    otlp_endpoint: Annotated[str, Meta(pattern=r"^(https?://[^\s]+)?(?!\n)$")] = ""


# One address, as it stands in a mail's header and in SMTP's envelope: no name, no brackets, no line break.
Mailbox = Annotated[str, Meta(pattern=r"^([^\s@<>,;:]+@[^\s@<>,;:]+)?(?!\n)$", max_length=254)]


class Escalation(Record, frozen=True, kw_only=True, rename={"sender": "from"}):
    """Who is written to when an urgent message is not acknowledged in time; without `host`, nobody."""

    host: str = ""
    port: Annotated[int, Meta(ge=1, le=65_535)] = 587
    # Without it mails go in the clear: for a server on this machine only.
    starttls: bool = True
    sender: Mailbox = ""
    to: Annotated[tuple[Mailbox, ...], Meta(max_length=20)] = ()
    user: str = ""
    password_file: str = ""
    # PEM of the authority of the server's certificate; empty: those of this machine.
    ca_file: str = ""
    # Servers that check who connects answer within a few seconds.
    seconds: Seconds = 20.0

    def check(self) -> None:
        """ValueError for a server without addresses, or a password that would go in the clear."""
        if self.host and not (self.sender and self.to and all(self.to)):
            raise ValueError("host: needs `from` and `to`")
        if bool(self.user) != bool(self.password_file):
            raise ValueError("user: needs a password_file, and a password_file a user")
        if self.user and not self.starttls:
            raise ValueError("user: a password would go in the clear without starttls")


class UftpDoor(Record, frozen=True, kw_only=True):
    """Who we are in UFTP, and the door for partners that speak it; without `domain` there is none (docs/uftp.md)."""

    domain: Annotated[str, Meta(pattern=r"^(([a-z0-9]+(-[a-z0-9]+)*\.)+[a-z]{2,})?(?!\n)$")] = ""
    # host:port; empty: nothing is received. Without a certificate it is for something on this machine that ends TLS.
    listen: str = ""
    certificate: str = ""  # PEM: the chain, leaf first
    key: str = ""  # PEM
    # A message is at most 4 MiB of XML; in base64, with its wrapper, six.
    body_bytes: Annotated[int, Meta(ge=1024, le=64 * 1024 * 1024)] = 6 * 1024 * 1024
    # Connections at once: partners post one message each.
    connections: Annotated[int, Meta(ge=1, le=10_000)] = 64
    # Of one address, before it is asked to wait.
    posts_per_minute: Annotated[float, Meta(gt=0)] = 600.0
    seconds: Seconds = 30.0  # for a post of ours to be taken

    def check(self) -> None:
        """ValueError for half a key pair, or a door off this machine without one."""
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate: goes with key")
        if self.listen and not self.domain:
            raise ValueError("listen: needs our domain")
        host = self.listen.rpartition(":")[0]
        if host not in ("", "127.0.0.1", "localhost", "[::1]") and not self.certificate:
            raise ValueError("listen: off this machine it needs a certificate")


class Settings(Record, frozen=True, kw_only=True):
    """All of `intertie.toml`."""

    party: Party
    street: Street
    quota: Quota = Quota()
    delivery: Delivery = Delivery()
    pull: Pull = Pull()
    store: StorePlace = StorePlace()
    clock: ClockFile = ClockFile()
    limits: Limits = Limits()
    policy: PolicySettings = PolicySettings()
    joining: JoiningDoor = JoiningDoor()
    tls: TlsOptions = TlsOptions()
    keys: Secrets = Secrets()
    authorization: Authorization = Authorization()
    revocation: Revocation = Revocation()
    operations: Operations = Operations()
    log: Log = Log()
    telemetry: Telemetry = Telemetry()
    escalation: Escalation = Escalation()
    attachments: AttachmentLimits = AttachmentLimits()
    uftp: UftpDoor = UftpDoor()
    as2: As2Door = As2Door()
    as4: As4Door = As4Door()
    sftp: SftpDoor = SftpDoor()
    ftps: FtpsDoor = FtpsDoor()
    upload: UploadDoor = UploadDoor()
    espi: EspiDoor = EspiDoor()
    internet_et: InternetEtDoor = InternetEtDoor()
    office: OfficeDoor = OfficeDoor()
    oidc: OidcSettings = OidcSettings()
    readings: ReadingsSettings = ReadingsSettings()
    settlement: SettlementSettings = SettlementSettings()
    relay: RelayRules = RelayRules()
    # Days that bodies are kept once their message is done, by "DA/invoice"; what is not named follows the catalogue.
    retention: dict[FlowName, Days] = msgspec.field(default_factory=dict)

    def trust_rules(self) -> TrustRules:
        """How strictly certificates are judged here."""
        return TrustRules(require=self.revocation.require, skew_seconds=self.limits.clock_skew_seconds)


class Places:
    """Where the parts of a gateway directory are."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.settings = directory / FILE
        self.keys = directory / "keys"
        self.trust = directory / "trust"
        self.ca = directory / "ca"
        self.partners = directory / "partners"
        self.joining = directory / "joining"
        self.sealed = directory / "sealed"
        self.descriptor = directory / "descriptor.json"
        self.tsa = directory / "tsa"
        self.office = directory / "office"

    def of(self, file: str) -> Path:
        """A file that a setting names: relative to the gateway directory unless absolute."""
        return self.directory / file


def read_settings(directory: Path) -> Settings:
    """The settings of the gateway in this directory; SettingsError names the file, the place in it, and what to do."""
    path = directory / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SettingsError(
            f"{directory} is not a gateway directory: it has no {FILE}",
            do="Name one with --dir or INTERTIE_DIR, or make one with `intertie init`.",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} cannot be read: {error}", do="Check its permissions and encoding."
        ) from error
    return parse_settings(text, str(path))


def parse_settings(text: str, name: str = FILE) -> Settings:
    """Settings from the text of the file; SettingsError as `read_settings`."""
    try:
        return msgspec.convert(tomllib.loads(text), Settings)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name} is not TOML: {error}", do="Mend the line it names.") from error
    except (msgspec.ValidationError, RecursionError) as error:
        raise SettingsError(
            f"{name}: {error}", do=f"The {FILE} that `intertie init` writes shows every setting."
        ) from error


def settings_text(
    party: Party, url: str, listen: str, clock: str | None = None, passphrase_file: str | None = None
) -> str:
    """The commented file that `init` writes. SettingsError if it would not be read back as the same settings."""
    text = TEMPLATE.format(
        id=_quoted(party.id),
        name=_quoted(party.name),
        roles="[" + ", ".join(_quoted(role.value) for role in sorted(party.roles)) + "]",
        url=_quoted(url),
        listen=_quoted(listen),
        passphrase=(
            f"passphrase_file = {_quoted(passphrase_file)}"
            if passphrase_file
            else '#   passphrase_file = "passphrase.txt"'
        ),
        clock=f"file = {_quoted(clock)}" if clock else '# file = "now.txt"',
    )
    parse_settings(text, "the settings asked for")
    return text


def _quoted(text: str) -> str:
    """A TOML basic string: JSON's escapes are a subset of TOML's."""
    return json.dumps(text, ensure_ascii=False)
