"""The whole configuration of an application, as data."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainSerializer, PlainValidator, SecretStr, model_validator

from anymq.config.table import Table
from anymq.errors import ConfigError
from anymq.topology import TopologyMode
from anymq.urls import BackendUrl, parse_url

__all__ = [
    "KeyRing",
    "RetryOverride",
    "Role",
    "RoleSettings",
    "Settings",
    "SubscriberOverride",
    "TaskSettings",
    "Url",
]

Role = Literal["broker", "tasks", "stream"]


def _to_url(value: Any) -> BackendUrl:
    if isinstance(value, BackendUrl):
        return value
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if not isinstance(value, str):
        raise ValueError("must be a backend URL, as a text")  # noqa: TRY004 - pydantic's way
    try:
        return parse_url(value)
    except ConfigError as error:
        problem = str(error)
    raise ValueError(problem)


Url = Annotated[BackendUrl, PlainValidator(_to_url), PlainSerializer(str)]
"""A backend's URL; a text is parsed. Shown or dumped it holds no password."""

Seconds = Annotated[float, Field(ge=0, le=86_400)]


class RoleSettings(Table):
    """Where one role lives. Keys that are not listed here are options of the URL's plugin."""

    rest_field: ClassVar[str | None] = "options"

    url: Url | None = None
    """None: the URL of all roles."""
    options: dict[str, Any] = Field(default_factory=dict, repr=False, exclude=True)
    """The plugin's options by name; checked when the plugin is known."""


class TaskSettings(RoleSettings):
    """Where tasks run, and where their results are kept."""

    store: Url | None = None
    """The store of results and states; None: that of the tasks' own backend."""

    queues: tuple[str, ...] = ()
    """Queues besides those that tasks name; a worker serves them all."""
    concurrency: int = Field(default=10, ge=1, le=10_000)
    """How many jobs a worker runs at once, where nothing else says so."""
    partitions: int | None = Field(default=None, ge=1, le=1000)
    """Of a queue; None: as many as the backend needs for several workers to share it."""
    keep_results_s: float = Field(default=86_400.0, gt=0)
    """How long the record of a job is kept after its end."""


class RetryOverride(Table):
    """Replaces parts of a subscriber's retry policy; None keeps what the code says."""

    max_attempts: int | None = Field(default=None, ge=1, le=10_000)
    immediate: int | None = Field(default=None, ge=0, le=10_000)
    first_delay_s: Seconds | None = None
    factor: float | None = Field(default=None, ge=1, le=100)
    max_delay_s: Seconds | None = None
    on_exhausted: Literal["dead_letter", "stop", "drop"] | None = None


class SubscriberOverride(Table):
    """Replaces what the code declares for one subscriber; None keeps it."""

    concurrency: int | None = Field(default=None, ge=1, le=10_000)
    prefetch: int | None = Field(default=None, ge=1, le=100_000)
    retry: RetryOverride = RetryOverride()


class KeyRing(Table):
    """Keys by id: the active one for new messages, the others for what is still about."""

    active: str = Field(min_length=1)
    """Id of the key that is used for new messages."""
    keys: dict[str, SecretStr] = Field(min_length=1)
    """Key by id; ``id_file`` names a file that holds the key ``id``."""

    @model_validator(mode="after")
    def _active_is_there(self) -> KeyRing:
        if self.active not in self.keys:
            ids = ", ".join(map(repr, self.keys))
            raise ValueError(f"active names the key {self.active!r}, the keys are {ids}")
        return self


class Settings(Table):
    """Everything that a deployment decides. Building it directly reads no file and no variable."""

    url: Url | None = None
    """The backend of every role that names no other."""
    namespace: str = Field(default="", pattern=r"^([a-z0-9][a-z0-9_-]{0,39})?$")
    """Put before every name on the backend, so that deployments can share one."""
    topology: TopologyMode = TopologyMode.MANAGE
    """Whether topics and groups are made, only verified, or assumed to be right."""
    allow_emulation: bool = True
    """Whether a capability may be emulated where the backend lacks it."""
    cloudevents: Literal["off", "binary", "structured"] = "off"
    codec: str = Field(default="json", min_length=1)
    encryption: KeyRing | None = None
    signing: KeyRing | None = None
    broker: RoleSettings = RoleSettings()
    tasks: TaskSettings = TaskSettings()
    stream: RoleSettings = RoleSettings()
    subscribers: dict[str, SubscriberOverride] = Field(default_factory=dict)
    """Overrides by the subscriber's name."""
    grace_s: Seconds = 30.0
    """How long running handlers may go on after a stop."""
    connect: Literal["wait", "background"] = "wait"
    """At start, wait for the backend (at most ``connect_wait_s``), or go on without it."""
    connect_wait_s: Seconds = 30.0

    def role(self, role: Role) -> RoleSettings:
        """The table of one role."""
        tables: dict[Role, RoleSettings] = {
            "broker": self.broker,
            "tasks": self.tasks,
            "stream": self.stream,
        }
        return tables[role]
