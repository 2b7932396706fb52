"""`intertie token`, beside a gateway that serves."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.command.gateways import AGGREGATOR, UTILITY, here, make_pair, served

from intertie.gateway.configuration.settings import read_settings
from intertie.seal.protection import plain_opener
from intertie.seal.vault import Vault


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def utility(pair: tuple[Path, Path]) -> Iterator[Path]:
    with served(pair[0]):
        yield pair[0]


@pytest.fixture(scope="module")
def client(pair: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The aggregator's certificate, towards the utility's door."""
    keys = pair[1] / "keys"
    key = tmp_path_factory.mktemp("client") / "tls.key.pem"
    key.write_bytes(Vault(keys, plain_opener(keys)).read("0001/tls.key"))
    roots = (pair[1] / "trust" / "trial-ca.pem").read_text(encoding="ascii")
    end = "-----END CERTIFICATE-----\n"
    context = ssl.create_default_context(cadata=roots.split(end)[0] + end)  # the root that this TLS knows
    context.load_cert_chain(keys / "0001" / "tls.crt.pem", key)
    with httpx.Client(verify=context, base_url=read_settings(pair[0]).street.url, trust_env=False) as made:
        yield made


def token(client: httpx.Client) -> str:
    form = {"grant_type": "client_credentials", "client_id": AGGREGATOR}
    return str(client.post("/oauth/token", data=form).json()["access_token"])


def knock(client: httpx.Client, text: str) -> int:
    """401 if the token is not taken; 400 for a parcel that is none."""
    headers = {"content-type": "application/vnd.intertie.parcel", "authorization": f"Bearer {text}"}
    return client.post("/parcels", content=b"x", headers=headers).status_code


def test_what_partners_may_be_granted(utility: Path, capsys: Any) -> None:
    said = here(capsys, "token", "list", "--json", "--dir", utility).json
    (line,) = said["partners"]
    assert (line["party"], line["suspended"], line["narrowed"], line["revoked_up_to"]) == (
        AGGREGATOR,
        False,
        False,
        None,
    )
    assert "DA/offer" in line["scopes"]
    assert "DA/dispatch_instruction" not in line["scopes"]
    assert said["token_seconds"] == 300
    shown = here(capsys, "token", "list", "--dir", utility)
    assert "DA/offer" in shown.out
    assert "No single token is revoked." in shown.out


def test_a_token_is_inspected(utility: Path, client: httpx.Client, capsys: Any) -> None:
    text = token(client)
    said = here(capsys, "token", "inspect", text, "--json", "--dir", utility).json
    assert (said["active"], said["party"]) == (True, AGGREGATOR)
    assert "DA/offer" in said["scopes"]
    assert len(said["certificate_sha256"]) == 64
    shown = here(capsys, "token", "inspect", text, "--dir", utility)
    assert shown.code == 0
    assert said["jti"] in shown.out


def test_what_is_no_token_says_why(utility: Path, client: httpx.Client, capsys: Any) -> None:
    said = here(capsys, "token", "inspect", token(client)[:-3] + "AAA", "--dir", utility)
    assert said.code == 1
    assert "not valid" in said.out
    said = here(capsys, "token", "inspect", "rubbish", "--json", "--dir", utility)
    assert said.code == 1
    assert json.loads(said.out)["active"] is False


def test_one_token_is_revoked_while_the_gateway_serves(
    utility: Path, client: httpx.Client, capsys: Any
) -> None:
    text, other = token(client), token(client)
    assert knock(client, text) == 400
    said = here(capsys, "token", "revoke", text, "--json", "--dir", utility).json["revoked"]
    assert said["partner"] == AGGREGATOR
    assert knock(client, text) == 401
    assert knock(client, other) == 400
    again = here(capsys, "token", "revoke", text, "--dir", utility)
    assert again.code == 1
    assert "revoked" in again.err
    listed = here(capsys, "token", "list", "--json", "--dir", utility).json["revoked"]
    assert [line["id"] for line in listed] == [said["jti"]]


def test_all_of_a_partner_are_revoked_while_the_gateway_serves(
    utility: Path, client: httpx.Client, capsys: Any
) -> None:
    text = token(client)
    said = here(capsys, "token", "revoke", "--partner", AGGREGATOR, "--dir", utility)
    assert said.code == 0
    assert AGGREGATOR in said.out
    assert knock(client, text) == 401
    time.sleep(1.0)  # a token says the second of its issue
    assert knock(client, token(client)) == 400
    line = here(capsys, "token", "list", "--json", "--dir", utility).json["partners"][0]
    assert line["revoked_up_to"] is not None
    assert here(capsys, "journal", "verify", "--dir", utility).code == 0


def test_the_key_is_rotated_while_the_gateway_serves(
    utility: Path, client: httpx.Client, capsys: Any
) -> None:
    old = token(client)
    said = here(capsys, "token", "rotate", "--json", "--dir", utility).json
    assert knock(client, old) == 400  # still believed
    new = token(client)
    assert knock(client, new) == 400
    keys = [key["kid"] for key in client.get("/oauth/jwks").json()["keys"]]
    assert keys[0] == said["kid"]
    assert len(keys) == 2
    assert not list((utility / "keys").glob("*.new"))


def test_which_tokens_must_be_said(utility: Path, capsys: Any) -> None:
    for wrong in ([], ["abc", "--partner", AGGREGATOR]):
        said = here(capsys, "token", "revoke", *wrong, "--dir", utility)
        assert said.code == 1
        assert "which tokens" in said.err
    said = here(capsys, "token", "revoke", "--partner", UTILITY, "--dir", utility)
    assert said.code == 1
    assert "not a partner" in said.err


def test_doctor_says_what_the_partner_grants(pair: tuple[Path, Path], utility: Path, capsys: Any) -> None:
    said = here(capsys, "doctor", "--reach", "--dir", pair[1])
    assert f"reach {UTILITY}" in said.out
    assert "grants us" in said.out
