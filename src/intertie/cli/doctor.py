"""`intertie doctor`: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
import stat
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console

import intertie
from intertie.bindings.clock import system_clock
from intertie.bindings.parcel_https.client import HttpsLink
from intertie.cli._internet_et import key_ends
from intertie.cli._shared import HERE, Dir, Json, print_json, when
from intertie.gateway.configuration.settings import Places, read_settings
from intertie.gateway.gateway import LinkAnswer, Partner
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.model.errors import IntertieError, Refused
from intertie.run import Opened
from intertie.seal.certificates import TrustStore, check_chain, load_trust
from intertie.seal.generations import GENERATION_FILE, certificates_in
from intertie.seal.protection import PLAIN_FILE, plain_opener
from intertie.seal.tls_groups import hybrid_only
from intertie.seal.vault import LOCK_FILE, Vault
from intertie.stores.trust_folder import describe_folder

PYTHON_LEAST = (3, 11)
# TLS 1.3 with the groups we ask for; older ones have open advisories.
OPENSSL_LEAST = (3, 0)
# Two months: time enough for a certificate authority that takes its time.
SOON = timedelta(days=60)
# A day of the busiest flows is a few hundred MB; below this a store could fill within a week.
FREE_BYTES_LEAST = 2 * 1024**3
# Below this the next parcels may not be kept at all.
FREE_BYTES_NONE = 64 * 1024**2
MARKS = {"ok": "[green]ok  [/]", "warn": "[yellow]warn[/]", "fail": "[red]fail[/]"}


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at. `do` says what to do, if anything."""

    check: str
    state: str  # ok, warn, fail
    what: str
    do: str = ""


Findings = Iterator[Finding]


