"""The partners as files: `partners/<party>.json`, the signed descriptor as received, and `partners/<party>.toml`, what
we agreed. A partner that has no gateway of this kind has `partners/<party>.legacy` (gateway/translating/foreign.py) in place
of a descriptor, or beside one for what it still sends in its own protocol. A running gateway sees a change within a second."""

from __future__ import annotations

import json
import logging
import os
import tomllib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time
from pathlib import Path
from threading import Lock
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from intertie.exchange.joining import COVERS_MAX, RESERVED, Cover, Trial, trial_of
from intertie.exchange.joining_messages import Invitation
from intertie.gateway.configuration.quota import OwnQuota
from intertie.gateway.gateway import Agreement, Partner, TrustBook
from intertie.gateway.receiving.scopes import Scope
from intertie.gateway.translating.foreign import Foreign
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.ids import PartyId, ShortText
from intertie.model.record import Record
from intertie.seal.certificates import TrustStore
from intertie.seal.descriptor import Descriptor, read_descriptor
from intertie.seal.keys import PublicKeys
from intertie.seal.policy_settings import DEFAULT, PolicySettings

LOG = logging.getLogger("intertie.partners")
# Often enough that a suspension works at once for a person, rare enough to cost nothing.
CHECK_SECONDS = 1.0
# The ending of what an operator writes about a partner that speaks a protocol of its own.
LEGACY = ".legacy"


class Standing(Record, frozen=True, kw_only=True):
    """What stands between us and a partner, as its .toml says. The descriptor was verified at `added`, and its keys are
    believed since; whether their certificates are still valid is asked again for every parcel."""

    added: datetime
    suspended: bool = False
    agreements: tuple[Agreement, ...] = ()
    # What its tokens may cover at most, as "DA/invoice" or "DA/*"; without it, all that its roles may send to ours.
    scopes: tuple[Scope, ...] | None = None
    # A partner that came by an invitation has to prove what was agreed before it is live.
    state: Literal["proving", "live"] = "live"
    joining: Invitation | None = None
    words: ShortText = ""
    covers: Annotated[tuple[Cover, ...], Meta(max_length=COVERS_MAX)] = ()
    # How much it may send, where that is not what [quota] of intertie.toml says.
    quota: OwnQuota = OwnQuota()
    # The partner that relays: our parcels go by it, and those of this one may come by it.
    via: Annotated[str, Meta(max_length=253)] = ""
    # Nothing comes back from it: only flows that the catalogue calls one_way go to it, and are done once they left.
    one_way: bool = False

    def check(self) -> None:
        """What is proved belongs to an invitation; onboarding's names are not for business."""
        if self.state == "proving" and self.joining is None:
            raise ValueError("joining: a partner that is proving came by an invitation")
        if any(agreement.id.startswith(RESERVED) for agreement in self.agreements):
            raise ValueError(f"agreements: names that begin with {RESERVED} belong to test conversations")

    @property
    def trial(self) -> Trial | None:
        """The test conversation of the invitation it came by, over or not."""
        return trial_of(self.joining, self.covers) if self.joining else None


class Entry(NamedTuple):
    """A partner with the parts it was made of."""

    partner: Partner
    descriptor: Descriptor
    standing: Standing


