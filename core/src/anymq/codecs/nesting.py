"""A limit on how deep JSON may nest, the same on every interpreter and at every stack depth."""

from __future__ import annotations

import re
from array import array
from itertools import accumulate

__all__ = ["MAX_DEPTH", "is_too_deep"]

MAX_DEPTH = 500
"""Levels of arrays and objects. Half of CPython's default recursion limit: what passes can also be
printed, copied and encoded again by ordinary recursive code."""

_CHUNK = 4096
"""Brackets looked at before the depth is compared; a bomb is recognised in its first chunk."""

_ESCAPES = re.compile(rb"\\.", re.DOTALL)
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'"[]{}'))
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # +1 and -1 as signed bytes


def is_too_deep(body: bytes) -> bool:
    """Tell whether JSON text nests deeper than ``MAX_DEPTH``.

    Linear in the body. Of text that is not JSON it may say either; the parser refuses that anyway.
    """
    if len(body) <= MAX_DEPTH or body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    if b"\\" in body:
        body = _ESCAPES.sub(b"", body)
    structure = body.translate(None, _NOT_STRUCTURE)
    steps = b"".join(structure.split(b'"')[::2]).translate(_STEPS)
    depth = 0
    for start in range(0, len(steps), _CHUNK):
        levels = list(accumulate(array("b", steps[start : start + _CHUNK]), initial=depth))
        if max(levels) > MAX_DEPTH:
            return True
        depth = levels[-1]
    return False
