// Pictures of the atlas's own code against a painter that looks at every pixel of every dot; prints what differs.
import { build } from "esbuild";

globalThis.ImageData = class {
  constructor(width, height) {
    Object.assign(this, { width, height, data: new Uint8ClampedArray(4 * width * height) });
  }
};
const [entry] = process.argv.slice(2);
const { outputFiles } = await build({ entryPoints: [entry], bundle: true, write: false, format: "esm", target: "es2022" });
const { Brush } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);

let seed = 1;
const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
const whole = (n) => Math.floor(random() * n);
const colour = () => (0xff000000 | whole(0xffffff)) >>> 0;
const channels = (value) => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255];
const packed = ([r, g, b]) => (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
const mixed = (under, over, alpha) => packed(channels(under).map((c, i) => (c * (256 - alpha) + channels(over)[i] * alpha) >> 8));
const cover = (edge) => Math.round(255 * Math.min(1, Math.max(0, edge + 0.5)));

function slow(scene, shot) {
  const { width, height, radius, ring } = shot;
  const crowded = scene.order.length > 20000;
  const pixels = new Uint32Array(width * height).fill(scene.background);
  const owner = new Int32Array(width * height).fill(-1);
  const reach = Math.ceil(radius + ring);
  for (const row of scene.order) {
    const cx = Math.round(Math.fround(width / 2 + (scene.x[row] - shot.x) * shot.scale));
    const cy = Math.round(Math.fround(height / 2 - (scene.y[row] - shot.y) * shot.scale));
    for (let y = cy - reach; y <= cy + reach; y++) {
      for (let x = cx - reach; x <= cx + reach; x++) {
        const distance = Math.hypot(x - cx, y - cy);
        const disc = cover(radius - distance);
        if (x < 0 || y < 0 || x >= width || y >= height || distance > radius + ring + 0.5 || (crowded && disc < 128)) continue;
        const at = y * width + x;
        const halo = cover(radius + ring - distance);
        const under = halo === 255 ? scene.background : mixed(pixels[at], scene.background, halo);
        pixels[at] = crowded || disc === 255 ? scene.colour[row] : disc ? mixed(under, scene.colour[row], disc) : under;
        if (disc > 127) owner[at] = row;
      }
    }
  }
  return { pixels, owner };
}

function shuffled(n) {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = whole(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
const wrong = [];
for (const n of [1, 300, 20001]) {
  const at = () => Uint16Array.from({ length: n }, () => whole(65535));
  const place = { x: at(), y: at() };
  const shots = [
    { width: 90, height: 70, x: 32767, y: 32767, scale: 70 / 65535, radius: 1.6, ring: 1 },
    { width: 90, height: 70, x: 9000, y: 50000, scale: 400 / 65535, radius: 3.3, ring: 2 },
    { width: 64, height: 48, x: 32767, y: 32767, scale: 60 / 65535, radius: 1.1, ring: 0 },
  ];
  const brush = new Brush();
  // Every shot twice with other colours in another order, then a first one again: what is kept may not show.
  for (const shot of [shots[0], shots[0], shots[1], shots[1], shots[0], shots[2]]) {
    const scene = { ...place, colour: Uint32Array.from({ length: n }, colour), order: shuffled(n), background: colour() };
    for (const anew of [false, true]) {
      const { image, owner } = brush.paint(scene, { ...shot }, anew);
      const pixels = new Uint32Array(image.data.buffer);
      const wanted = slow(scene, shot);
      const count = pixels.reduce((sum, value, i) => sum + (value !== wanted.pixels[i] || owner[i] !== wanted.owner[i]), 0);
      if (count || pixels.length !== wanted.pixels.length) wrong.push(`${n} dots, ${shot.width} wide, scale ${shot.scale}: ${count} pixels`);
    }
  }
}
console.log(JSON.stringify(wrong));