class PartnerFiles:
    """gateway.gateway.PartnerBook over a folder. `ticks` is a monotonic clock in seconds."""

    def __init__(
        self, folder: Path, trust: TrustBook, ticks: Callable[[], float], policy: PolicySettings = DEFAULT
    ) -> None:
        self._folder = folder
        self._trust = trust
        self._ticks = ticks
        self._policy = policy
        self._lock = Lock()
        self._stamp: object = None
        self._checked = float("-inf")
        self._entries: dict[PartyId, Entry] = {}
        self._problems: dict[str, str] = {}

    def find(self, party: PartyId) -> Partner | None:
        """The partner with this id, or None."""
        entry = self._present().get(party)
        return entry.partner if entry else None

    def all(self) -> Sequence[Partner]:
        """All partners by id, suspended ones too."""
        return [entry.partner for _, entry in sorted(self._present().items())]

    def renew(self, raw: bytes, descriptor: Descriptor, now: datetime) -> bool:
        """Keep a newer descriptor of a partner; False if it is not newer. What was agreed stays."""
        self._present()
        with self._lock:
            known = self._entries.get(descriptor.party)
            if known is None or descriptor.sequence <= known.descriptor.sequence:
                return False
            standing = msgspec.structs.replace(known.standing, added=now)
            write_partner(self._folder, descriptor.party, raw, standing)
            partner = partner_of(descriptor, standing, known.partner.foreign)
            self._entries[descriptor.party] = Entry(partner, descriptor, standing)
            return True

    def entries(self) -> list[Entry]:
        """All partners with their descriptors and standings."""
        return [entry for _, entry in sorted(self._present().items())]

    def problems(self) -> dict[str, str]:
        """Files that cannot be used, with the reason. A partner that was readable before stays as it was."""
        self._present()
        return dict(self._problems)

    def _present(self) -> dict[PartyId, Entry]:
        with self._lock:
            tick = self._ticks()
            if tick - self._checked >= CHECK_SECONDS:
                self._checked = tick
                self._look()
            return self._entries

    def _look(self) -> None:
        """Load again if anything changed; partners stay as they were while the folder cannot be read."""
        try:
            stamp = _stamp(self._folder)
        except SettingsError as error:
            LOG.error("partner folder", extra={"why": error.why})
            self._problems = {self._folder.name: str(error)}
            self._stamp = None
            return
        trust = self._trust.present()
        if (stamp, trust) != self._stamp:
            self._stamp = (stamp, trust)
            self._load(trust)

    def _load(self, trust: TrustStore) -> None:
        entries: dict[PartyId, Entry] = {}
        problems: dict[str, str] = {}
        stems = {path.with_suffix(".json") for path in self._folder.glob(f"*{LEGACY}")}
        for path in sorted({*self._folder.glob("*.json"), *stems}):
            try:
                entry = read_entry(path, trust, self._policy)
            except IntertieError as error:
                problems[path.name] = str(error)
                LOG.error("partner file", extra={"file": path.name, "why": str(error)})
                kept = self._entries.get(PartyId(path.stem))
                if kept is None:
                    continue
                entry = kept
            entries[entry.partner.party] = entry
        self._entries, self._problems = entries, problems


def read_entry(path: Path, trust: TrustStore, policy: PolicySettings = DEFAULT) -> Entry:
    """The partner of one descriptor file and the .toml beside it. Raises Refused (the descriptor does not verify) or
    SettingsError (a file is missing, unreadable or wrong)."""
    standing = read_standing(path.with_suffix(".toml"))
    foreign = read_foreign(path.with_suffix(LEGACY))
    if foreign is not None and not path.exists():
        return foreign_entry(PartyId(path.stem), foreign, standing)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error}", do="Add the partner again.") from error
    # Revoked since, or backdated: that is asked for each parcel, and must not take the partner off the books.
    descriptor = read_descriptor(raw, trust.unrevoked(), standing.added, policy=policy)
    if descriptor.party != path.stem:
        raise SettingsError(
            f"{path} is the descriptor of {descriptor.party}",
            do="A descriptor's file is named after its party.",
        )
    return Entry(partner_of(descriptor, standing, foreign), descriptor, standing)


