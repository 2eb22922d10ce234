// Draws maps beside the page. Bundled as text into the page's code, so that no further file is fetched.
import { Brush, type Scene, type Shot } from "./scene";

const brush = new Brush();
let scene: Scene | null = null;

self.onmessage = ({ data }: MessageEvent<{ scene?: Scene; shot: Shot }>) => {
  scene = data.scene ?? scene;
  if (!scene) return;
  const { image, owner } = brush.paint(scene, data.shot, true);
  postMessage({ pixels: image.data.buffer, owner, width: image.width, height: image.height }, { transfer: [image.data.buffer, owner.buffer] });
};
