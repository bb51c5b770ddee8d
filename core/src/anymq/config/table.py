"""Base of the models that stand for a table of the configuration."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

__all__ = ["Table"]


class Table(BaseModel):
    """One table: unknown keys are errors, unless ``rest_field`` names a field that takes them."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    rest_field: ClassVar[str | None] = None
