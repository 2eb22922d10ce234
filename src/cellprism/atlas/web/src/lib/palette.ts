// Colours of data. Categories: Okabe and Ito (2008), told apart by colour-blind readers, and after those eight two of
// Tol's sets. Numbers: viridis.
import type { Theme } from "./theme";

const okabeIto = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442"];

/** Seven hues, the ink of the theme for black, and two more. */
export const categories = (theme: Theme) => [...okabeIto, ...(theme === "dark" ? ["#f2f4f8", "#aa3377", "#999933"] : ["#14171f", "#882255", "#999933"])];
export const otherColour = (theme: Theme) => (theme === "dark" ? "#7d8598" : "#8d94a3");
export const noneColour = (theme: Theme) => (theme === "dark" ? "#4a5163" : "#c3c8d2");

const viridis = [
  [68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142], [31, 158, 137], [53, 183, 121],
  [110, 206, 88], [181, 222, 43], [253, 231, 37],
] as const;

/** Colour of `t` in 0..1; the ends are cut where they would vanish in the background. */
export function sequential(t: number, theme: Theme): string {
  const [from, to] = theme === "dark" ? [0.2, 1] : [0, 0.92];
  const place = (from + (to - from) * Math.min(1, Math.max(0, t))) * (viridis.length - 1);
  const i = Math.min(viridis.length - 2, Math.floor(place));
  const a = viridis[i]!;
  const b = viridis[i + 1]!;
  const mix = [0, 1, 2].map((c) => Math.round(a[c]! + (b[c]! - a[c]!) * (place - i)));
  return `#${mix.map((c) => c.toString(16).padStart(2, "0")).join("")}`;
}

/** Blue to vermilion over the ground, for numbers with a sign: `t` in -1..1, nothing in the middle. */
export function diverging(t: number, theme: Theme): string {
  const none = theme === "dark" ? [38, 44, 57] : [238, 240, 244];
  const end = t < 0 ? (theme === "dark" ? [88, 176, 232] : [0, 94, 150]) : theme === "dark" ? [245, 140, 66] : [190, 80, 0];
  const mix = none.map((c, i) => Math.round(c + (end[i]! - c) * Math.min(1, Math.abs(t))));
  return `#${mix.map((c) => c.toString(16).padStart(2, "0")).join("")}`;
}

/** The 32 bits of `pixel` as `#rrggbb`. */
export const hex = (value: number) => `#${[0, 8, 16].map((shift) => ((value >>> shift) & 255).toString(16).padStart(2, "0")).join("")}`;

/** `#rrggbb` as the 32 bits that ImageData holds (little-endian ABGR). */
export function pixel(hex: string): number {
  const rgb = parseInt(hex.slice(1), 16);
  return ((255 << 24) | ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
}
