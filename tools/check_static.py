"""Is the front end in the package the one that its source builds? Exit code 1 and a list of files if not.

Run it from anywhere: ``python tools/check_static.py``. It needs Node and npm, and leaves the working tree as it is.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ATLAS = Path(__file__).resolve().parents[1] / "src" / "cellprism" / "atlas"


def differences(expected: Path, found: Path) -> list[str]:
    """Names of the files that only one of two directories has or that differ, with the reason."""
    left, right = _files(expected), _files(found)
    lines = []
    for name in sorted(left.keys() | right.keys()):
        if name not in right:
            lines.append(f"{name}: missing")
        elif name not in left:
            lines.append(f"{name}: not built from this source")
        elif left[name] != right[name]:
            lines.append(f"{name}: differs")
    return lines


def build(web: Path, folder: Path) -> Path:
    """Build a copy of the front end's source within ``folder``; give the directory with the result."""
    copy = folder / "web"
    shutil.copytree(web, copy, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "static").mkdir()
    for command in (["npm", "ci", "--no-audit", "--no-fund"], ["npm", "run", "build"]):
        subprocess.run(command, cwd=copy, check=True, stdout=sys.stderr)
    return folder / "static"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        lines = differences(build(ATLAS / "web", Path(folder)), ATLAS / "static")
    if lines:
        print("atlas/static is not what atlas/web builds; run `npm ci && npm run build` there:")
        print("\n".join(lines))
    return 1 if lines else 0


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


if __name__ == "__main__":
    sys.exit(main())
