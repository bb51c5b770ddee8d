"""The throw-away authority and its certificates."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from services.errors import ServiceError
from services.tls import Certificates

__all__: list[str] = []


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    """Certificates in a folder of the test."""
    certificates = Certificates(tmp_path / "a server" / "tls")
    certificates.make()
    return certificates


def _shake_hands(certificates: Certificates, client: ssl.SSLContext, *, name: str) -> ssl.SSLObject:
    """Let a client greet a server that wants a certificate of it; return the server's side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server_both)
    context.load_verify_locations(certificates.authority)
    context.verify_mode = ssl.CERT_OPTIONAL
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(there, back, server_side=True)
    caller = client.wrap_bio(back, there, server_hostname=name)
    for side in (caller, server, caller, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return server


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_who_trusts_the_authority_trusts_the_server(made: Certificates, name: str) -> None:
    """By both of its names, by Python's strictest rules."""
    client = ssl.create_default_context(cafile=str(made.authority))
    client.verify_flags |= ssl.VERIFY_X509_STRICT

    server = _shake_hands(made, client, name=name)

    assert server.version() == "TLSv1.3"
    assert not server.getpeercert()


def test_client_can_show_its_own_certificate(made: Certificates) -> None:
    """The server accepts it, for the same authority signed it."""
    client = ssl.create_default_context(cafile=str(made.authority))
    client.load_cert_chain(made.client, made.client_key)

    shown = _shake_hands(made, client, name="localhost").getpeercert()

    assert shown is not None
    assert "client" in str(shown["subject"])


@pytest.mark.parametrize("name", ["example.com", "127.0.0.2"])
def test_other_names_are_not_the_servers(made: Certificates, name: str) -> None:
    """A test of wrong names needs a server that has few."""
    client = ssl.create_default_context(cafile=str(made.authority))

    with pytest.raises(ssl.SSLCertVerificationError, match="match"):
        _shake_hands(made, client, name=name)


def test_stranger_vouches_for_nobody(made: Certificates) -> None:
    """Who trusts the other authority alone refuses the server."""
    client = ssl.create_default_context(cafile=str(made.stranger))

    with pytest.raises(ssl.SSLCertVerificationError):
        _shake_hands(made, client, name="localhost")


def test_what_is_there_is_kept(made: Certificates) -> None:
    """A server that is started again shows the certificate that its clients know."""
    before = made.server.read_bytes()

    made.make()

    assert made.server.read_bytes() == before


def test_keys_are_for_their_owner_alone(made: Certificates) -> None:
    """Servers refuse keys that others can read."""
    keys = (made.server_key, made.server_both, made.client_key)

    assert {oct(key.stat().st_mode & 0o777) for key in keys} == {"0o600"}


def test_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without openssl there is an error, and no folder that is half full."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ServiceError, match="openssl"):
        Certificates(tmp_path / "tls").make()

    assert list(tmp_path.iterdir()) == []