def doctor(
    *,
    reach: Annotated[
        bool, Parameter(negative=(), help="Also ask each partner's door for its descriptor.")
    ] = False,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Look at everything that can be wrong with this installation, and say what to do. Exit 1 if something fails."""
    findings = list(examine(dir, reach=reach))
    failed = any(finding.state == "fail" for finding in findings)
    if json:
        print_json({"healthy": not failed, "findings": findings})
        return int(failed)
    out = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    for finding in findings:
        out.print(f"{MARKS[finding.state]} {finding.check}: ", end="")
        out.print(f"{finding.what}. {finding.do}".rstrip(" ."), markup=False)
    return int(failed)


def examine(directory: Path, *, reach: bool) -> Findings:
    """Every finding, the ones that others rest on first; stops where nothing further can be said."""
    yield from _program()
    places = Places(directory)
    try:
        settings = read_settings(directory)
    except IntertieError as error:
        yield Finding("settings", "fail", error.why, error.do)
        return
    yield Finding("settings", "ok", f"{places.settings} is in order, for {settings.party.id}")
    for check in (_files, _protection, _space, _certificates):
        yield from check(places)
    try:
        it = Opened(directory)
    except IntertieError as error:
        yield Finding("gateway", "fail", error.why, error.do)
        return
    try:
        yield from _opened(it, reach=reach)
    finally:
        it.close()


def _program() -> Findings:
    version = sys.version_info
    yield _judge(
        "python",
        version >= PYTHON_LEAST,
        f"Python {version.major}.{version.minor}.{version.micro}, intertie {intertie.__version__}",
        "Install Python 3.11 or newer.",
    )
    good = ssl.OPENSSL_VERSION_INFO[:2] >= OPENSSL_LEAST and ssl.HAS_TLSv1_3
    yield _judge("openssl", good, ssl.OPENSSL_VERSION, "Use a Python built with OpenSSL 3 and TLS 1.3.")


def _files(places: Places) -> Findings:
    """Folders are there; private keys are readable for us and for nobody else."""
    for folder in (places.keys, places.trust, places.partners):
        good = folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)
        if not good:
            yield Finding(
                "files", "fail", f"{folder} is missing or cannot be read", "Restore it from your backup."
            )
    if not os.access(places.directory, os.W_OK):
        yield Finding(
            "files", "fail", f"{places.directory} cannot be written", "The store lies in it: chown or chmod."
        )
    secrets = [path for folder in (places.keys, places.ca) for path in folder.rglob("*") if _is_secret(path)]
    unreadable = [p.name for p in secrets if not os.access(p, os.R_OK)]
    open_to_all = [p for p in secrets if stat.S_IMODE(p.stat().st_mode) & 0o077]
    for path in open_to_all:
        yield Finding(
            "keys", "fail", f"{path} can be read by others", f"chmod 600 {path}; consider the key known."
        )
    if unreadable:
        yield Finding(
            "keys", "fail", f"{', '.join(unreadable)} cannot be read", "Run as the owner of the keys."
        )
    if not open_to_all and not unreadable:
        yield Finding("keys", "ok", f"{len(secrets)} private key files, readable by their owner only")
    if places.ca.exists():
        yield Finding(
            "ca",
            "warn",
            "the trial certificate authority's key is on this machine",
            "Right for rehearsals only.",
        )


def _is_secret(path: Path) -> bool:
    """Everything beside the keys is taken for a key, except what is known to be public."""
    public = (".crt.pem", GENERATION_FILE, "ec.pem", "mldsa.pem", "roots.pem", ".crl.pem", LOCK_FILE)
    return path.is_file() and not path.name.endswith(public)


def _protection(places: Places) -> Findings:
    """What opens the keys at rest, and what a crash may have left beside them."""
    try:
        kind = Vault(places.keys, plain_opener(places.directory)).kind()
    except IntertieError as error:
        yield Finding("keys", "fail", error.why, error.do)
        return
    if kind == "none":
        do = "Right for trials only: `intertie keys protect --with passphrase`, or pkcs11."
        yield Finding("keys", "warn", "the keys at rest are not protected", do)
        return
    yield Finding("keys", "ok", f"the keys at rest are protected by {kind}")
    if (places.keys / PLAIN_FILE).exists():
        do = "`intertie keys protect` again removes it; then `intertie keys rotate`."
        yield Finding("keys", "warn", "the key of an earlier, open protection is still there", do)


def _space(places: Places) -> Findings:
    free = shutil.disk_usage(places.directory).free
    state = "ok" if free >= FREE_BYTES_LEAST else "warn" if free >= FREE_BYTES_NONE else "fail"
    yield Finding("disk", state, f"{free / 1024**3:.1f} GiB free", "" if state == "ok" else "Make room soon.")


def _certificates(places: Places) -> Findings:
    """End dates against the system clock; a clock outside them is named as such."""
    now = system_clock()
    try:
        found = certificates_in(places.keys, now)
        roots = load_trust(places.trust).roots
    except IntertieError as error:
        yield Finding("certificates", "fail", error.why, error.do)
        return
    for certificate in found:
        yield _validity(certificate.file, certificate.start, certificate.end, now)
    for root in roots:
        name = f"root {root.subject.rfc4514_string()}"
        yield _validity(name, root.not_valid_before_utc, root.not_valid_after_utc, now)


def _validity(name: str, start: datetime, end: datetime, now: datetime) -> Finding:
    what = f"{name}: valid {when(start)} to {when(end)}"
    if now < start:
        do = "Set this machine's clock (it may be slow), or wait."
        return Finding("certificates", "fail", f"{what}, but now it is {when(now)}", do)
    if now >= end:
        return Finding(
            "certificates", "fail", f"{what}: it has ended", "Have new ones issued; tell the partners."
        )
    if end - now < SOON:
        return Finding(
            "certificates", "warn", f"{what}: {(end - now).days} days left", "Have new ones issued."
        )
    return Finding("certificates", "ok", what)


def _opened(it: Opened, *, reach: bool) -> Findings:
    yield from _clock(it, system_clock())
    yield from _port(it)
    yield from _guarded("keys", lambda: _keys(it))
    yield from _guarded("tls", lambda: _tls(it))
    yield from _guarded("store", lambda: _store(it))
    yield from _guarded("journal", lambda: _journal(it))
    yield from _guarded("partners", lambda: _partners(it))
    yield from _guarded("revocation", lambda: _revocation(it))
    yield from _guarded("openpgp", lambda: _openpgp(it))
    if reach:
        for partner in it.partners.all():
            yield _guarded_one(f"reach {partner.party}", partial(_reach, it, partner))


def _store(it: Opened) -> Findings:
    """The key port opens every data key, and nothing lies there as it was before encryption."""
    it.store.unlock()
    keys, left = it.store.data_keys(), it.store.unprotected()
    held = sum(key.live for key in keys)
    yield Finding("store", "ok", f"{held} bodies, encrypted; {len(keys)} data keys open")
    for remark in it.store.remarks():
        yield Finding("store", "warn", remark, "Have the database's keeper turn it on.")
    if left:
        yield Finding(
            "store", "warn", f"{left} chunks are not encrypted yet", "Serve, or run `intertie store protect`."
        )


def _clock(it: Opened, system: datetime) -> Findings:
    if it.settings.clock.file is None:
        yield Finding(
            "clock",
            "ok",
            f"system clock, {when(system)}; partners bear ±{it.settings.limits.clock_skew_seconds} s",
        )
        return
    try:
        now = it.clock()
    except IntertieError as error:
        yield Finding("clock", "fail", error.why, error.do)
        return
    yield Finding(
        "clock", "warn", f"a rehearsal: the time is {when(now)}", "Remove [clock] file before operation."
    )


def _port(it: Opened) -> Findings:
    if not it.settings.street.is_open:
        yield _without_door(it)
        return
    address = it.settings.street.address()
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            why = f"{it.settings.street.listen} is not free ({error.strerror})"
            yield Finding("port", "warn", why, "Fine if this gateway is serving now; else find what uses it.")
            return
    yield Finding("port", "ok", f"{it.settings.street.listen} is free (this gateway is not serving)")


def _without_door(it: Opened) -> Finding:
    """Whether there is somebody at whose door we find our parcels."""
    doors = [partner.party for partner in it.partners.all() if not partner.fetches and not partner.translated]
    if it.partners.all() and not doors:
        what = "we have no street door, and no partner has one: nothing can come or go"
        return Finding("port", "fail", what, "Give this gateway a door: [street] url and listen.")
    return Finding("port", "ok", f"no street door: we come for our parcels at {len(doors)} partners' doors")


def _keys(it: Opened) -> Findings:
    keys = it.gateway.keys
    yield Finding("keys", "ok", f"they open, and sign with {', '.join(keys.signing)}")


def _tls(it: Opened) -> Findings:
    """Whether a door can be made of keys, trust and settings, and what it would negotiate."""
    it.tls.server_context()
    groups = it.tls.options.groups
    what = f"engine {it.tls.engine()} ({it.tls.library()})"
    if it.tls.engine() == "stdlib":
        do = 'Set [tls] engine = "openssl": flows that need a hybrid group cannot be sent over this one.'
        yield Finding("tls", "warn", f"{what}: its groups are this machine's, and it cannot name them", do)
    elif not hybrid_only(groups):
        yield Finding(
            "tls", "warn", f"{what}: no hybrid group is allowed", "Add X25519MLKEM768 to [tls] groups."
        )
    else:
        yield Finding("tls", "ok", f"{what}, groups {', '.join(groups)}")


def _journal(it: Opened) -> Findings:
    head = verify_journal(it.gateway.store)
    yield Finding("journal", "ok", f"the store opens, {head.size} entries verify")


def _partners(it: Opened) -> Findings:
    problems = it.partners.problems()
    for name, why in problems.items():
        yield Finding("partners", "fail", f"{name}: {why}", "Add the partner again.")
    if not it.partners.all():
        yield Finding(
            "partners", "warn", "there are none", "`intertie partner add THEIR-descriptor.json` makes one."
        )
    elif not problems:
        yield Finding("partners", "ok", f"{len(it.partners.all())} known")


def _revocation(it: Opened) -> Findings:
    """Whether partners would still take our certificates, and whether what is known of revoked ones is out of date."""
    now, trust = it.clock(), it.gateway.trust
    yield from _own_certificates(it, trust, now)
    old = [line for line in describe_folder(it.places.trust, trust, now) if line.state == "out of date"]
    for line in old:
        what = f"{line.file} of {line.name} was out of date on {when(line.until)}"
        yield Finding(
            "revocation", "warn", what, "`intertie trust refresh`, or give it with `intertie trust add`."
        )
    if not old:
        count = len(trust.lists) + len(trust.answers)
        yield Finding("revocation", "ok", f"{count} lists and answers, none out of date")


def _openpgp(it: Opened) -> Findings:
    """Keys of Internet ET live a year: ours, and the one of each partner that we encrypt for."""
    now = it.clock()
    for name, end, do in key_ends(it):
        what = f"{name} ends on {when(end)}"
        state = "fail" if end <= now else "warn" if end - now < SOON else "ok"
        yield Finding("openpgp", state, what, do if state != "ok" else "")


def _own_certificates(it: Opened, trust: TrustStore, now: datetime) -> Findings:
    try:
        keys = it.gateway.keys
    except IntertieError:
        return  # said already: the keys do not open
    for alg, key in keys.signing.items():
        try:
            check_chain(key.chain, trust, keys.party, now)
        except Refused as refused:
            what = f"our {alg} certificate would be refused: {refused.code}: {refused.detail}"
            yield Finding("revocation", "fail", what, "Have new ones issued: `intertie keys rotate`.")


def _reach(it: Opened, partner: Partner) -> Finding:
    if partner.fetches:
        return Finding(f"reach {partner.party}", "ok", "it has no door: it comes for its parcels here")

    if partner.foreign is not None and partner.translated:
        what = f"it speaks {partner.foreign.binding} at {partner.url}, and is not asked here"
        return Finding(f"reach {partner.party}", "ok", what)

    async def ask() -> tuple[LinkAnswer, frozenset[str] | None]:
        link = HttpsLink(it.tls, it.settings.delivery, it.settings.party.id)
        try:
            return await link.ask_descriptor(partner), await link.granted(partner)
        finally:
            await link.aclose()

    answer, granted = asyncio.run(ask())
    over = answer.transport
    kept = (it.places.partners / f"{partner.party}.json").read_bytes()
    what = f"{partner.url} answers"
    if over is not None:
        what += f" over {over.version} with {over.group or 'a group that this engine cannot name'}"
    if answer.body != kept:
        return Finding(
            f"reach {partner.party}", "warn", f"{what}, but with another descriptor", "Add the partner again."
        )
    if granted is not None and not granted:
        do = "Ask its operators which documents we may send to them."
        return Finding(f"reach {partner.party}", "warn", f"{what}, but grants us nothing", do)
    return Finding(
        f"reach {partner.party}",
        "ok",
        what if granted is None else f"{what} and grants us {len(granted)} scopes",
    )


def _guarded_one(check: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except IntertieError as error:
        return Finding(check, "fail", error.why, error.do)


def _guarded(check: str, look: Callable[[], Findings]) -> Findings:
    try:
        yield from look()
    except IntertieError as error:
        yield Finding(check, "fail", error.why, error.do)


def _judge(check: str, good: bool, what: str, do: str) -> Finding:
    return Finding(check, "ok", what) if good else Finding(check, "fail", what, do)
