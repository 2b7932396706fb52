"""What the trial authority issued and revoked: one JSON line per event, only ever appended to `index.jsonl`.

The last word on a certificate counts. A revocation is for ever; only a hold can be lifted (RFC 5280 s.5.3.1).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
from cryptography import x509
from msgspec import Meta

from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId, PartyName
from intertie.model.record import Record
from intertie.seal.algorithms import is_post_quantum
from intertie.seal.certificates import may_sign, party_of_certificate, read_certificate
from intertie.seal.encoding import from_base64url, to_base64url
from intertie.seal.issuing import Purpose, Revocation
from intertie.seal.x509_path import is_authority

INDEX_FILE = "index.jsonl"
Serial = Annotated[str, Meta(pattern=r"^[0-9a-f]{1,40}$")]
# RFC 5280 s.5.3.1, in the spelling of the command line.
REASONS = {flag.name: flag for flag in x509.ReasonFlags}
COMPROMISES = ("key_compromise", "ca_compromise", "aa_compromise")
HOLD, LIFT = "certificate_hold", "remove_from_crl"


class _Issued(Record, frozen=True, kw_only=True, tag="issued", tag_field="event"):
    at: datetime
    # None: an authority below this one.
    party: PartyName | None = None
    certificate: str


class _Revoked(Record, frozen=True, kw_only=True, tag="revoked", tag_field="event"):
    at: datetime
    serial: Serial
    reason: str
    since: datetime
    invalid_since: datetime | None = None


class _Published(Record, frozen=True, kw_only=True, tag="list", tag_field="event"):
    at: datetime
    number: int


_Event = _Issued | _Revoked | _Published
_DECODER = msgspec.json.Decoder(_Event)


class Row(NamedTuple):
    """An issued certificate, and its revocation if there is one."""

    certificate: x509.Certificate
    party: PartyId | None
    family: str
    purpose: Purpose | Literal["authority"]
    issued: datetime
    revocation: Revocation | None

    @property
    def serial(self) -> str:
        """The serial number in hexadecimal, as `openssl x509 -serial` has it (in small letters)."""
        return f"{self.certificate.serial_number:x}"


class Register:
    """The index of one trial authority's folder."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / INDEX_FILE

    def record(self, certificates: Sequence[bytes], at: datetime) -> None:
        """Note issued certificates (DER); SettingsError if it cannot be written."""
        for leaf in certificates:
            party = None if is_authority(read_certificate(leaf)) else party_of_certificate(leaf)
            self._append(_Issued(at=at, party=party, certificate=to_base64url(leaf)))

    def rows(self) -> list[Row]:
        """Every certificate that was issued, oldest first; SettingsError if the index is damaged."""
        events = list(self._events())
        revoked: dict[int, Revocation | None] = {}
        for event in events:
            if isinstance(event, _Revoked):
                serial = int(event.serial, 16)
                entry = Revocation(serial, event.since, REASONS[event.reason], event.invalid_since)
                revoked[serial] = None if event.reason == LIFT else entry
        return [_row(event, revoked) for event in events if isinstance(event, _Issued)]

    def find(self, serial: int) -> Row | None:
        """The certificate with this serial number, or None."""
        return next((row for row in self.rows() if row.certificate.serial_number == serial), None)

    def revoke(
        self, serial: int, reason: str, now: datetime, *, since: datetime | None = None
    ) -> Revocation | None:
        """Revoke a certificate, or lift a hold (then None). `since`: from when on others had its key, or a time to come.

        SettingsError if it was not issued here, is revoked already, or the reason does not allow it.
        """
        row = self.find(serial)
        if row is None:
            raise SettingsError(
                f"no certificate {serial:x} was issued here", do="`intertie ca list` shows those that were."
            )
        _check_change(row, reason, now, since)
        event = _Revoked(
            at=now,
            serial=f"{serial:x}",
            reason=reason,
            since=max(now, since or now),
            invalid_since=since if since is not None and since < now else None,
        )
        self._append(event)
        if reason == LIFT:
            return None
        return Revocation(serial, event.since, REASONS[reason], event.invalid_since)

    def revocations(self) -> dict[str, list[Revocation]]:
        """What each family's next list has to name: certificates that have ended stay on it."""
        found: dict[str, list[Revocation]] = {}
        for row in self.rows():
            if row.revocation is not None:
                found.setdefault(row.family, []).append(row.revocation)
        return found

    def next_number(self, at: datetime) -> int:
        """The number of the next revocation lists, never given twice (RFC 5280 s.5.2.3)."""
        numbers = [event.number for event in self._events() if isinstance(event, _Published)]
        number = max(numbers, default=0) + 1
        self._append(_Published(at=at, number=number))
        return number

    def _events(self) -> Iterator[_Event]:
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            raise SettingsError(f"{self._path} cannot be read: {error.strerror}") from error
        for number, line in enumerate(lines, 1):
            try:
                yield _DECODER.decode(line)
            except (msgspec.MsgspecError, ValueError) as error:
                do = "Restore it from a backup: without it revocations are lost."
                raise SettingsError(f"{self._path} line {number}: {error}", do=do) from error

    def _append(self, event: _Event) -> None:
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.write(msgspec.json.encode(event) + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise SettingsError(f"{self._path} cannot be written: {error.strerror}") from error


def _row(event: _Issued, revoked: dict[int, Revocation | None]) -> Row:
    certificate = read_certificate(from_base64url(event.certificate))
    return Row(
        certificate=certificate,
        party=event.party,
        family="mldsa" if is_post_quantum(certificate.public_key()) else "ec",
        purpose="authority" if event.party is None else "signing" if may_sign(certificate) else "tls",
        issued=event.at,
        revocation=revoked.get(certificate.serial_number),
    )


def _check_change(row: Row, reason: str, now: datetime, since: datetime | None) -> None:
    if reason not in REASONS:
        raise SettingsError(f"no reason {reason!r}", do=f"Known: {', '.join(REASONS)}.")
    held = row.revocation is not None and row.revocation.reason is x509.ReasonFlags.certificate_hold
    if row.revocation is not None and not held:
        raise SettingsError(
            f"{row.serial} is revoked already, since {row.revocation.since.isoformat()}",
            do="A revocation cannot be changed or taken back.",
        )
    if reason == LIFT and not held:
        raise SettingsError(f"{row.serial} is not on hold", do=f"Only {HOLD} can be lifted.")
    if since is not None and since < now and reason not in COMPROMISES:
        raise SettingsError(
            f"a time that has passed belongs to a compromise, not to {reason}",
            do=f"Leave --since out, or say one of {', '.join(COMPROMISES)}.",
        )
