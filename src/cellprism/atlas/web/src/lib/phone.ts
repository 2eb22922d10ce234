// Whether the window is as narrow as a phone's, by the same width as in the style sheet.
import { useEffect, useState } from "preact/hooks";

const narrow = matchMedia("(max-width: 40rem)");

export function usePhone(): boolean {
  const [phone, setPhone] = useState(narrow.matches);
  useEffect(() => {
    const change = () => setPhone(narrow.matches);
    narrow.addEventListener("change", change);
    return () => narrow.removeEventListener("change", change);
  }, []);
  return phone;
}
