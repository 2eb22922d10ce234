from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cellprism.errors import UserError
from cellprism.runs.lock import exclusive

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys, time
from pathlib import Path
from cellprism.runs.lock import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_living_process_refuses_the_second_and_a_killed_one_does_not(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=str(holder.pid)), exclusive(tmp_path):
            pass
        holder.kill()
        holder.wait()
    with exclusive(tmp_path):
        assert (tmp_path / ".lock").read_text() != str(holder.pid)
