"""The gateway as its own authorization server: it grants its partners tokens, and believes only the ones it granted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from intertie.gateway.configuration.settings import Settings
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.ports import RevokedToken
from intertie.gateway.receiving.scopes import granted_to, narrow
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import Code, Refused
from intertie.model.ids import PartyId
from intertie.seal.certificates import PARTY_URI
from intertie.seal.token_keys import TokenRing
from intertie.seal.tokens import AccessToken, invalid, make_token, read_token


@dataclass(frozen=True)
class Authority:
    """Grants, judges and revokes access tokens. `issuer` is the street door's address; `lifetime` is a token's."""

    gateway: Gateway
    keys: TokenRing
    issuer: str
    lifetime: timedelta

    @property
    def audience(self) -> str:
        """Whom tokens are for: this gateway's party, whatever its address."""
        return f"{PARTY_URI}{self.gateway.party.id}"

    @property
    def skew(self) -> timedelta:
        """How far clocks may be apart."""
        return timedelta(seconds=self.gateway.limits.clock_skew_seconds)

    def scopes_of(self, partner: Partner) -> frozenset[str]:
        """What a partner may be granted now."""
        return granted_to(self.gateway, partner)

    def partner(self, party: PartyId) -> Partner:
        """Step 3 for a connection: its party is a partner, not suspended. Raises Refused."""
        partner = self.gateway.partners.find(party)
        if partner is None:
            raise Refused(Code.UNKNOWN_SENDER, partner=party)
        if partner.suspended:
            raise Refused(Code.SENDER_SUSPENDED, partner=party)
        return partner

    def grant(
        self, partner: Partner, wanted: Iterable[str] | None, certificate: str, now: datetime
    ) -> tuple[str, frozenset[str]]:
        """A token bound to a certificate (SHA-256, 64 hex), and its scopes: what is wanted (None: all) of what the
        partner may have. ValueError if that is nothing."""
        scopes = self.scopes_of(partner)
        if wanted is not None:
            scopes = narrow(scopes, wanted)
        if not scopes:
            raise ValueError("none of the scopes asked for is granted to this client")
        token = make_token(
            self.keys.present(),
            issuer=self.issuer,
            audience=self.audience,
            party=partner.party,
            scopes=scopes,
            certificate=certificate,
            now=now,
            lifetime=self.lifetime,
        )
        return token, scopes

    def read(self, text: str, now: datetime) -> AccessToken:
        """A token that is good over its own certificate's connections: ours, in its time, not revoked, of a partner in
        good standing. Raises Refused(INVALID_TOKEN), StoreError, SettingsError."""
        token = read_token(
            text,
            self.keys.present(),
            issuer=self.issuer,
            audience=self.audience,
            now=now,
            skew=self.skew,
        )
        partner = self.gateway.partners.find(token.party)
        if partner is None or partner.suspended:
            raise invalid(f"{token.party} is not in good standing")
        if self.gateway.store.token_revoked(token.id, token.party, token.issued):
            raise invalid("it was revoked")
        return token

    def admit(self, text: str, party: PartyId, certificate: str, now: datetime) -> frozenset[str]:
        """The scopes that a token gives to this connection: those it was granted and that the partner may still have.
        Raises as `read`, also for a token of another party or bound to another certificate."""
        partner = self.partner(party)
        token = self.read(text, now)
        if token.party != party:
            raise invalid("it belongs to another party")
        if token.certificate != certificate:
            raise invalid("it is bound to another certificate")
        return token.scopes & self.scopes_of(partner)

    def revoke(self, token: AccessToken, now: datetime) -> None:
        """Never again, for any process over this store; kept until it would have ended anyway."""
        self.gateway.store.revoke_token(RevokedToken(token.id, token.party, token.expires + self.skew), now)

    def revoke_all(self, party: PartyId, now: datetime) -> None:
        """Every token this party was granted up to now is dead; what it asks for from the next second on is not. An act
        of operators: journaled."""
        self.gateway.store.revoke_tokens_of(party, now)
        note = "access tokens revoked"
        digest = hashlib.sha256(f"{note}: {party}".encode()).hexdigest()
        self.gateway.store.note([Entry(kind=Kind.ACT, at=now, partner=party, digest=digest, note=note)])


def authority_of(gateway: Gateway, settings: Settings, keys: TokenRing) -> Authority:
    """The gateway as authorization server; its issuer is the address that partners are told."""
    lifetime = timedelta(seconds=settings.authorization.token_seconds)
    return Authority(gateway, keys, settings.street.url.rstrip("/"), lifetime)
