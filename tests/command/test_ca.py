"""`intertie ca` as a person uses it; what it does inside is tested in tests/unit/seal/test_seal_ca.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from tests.command.gateways import apart, here

from intertie.model.ids import party_id
from intertie.seal.algorithms import generate_signing_key
from intertie.seal.csr import write_request
from intertie.seal.ocsp import ocsp_url
from intertie.seal.revocation import crl_urls, read_list

PARTY = party_id("agg.example")
Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def ca(tmp_path: Path, capsys: Capsys) -> Path:
    assert here(capsys, "ca", "init", "--ca", tmp_path / "ca", "--name", "T").code == 0
    return tmp_path / "ca"


def requests(folder: Path, *algorithms: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    files = []
    for alg in algorithms:
        file = folder / f"{alg}.csr.pem"
        file.write_bytes(write_request(PARTY, generate_signing_key(alg), "signing"))
        files.append(file)
    return files


def issue(capsys: Capsys, ca: Path, files: list[Path], *more: str) -> list[dict[str, str]]:
    named = [part for file in files for part in ("--csr", str(file))]
    said = here(capsys, "ca", "issue", "--ca", ca, "--party", PARTY, *named, *more, "--json")
    return said.json["chains"]


def test_issue_and_list(ca: Path, tmp_path: Path, capsys: Capsys) -> None:
    files = requests(tmp_path / "r", "ES256", "ML-DSA-65")
    urls = ("--crl-url", "http://ca.example/{family}.crl", "--ocsp-url", "http://ca.example/")
    chains = issue(capsys, ca, files, *urls, "--out", str(tmp_path / "got"))
    assert [Path(line["file"]).name for line in chains] == ["ES256.crt.pem", "ML-DSA-65.crt.pem"]
    leaf = x509.load_pem_x509_certificate((tmp_path / "got" / "ML-DSA-65.crt.pem").read_bytes())
    assert crl_urls(leaf) == ("http://ca.example/mldsa.crl",)
    assert ocsp_url(leaf) == "http://ca.example/"
    listed = here(capsys, "ca", "list", "--ca", ca, "--json").json["certificates"]
    assert [row["serial"] for row in listed] == [line["serial"] for line in chains]
    assert [row["family"] for row in listed] == ["ec", "mldsa"]
    assert {(row["party"], row["purpose"], row["revoked"]) for row in listed} == {(PARTY, "signing", None)}
    table = here(capsys, "ca", "list", "--ca", ca).out
    assert chains[0]["serial"] in table


def test_a_chain_is_not_written_over(ca: Path, tmp_path: Path, capsys: Capsys) -> None:
    files = requests(tmp_path, "ES256")
    issue(capsys, ca, files)
    said = here(capsys, "ca", "issue", "--ca", ca, "--party", PARTY, "--csr", files[0])
    assert said.code == 1
    assert "is there already" in said.err


def test_another_partys_request(ca: Path, tmp_path: Path, capsys: Capsys) -> None:
    (file,) = requests(tmp_path, "ES256")
    said = here(capsys, "ca", "issue", "--ca", ca, "--party", "other.example", "--csr", file)
    assert said.code == 1
    assert "agg.example's request" in said.err
    assert here(capsys, "ca", "list", "--ca", ca, "--json").json["certificates"] == []


def test_revoke_by_file_and_by_serial_and_publish(ca: Path, tmp_path: Path, capsys: Capsys) -> None:
    files = requests(tmp_path, "ES256", "ES384")
    first, second = issue(capsys, ca, files)
    by_file = here(capsys, "ca", "revoke", first["file"], "--reason", "key_compromise",
                   "--since", "2026-01-01", "--ca", ca, "--json")  # fmt: skip
    assert by_file.json["serial"] == first["serial"]
    assert by_file.json["since"] == "2026-01-01T00:00:00Z"
    held = ("--reason", "certificate_hold", "--ca", ca)
    assert "is revoked since" in here(capsys, "ca", "revoke", second["serial"], *held).out
    lists = here(capsys, "ca", "crl", "--ca", ca, "--out", tmp_path / "pub", "--days", "2", "--json").json
    ec = read_list(Path(lists["lists"]["ec"]).read_bytes())
    assert set(ec.entries) == {int(first["serial"], 16), int(second["serial"], 16)}
    assert (ec.until - ec.since).days == 2
    lift = here(capsys, "ca", "revoke", second["serial"], "--reason", "remove_from_crl", "--ca", ca)
    assert "no longer on hold" in lift.out
    here(capsys, "ca", "crl", "--ca", ca, "--out", tmp_path / "pub")
    after = read_list((tmp_path / "pub" / "ec.crl.pem").read_bytes())
    assert set(after.entries) == {int(first["serial"], 16)}
    assert after.number == ec.number + 1
    rows = here(capsys, "ca", "list", "--ca", ca, "--json").json["certificates"]
    assert [row["reason"] for row in rows] == ["key_compromise", None]


def test_below_a_root(ca: Path, tmp_path: Path, capsys: Capsys) -> None:
    below = tmp_path / "below"
    assert here(capsys, "ca", "init", "--ca", below, "--under", ca, "--name", "Below").code == 0
    assert (below / "roots.pem").read_bytes() == (ca / "roots.pem").read_bytes()
    (line,) = issue(capsys, below, requests(tmp_path, "ML-DSA-87"))
    assert len(x509.load_pem_x509_certificates(Path(line["file"]).read_bytes())) == 2
    rows = here(capsys, "ca", "list", "--ca", ca, "--json").json["certificates"]
    assert [(row["purpose"], row["party"]) for row in rows] == [("authority", None)] * 2
    assert "an authority below" in here(capsys, "ca", "list", "--ca", ca).out
    deeper = here(capsys, "ca", "init", "--ca", tmp_path / "deep", "--under", below)
    assert deeper.code == 1
    assert "under the root" in deeper.err


def test_init_overwrites_nothing(ca: Path, capsys: Capsys) -> None:
    before = (ca / "ec.pem").read_bytes()
    said = here(capsys, "ca", "init", "--ca", ca)
    assert said.code == 1
    assert (ca / "ec.pem").read_bytes() == before


def test_the_keys_of_an_authority_are_encrypted_if_a_passphrase_is_named(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse battery staple\n")
    secret.chmod(0o600)
    ca, (file,) = tmp_path / "ca", requests(tmp_path / "r", "ES256")
    named = {"INTERTIE_PASSPHRASE_FILE": str(secret)}
    assert apart("ca", "init", "--ca", ca, **named).code == 0
    arguments = ("ca", "issue", "--ca", ca, "--party", PARTY, "--csr", file)
    assert apart(*arguments).code == 1
    assert apart(*arguments, **named).code == 0


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("revoke", "nonsense", "--reason", "superseded"), "neither a file nor a serial"),
        (("revoke", "abc", "--reason", "superseded"), "no certificate abc was issued"),
        (("ocsp",), "a request file or --listen"),
        (("ocsp", "--listen", "8080"), "not host:port"),
        (("ocsp", "/dev/null"), "Name a file"),
        (("issue", "--party", PARTY, "--csr", "/dev/null"), "cannot be used"),
    ],
)
def test_what_is_wrong_is_said(ca: Path, capsys: Capsys, arguments: tuple[str, ...], why: str) -> None:
    said = here(capsys, "ca", *arguments, "--ca", ca)
    assert said.code == 1
    assert why in said.err


def test_no_authority_there(tmp_path: Path, capsys: Capsys) -> None:
    for arguments in (("crl",), ("list",), ("ocsp", "--listen", "127.0.0.1:0")):
        said = here(capsys, "ca", *arguments, "--ca", tmp_path / "none")
        assert said.code == 1
        assert "no trial authority" in said.err or "holds no keys" in said.err


def test_a_reason_that_does_not_exist(ca: Path, capsys: Capsys) -> None:
    assert here(capsys, "ca", "revoke", "abc", "--reason", "mood", "--ca", ca).code == 2


def test_a_gateway_s_first_certificates_are_on_the_list(tmp_path: Path, capsys: Capsys) -> None:
    made = here(capsys, "init", PARTY, "--role", "der_aggregator", "--dir", tmp_path / "g")
    assert made.code == 0, made.err
    rows = here(capsys, "ca", "list", "--ca", tmp_path / "g" / "ca", "--json").json["certificates"]
    assert [row["purpose"] for row in rows].count("signing") == 4
    assert [row["purpose"] for row in rows].count("tls") == 1
    assert {row["party"] for row in rows} == {PARTY}
