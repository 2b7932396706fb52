"""The commands in README and in the quickstart are run as they stand (with free ports)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.da_flows import IN, OUT
from tests.ports import free_port

from intertie.stores.postgres_schema import Server

ROOT = Path(__file__).parent.parent.parent
BLOCK = re.compile(r"^```sh( background)?\n(.*?)^```", re.S | re.M)


def script_of(page: Path, *, without: tuple[str, ...] = ()) -> str:
    """One shell script of all blocks; background blocks are started and stopped at the end."""
    lines = ["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true; wait || true' EXIT"]
    for background, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        for line in block.splitlines():
            if line.strip() and not line.startswith(without):
                lines.append(f"{line} 2>>serve.log &" if background else line)
    return (
        "\n".join(lines)
        .replace(":8441", f":{free_port()}")
        .replace(":8442", f":{free_port()}")
        .replace(":8453", f":{free_port()}")
    )


def run(script: str, directory: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", script],
        cwd=directory,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_quickstart(tmp_path: Path) -> None:
    done = run(script_of(ROOT / "docs" / "quickstart.md"), tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "accepted" in done.stdout and "The evidence verifies" in done.stdout


def test_quickstart_of_an_aggregator(tmp_path: Path) -> None:
    """From an empty folder, with nothing but the page: invited, joined, three DERs, availability, an answered dispatch."""
    done = run(script_of(ROOT / "docs" / "quickstart-aggregator.md"), tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert (
        done.stdout.count("accepted") >= 8
        and "DER-3" in done.stdout
        and "F12-T7, DIST_CAPACITY up" in done.stdout
    )
    book, digest = done.stdout.rsplit("Contracts", 1)[1], done.stdout.rsplit("digest ", 1)[1].strip()
    assert "in_force" in book and "SIM-DEAL" in book and "Nothing is void." in book and len(digest) == 64


def test_the_quickstart_of_an_aggregator_takes_less_than_ten_minutes() -> None:
    """To read at 200 words a minute, and to type at 200 characters a minute: slow, for both."""
    text = (ROOT / "docs" / "quickstart-aggregator.md").read_text(encoding="utf-8")
    typed = sum(len(block) for _, block in BLOCK.findall(text))
    words = len(BLOCK.sub("", text).split("## Go on")[0].split())
    assert words > 200 and typed > 500
    assert words / 200 + typed / 200 < 10


def test_onboarding(tmp_path: Path) -> None:
    done = run(script_of(ROOT / "docs" / "onboarding.md"), tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert f"All {OUT + IN} flows are proven" in done.stdout and done.stdout.rstrip().endswith("accepted")


def test_transport(tmp_path: Path) -> None:
    done = run(script_of(ROOT / "docs" / "transport.md"), tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "X25519MLKEM768" in done.stdout and "Cipher is (NONE)" in done.stdout


def test_policy_page(tmp_path: Path) -> None:
    done = run(script_of(ROOT / "docs" / "policy.md"), tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Protection must reach" in done.stdout and (tmp_path / "cbom.json").exists()


def test_readme(tmp_path: Path) -> None:
    """`make demo` and `make test` have tests of their own."""
    done = run(script_of(ROOT / "README.md", without=("make ",)), tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert (tmp_path / "u" / "descriptor.json").exists() and (tmp_path / "a" / "intertie.toml").exists()


def test_authorization(tmp_path: Path) -> None:
    done = run(script_of(ROOT / "docs" / "authorization.md"), tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert '"tls_client_certificate_bound_access_tokens":true' in done.stdout
    assert 'www-authenticate: Bearer realm="utility.example"' in done.stdout
    assert '"invalid_token"' in done.stdout and '"bad_frame"' in done.stdout
    assert '{"active":false}' in done.stdout
    assert "DA/offer" in done.stdout and "Tokens are signed with key" in done.stdout


def test_keys(tmp_path: Path) -> None:
    done = run(script_of(ROOT / "docs" / "keys.md"), tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "store-0002.kek" in done.stdout and (tmp_path / "u" / "keys" / "0002").exists()


def test_keeping(tmp_path: Path) -> None:
    """On a gateway that has kept nothing yet."""
    made = ["intertie init utility.example --role distribution_utility --dir ."]
    done = run("\n".join([*made, script_of(ROOT / "docs" / "keeping.md")]), tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "CASE-2026-117" in done.stdout and "store-0001.kek is destroyed" in done.stdout


def test_identity(tmp_path: Path) -> None:
    done = run(script_of(ROOT / "docs" / "identity.md"), tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "1 revoked" in done.stdout
    assert (tmp_path / "published" / "mldsa.crl.pem").exists()


def test_dead_letters(tmp_path: Path) -> None:
    done = run(script_of(ROOT / "docs" / "dead-letters.md"), tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "is taken back" in done.stdout and "expired" in done.stdout and "Queued as" in done.stdout
    assert "The journal verifies" in done.stdout


def test_attachments(tmp_path: Path) -> None:
    done = run(script_of(ROOT / "docs" / "attachments.md"), tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "readings.bin, application/octet-stream, 20000000 bytes" in done.stdout
    assert done.stdout.rstrip().endswith("the same bytes")


def test_operations(tmp_path: Path) -> None:
    done = run(script_of(ROOT / "docs" / "operations.md"), tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert '"status":"ok"' in done.stdout and '{"ready":true,"reasons":[]}' in done.stdout
    assert "2 worker(s)" in done.stdout and 'use="tls"' in done.stdout
    assert (tmp_path / "status.json").stat().st_size > 100


def test_stores(tmp_path: Path, postgres: Server) -> None:
    script = script_of(ROOT / "docs" / "stores.md")
    script = script.replace("postgresql://intertie@db.example/intertie", postgres.url.replace("&", "\\&"))
    script = script.replace('schema = "intertie"', f'schema = "{postgres.schema}"')
    done = run(script, tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert (
        done.stdout.count("verified and restored") == 2
        and postgres.schema in (tmp_path / "u" / "intertie.toml").read_text()
    )
