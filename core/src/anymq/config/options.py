"""A plugin's options, from the URL and the role's table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from anymq.config.given import Given, Tree, collapse, grow
from anymq.config.reader import read_model
from anymq.errors import ConfigError
from anymq.options import BackendOptions
from anymq.urls import BackendUrl

__all__ = ["build_options"]

OptionsT = TypeVar("OptionsT", bound=BackendOptions)

_PARTS = ("host", "port", "username", "password", "path")


def build_options(
    model: type[OptionsT],
    url: BackendUrl,
    table: Mapping[str, Any] | None = None,
    *,
    where: str = "url",
    path: str = "",
) -> OptionsT:
    """Fill a plugin's model from the URL's parts and query, and from a table of options.

    ``where`` is the key that gave the URL, as in "broker.url"; ``path`` names the table. A key that
    is given twice is an error: nobody could tell which was meant.

    Raises ConfigError that names the key, the place and the allowed range, and no secret.
    """
    tree: dict[str, Given | Tree] = {"scheme": Given(url.scheme, where)}
    for part in _PARTS:
        value = getattr(url, part)
        if value is not None and value != "":
            tree[part] = Given(value, f"{where}: {part}", is_text=isinstance(value, str))
    for key, value in url.query.items():
        _put(tree, key, Given(value, f"{where}: query key {key!r}", is_text=True))
    for key, node in grow(table or {}, lambda keys: f"option {'.'.join(keys)!r}").items():
        _put(tree, key, node)
    return read_model(model, tree, path=path)


def _put(tree: dict[str, Given | Tree], key: str, node: Given | Tree) -> None:
    if key in tree:
        first, second = collapse(tree[key]).origin, collapse(node).origin
        raise ConfigError(f"{second}: {key!r} is given twice, also by {first}; keep one")
    tree[key] = node
