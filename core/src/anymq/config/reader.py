"""From a tree of given values to a pydantic model, with errors that name key, place and range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from anymq.config.conversion import convert
from anymq.config.expectation import expectation, is_secret_type, plain_type
from anymq.config.given import FILE_SUFFIX, Given, Tree, collapse
from anymq.config.secret_file import read_secret_file
from anymq.config.table import Table
from anymq.errors import ConfigError
from anymq.suggestion import did_you_mean
from anymq.urls import MASK

__all__ = ["known_keys", "read_model"]

ModelT = TypeVar("ModelT", bound=BaseModel)

# Masking shorter texts would also mask parts of innocent words.
_MASKED_FROM = 4


def read_model(model: type[ModelT], tree: Tree, *, path: str = "") -> ModelT:
    """Build the model from the tree. Text is converted, every other type must be right already.

    ``key_file`` stands for a file that holds the secret ``key``. ``path`` are the keys that lead
    to this table, with dots.

    Raises ConfigError whose text names the key and where it was given, and holds no secret.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    rest: dict[str, Given | Tree] = {}
    rest_field = model.rest_field if issubclass(model, Table) else None
    for key, node in _with_secrets(model, tree).items():
        field = model.model_fields.get(key)
        if field is None or key == rest_field:
            rest[key] = node
            continue
        origins[key] = collapse(node).origin
        values[key] = _read_field(field, node, _join(path, key))
    if rest and rest_field is None:
        raise _unknown(*next(iter(rest.items())), known_keys(model), path)
    if rest_field is not None:
        values[rest_field] = rest
    return _build(model, values, origins, path)


def known_keys(model: type[BaseModel]) -> tuple[str, ...]:
    """The keys a table of this model may have, ``_file`` variants included."""
    fields = model.model_fields.items()
    files = [key + FILE_SUFFIX for key, field in fields if is_secret_type(field.annotation)]
    return (*model.model_fields, *files)


def _with_secrets(model: type[BaseModel], tree: Tree) -> Tree:
    """The tree with every ``key_file`` of a secret field replaced by what the file holds."""
    resolved = dict(tree)
    for key in tree:
        field = model.model_fields.get(key.removesuffix(FILE_SUFFIX))
        is_variant = key.endswith(FILE_SUFFIX) and key not in model.model_fields
        if is_variant and field is not None and is_secret_type(field.annotation):
            _replace_by_content(resolved, key)
    return resolved


def _replace_by_content(tree: dict[str, Given | Tree], key: str) -> None:
    given = collapse(tree.pop(key))
    secret = key.removesuffix(FILE_SUFFIX)
    if secret in tree:
        raise ConfigError(f"{given.origin}: {secret!r} is given too; keep one of the two")
    if not isinstance(given.value, str):
        raise ConfigError(f"{given.origin}: must be the path of a file")
    content = read_secret_file(given.value, origin=given.origin)
    tree[secret] = Given(content, given.origin, is_text=True)


def _read_field(field: FieldInfo, node: Given | Tree, path: str) -> Any:
    annotation = plain_type(field.annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _read_table(annotation, node, path)
    if get_origin(annotation) is dict and isinstance(node, Mapping):
        item = get_args(annotation)[1]
        if isinstance(item, type) and issubclass(item, BaseModel):
            return {key: _read_table(item, child, _join(path, key)) for key, child in node.items()}
        if item is SecretStr:
            return _read_secrets(node, path)
    return convert(field, collapse(node))


def _read_table(model: type[BaseModel], node: Given | Tree, path: str) -> Any:
    if not isinstance(node, Given):
        return read_model(model, node, path=path)
    if isinstance(node.value, model):
        return node.value
    raise ConfigError(f"{node.origin}: must be a table")


def _read_secrets(tree: Tree, path: str) -> dict[str, SecretStr]:
    resolved = dict(tree)
    for key in tree:
        if key.endswith(FILE_SUFFIX):
            _replace_by_content(resolved, key)
    secrets: dict[str, SecretStr] = {}
    for key, node in resolved.items():
        given = collapse(node)
        if isinstance(given.value, SecretStr):
            secrets[key] = given.value
        elif isinstance(given.value, str):
            secrets[key] = SecretStr(given.value)
        else:
            raise ConfigError(f"{given.origin or path}: must be a text")
    return secrets


def _unknown(key: str, node: Given | Tree, known: tuple[str, ...], path: str) -> ConfigError:
    origin = collapse(node).origin or path or "configuration"
    return ConfigError(f"{origin}: unknown key {key!r}{did_you_mean(key, known)}")


def _build(
    model: type[ModelT], values: Mapping[str, Any], origins: Mapping[str, str], path: str
) -> ModelT:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
    key = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "missing":
        wanted = expectation(model.model_fields[key])
        raise ConfigError(f"the key {_join(path, key)!r} is missing: it must be {wanted}")
    origin = origins.get(key) or _join(path, key) or "configuration"
    text = first["msg"].removeprefix("Value error, ")
    raise ConfigError(f"{origin}: {_scrub(text, values)}")


def _scrub(text: str, values: Mapping[str, Any]) -> str:
    """A validator's own words, in case they repeat a secret."""
    for value in values.values():
        secret = value.get_secret_value() if isinstance(value, SecretStr) else ""
        if len(secret) >= _MASKED_FROM:
            text = text.replace(secret, MASK)
    return text


def _join(path: str, key: str) -> str:
    return ".".join(filter(None, (path, key)))
