// What elements are made of; the build imports it where they are written.
export { Fragment, h } from "preact";
// What nearly every page needs, so that it lies in one file: each file more costs a hundred bytes of names in many others.
import "./components/icon";
import "./components/source";
import "./components/stacked-table";
import "./components/take";
import "./components/virtual-table";
import "./data/columns";
import "./data/store";
import "./lib/drawing";
import "./lib/format";
import "./lib/load";
import "./lib/names";
import "./lib/python";
import "./lib/route";
import "./lib/run";
import "./lib/save";
import "./lib/source";
import "./lib/theme";
import "./lib/ticks";
import "./lib/width";
