// Pages in one file, because they share most of what they are made of.
export { default as Cells } from "./cells";
export { default as Ontology } from "./ontology";
