// Why a page has nothing to show, and the command that fills it.
import type { Summary } from "../data/types";
import { useRun } from "../lib/run";

/** A layer to try a command on. */
export const middle = ({ layers }: Summary): number => layers[Math.max(0, (layers.length >> 1) - 1)]?.layer ?? 0;

export function Lacking({ why, command }: { why: string; command: string }) {
  const imported = useRun().summary.model.kind === "published atlas";
  return (
    <div class="note" role="status">
      <p>{why}</p>
      {!imported && <><pre tabIndex={0}><code>{command}</code></pre><p>Export or serve the run again afterwards.</p></>}
    </div>
  );
}
