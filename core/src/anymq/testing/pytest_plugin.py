"""The pytest side of the kit: makes one test of every check. Imports nothing heavy by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

__all__ = ["pytest_generate_tests"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give ``test_conformance`` of a suite one case per check, its id the check's."""
    if "conformance_check" not in metafunc.fixturenames or metafunc.cls is None:
        return
    checks = metafunc.cls.checks()
    metafunc.parametrize("conformance_check", checks, ids=[check.id for check in checks])
