// The words and statistics of the atlas.
const words: [word: string, meaning: string][] = [
  ["Position", "One gene in one cell, as the model reads it. Positions of one cell are not independent, so tests between cells use one number per cell."],
  ["Feature, atom", "One entry of a layer's sparse dictionary; its atom is its direction in the model's residual. A feature fires where its value is above 0."],
  ["Layer", "The output of a block of the model, counted from 0."],
  ["Lower bound", "One-sided 95 % lower confidence bound of a gene's mean activation over all positions of that gene, fired or not. It ranks the top genes, so that a gene seen twice cannot lead."],
  ["Label", "The gene set with the smallest q among those that the feature's top genes over-represent."],
  ["q", "Benjamini-Hochberg false discovery rate over every test that could have been made in the layer, not only over those that looked good."],
  ["Effect", "Of an annotation: log2 of the observed over the expected overlap of top genes and gene set; 0 is chance."],
  ["AUROC", "Chance that a cell of the group has a higher mean activation than a cell outside it; 0.5 is chance, 1 is perfect."],
  ["Module", "A community of features that fire at the same positions more often than independence allows."],
  ["Pointwise mutual information", "log2 of how often two features fire at the same position over what their frequencies predict; 0 is independence."],
  ["Stability", "Of a module: overlap (Jaccard) with the most similar module found with other seeds, on average; 1 is the same every time."],
  ["Trustworthiness", "Share of a feature's neighbours on the map that are also its neighbours among the atoms, from 0 to 1. What is far apart on the map may still be related."],
  ["Explained variance", "Share of the variance of the residual, about its mean, that the dictionary rebuilds."],
  ["Reliability", "Of a feature: the lower bound of the mean activation of its typical top gene, as a share of the feature's largest activation."],
  ["Static", "The gene alone explains at least 80 % of the activation: the feature is a cluster of genes, whatever cell they are in."],
  ["Frequency-confounded", "The feature fires at more than one position in ten, so that others fire with it often by chance alone."],
  ["log2 ratio", "Of a cell group: log2 of the mean activation within it over that in the other cells; 0 is no difference, 1 is twice as much."],
  ["Highway", "Two features of neighbouring layers that fire at the same positions far more often than chance: more than 3 in log2, at q < 0.05."],
  ["Null", "The same number computed where there is nothing to find, keeping what could mislead and breaking what is claimed."],
  ["Dead, rare", "A dead feature fires nowhere in these cells; a rare one so seldom that its numbers are unsure."],
];

export function Definitions() {
  return <dl class="definitions">{words.map(([word, meaning]) => <div><dt>{word}</dt><dd>{meaning}</dd></div>)}</dl>;
}
