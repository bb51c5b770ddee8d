"""The page on the wire format: its programs run, and its table has every header."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from anymq.codecs import EncryptedSeal, HmacSeal, Keyring, codec_names
from anymq.message import Message
from anymq.support.header_map import to_headers

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "wire-format.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
KEYS = Keyring({"k": b"k" * 32})


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_every_program_runs(program: str, tmp_path: Path) -> None:
    """Each stands alone and checks itself."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "assert " in program


def test_every_header_is_in_the_table() -> None:
    """What a message with every field and either seal carries, the page explains."""
    full = Message(
        "t",
        b"",
        "i",
        0.0,
        key="k",
        partition=1,
        group="g",
        expires_at=1.0,
        priority=2,
        attempt=2,
        correlation_id="c",
        causation_id="c",
        reply_to="r",
    )
    headers = set(to_headers(full))
    for seal in (EncryptedSeal(KEYS), HmacSeal(KEYS)):
        headers |= set(seal.seal(b"", topic="t", message_id="i", content_type="c")[1])

    assert [name for name in sorted(headers) if f"| `{name}` |" not in PAGE] == []


def test_every_codec_is_in_the_table() -> None:
    """The page names each of ours."""
    assert len(PROGRAMS) == 4
    assert [name for name in codec_names() if f"| `{name}`" not in PAGE] == []
