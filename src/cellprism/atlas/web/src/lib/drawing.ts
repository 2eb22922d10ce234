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

/** Small maps with what is written on them, where they stand on the page; those that are not drawn yet are left out. */
export function mapsFile(shown: Element, caption: string): string {
  const from = shown.getBoundingClientRect();
  const parts = [shown, ...shown.querySelectorAll(".mini-map")].map((map) => {
    const canvas = map.querySelector<HTMLCanvasElement>(":scope > canvas");
    if (!canvas) return "";
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const over = map.querySelector("svg");
    const name = map.parentElement!.querySelector(".mini-name > .strong");
    return `<g transform="translate(${left - from.left} ${top - from.top})"><image href="${canvas.toDataURL()}" width="${width}" height="${height}"/>` +
      `${over ? overlay(over) : ""}<text y="${height + LINE}" fill="${getComputedStyle(map).color}" font-family="sans-serif" font-size="12">${name?.textContent ?? ""}</text></g>`;
  });
  return framed(parts.join(""), from, caption);
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
