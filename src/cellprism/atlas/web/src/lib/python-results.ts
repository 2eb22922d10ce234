// The tables of steering and of perturbations in a notebook.
import type { Summary } from "../data/types";
import { opening, quoted } from "./python";

export function steeringCode(summary: Summary, layer: number, readout: string, alpha: number): string {
  const chosen = `.query("readout == '${readout}' and alpha == ${alpha}")`;
  return [
    ...opening(summary),
    `readouts = run.steering_readouts(${layer})`,
    `steered = run.steering(${layer})${chosen}`,
    "effects = steered.query(\"direction == 'atom' and arm != 'matched'\")",
    "controls = steered.query(\"direction == 'random' or arm == 'matched'\")",
    `arms = run.steering_arms(${layer})${chosen}`,
    `genes = run.steering_genes(${layer}).sort_values(["feature", "rank"])`,
    "",
  ].join("\n");
}

export function regulationCode(summary: Summary, layer: number, target: string): string {
  return [
    ...opening(summary),
    `perturbations = run.perturbations(${layer}).sort_values(["responding", "target"], ascending=[False, True])`,
    `target = ${quoted(target)}`,
    `responses = run.responses(${layer}).query("target == @target").sort_values(["p", "feature"])`,
    `factors = run.tf_targets(${layer}).sort_values(["p", "target", "source"])`,
    "",
  ].join("\n");
}
