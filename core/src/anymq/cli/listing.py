"""The installed backends as data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from anymq.capabilities import describe
from anymq.plugins import BackendDescriptor, PluginStatus

__all__ = ["list_backends", "status_as_data"]


def list_backends(statuses: Iterable[PluginStatus]) -> list[dict[str, Any]]:
    """One entry per backend, its schemes together; broken and excluded entries one by one."""
    listed: dict[object, dict[str, Any]] = {}
    for status in statuses:
        key = (status.entry.key, status.descriptor.name) if status.descriptor else status.entry
        if key in listed:
            listed[key]["schemes"].append(status.entry.name)
        else:
            listed[key] = status_as_data(status)
    return list(listed.values())


def status_as_data(status: PluginStatus) -> dict[str, Any]:
    """One entry's condition, and the backend's declaration where it could be loaded."""
    entry, descriptor = status.entry, status.descriptor
    data: dict[str, Any] = {
        "name": descriptor.name if descriptor else entry.name,
        "schemes": [entry.name],
        "package": entry.distribution or entry.target,
        "version": entry.version,
        "status": status.status,
        "problem": status.problem,
    }
    return data | (_declaration(descriptor) if descriptor else {})


def _declaration(descriptor: BackendDescriptor) -> dict[str, Any]:
    capabilities = descriptor.capabilities
    roles = {
        "broker": descriptor.broker,
        "stream": descriptor.stream,
        "job_store": descriptor.job_store,
        "task_runner": descriptor.task_runner,
    }
    return {
        "roles": [name for name, factory in roles.items() if factory is not None],
        "api_version": descriptor.api_version,
        "durability": capabilities.durability.name.lower(),
        "max_message_bytes": capabilities.max_message_bytes,
        "max_batch": capabilities.max_batch,
        "lease_s": capabilities.lease_s,
        "handles": sorted(capabilities.handles),
        "capabilities": describe(capabilities),
        "notes": dict(descriptor.notes),
    }
