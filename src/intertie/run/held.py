"""What a gateway's folder holds of keys and their dates: what the acts of policy are told, and the inventory of cryptography."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from intertie.gateway.operating.check_policy import Dates, KeyAge
from intertie.gateway.translating.foreign import Foreign
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.run.opening import Opened
from intertie.seal.descriptor import descriptor_end
from intertie.seal.inventory import Holdings, Inventories, KeptKey, LegacyUse
from intertie.seal.store_kek import store_kek_names
from intertie.seal.token_keys import SECRET_NAME

_NAMES = {"wrapping": "our store", "token": "our token"}


class Held:
    """`gateway.views.view_policy.HeldKeys` of a gateway that is open."""

    def __init__(self, it: Opened) -> None:
        self._it = it
        self._inventories = Inventories()

    def dates(self) -> Dates:
        """Ends of descriptors, and ages of keys that have no certificate."""
        it = self._it
        try:
            own = descriptor_end(it.descriptor.raw())
        except SettingsError:  # no descriptor, nothing that ends: `intertie doctor` says that it is missing
            own = None
        partners = {entry.descriptor.party: entry.descriptor.until for entry in it.partners.entries()}
        ages = [KeyAge(_NAMES[kept.use], kept.use, kept.since) for kept in self._kept() if kept.use in _NAMES]
        return Dates(own, partners, tuple(ages))

    def inventory(self, now: datetime) -> bytes:
        """CycloneDX 1.6 in JSON."""
        it = self._it
        known = it.partners.all()
        legacy = [legacy_use(one.party, one.foreign) for one in known if one.foreign is not None]
        keys = [partner.keys for partner in known]
        holdings = Holdings(it.gateway.keys, it.gateway.trust, keys, tuple(self._kept()), legacy)
        return self._inventories.write(holdings, it.settings.policy, now)

    def _kept(self) -> Iterator[KeptKey]:
        """The keys that no certificate is for: the newest store key, the token key, and the store's data keys."""
        vault = self._it.own.vault
        for name in store_kek_names(vault)[:1]:
            yield KeptKey(name, "AES-256-GCM", "wrapping", vault.made_at(name))
        for name in vault.names():
            if SECRET_NAME.fullmatch(name):
                yield KeptKey(name, "ES256", "token", vault.made_at(name))
        for key in (one for one in self._it.store.data_keys() if one.destroyed_at is None):
            yield KeptKey(f"data-{key.number}", "AES-256-GCM", "data", key.made_at)


def legacy_use(party: PartyId, foreign: Foreign) -> LegacyUse:
    """How a partner that speaks a protocol of its own is protected, for the inventory."""
    until = foreign.legacy_until.isoformat()
    if foreign.binding == "as2":
        as2 = foreign.as2
        how = f"RSA or ECDSA, {as2.digest}; {as2.cipher} under {as2.key_transport}"
        return LegacyUse(party, "as2", until, how, tuple(as2.quirks))
    if foreign.binding == "as4":
        as4 = foreign.as4
        how = f"RSA or ECDSA, {as4.digest}; {as4.cipher} under rsa-oaep"
        return LegacyUse(party, "as4", until, how, tuple(as4.quirks))
    if foreign.binding == "internet_et":
        how = "OpenPGP, signed and encrypted (OpenPGP), not post-quantum"
        return LegacyUse(party, "internet_et", until, how, tuple(foreign.internet_et.quirks))
    if foreign.binding == "sftp":
        return LegacyUse(party, "sftp", until, "SSH in transit; files neither signed nor sealed")
    if foreign.in_clear:
        how = "FTP without TLS: nothing protects the way or the password; sealed parcels and signed receipts alone"
        return LegacyUse(party, "ftp", until, how)
    if foreign.binding in ("upload", "ftps"):
        return LegacyUse(party, foreign.binding, until, "TLS in transit; files neither signed nor sealed")
    if foreign.binding == "green_button":
        return LegacyUse(party, "green_button", until, "TLS in transit; feeds neither signed nor sealed")
    return LegacyUse(party, foreign.binding, until, "Ed25519, not sealed")
