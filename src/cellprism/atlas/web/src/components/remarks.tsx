// What readers say of a feature: merged into the run by others, and one's own, kept in this browser.
import { useState } from "preact/hooks";
import type { Feature } from "../data/types";
import { paths } from "../lib/route";
import { author, keep, useRemarks } from "../lib/remarks";
import { useRun } from "../lib/run";
import { Icon } from "./icon";

export function Remarks({ feature, layer }: { feature: Feature; layer: number }) {
  const { id } = useRun();
  const own = useRemarks(id).find((other) => other.layer === layer && other.feature === feature.feature);
  const [said, setSaid] = useState("");
  const save = (form: HTMLFormElement) => {
    const text = (name: string) => (new FormData(form).get(name) as string).trim();
    const remark = { layer, feature: feature.feature, label: text("label"), note: text("note"), author: text("author"), written: new Date().toISOString() };
    const kept = keep(id, remark);
    setSaid(kept ? (remark.label || remark.note ? "Kept in this browser." : "Removed.") : "This browser keeps nothing for this page.");
  };
  return (
    <section class="panel" aria-labelledby="remarks">
      <div class="panel-head"><h2 id="remarks">Notes</h2><a class="take" href={`#${paths.data(id)}`}><Icon name="pen" /> All your notes</a></div>
      {feature.remarks?.map(([label, note, by, written]) => (
        <blockquote class="remark"><p>{label && <b>{label}</b>} {note}</p><footer class="small muted">{by || "no name"}, {written?.slice(0, 10)}</footer></blockquote>
      ))}
      <form class="remark-form" key={own?.written} onSubmit={(event) => { event.preventDefault(); save(event.currentTarget); }}>
        <label>Your label<input name="label" type="text" maxLength={200} defaultValue={own?.label ?? ""} placeholder="what you would call it" /></label>
        <label>Your name<input name="author" type="text" maxLength={200} defaultValue={own?.author ?? author()} placeholder="optional" autocomplete="name" /></label>
        <label class="wide-field">Your note<textarea name="note" rows={2} maxLength={10_000} defaultValue={own?.note ?? ""} placeholder="why, and what to check" /></label>
        <p class="chips"><button type="submit" class="button">Keep</button><span class="small muted" role="status">{said || "Kept in this browser only, until you save them as a file and merge it into the run."}</span></p>
      </form>
    </section>
  );
}

/** The reader's own label of a feature, beside its name. */
export function OwnLabel({ layer, feature }: { layer: number; feature: number }) {
  const { id } = useRun();
  const own = useRemarks(id).find((other) => other.layer === layer && other.feature === feature);
  return own?.label ? <span class="chip own-label"><Icon name="pen" /> {own.label}</span> : null;
}
