"""Random walks through a custodian's consents: whatever comes in which order, a token opens what its consent says, as long as it
counts, and nothing else. A small model says what should be so."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from tests.exchange.espi_world import OWN, SCOPE, World

from intertie.gateway.espi.espi_grants import ASKING_LIFE, CODE_LIFE, Given, NotGranted
from intertie.gateway.espi.espi_ports import TOKENS_MAX, Application
from intertie.model.errors import IntertieError, SettingsError

steps = st.sampled_from(
    [timedelta(seconds=5), timedelta(seconds=61), timedelta(minutes=50), timedelta(days=2)]
)


@dataclass
class Known:
    """What the model knows of a consent."""

    application: str
    until: datetime
    ended: bool = False
    tokens: list[tuple[str, datetime]] = field(default_factory=list)
    refresh: tuple[str, datetime] | None = None


@dataclass
class Page:
    """A customer who waits."""

    secret: str
    application: str
    asked: datetime
    state: str = "waiting"  # denied, consented, redeemed
    consent: str = ""
    code: str = ""
    code_until: datetime | None = None


class Consents(RuleBasedStateMachine):
    """Applications, customers and tokens."""

    pages: Bundle[Page] = Bundle("pages")
    consents: Bundle[str] = Bundle("consents")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.apps: list[Application] = []
        self.ended: set[str] = set()
        self.known: dict[str, Known] = {}
        self.dead: set[str] = set()
        for name in ("A", "B"):
            application, _ = self.world.add(SCOPE, name=name)
            self.apps.append(application)

    def teardown(self) -> None:
        self.folder.cleanup()

    def counts(self, known: Known) -> bool:
        return not known.ended and known.application not in self.ended and self.world.now < known.until

    @rule(by=steps)
    def time_passes(self, by: timedelta) -> None:
        self.world.now += by

    @rule(target=pages, app=st.integers(0, 1))
    def a_customer_is_sent(self, app: int) -> object:
        application = self.apps[app]
        secret = self.world.grants.ask(
            application, application.redirect_uris[0], OWN, "", ("", ""), self.world.now
        )
        return Page(secret, application.id, self.world.now)

    @rule(target=consents, page=pages, days=st.integers(1, 400))
    def the_customer_consents(self, page: Page, days: int) -> object:
        world, until = self.world, self.world.now + timedelta(days=days)
        id = page.secret[:12]
        there = page.state == "waiting" and world.book.asking(id) is not None
        try:
            one = world.grants.decide(id, "C", ["M1"], until, None, world.now)
        except SettingsError:
            assert not there or page.application in self.ended
            return multiple()
        assert there and page.application not in self.ended
        page.state, page.consent = "consented", one.id
        self.known[one.id] = Known(page.application, until)
        return one.id

    @rule(page=pages)
    def the_customer_denies(self, page: Page) -> None:
        there = page.state == "waiting" and self.world.book.asking(page.secret[:12]) is not None
        try:
            self.world.grants.deny(page.secret[:12], self.world.now)
        except SettingsError:
            assert not there
            return
        assert there
        page.state = "denied"

    @rule(page=pages)
    def the_browser_looks(self, page: Page) -> None:
        late = self.world.now - page.asked > ASKING_LIFE
        try:
            asking, code = self.world.grants.code_for(page.secret, self.world.now)
        except NotGranted:
            assert late or self.world.book.asking(page.secret[:12]) is None
            return
        assert not late and asking.denied == (page.state == "denied")
        assert (code is not None) == (page.state == "consented")
        if code is not None:
            page.code, page.code_until = code, self.world.now + CODE_LIFE

    @rule(page=pages, right=st.booleans())
    def a_code_is_redeemed(self, page: Page, right: bool) -> None:
        world = self.world
        whose = page.application if right else next(one.id for one in self.apps if one.id != page.application)
        good = right and page.state == "consented" and bool(page.code)
        good = good and page.code_until is not None and world.now < page.code_until
        try:
            asking = world.grants.redeem(whose, page.code or f"{page.secret[:12]}x", world.now)
        except NotGranted:
            assert not good or world.book.asking(page.secret[:12]) is None
            if right and page.state == "redeemed" and world.book.asking(page.secret[:12]) is not None:
                self._forget(self.known[page.consent])  # it was stolen
            return
        assert good
        page.state = "redeemed"
        known = self.known[page.consent]
        try:
            given = world.grants.issue(whose, asking.consent or "", world.now, refresh=True)
        except NotGranted:
            assert not self._consent_counts(known)
            return
        self._learn(known, given)

    @rule(id=consents)
    def it_is_refreshed(self, id: str) -> None:
        known, world = self.known[id], self.world
        if known.refresh is None:
            return
        text, until = known.refresh
        good = self.counts(known) and world.now < until
        try:
            consent = world.grants.refreshed_by(text, world.now)
        except NotGranted:
            assert not good
            return
        assert good and consent.id == id
        self._learn(known, world.grants.issue(known.application, id, world.now, refresh=False))

    @rule(id=consumes(consents), how=st.sampled_from(["custodian", "token"]))
    def it_ends(self, id: str, how: str) -> None:
        known, world = self.known[id], self.world
        if how == "custodian":
            world.grants.revoke(known.application, id, world.now)
            known.ended = True
            self._forget(known)
        elif known.refresh is not None and known.application not in self.ended:
            world.grants.end_token(known.application, known.refresh[0], world.now)
            self._forget(known)

    @rule(id=consents)
    def one_token_ends(self, id: str) -> None:
        known = self.known[id]
        if known.tokens and known.application not in self.ended:
            text, _ = known.tokens.pop(0)
            self.world.grants.end_token(known.application, text, self.world.now)
            self.dead.add(text)

    @rule(app=st.integers(0, 1))
    def an_application_ends(self, app: int) -> None:
        if len(self.ended) == 0 and self.world.now > self.apps[app].made + timedelta(days=3):
            self.world.grants.revoke_application(self.apps[app].id, self.world.now)
            self.ended.add(self.apps[app].id)

    @invariant()
    def tokens_open_what_they_should(self) -> None:
        world = self.world
        for id, known in self.known.items():
            for text, until in known.tokens:
                good = self.counts(known) and world.now < until
                assert self._opens(text) == (id if good else None)
        for text in self.dead:
            assert self._opens(text) is None

    def _opens(self, text: str) -> str | None:
        try:
            bearer = self.world.grants.let_in(text, self.world.now)
        except NotGranted:
            return None
        assert bearer.consent is not None and list(bearer.consent.meters) == ["M1"]
        return bearer.consent.id

    def _consent_counts(self, known: Known) -> bool:
        return not known.ended and self.world.now < known.until

    def _learn(self, known: Known, given: Given) -> None:
        now, lives = self.world.now, self.world.grants.lives
        assert (
            given.consent is not None and isinstance(given, Given) and issubclass(NotGranted, IntertieError)
        )
        known.tokens = [one for one in known.tokens if now < one[1]]
        known.tokens.append((given.access, min(now + lives.access, known.until)))
        self.dead |= {text for text, _ in known.tokens[:-TOKENS_MAX]}
        known.tokens = known.tokens[-TOKENS_MAX:]
        if given.refresh is not None:
            known.refresh = given.refresh, now + lives.refresh
        elif known.refresh is not None:
            known.refresh = known.refresh[0], now + lives.refresh

    def _forget(self, known: Known) -> None:
        self.dead |= {text for text, _ in known.tokens}
        known.tokens, known.refresh = [], None


TestConsents = Consents.TestCase
TestConsents.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
