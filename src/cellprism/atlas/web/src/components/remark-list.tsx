// All of a reader's notes on a run: to look through, to save as a file and to bring back.
import { useState } from "preact/hooks";
import { plural } from "../lib/format";
import { fileText, keep, take, useRemarks } from "../lib/remarks";
import { paths } from "../lib/route";
import { useRun } from "../lib/run";
import { fileName, save } from "../lib/save";
import { Icon } from "./icon";
import { Sideways } from "./sideways";

const SHOWN = 100;

export function RemarkList() {
  const { id, summary } = useRun();
  const remarks = useRemarks(id);
  const [said, setSaid] = useState("");
  const load = async (input: HTMLInputElement) => {
    const file = input.files?.[0];
    if (!file) return;
    const n = take(id, await file.text());
    setSaid(n === null ? `${file.name} does not hold notes of an atlas.` : `${plural(n, "note")} read from ${file.name}.`);
    input.value = "";
  };
  return (
    <div class="stack-tight" data-testid="remarks">
      <p>
        Labels and notes that you write on a feature's page stay in this browser. Save them as a file to keep or share them;
        {" "}<code>cellprism merge-notes RUN FILE</code> puts them into the run, and its atlas then shows them to everybody.
      </p>
      <p class="chips">
        {remarks.length > 0 && <button type="button" class="button" onClick={() => save(fileName([id, "notes"], "json"), "application/json", fileText(id, summary.title, remarks))}><Icon name="down" /> Save {plural(remarks.length, "note")} as JSON</button>}
        <label class="button">Bring notes from a file<input type="file" accept=".json,application/json" class="sr" onChange={(event) => void load(event.currentTarget)} /></label>
        <span role="status" class="muted">{said}</span>
      </p>
      {remarks.length === 0
        ? <p class="empty">You have no notes on this run yet.</p>
        : (
          <Sideways label="Your notes">
            <table>
              <thead><tr><th scope="col">Feature</th><th scope="col">Your label</th><th scope="col">Your note</th><th scope="col">Written</th><th scope="col"><span class="sr">Remove</span></th></tr></thead>
              <tbody>
                {remarks.slice(0, SHOWN).map((remark) => (
                  <tr key={`${remark.layer} ${remark.feature}`}>
                    <th scope="row"><a class="num" href={`#${paths.feature(id, remark.layer, remark.feature)}`}>{remark.layer}·{remark.feature}</a></th>
                    <td>{remark.label}</td><td class="prose">{remark.note}</td><td class="num left">{remark.written.slice(0, 10)}</td>
                    <td><button type="button" class="plain" aria-label={`Remove the note on feature ${remark.feature} of layer ${remark.layer}`} onClick={() => keep(id, { ...remark, label: "", note: "" })}>Remove</button></td>
                  </tr>
                ))}
              </tbody>
            </table>
            {remarks.length > SHOWN && <p class="muted">and {remarks.length - SHOWN} more; the file has them all.</p>}
          </Sideways>
        )}
    </div>
  );
}
