"""Backend URLs: parsed by RFC 3986 or refused with a clear error, and never shown with a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from pydantic import SecretStr

from anymq.errors import ConfigError

__all__ = ["MASK", "BackendUrl", "is_secret_name", "parse_url", "redact"]

MASK = "***"

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>.*)")
_SECRET_NAME = re.compile(r"pass|secret|token|credential|private|api_?key|access_?key|signing")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\"<>\\^`{|}]")
_IPV6 = re.compile(r"\[(?P<address>[0-9A-Fa-f:.]+(?:%25[A-Za-z0-9._~-]+)?)\]")
_MAX_PORT = 65535
_ENCODE_HINT = "write '@' ':' '/' '#' '?' '%' inside a name or password as %40 %3A %2F %23 %3F %25"


@dataclass(frozen=True, slots=True, repr=False)
class BackendUrl:
    """One backend's address. Its text, ``repr`` included, shows no password."""

    scheme: str
    """Lower case; it names the plugin."""
    host: str = ""
    """Decoded; an IPv6 address without brackets; a unix socket's path when it starts with "/";
    several hosts as they were written, ``h1:9092,h2:9092``."""
    port: int | None = None
    """1 to 65535; None when the URL has none, or several hosts."""
    username: str | None = None
    password: SecretStr | None = None
    path: str = ""
    """Decoded, without the slash that ends the host: ``sqlite:////abs`` has "/abs"."""
    query: Mapping[str, str] = field(default_factory=dict)
    """Decoded, each key once, in the order of the URL."""

    def __str__(self) -> str:
        """The URL with ``***`` for its password and for every value whose key sounds secret."""
        port = f":{self.port}" if self.port else ""
        path = "/" + quote(self.path, safe="/~@!$&'()*+,;=:") if self.path else ""
        query = "&".join(f"{quote(k)}={_masked(k, v)}" for k, v in self.query.items())
        return "".join(
            (
                f"{self.scheme}://{self._userinfo()}{self._host()}{port}{path}",
                f"?{query}" if query else "",
            )
        )

    def __repr__(self) -> str:
        return f"BackendUrl({str(self)!r})"

    def _userinfo(self) -> str:
        if self.username is None and self.password is None:
            return ""
        password = f":{MASK}" if self.password is not None else ""
        return f"{quote(self.username or '', safe='')}{password}@"

    def _host(self) -> str:
        if "," in self.host:
            return self.host
        if ":" in self.host:
            return f"[{self.host.replace('%', '%25')}]"
        return quote(self.host, safe="")


def parse_url(text: str) -> BackendUrl:
    """Parse ``scheme://user:password@host:port/path?key=value``.

    Raises ConfigError that says what is wrong and never repeats a part that may hold a password.
    """
    match = _URL.fullmatch(text.strip())
    if match is None:
        raise ConfigError("this is no backend URL: it must look like redis://localhost:6379/0")
    rest = match["rest"]
    _check_characters(match["authority"], rest)
    userinfo, _, hosts = match["authority"].rpartition("@")
    has_userinfo = "@" in match["authority"]
    username, colon, password = userinfo.partition(":")
    host, port = _parse_hosts(hosts)
    path, _, query = rest.partition("?")
    return BackendUrl(
        scheme=match["scheme"].lower(),
        host=host,
        port=port,
        username=_decode(username) if has_userinfo and username else None,
        password=SecretStr(_decode(password)) if colon else None,
        path=_decode(path[1:]),
        query=_parse_query(query),
    )


def redact(text: str) -> str:
    """A URL fit for a log: what can be parsed keeps its shape, anything else is all masked."""
    try:
        return str(parse_url(text))
    except ConfigError:
        scheme = re.match(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://", text)
        return f"{scheme[1].lower()}://{MASK}" if scheme else MASK


def is_secret_name(name: str) -> bool:
    """Whether a key's name tells that its value must not be shown."""
    return bool(_SECRET_NAME.search(name.lower()))


def _masked(key: str, value: str) -> str:
    return MASK if is_secret_name(key) else quote(value, safe="/~@!$'()*,;:")


def _decode(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        pass
    raise ConfigError("the backend URL has percent-encoded bytes that are no UTF-8 text")


def _check_characters(authority: str, rest: str) -> None:
    if _FORBIDDEN.search(authority) or _FORBIDDEN.search(rest):
        raise ConfigError(
            "the backend URL has a character that URLs cannot hold (a space, a quote or the like):"
            " percent-encode it"
        )
    if _BAD_PERCENT.search(authority) or _BAD_PERCENT.search(rest):
        raise ConfigError(f"the backend URL has a '%' without two hex digits: {_ENCODE_HINT}")
    if "#" in rest:
        raise ConfigError(f"the backend URL has a '#': {_ENCODE_HINT}")
    if authority.count("@") > 1 or (authority and "@" not in authority and "@" in rest):
        raise ConfigError(f"the backend URL has an '@' that is not percent-encoded: {_ENCODE_HINT}")


def _parse_hosts(text: str) -> tuple[str, int | None]:
    if "," not in text:
        return _parse_host(text)
    for part in text.split(","):
        if not _parse_host(part)[0]:
            raise ConfigError("the backend URL has an empty host in its list of hosts")
    return text, None


def _parse_host(text: str) -> tuple[str, int | None]:
    ipv6 = _IPV6.match(text)
    if ipv6 is not None:
        return _decode(ipv6["address"]), _parse_port(text[ipv6.end() :])
    name, colon, port = text.partition(":")
    if "[" in text or "]" in text:
        raise ConfigError("the backend URL has a host that is neither a name nor [IPv6]")
    return _decode(name), _parse_port(colon + port)


def _parse_port(text: str) -> int | None:
    digits = text.removeprefix(":")
    if not digits:
        return None
    if text == digits or not (digits.isascii() and digits.isdigit()):
        raise ConfigError(f"the backend URL has a port that is no number: {_ENCODE_HINT}")
    port = int(digits) if len(digits) <= len(str(_MAX_PORT)) else _MAX_PORT + 1
    if not 1 <= port <= _MAX_PORT:
        raise ConfigError(f"the backend URL has a port outside 1 to {_MAX_PORT}")
    return port


def _parse_query(text: str) -> Mapping[str, str]:
    query: dict[str, str] = {}
    for pair in filter(None, text.split("&")):
        raw_key, equals, value = pair.partition("=")
        key = _decode(raw_key)
        if not equals:
            raise ConfigError(f"the backend URL's query has {key!r} without a value")
        if key in query:
            raise ConfigError(f"the backend URL's query has {key!r} twice")
        query[key] = _decode(value)
    return query
