// Draws maps beside the page. Bundled as text into the page's code, so that no further file is fetched.
import { paint, type Scene, type Shot } from "./scene";

let scene: Scene | null = null;

self.onmessage = ({ data }: MessageEvent<{ scene?: Scene; shot: Shot }>) => {
  scene = data.scene ?? scene;
  if (!scene) return;
  const { image, owner } = paint(scene, data.shot);
  postMessage({ pixels: image.data.buffer, owner, width: image.width, height: image.height }, { transfer: [image.data.buffer, owner.buffer] });
};
