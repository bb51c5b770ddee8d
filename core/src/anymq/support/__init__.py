"""What plugin authors build from. Each module stands alone; importing one costs nothing else."""

from __future__ import annotations

__all__: list[str] = []
