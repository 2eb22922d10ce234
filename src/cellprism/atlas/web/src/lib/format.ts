// Numbers as people read them. A missing number is an em dash, never a zero.
export const MISSING = "—";

type Maybe = number | null | undefined;
const absent = (x: Maybe): x is null | undefined => x === null || x === undefined || Number.isNaN(x);
const superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** A minus as wide as a plus and a digit, unlike a hyphen; none before a zero. */
export const minus = (digits: string) => digits.replace(/^-(?=0\.?0*$)/, "").replace("-", "−");

function power(exponent: number): string {
  const digits = [...String(Math.abs(exponent))].map((d) => superscripts[Number(d)]).join("");
  return `10${exponent < 0 ? "⁻" : ""}${digits}`;
}

const grouped = new Intl.NumberFormat("en-GB");
export const count = (x: Maybe) => (absent(x) ? MISSING : grouped.format(Math.round(x)));

export const percent = (x: Maybe, digits = 1) => (absent(x) ? MISSING : `${minus((100 * x).toFixed(digits))}\u00a0%`);

/** A share in as few digits as a chart needs. */
export const roundPercent = (x: number) => percent(x, x >= 0.1 ? 0 : 1);

/** A share that may be tiny: enough digits to tell it from zero. */
export function share(x: Maybe): string {
  if (absent(x) || x === 0 || x >= 0.01) return percent(x);
  return `${(100 * x).toPrecision(2)}\u00a0%`;
}

/** Three significant digits, with a power of ten where the number is very small or large. */
export function number(x: Maybe): string {
  if (absent(x)) return MISSING;
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 1e6 || size < 1e-3) return scientific(x);
  if (size >= 1000) return count(x);
  return minus(x.toPrecision(3));
}

function scientific(x: number): string {
  const [mantissa, exponent] = x.toExponential(1).split("e");
  return `${minus(mantissa!)} × ${power(Number(exponent))}`;
}

/** A p or q value: never 0, never rounded to it. */
export function probability(x: Maybe): string {
  if (absent(x)) return MISSING;
  if (x >= 0.001) return x.toPrecision(2);
  return scientific(x);
}

export const fixed = (x: Maybe, digits = 2) => (absent(x) ? MISSING : minus(x.toFixed(digits)));

/** Three digits, so that 0.997 is not shown as 1. */
export const auroc = (x: Maybe) => fixed(x, 3);

/** The mark of an axis in as few digits as tell it from the next one, `step` further. */
export function tick(mark: number, step: number): string {
  if (Math.abs(mark) < step / 1e3) return "0";
  const digits = Math.max(0, 1 - Math.floor(Math.log10(step)));
  return minus(mark.toFixed(Math.min(8, digits)).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, ""));
}

/** Numbers that stand below each other: all with the decimals that the largest of them needs for three digits. */
export function aligned(values: Maybe[]): (x: Maybe) => string {
  const top = Math.max(...values.map((x) => Math.abs(x ?? 0)), 1e-12);
  const digits = Math.min(8, Math.max(0, 2 - Math.floor(Math.log10(top))));
  return (x) => signed(fixed(x, digits), x);
}

/** With its sign, so that the direction of a change cannot be missed. */
export const signed = (text: string, x: Maybe) => (!absent(x) && x > 0 ? `+${text}` : text);

export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(seconds % 60)} s` : `${(minutes / 60).toFixed(1)} h`;
}

/** Bytes as people say them. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1000).toPrecision(3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

export const plural = (n: number, one: string, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** `explained_variance` as a title. */
export function title(name: string): string {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** A term without its identifier in brackets. */
export const shortTerm = (term: string) => term.replace(/\s*\((?:GO:|hsa|R-HSA)[^)]*\)$/, "").replace(/ R-HSA-\d+$/, "").replaceAll("_", " ");

/** A term as it is written on a map: also without the kind of gene set that it begins with. */
export const mapTerm = (term: string) => shortTerm(term).replace(/^[A-Z][\w ]{1,14}: /, "");

export const clip = (text: string, length: number) => (text.length <= length ? text : `${text.slice(0, length - 1).trimEnd()}…`);
