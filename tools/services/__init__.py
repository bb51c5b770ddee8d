"""Install, start, break and stop the real servers that the tests talk to.

Runs on a bare Debian machine with nothing but Python 3.11: no third-party import anywhere in
this package. See README.md beside this file for the commands.
"""

from __future__ import annotations

__all__: list[str] = []
