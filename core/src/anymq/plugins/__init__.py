"""Finding and loading backends: hook specifications, descriptors, loader and registry."""

from __future__ import annotations

from anymq.plugins.descriptor import API_VERSION, BackendDescriptor
from anymq.plugins.hookspecs import hookimpl
from anymq.plugins.registry import PluginStatus, Registry

__all__ = ["API_VERSION", "BackendDescriptor", "PluginStatus", "Registry", "hookimpl"]
