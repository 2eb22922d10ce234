// Pages in one file, because they share most of what they are made of.
export { default as Ablation } from "./ablation";
export { default as Circuits } from "./circuits";
export { default as Regulation } from "./regulation";
export { default as Steering } from "./steering";
