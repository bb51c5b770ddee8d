"""What the errors about plugins say: the cause, who is concerned, and what to do."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path

from anymq.plugins.entries import PluginEntry, known_schemes, package_for
from anymq.suggestion import closest

__all__ = ["brief", "doubled", "how_to_mend", "trace_of", "unknown_scheme"]

_PACKAGE = str(Path(__file__).parent)


def brief(error: BaseException) -> str:
    """Type and first line of an error."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def trace_of(error: BaseException) -> str:
    """The traceback, without the frames of the import machinery and of this package."""
    whole = traceback.TracebackException.from_exception(error)
    own = [frame for frame in whole.stack if not _is_machinery(frame.filename)]
    whole.stack = traceback.StackSummary.from_list(own)
    return "".join(whole.format())


def doubled(what: str, name: str, entries: Iterable[PluginEntry]) -> str:
    """Two plugins claim one name."""
    claims = " and by ".join(str(entry) for entry in entries)
    return (
        f"the {what} {name!r} is claimed twice: by {claims};"
        " uninstall one of them, or name the other in ANYMQ_PLUGINS"
    )


def how_to_mend(entry: PluginEntry) -> str:
    """What an operator does about a broken plugin."""
    return (
        f"update it (pip install --upgrade {entry.distribution}) or remove it"
        f" (pip uninstall {entry.distribution}); 'anymq doctor' shows more"
    )


def unknown_scheme(scheme: str, installed: Sequence[str]) -> str:
    """Nobody brings a scheme: which are there, what may have been meant, what to install."""
    choices = ", ".join(installed) or "none"
    return (
        f"no installed backend has the URL scheme {scheme!r} (installed: {choices});"
        f" {_advice(scheme, installed)}"
    )


def _is_machinery(file: str) -> bool:
    return "importlib" in file or file.startswith(_PACKAGE)


def _advice(scheme: str, installed: Sequence[str]) -> str:
    package = package_for(scheme)
    if package:
        return f"install its plugin: pip install '{package}'"
    near = closest(scheme, (*installed, *known_schemes()))
    if near is None:
        return "install the plugin that brings it, or use another scheme"
    package = None if near in installed else package_for(near)
    return f"did you mean {near!r}?" + (f" (pip install '{package}')" if package else "")
