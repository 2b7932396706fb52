"""Settings become a gateway: a directory, opened, with its keys, trust, partners and store wired together."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from intertie.bindings.as2.translator import As2
from intertie.bindings.as4.translator import As4
from intertie.bindings.clock import Clock, FileClock, system_clock
from intertie.bindings.internet_et.keys import OwnKeys
from intertie.bindings.internet_et.translator import InternetEt
from intertie.bindings.joining.door import Door
from intertie.bindings.mail_smtp.client import SmtpMailer
from intertie.bindings.operations.telemetry import Tracer
from intertie.bindings.parcel_https.client import HttpsLink
from intertie.bindings.uftp.translator import Uftp
from intertie.catalogue.load import load_catalogue
from intertie.formats.as4.user_message import Party
from intertie.gateway.attaching.attachment_ports import Attachments
from intertie.gateway.configuration.settings import Places, Settings, read_settings
from intertie.gateway.gateway import Gateway
from intertie.gateway.observer import UNOBSERVED, Observer
from intertie.gateway.partners.join_partner import Ourselves
from intertie.gateway.receiving.authorize import authority_of
from intertie.gateway.trading.trade_books import Books
from intertie.gateway.translating.deliver_file import FileTranslator, OneWay
from intertie.gateway.translating.foreign import Translator, paper_events
from intertie.market.event import Event
from intertie.model.ids import PartyId
from intertie.seal.joining import own_roots
from intertie.seal.pgp import PgpKey
from intertie.seal.protection import Opener
from intertie.seal.smime_keys import OwnSmime, SmimeKey
from intertie.seal.sodium_keys import VaultKeys
from intertie.seal.ssh_keys import ssh_key_of_vault
from intertie.seal.store_kek import StoreKeks
from intertie.seal.tls import Tls
from intertie.seal.token_keys import TokenKeyFiles
from intertie.seal.vault import Vault
from intertie.stores.attachment_files import AttachmentFiles
from intertie.stores.joining_files import JoiningFiles
from intertie.stores.key_files import KeyFiles
from intertie.stores.opening import open_store
from intertie.stores.own_descriptor import OwnDescriptor
from intertie.stores.partner_files import PartnerFiles
from intertie.stores.rotation import Own, renew_descriptor, retire
from intertie.stores.sealed_files import SealedFiles
from intertie.stores.trust_files import TrustFiles

LOG = logging.getLogger("intertie.run")


def open_clock(directory: Path, settings: Settings) -> Clock:
    """The clock of the gateway in this directory."""
    file = settings.clock.file
    return FileClock(directory / file) if file else system_clock


class Opened:
    """A gateway directory, opened."""

    def __init__(self, directory: Path, observer: Observer = UNOBSERVED) -> None:
        self.directory = directory
        self.places = Places(directory)
        self.settings = read_settings(directory)
        self.clock = open_clock(directory, self.settings)
        trust = TrustFiles(self.places.trust, time.monotonic, self.settings.trust_rules())
        self.trust = trust
        self.opener = Opener(self.settings.keys, directory, os.environ)
        vault = Vault(self.places.keys, self.opener)
        self.own = Own(vault, self.settings.party, self.settings.street.url, self.places.descriptor)
        self.ring = KeyFiles(vault, self.settings.party, self.clock, time.monotonic)
        self.partners = PartnerFiles(self.places.partners, trust, time.monotonic, self.settings.policy)
        self.store = open_store(self.settings.store, self.places, StoreKeks(vault))
        self.joinings = JoiningFiles(self.places.joining)
        self.sealed = SealedFiles(vault, self.places.sealed)
        domain = self.settings.uftp.domain
        self.uftp = Uftp(domain, VaultKeys(vault)) if domain else None
        as2 = self.settings.as2
        smime = OwnSmime(
            as2.key_number, cache(lambda n: SmimeKey.of_vault(vault, as2.name, self.clock(), number=n))
        )
        self.as2 = As2(as2.name, as2.receipts_url, as2.file_bytes, smime) if as2.name else None
        as4 = self.settings.as4
        wss = OwnSmime(
            as4.key_number, cache(lambda n: SmimeKey.of_vault(vault, as4.party_id, self.clock(), "as4", n))
        )
        ourselves = Party(as4.party_id, as4.party_type)
        self.as4 = As4(ourselves, as4.file_bytes, wss) if as4.party_id else None
        et = self.settings.internet_et
        pgp = OwnKeys(et.key_number, lambda number: PgpKey.of_vault(vault, et.code, number))
        self.internet_et = InternetEt(et.code, et.server, et.file_bytes, pgp) if et.code else None
        spoken: dict[str, Translator | None] = {
            "uftp": self.uftp,
            "as2": self.as2,
            "as4": self.as4,
            "internet_et": self.internet_et,
        }
        if self.settings.sftp.enabled:
            spoken["sftp"] = FileTranslator("sftp")
        for name, door in (("upload", self.settings.upload), ("ftps", self.settings.ftps)):
            if door.enabled:
                spoken[name] = FileTranslator(name)
        if self.settings.espi.fetch:
            spoken["green_button"] = OneWay("green_button")
        self._vault = vault
        self.gateway = Gateway(
            party=self.settings.party,
            ring=self.ring,
            trust_book=trust,
            partners=self.partners,
            catalogue=load_catalogue(),
            store=self.store,
            limits=self.settings.limits,
            policy=self.settings.policy,
            observer=observer,
            attachments=Attachments(
                AttachmentFiles(self.places.of(self.settings.attachments.folder)), self.settings.attachments
            ),
            books=Books(self._on_paper),
            translators={name: one for name, one in spoken.items() if one is not None},
            relay=self.settings.relay,
        )
        self.descriptor = OwnDescriptor(self.places.descriptor, time.monotonic)
        gateway = self.gateway
        self.tls = Tls(lambda: (gateway.keys.tls, gateway.trust), self.clock, self.settings.tls)

        mail = self.settings.escalation
        self.mailer = SmtpMailer(mail, directory, self.clock) if mail.host else None
        self.authority = authority_of(self.gateway, self.settings, TokenKeyFiles(vault))

    def _on_paper(self, party: PartyId) -> tuple[Event, ...]:
        """The contract with a partner that cannot make one here."""
        partner = self.partners.find(party)
        return paper_events(partner.foreign) if partner is not None and partner.foreign is not None else ()

    def ssh_key(self, name: str) -> bytes:
        """A private key of ours for SFTP, in OpenSSH's form. SettingsError, KeyPortError."""
        return ssh_key_of_vault(self._vault, name)

    def turn_keys(self) -> None:
        """Do what is due with our keys: a descriptor that a crash left unwritten, and the end of old ones."""
        now = self.clock()
        if renew_descriptor(self.own, now):
            LOG.warning("descriptor written after a crash")
        for generation, parts in retire(self.own, now):
            LOG.info("keys destroyed", extra={"count": len(parts), "file": generation.folder})

    def ourselves(self) -> Ourselves:
        """What we send of ourselves to who joins, or to whom we join."""
        return Ourselves(self.descriptor.raw(), own_roots(self.gateway.keys, self.gateway.trust))

    def joining_door(self) -> Door:
        """The door for those who have an invitation's code."""
        return Door(self.gateway, self.joinings, self.ourselves, self.settings.joining, self.clock)

    def close(self) -> None:
        """Let go of the store."""
        self.gateway.store.close()


@contextlib.contextmanager
def opened(directory: Path, observer: Observer = UNOBSERVED) -> Iterator[Opened]:
    """A gateway directory for the time of a command."""
    it = Opened(directory, observer)
    try:
        yield it
    finally:
        it.close()


def open_gateway(directory: Path) -> Gateway:
    """The gateway of this directory, for an act or two; close its store when done. Raises SettingsError, StoreError."""
    return Opened(directory).gateway


def street_link(it: Opened, tracer: Tracer | None = None) -> HttpsLink:
    """The way to partners' doors; close it when done."""
    return HttpsLink(it.tls, it.settings.delivery, it.settings.party.id, tracer)
