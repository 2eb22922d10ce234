from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    path = Path(__file__).parents[2] / "tools" / "check_static.py"
    spec = importlib.util.spec_from_file_location("check_static", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fill(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_equal_directories_do_not_differ(tool: ModuleType, tmp_path: Path) -> None:
    files = {"index.html": "page", "assets/a.js": "1"}
    assert tool.differences(fill(tmp_path / "a", files), fill(tmp_path / "b", files)) == []


def test_every_difference_is_named(tool: ModuleType, tmp_path: Path) -> None:
    expected = fill(tmp_path / "a", {"index.html": "page", "assets/new.js": "1", "assets/same.js": "1"})
    found = fill(tmp_path / "b", {"index.html": "Page", "assets/old.js": "1", "assets/same.js": "1"})
    assert tool.differences(expected, found) == [
        "assets/new.js: missing", "assets/old.js: not built from this source", "index.html: differs",
    ]


@pytest.mark.parametrize(("shipped", "code"), [("built", 0), ("edited by hand", 1)])
def test_the_exit_code_tells(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    shipped: str, code: int,
) -> None:
    files = {"static/index.html": shipped, "web/src.ts": "source", "web/node_modules/x.js": "dependency"}
    atlas = fill(tmp_path, files)

    def npm(command: list[str], cwd: Path, **_: object) -> None:
        """What npm would do: the source is there, the dependencies are not copied."""
        assert (cwd / "src.ts").exists()
        assert not (cwd / "node_modules").exists()
        if command[:2] == ["npm", "run"]:
            fill(cwd.parent / "static", {"index.html": "built"})

    monkeypatch.setattr(tool, "ATLAS", atlas)
    monkeypatch.setattr(tool.subprocess, "run", npm)
    assert tool.main() == code
    assert ("index.html: differs" in capsys.readouterr().out) == bool(code)


def test_the_built_pages_are_small(tool: ModuleType) -> None:
    """What a wheel and a clone carry; what a reader fetches first has its own budget in the browser's tests."""
    built = sum(path.stat().st_size for path in (tool.ATLAS / "static").rglob("*") if path.is_file())
    assert 100_000 < built < 400_000
