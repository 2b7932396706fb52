"""The host's `openssl` program as the other side."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.ports import free_port

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="no openssl program on this machine"
)


def openssl(folder: Path, *arguments: str) -> str:
    """What it printed, on both channels; it must have succeeded."""
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


CONFIG = """
[ca]
default_ca = it
[it]
database = {name}.index
serial = {name}.serial
new_certs_dir = .
certificate = {name}.pem
private_key = {name}.key
default_md = sha384
default_days = 365
default_crl_days = 7
policy = anything
unique_subject = no
copy_extensions = none
[anything]
commonName = supplied
[req]
distinguished_name = dn
[dn]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[authority]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[signing]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,nonRepudiation
subjectAltName = URI:urn:intertie:party:{party}
authorityKeyIdentifier = keyid
{more}
[tls]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth,clientAuth
subjectAltName = URI:urn:intertie:party:{party},DNS:localhost,IP:127.0.0.1
authorityKeyIdentifier = keyid
[responder]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = OCSPSigning
authorityKeyIdentifier = keyid
noCheck = ignored
"""


class OpenSslCa:
    """A root and an authority below it, kept by `openssl ca`. `key`: arguments of `openssl genpkey`."""

    def __init__(self, folder: Path, party: str, *, key: tuple[str, ...], more: str = "") -> None:
        self.folder = folder
        folder.mkdir()
        for name in ("root", "sub"):
            text = CONFIG.format(name=name, party=party, more=more)
            (folder / f"{name}.cnf").write_text(text)
            (folder / f"{name}.index").touch()
            (folder / f"{name}.serial").write_text("1000\n")
            openssl(folder, "genpkey", *key, "-out", f"{name}.key")
        root = ["-x509", "-key", "root.key", "-subj", "/CN=OpenSSL Root", "-days", "3650", "-sha384"]
        openssl(folder, "req", *root, "-config", "root.cnf", "-extensions", "root", "-out", "root.pem")
        openssl(folder, "req", "-new", "-key", "sub.key", "-subj", "/CN=OpenSSL Sub", "-config", "root.cnf",
                "-out", "sub.csr")  # fmt: skip
        self.sign(self.folder / "sub.csr", "authority", "sub.pem", by="root")

    def sign(self, csr: Path, kind: str, out: str, *, by: str = "sub") -> Path:
        """A certificate for a request, for which the authority itself writes the extensions."""
        files = ["-in", str(csr), "-out", out, "-extensions", kind]
        openssl(self.folder, "ca", "-batch", "-notext", "-config", f"{by}.cnf", *files)
        return self.folder / out

    def chain(self, csr: Path, kind: str, out: str) -> Path:
        """The certificate with those above it, root too, as authorities hand it over."""
        leaf = self.sign(csr, kind, out)
        above = [(self.folder / f"{name}.pem").read_bytes() for name in ("sub", "root")]
        leaf.write_bytes(leaf.read_bytes() + b"".join(above))
        return leaf

    def revoke(self, certificate: Path, reason: str, *, by: str = "sub") -> None:
        openssl(self.folder, "ca", "-config", f"{by}.cnf", "-revoke", str(certificate), "-crl_reason", reason)

    def crl(self, *, by: str = "sub") -> bytes:
        openssl(self.folder, "ca", "-config", f"{by}.cnf", "-gencrl", "-out", f"{by}.crl.pem")
        return (self.folder / f"{by}.crl.pem").read_bytes()

    @contextmanager
    def responder(self, *, certificate: str = "sub.pem", key: str = "sub.key") -> Iterator[str]:
        """`openssl ocsp` as a server; its address."""
        port = free_port()
        more = ["-port", str(port), "-index", "sub.index", "-CA", "sub.pem", "-rsigner", certificate]
        command = ["openssl", "ocsp", *more, "-rkey", key, "-nmin", "60", "-rmd", "sha256"]
        log = (self.folder / "ocsp.log").open("w+b")
        process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_for_line(Path(log.name), b"ACCEPT", process)  # a trial connection would keep it busy
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait(10)
            log.close()


def _wait_for_line(log: Path, text: bytes, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if text in log.read_bytes():
            return
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nobody listens on {port}")
