"""What a reader does on a page that is there: how long until the answer is on the screen."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellprism.benchmarks.atlas.browser import Measured

WATCH = """
window.cellprismUntil = (there) => new Promise((resolve) => {
  const observer = new MutationObserver(() => look());
  const look = () => {
    if (!there()) return;
    observer.disconnect();
    resolve(performance.now());
  };
  observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  look();
});
window.cellprismTyped = (field, text) => {
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), "value").set.call(field, text);
  field.dispatchEvent(new Event("input", { bubbles: true }));
};
window.cellprismPaints = [];
window.Worker = class extends Worker {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", () => window.cellprismPaints.push(performance.now() - this.asked));
  }
  postMessage(...given) {
    this.asked = performance.now();
    super.postMessage(...given);
  }
};
"""
"""Resolves at the change of the document that brings what is waited for; times what the map's worker draws."""

LAYER = """async (i) => {
  const link = document.querySelectorAll(".layer-tabs a")[i];
  const started = performance.now();
  link.click();
  return await cellprismUntil(() => document.querySelector("canvas[data-points]")?.getAttribute("aria-label")
    .includes(`of layer ${link.textContent}.`)) - started;
}"""
COLOUR = """async (kind) => {
  const box = document.querySelector(".toolbar select");
  const canvas = document.querySelector("canvas[data-points]");
  delete canvas.dataset.points;
  const started = performance.now();
  box.value = kind;
  box.dispatchEvent(new Event("change", { bubbles: true }));
  return await cellprismUntil(() => canvas.dataset.points) - started;
}"""
FILTER = """async (text) => {
  const canvas = document.querySelector("canvas[data-points]");
  delete canvas.dataset.points;
  const started = performance.now();
  cellprismTyped(document.querySelector(".toolbar input[type=search]"), text);
  return await cellprismUntil(() => canvas.dataset.points) - started;
}"""
KEYSTROKE = """async (text) => {
  const box = document.querySelector("input[role=combobox]");
  box.focus();
  cellprismTyped(box, "");
  await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  const started = performance.now();
  cellprismTyped(box, text);
  return await cellprismUntil(() => document.querySelector("[role=option]")) - started;
}"""
GENE = """async (gene) => {
  const box = document.querySelector("input[role=combobox]");
  cellprismTyped(box, gene);
  await cellprismUntil(() => document.querySelector("[role=option]"));
  const started = performance.now();
  box.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
  return await cellprismUntil(() => document.querySelector("#gene .gene")?.textContent === gene &&
    document.querySelector(".gene-hits [role=table], [aria-labelledby=gene] .note")) - started;
}"""
LIST = """async (genes) => {
  const ranked = () => document.querySelector("[data-testid=ranked]");
  const area = document.querySelector("#gene-list");
  const submit = document.querySelector("form button[type=submit]");
  const drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  cellprismTyped(area, "");
  await drawn();
  submit.click();
  await cellprismUntil(() => !ranked());
  cellprismTyped(area, genes);
  await drawn();
  const started = performance.now();
  submit.click();
  return await cellprismUntil(ranked) - started;
}"""
DRAG = """async (frames) => {
  const frame = document.querySelector(".map-frame");
  const box = frame.getBoundingClientRect();
  const point = (name, i) => frame.dispatchEvent(new PointerEvent(name, {
    bubbles: true, pointerId: 1, isPrimary: true, button: 0, buttons: 1, pointerType: "mouse",
    clientX: box.left + box.width / 2 + 2 * i, clientY: box.top + box.height / 2 + i,
  }));
  const next = () => new Promise((drawn) => requestAnimationFrame(drawn));
  frame.setPointerCapture = () => undefined;
  point("pointerdown", 0);
  window.cellprismPaints.length = 0;
  for (let i = 1; i <= frames; i++) {
    point("pointermove", i);
    await next();
  }
  point("pointerup", frames);
  return window.cellprismPaints;
}"""
FRAMES = 60


@dataclass(frozen=True)
class Asked:
    """What is asked of an atlas.

    Attributes
    ----------
    layer
        Address of a layer that has one after it.
    genes, lists
        Addresses of the search for genes and of the gene list.
    gene
        A gene of the run.
    names
        50 genes, spaced.
    text
        What labels are filtered by.
    """

    layer: str
    genes: str
    lists: str
    gene: str
    names: str
    text: str


@dataclass(frozen=True)
class Answers:
    """Medians in milliseconds; ``dots`` is how many dots the map of the layer has."""

    dots: int
    frame: float
    layer: float
    colour: float
    keystroke: float
    search: float
    gene: float
    ranked: float


def answers(measured: Measured, asked: Asked, *, repeats: int) -> Answers:
    """Do all of it ``repeats`` times, each time with the files there that pages fetch ahead or once."""
    address = measured.address
    page = measured.browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(WATCH)
    _go(page, address + asked.layer, "canvas[data-points]")
    dots = int(page.get_attribute("canvas[data-points]", "data-points"))
    kinds = page.eval_on_selector_all(".toolbar select optgroup:first-child option", "(all) => all.map((o) => o.value)")
    colour = [page.evaluate(COLOUR, kind) for _ in range(repeats) for kind in kinds[-2:]]
    typed = [page.evaluate(FILTER, asked.text[:n]) for _ in range(repeats) for n in (*range(1, len(asked.text) + 1), 0)]
    paints = page.evaluate(DRAG, FRAMES)
    layer = []
    for _ in range(repeats):
        for i in (2, 1):
            layer.append(page.evaluate(LAYER, i))
            page.wait_for_load_state("networkidle")
    _go(page, address + asked.genes, "input[role=combobox]")
    search = [page.evaluate(KEYSTROKE, asked.gene[:n]) for _ in range(repeats) for n in (1, 2)]
    gene = page.evaluate(GENE, asked.gene)
    _go(page, address + asked.lists, "#gene-list")
    page.evaluate(LIST, asked.names)
    parts = asked.names.split()
    ranked = [page.evaluate(LIST, " ".join(parts[i:])) for i in range(1, repeats + 1)]
    page.close()
    times = [median(found) for found in (paints, layer, colour, typed, search, [gene], ranked)]
    return Answers(dots, *times)


def _go(page: Any, address: str, selector: str) -> None:
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector(selector)
    page.wait_for_load_state("networkidle")
