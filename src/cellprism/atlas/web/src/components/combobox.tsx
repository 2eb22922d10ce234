// A search box with suggestions (ARIA combobox with a list).
import { useId, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { Icon } from "./icon";

export interface Suggestion {
  key: string;
  show: ComponentChildren;
}

interface Props {
  label: string;
  placeholder: string;
  value: string;
  suggest: (text: string) => Suggestion[];
  onChoose: (key: string) => void;
  /** the text when Enter is pressed and nothing is highlighted */
  onSubmit: (text: string) => void;
  testid: string;
}

export function Combobox({ label, placeholder, value, suggest, onChoose, onSubmit, testid }: Props) {
  const id = useId();
  const [text, setText] = useState(value);
  const [seen, setSeen] = useState(value);
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  if (seen !== value) {
    setSeen(value);
    setText(value);
  }
  const list = open && text.trim() ? suggest(text.trim()) : [];
  const close = () => {
    setOpen(false);
    setActive(-1);
  };
  const choose = (key: string) => {
    setText(key);
    close();
    onChoose(key);
  };
  const keyboard = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      setOpen(true);
      if (list.length) setActive((active + step + list.length + (active < 0 && step < 0 ? 1 : 0)) % list.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      const picked = list[active];
      if (picked) return choose(picked.key);
      close();
      onSubmit(text.trim());
    } else if (event.key === "Escape") {
      if (open) close();
      else setText("");
    }
  };
  return (
    <div class="combobox">
      <label for={`${id}-input`}>{label}</label>
      <div class="field">
        <Icon name="search" />
        <input
          id={`${id}-input`} data-testid={testid} type="text" role="combobox" autocomplete="off" spellcheck={false}
          placeholder={placeholder} value={text}
          aria-expanded={list.length > 0} aria-controls={`${id}-list`} aria-autocomplete="list"
          {...(active >= 0 ? { "aria-activedescendant": `${id}-${active}` } : {})}
          onInput={(event) => {
            setText(event.currentTarget.value);
            setActive(-1);
            setOpen(true);
          }}
          onKeyDown={keyboard} onBlur={close}
        />
      </div>
      <ul id={`${id}-list`} role="listbox" aria-label="Suggestions" hidden={!list.length}>
        {list.map((item, i) => (
          <li
            id={`${id}-${i}`} key={item.key} role="option" aria-selected={i === active}
            onPointerDown={(event) => event.preventDefault()} onClick={() => choose(item.key)}
          >
            {item.show}
          </li>
        ))}
      </ul>
    </div>
  );
}
