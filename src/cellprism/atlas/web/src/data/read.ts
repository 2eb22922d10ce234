// One file of the atlas: fetched relative to the page, decompressed if it is still compressed.

/** A failure that a reader of the page can understand: its message is shown as it is. */
export class DataError extends Error {}

async function gunzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export async function readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  let response: Response;
  try {
    response = await fetch(new URL(path, document.baseURI));
  } catch {
    throw new DataError(`${path} could not be fetched: the server does not answer.`);
  }
  if (response.status === 404) throw new DataError(`${path} is missing from this atlas.`);
  if (!response.ok) throw new DataError(`${path} could not be fetched: the server answered ${response.status}.`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  // Some hosts decompress on the way, so the content decides and not the name.
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return await gunzip(bytes);
  } catch {
    throw new DataError(`${path} is damaged: it could not be decompressed.`);
  }
}

export async function readJson<T>(path: string): Promise<T> {
  const bytes = await readBytes(path);
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as T;
  } catch {
    throw new DataError(`${path} is damaged: it is not JSON.`);
  }
}
