"""How files are cut and named."""

from __future__ import annotations

import pytest

from tests.architecture import layout
from tests.architecture.sources import (
    Module,
    Rule,
    broken,
    distributions,
    everything,
    packages,
    shipped,
)

CAUGHT = [
    (layout.files_are_short, "anymq.x", "x = 1\n" * 301),
    (layout.modules_are_named_after_one_idea, "anymq.utils", ""),
    (layout.modules_are_named_after_one_idea, "anymq.helpers.text", ""),
    (layout.modules_are_named_after_one_idea, "anymq.connection_manager", ""),
    (layout.all_is_complete, "anymq.x", "x = 1"),
    (layout.all_is_complete, "anymq.x", "__all__ = ['a']"),
    (layout.all_is_complete, "anymq.x", "__all__ = ['f']\ndef f(): ...\ndef g(): ..."),
    (layout.all_is_complete, "anymq.x", "__all__ = [*names]"),
    (layout.all_is_complete, "anymq.x", "__all__ = []\n@dataclass(slots=True)\nclass A: ..."),
    (layout.all_is_complete, "anymq.x", "__all__ = []\n@functools.lru_cache(8)\ndef f(): ..."),
]
ALLOWED = [
    (layout.files_are_short, "anymq.x", "x = 1\n" * 300),
    (layout.modules_are_named_after_one_idea, "anymq.management", ""),
    (layout.all_is_complete, "anymq.x", "'Only a docstring.'"),
    (layout.all_is_complete, "anymq.x", "__all__ = ['a', 'b']\nfrom c import b\na = 1\n"),
    (layout.all_is_complete, "anymq.x", "__all__ = ['a']\ntry:\n import a\nexcept E:\n a = None"),
    (layout.all_is_complete, "anymq.x", "__all__ = ['a']\ndef __getattr__(name): ..."),
    (layout.all_is_complete, "anymq.x", "__all__ = ['r']\nr = R()\n@r.get('/')\ndef f(): ..."),
    (layout.all_is_complete, "anymq.x", "__all__ = ['T']\ntype_ = 1\nT: TypeAlias = int"),
]


@pytest.mark.parametrize("rule", [layout.files_are_short, layout.modules_are_named_after_one_idea])
def test_the_rule_holds_for_every_file(rule: Rule) -> None:
    """Tests and tools keep to it as well as what is shipped."""
    assert "\n".join(broken(rule, everything())) == ""


def test_every_shipped_module_says_what_is_public() -> None:
    """`__all__` is present and complete."""
    assert "\n".join(broken(layout.all_is_complete, shipped())) == ""


@pytest.mark.parametrize(("rule", "name", "source"), CAUGHT)
def test_the_rule_catches(rule: Rule, name: str, source: str) -> None:
    """A file that breaks the rule is found."""
    assert len(broken(rule, (Module.of(source, name=name),))) == 1


@pytest.mark.parametrize(("rule", "name", "source"), ALLOWED)
def test_the_rule_allows(rule: Rule, name: str, source: str) -> None:
    """What is right is left alone."""
    assert broken(rule, (Module.of(source, name=name),)) == []


def test_every_package_is_typed() -> None:
    """Type checkers read our annotations only where py.typed says that they may."""
    assert [package.name for package in packages() if not (package / "py.typed").exists()] == []


def test_every_distribution_has_one_package_of_its_own() -> None:
    """No two distributions share a top-level name, and the rules saw each of them."""
    assert len(packages()) == len(distributions())
    assert {package.name for package in packages()} == {m.distribution for m in shipped()}


def test_every_distribution_has_the_licence_and_a_readme() -> None:
    """Each is published alone, so each carries its own."""
    missing = [
        str(folder / name)
        for folder in distributions()
        for name in ("LICENSE", "README.md")
        if not (folder / name).exists()
    ]

    assert missing == []
