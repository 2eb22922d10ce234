// On a feature's page: what it changes and what changes it, in the run's traces.
import { isExact, loadEdges, loadGraphs, noCircuits } from "../lib/circuits";
import { Load, useLoad } from "../lib/load";
import { useNear } from "../lib/near";
import { paths } from "../lib/route";
import { useRun, type Words } from "../lib/run";
import { FewEdges } from "./edge-list";

export function Causes({ layer, feature, words }: { layer: number; feature: number; words: Words }) {
  const { id, summary } = useRun();
  const [target, near] = useNear<HTMLElement>();
  const found = useLoad(`causes ${id} ${layer} ${feature} ${near}`, async () => {
    if (!near) return null;
    const graph = (await loadGraphs(id))[0];
    if (!graph) return { graph: null, out: [], into: [] };
    const [out, into] = await Promise.all([loadEdges(id, 0, graph, "out", layer, feature), loadEdges(id, 0, graph, "in", layer, feature)]);
    return { graph, out, into };
  });
  return (
    <section class="panel" aria-labelledby="causes" ref={target}>
      <div class="panel-head">
        <h2 id="causes">What it causes</h2>
        {found.value?.graph && !isExact(found.value.graph) && <p class="flag">estimates by {found.value.graph.method}: nothing was edited</p>}
        {found.value?.graph && <a class="button" href={`#${paths.circuits(id, { feature: `${layer}.${feature}` })}`}>Open its circuits</a>}
      </div>
      <Load of={found}>
        {(data) => {
          if (!data) return null;
          const { graph, out, into } = data;
          if (!graph) return <p class="empty">{noCircuits(summary)}</p>;
          const sources = graph.sides.out.includes(layer);
          return (
            <div class="halves">
              {sources
                ? <FewEdges title="It changes" edges={out} way="out" layer={layer} traces={graph.traces} words={words} />
                : <div><h3>It changes</h3><p class="empty">The features of layer {layer} were not edited in any trace of this run.</p></div>}
              <FewEdges title="Changed by" edges={into} way="in" layer={layer} traces={graph.traces} words={words} />
            </div>
          );
        }}
      </Load>
    </section>
  );
}
