// build.mjs bundles the file after the colon and gives its code as text.
declare module "worker:*" {
  const source: string;
  export default source;
}
