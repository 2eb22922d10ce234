"""``python -m cellprism``."""

from __future__ import annotations

from cellprism.cli import main

main()