def read_foreign(path: Path) -> Foreign | None:
    """What a partner's legacy file says; None if there is none. SettingsError names the file and the place in it."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Foreign)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error}", do="Check its permissions.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise SettingsError(
            f"{path}: {error}", do="Mend it; docs/uftp.md, as2.md and as4.md have examples."
        ) from error


def foreign_entry(party: PartyId, foreign: Foreign, standing: Standing) -> Entry:
    """A partner without a gateway of this kind: it has no descriptor, and no keys that a parcel could be sealed for."""
    roles = frozenset(foreign.roles)
    end = datetime.combine(foreign.legacy_until, time.max, UTC)
    keys = PublicKeys(party=party, roles=roles, signing={}, sealing={})
    descriptor = Descriptor(
        party=party,
        name=foreign.name,
        roles=roles,
        sequence=0,
        since=standing.added,
        until=end,
        url=foreign.url,
        keys=keys,
    )
    return Entry(partner_of(descriptor, standing, foreign), descriptor, standing)


def partner_of(descriptor: Descriptor, standing: Standing, foreign: Foreign | None = None) -> Partner:
    """The partner as the acts see it. Until it is live no agreement of business is in force, only that of its test."""
    trial = standing.trial if standing.state == "proving" else None
    test = (Agreement(id=trial.agreement, start=standing.added),) if trial else ()
    return Partner(
        party=descriptor.party,
        name=descriptor.name,
        roles=descriptor.roles,
        keys=descriptor.keys,
        url=descriptor.url,
        agreements=test or standing.agreements,
        suspended=standing.suspended,
        trial=trial,
        scopes=standing.scopes,
        quota=standing.quota,
        sequence=descriptor.sequence,
        foreign=foreign,
        via=PartyId(standing.via) if standing.via else None,
        one_way=standing.one_way,
    )


def read_standing(path: Path) -> Standing:
    """What a partner's .toml says; SettingsError names the file and the place in it."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Standing)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error}", do="Add the partner again.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise SettingsError(f"{path}: {error}", do="Mend it, or add the partner again.") from error


def write_partner(folder: Path, party: PartyId, raw: bytes, standing: Standing) -> None:
    """Keep a descriptor and a standing, each file whole or not at all. The caller verified the descriptor."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(folder / f"{party}.toml", standing_text(party, standing).encode())
    write_whole(folder / f"{party}.json", raw)


def standing_text(party: PartyId, standing: Standing) -> str:
    """The commented .toml of a standing; ids need no escapes by their pattern."""
    lines = [
        f"# What stands between us and {party}. A running gateway reads this again within a second of a change.",
        f"added = {standing.added.isoformat()}",
        f"suspended = {str(standing.suspended).lower()}   # true refuses and holds back everything",
    ]
    if standing.via:
        lines.append(f'via = "{standing.via}"   # the relay between us')
    if standing.one_way:
        lines.append("one_way = true   # nothing comes back from it")
    if standing.joining is not None:
        lines += [
            f'state = "{standing.state}"   # `intertie partner prove`, then `live`',
            f'joining = "{standing.joining}"',
            f'words = "{standing.words}"',
            f"covers = {json.dumps(standing.covers)}   # empty: all that the roles allow",
        ]
    if standing.scopes is not None:
        quoted = ", ".join(f'"{scope}"' for scope in standing.scopes)
        lines.append(f"scopes = [{quoted}]   # its access tokens cover no more than this")
    for agreement in standing.agreements:
        lines += ["", "[[agreements]]", f'id = "{agreement.id}"', f"start = {agreement.start.isoformat()}"]
        if agreement.end is not None:
            lines.append(f"end = {agreement.end.isoformat()}   # the first moment it no longer holds")
    if quota := standing.quota.named():
        lines += ["", "[quota]", *(f"{name} = {value}" for name, value in quota.items())]
    return "\n".join(lines) + "\n"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a reader, or a crash, finds the old one or the new one; SettingsError if it cannot be."""
    fresh = path.with_name(path.name + ".new")
    try:
        with fresh.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(path)
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written: {error}", do="Check space and permissions."
        ) from error


def _stamp(folder: Path) -> object:
    """Changes whenever a file here is written, added or removed."""
    try:
        with os.scandir(folder) as files:
            return tuple(
                sorted(
                    (file.name, file.stat().st_mtime_ns, file.stat().st_size, file.inode())
                    for file in files
                    if file.name.endswith((".json", ".toml", LEGACY))
                )
            )
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise SettingsError(f"{folder} cannot be read: {error}", do="Check its permissions.") from error
