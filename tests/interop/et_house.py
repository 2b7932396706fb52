"""A gateway directory that speaks Internet ET over TLS, and its partner with gpg and curl."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.command.test_as2_door_tls import tls_pair
from tests.exchange.uftp_world import TEXT
from tests.ports import free_port

from intertie.cli import run

PAGE = (Path(__file__).parent.parent.parent / "docs" / "internet-et.md").read_text(encoding="utf-8")
# The one that takes outages here, and the one that writes them: the page has it the other way round, without a contract.
US, THEM = "aggregator.example", "utility.example"
CONTRACT = """
[contract]
agreement = "{agreement}"
buyer = "utility.example"
seller = "aggregator.example"
effective = {effective}
general_terms = {{ title = "Base contract", edition = "2026", sha256 = "{sha256}" }}
calendar = {{ name = "utility", zone = "America/New_York" }}
"""
SECTION = re.search(r"       \[internet_et\]\n((?:       .*\n)+)", PAGE)
LEGACY = re.search(r"```toml\n(.*?)```", PAGE, re.S)
COMMANDS = re.search(r"```sh\n(.*?)```", PAGE, re.S)


def make_house(place: Path, port: int, section: str = "", *, writes: bool = False) -> None:
    """With a certificate, and the settings of the page; of the one that takes outages, or writes them."""
    assert SECTION is not None
    url = f"https://127.0.0.1:{free_port()}"
    party, role = (THEM, "distribution_utility") if writes else (US, "der_aggregator")
    assert run(["init", party, "--role", role, "--url", url, "--dir", str(place)]) == 0
    tls_pair(place)
    for name in ("pem", "key"):
        (place / f"as2.{name}").rename(place / f"et.{name}")
    said = (section or SECTION[1]).replace(":6304", f":{port}")
    path = place / "intertie.toml"
    path.write_text(path.read_text().replace("[internet_et]\n", f"[internet_et]\n{said}", 1))


def legacy_text(key: str, hashed: str, *, writes: bool = True) -> str:
    """The page's, of a partner with a contract."""
    assert LEGACY is not None
    effective = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = LEGACY[1].replace('KEY"', f'{key}"', 1).replace("sha256:HASH", hashed)
    if writes:
        text = text.replace("der_aggregator", "distribution_utility")
    return text + CONTRACT.format(
        agreement=TEXT.agreement, effective=effective, sha256=TEXT.general_terms.sha256
    )
