"""The style sheet has one type scale, one spacing scale and one palette: rules use the tokens of its beginning."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import cellprism.atlas

WEB = Path(cellprism.atlas.__file__).parent / "web" / "src"
if not WEB.is_dir():
    pytest.skip("an installed package has no sources of the atlas", allow_module_level=True)

SHEET = (WEB / "app.css").read_text(encoding="utf-8")
TOKENS, RULES = SHEET.split("/* Ground */")
DECLARATION = re.compile(r"(?<=[{;\s])([a-z-]+):\s*([^;{}]+);")


def declared(*properties: str) -> list[tuple[str, str]]:
    return [(name, value) for name, value in DECLARATION.findall(RULES) if name in properties]


def test_no_rule_has_a_colour_of_its_own() -> None:
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b|\b(?:rgb|hsl|oklch)a?\(", RULES) == []


def test_every_size_of_text_is_on_the_scale() -> None:
    sizes = declared("font-size")
    assert len(sizes) > 20
    assert [value for _, value in sizes if not re.fullmatch(r"var\(--t\d+\)", value)] == []
    # Keys and code are a little smaller than the text around them, whatever its size.
    fonts = [value for _, value in declared("font") if value != "inherit"]
    assert [font for font in fonts if not re.search(r"var\(--t\d+\)|\b0\.\d+em/|^400 100%/", font)] == []


def test_every_space_is_on_the_scale() -> None:
    """Gaps, paddings and margins; up to 6 pixels are optical corrections, and 0, auto, % and em are relative."""
    spaces = declared("gap", "row-gap", "column-gap", "padding", "padding-block", "padding-inline", "margin", *(
        f"{box}-{side}" for box in ("margin", "padding") for side in ("top", "right", "bottom", "left")))
    assert len(spaces) > 150
    fine = re.compile(r"var\(--(?:s\d|takes)\)|-?\b[0-6]px|-?[\d.]+em\b|\bcalc\([^)]*\)|-?\b0\b|\bauto\b")
    left = {value: fine.sub("", value) for _, value in spaces}
    assert [value for value, rest in left.items() if rest.strip()] == []


def test_every_token_that_is_used_is_there_and_every_one_there_is_used() -> None:
    there = set(re.findall(r"^\s+(--[\w-]+):", TOKENS, re.MULTILINE))
    sources = "".join(path.read_text(encoding="utf-8") for path in WEB.rglob("*.ts*"))
    used = set(re.findall(r"var\((--[\w-]+)", SHEET + sources))
    assert used - there == {"--columns", "--few", "--phone"}, "the widths that a table sets for itself"
    assert there - used == set()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_told_from_its_ground(theme: str) -> None:
    """Contrast by WCAG 2.1 of every kind of text on every ground that it stands on."""
    light, dark = TOKENS.split(":root[data-theme")
    colours = dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6});", light if theme == "light" else light + dark))
    texts = {"--ink", "--quiet", "--accent"}
    pairs = [(text, ground) for text in texts for ground in ("--ground", "--panel", "--sunken")]
    pairs += [("--accent", "--accent-soft"), ("--ink", "--accent-soft")]
    pairs += [("--warn", "--warn-soft"), ("--panel", "--accent")]
    poor = {(text, ground) for text, ground in pairs if contrast(colours[text], colours[ground]) < 4.5}
    assert poor == set()


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
