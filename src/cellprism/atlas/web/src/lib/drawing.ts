// Charts as files: an SVG that looks the same anywhere, with its caption in it.
import type { Size } from "../map/view";

const STYLES = [
  "fill", "fill-opacity", "stroke", "stroke-opacity", "stroke-width", "stroke-dasharray", "stroke-linejoin", "stroke-linecap", "paint-order", "opacity",
  "font-family", "font-size", "font-weight", "font-style", "font-variant-numeric", "text-anchor",
];
const LINE = 15;
const PAD = 16;

const escape = (text: string) => text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]!);

function wrapped(text: string, most: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    if (lines.at(-1) && lines.at(-1)!.length + word.length + 1 > most) lines.push("");
    lines.push(`${lines.pop()} ${word}`.trim());
  }
  return lines;
}

/** A copy of a chart on the page that needs no style sheet; links become plain groups. */
function plain(element: Element): string {
  const style = getComputedStyle(element);
  const name = element.tagName === "a" ? "g" : element.tagName;
  const kept = [...element.attributes].filter(({ name }) => !/^(class|style|href|role|tabindex|width|height)$|^aria-|^data-/.test(name) || (/^(width|height)$/.test(name) && element.tagName === "rect"));
  const attributes = kept.map(({ name, value }) => ` ${name}="${escape(value)}"`).join("");
  if (name === "title") return `<title>${escape(element.textContent ?? "")}</title>`;
  const inner = [...element.childNodes].map((node) => (node instanceof Element ? plain(node) : escape(node.textContent ?? ""))).join("");
  if (name === "g" || name === "svg") return `<g${attributes}>${inner}</g>`;
  const css = STYLES.map((property) => `${property}:${style.getPropertyValue(property)}`).join(";");
  return `<${name}${attributes} style="${escape(css)}">${inner}</${name}>`;
}

/** The parts of a picture over its caption, as a file. */
export function framed(parts: string, { width, height }: Size, caption: string): string {
  const { backgroundColor, color } = getComputedStyle(document.querySelector(".panel") ?? document.body);
  const lines = wrapped(caption, Math.max(30, Math.floor(width / 5.8)));
  const [w, h] = [width + 2 * PAD, height + 2 * PAD + 8 + lines.length * LINE];
  const text = lines.map((line, i) => `<tspan x="${PAD}" y="${PAD + height + 20 + i * LINE}">${escape(line)}</tspan>`).join("");
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}">` +
    `<desc>${escape(caption)}</desc><rect width="${w}" height="${h}" fill="${backgroundColor}"/>` +
    `<g transform="translate(${PAD} ${PAD})">${parts}</g>` +
    `<text fill="${color}" font-family="sans-serif" font-size="11">${text}</text></svg>\n`;
}

export function chartFile(chart: SVGSVGElement, caption: string): string {
  const { width, height } = chart.getBoundingClientRect();
  return framed([...chart.children].map(plain).join(""), { width, height }, caption);
}

const words = (text: string, x: number, y: number, colour: string) =>
  `<text x="${x}" y="${y}" fill="${colour}" font-family="sans-serif" font-size="12">${escape(text)}</text>`;

/** Small maps with what is written on them and the colours named under them, where they stand on the page. */
export function mapsFile(shown: Element, caption: string): string {
  const from = shown.getBoundingClientRect();
  const ink = getComputedStyle(shown).color;
  const maps = [shown, ...shown.querySelectorAll(".mini-map")].filter((map) => map.matches(".mini-map"));
  const drawn = maps.flatMap((map) => [...map.querySelectorAll("canvas")]);
  const parts = drawn.map((canvas) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const over = canvas.parentElement!.querySelector("svg");
    const name = canvas.closest(".mini")?.querySelector(".mini-name > .strong");
    return `<g transform="translate(${left - from.left} ${top - from.top})"><image href="${canvas.toDataURL()}" width="${width}" height="${height}"/>` +
      `${over ? overlay(over) : ""}${name ? words(name.textContent!, 0, height + LINE, ink) : ""}</g>`;
  });
  const chips = [...shown.parentElement!.querySelectorAll(".legend .chip")].map((chip) => {
    const { left, top, height, bottom } = chip.getBoundingClientRect();
    const [x, y] = [left - from.left + 6, top - from.top + height / 2];
    const { backgroundColor } = getComputedStyle(chip.querySelector(".swatch")!);
    return { bottom, drawn: `<circle cx="${x}" cy="${y}" r="5" fill="${backgroundColor}"/>${words(chip.querySelector(".name")!.textContent!, x + 10, y + 4, ink)}` };
  });
  const height = Math.max(from.bottom, ...chips.map(({ bottom }) => bottom)) - from.top;
  const lacking = drawn.length < maps.length ? ` Only the ${drawn.length} of ${maps.length} maps that were scrolled to.` : "";
  return framed([...parts, ...chips.map(({ drawn }) => drawn)].join(""), { width: from.width, height }, caption + lacking);
}

/** The pixels of an SVG file, twice as many as its size says. */
export async function rasterised(svg: string): Promise<Blob> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width * 2, image.height * 2];
  canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the picture could not be drawn"))), "image/png"));
}

/** What is laid over a picture, such as names, ready for `framed`. */
export const overlay = (svg: SVGSVGElement) => [...svg.children].map(plain).join("");
