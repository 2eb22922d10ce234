"""What this machine has and how fast it multiplies: the measures behind plans."""

from __future__ import annotations

import os
import time
from pathlib import Path


def multiplication_rate() -> float:
    """Floating-point operations per second of a float32 matrix product on this machine, measured in a moment."""
    import torch

    a = torch.randn(1024, 1024)
    seconds = []
    for _ in range(4):
        started = time.perf_counter()
        torch.mm(a, a)
        seconds.append(time.perf_counter() - started)
    return 2 * 1024**3 / min(seconds)


def free_memory() -> float:
    """Bytes that can be had without swapping."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        available = next(line for line in meminfo.read_text().splitlines() if line.startswith("MemAvailable"))
        return float(available.split()[1]) * 1024
    return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def free_device_memory() -> float:
    """Bytes of the CUDA device's memory that can be had."""
    import torch

    return float(torch.cuda.mem_get_info()[0])


def in_time(seconds: float) -> str:
    """A time in words, such as ``40 s``, ``12 min`` or ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:,.1f} h"


def in_bytes(n: float) -> str:
    """A number of bytes in words, such as ``1.5 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000:
            return f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:.1f} TB"
