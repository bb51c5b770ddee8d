"""``python -m newsstand.cli``."""

from __future__ import annotations

import sys

from newsstand.cli import main

sys.exit(main())
