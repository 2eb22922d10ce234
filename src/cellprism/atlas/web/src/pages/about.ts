// Pages in one file, because they share most of what they are made of.
export { default as Data } from "./data";
export { default as Help } from "./help";
export { default as Methods } from "./methods";
