// What elements are made of; the build imports it where they are written.
export { Fragment, h } from "preact";
