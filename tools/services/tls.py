"""A throw-away authority with certificates for one server and its clients."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.errors import ServiceError
from services.install import run_quietly, tail

__all__ = ["Certificates", "has_openssl", "missing_packages"]

_LIMIT_S = 30
_DAYS = "3650"
"""Longer than any folder of servers is kept."""

# Whole, so that nothing depends on the machine's own configuration of openssl.
_CONFIGURATION = """\
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth,clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:localhost,IP:127.0.0.1
"""
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True, slots=True)
class Certificates:
    """The files of one server, as PEM; keys are PKCS #8 and have no password."""

    folder: Path

    @property
    def authority(self) -> Path:
        """Who trusts this, trusts the server."""
        return self.folder / "ca.pem"

    @property
    def stranger(self) -> Path:
        """Another authority, which signed nothing."""
        return self.folder / "stranger-ca.pem"

    @property
    def server(self) -> Path:
        """The server's certificate, for localhost and 127.0.0.1."""
        return self.folder / "server.pem"

    @property
    def server_key(self) -> Path:
        return self.folder / "server.key"

    @property
    def server_both(self) -> Path:
        """The server's key and certificate in one file."""
        return self.folder / "server-both.pem"

    @property
    def client(self) -> Path:
        """A client's certificate by the same authority."""
        return self.folder / "client.pem"

    @property
    def client_key(self) -> Path:
        return self.folder / "client.key"

    def make(self) -> None:
        """Create all files, unless they are there already: all or none of them.

        Raises:
            ServiceError: openssl is missing or fails.
        """
        if self.folder.exists():
            return
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="tls-", dir=self.folder.parent) as draft:
            files = Certificates(Path(draft) / "tls")
            files.folder.mkdir()
            files._fill()
            files.folder.rename(self.folder)

    def variables(self, prefix: str) -> dict[str, str]:
        """Return what a client's options need, as variables whose names begin with `prefix`."""
        return {
            f"{prefix}_CA_FILE": str(self.authority),
            f"{prefix}_WRONG_CA_FILE": str(self.stranger),
            f"{prefix}_CERT_FILE": str(self.client),
            f"{prefix}_KEY_FILE": str(self.client_key),
        }

    def _fill(self) -> None:
        (self.folder / "openssl.cnf").write_text(_CONFIGURATION, encoding="utf-8")
        for name in ("ca", "stranger-ca"):
            self._certify(name, "authority")
        for name in ("server", "client"):
            self._certify(name, "leaf", "-CA", "ca.pem", "-CAkey", "ca.key")
        both = self.server_key.read_bytes() + self.server.read_bytes()
        self.server_both.write_bytes(both)
        self.server_both.chmod(0o600)

    def _certify(self, name: str, kind: str, *signer: str) -> None:
        argv = ["openssl", "req", "-x509", *_KEY, "-config", "openssl.cnf", "-extensions", kind]
        argv += ["-days", _DAYS, "-subj", f"/CN=anymq throw-away {name}", *signer]
        argv += ["-keyout", f"{name}.key", "-out", f"{name}.pem"]
        done = run_quietly(argv, limit_s=_LIMIT_S, environ=_environ(), cwd=self.folder)
        if done.returncode != 0:
            raise ServiceError("openssl cannot make a certificate", details=tail(done.stdout))


def has_openssl() -> bool:
    """Tell whether the command is on this machine."""
    return shutil.which("openssl") is not None


def missing_packages() -> list[str]:
    """Return the Debian packages that must be installed first; none, or one."""
    return [] if has_openssl() else ["openssl"]


def _environ() -> Mapping[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("OPENSSL_")}
