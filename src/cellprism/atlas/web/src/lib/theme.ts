// Light or dark: what the system says until the reader says otherwise.
import { useEffect, useState } from "preact/hooks";

export type Theme = "light" | "dark";
const KEY = "cellprism-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

function stored(): Theme | null {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : null;
  } catch {
    return null; // storage may be forbidden
  }
}

let chosen = stored();
const current = (): Theme => chosen ?? (system.matches ? "dark" : "light");

export function applyTheme(): void {
  document.documentElement.dataset["theme"] = current();
  dispatchEvent(new Event("themechange"));
}

export function toggleTheme(): void {
  chosen = current() === "dark" ? "light" : "dark";
  try {
    localStorage.setItem(KEY, chosen);
  } catch {
    // the choice then lasts as long as the page
  }
  applyTheme();
}

system.addEventListener("change", applyTheme);

export function useTheme(): Theme {
  const [theme, setTheme] = useState(current);
  useEffect(() => {
    const update = () => setTheme(current());
    addEventListener("themechange", update);
    return () => removeEventListener("themechange", update);
  }, []);
  return theme;
}

/** The ground of the maps, as in the style sheet: pixels cannot read its variables. */
export const mapBackground = (theme: Theme) => (theme === "dark" ? "#141821" : "#ffffff");
