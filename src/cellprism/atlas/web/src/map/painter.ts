// Pictures of a scene, drawn in a worker; a shot that comes while one is under way replaces the one that waits.
import source from "worker:./painter-worker.ts";
import { paint, type Scene, type Shot } from "./scene";
import type { Picture } from "./splat";

interface Drawn {
  pixels: ArrayBuffer;
  owner: Int32Array;
  width: number;
  height: number;
}

export class Painter {
  private worker: Worker | null = null;
  private scene: Scene | null = null;
  private sent: Scene | null = null;
  private busy: Shot | null = null;
  private waiting: Shot | null = null;

  constructor(private readonly done: (picture: Picture, shot: Shot) => void) {
    try {
      const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      this.worker = new Worker(address);
      URL.revokeObjectURL(address);
      this.worker.onmessage = ({ data }: MessageEvent<Drawn>) => this.receive(data);
      // A browser may forbid workers only when this one starts: then the page draws by itself.
      this.worker.onerror = () => this.alone();
    } catch {
      this.worker = null;
    }
  }

  draw(scene: Scene, shot: Shot): void {
    this.scene = scene;
    this.waiting = shot;
    if (!this.busy) this.next();
  }

  close(): void {
    this.worker?.terminate();
    this.waiting = null;
  }

  private next(): void {
    const { scene, waiting: shot } = this;
    if (!scene || !shot) return;
    this.waiting = null;
    if (!this.worker) return this.done(paint(scene, shot), shot);
    this.busy = shot;
    this.worker.postMessage(this.sent === scene ? { shot } : { scene, shot });
    this.sent = scene;
  }

  private receive({ pixels, owner, width, height }: Drawn): void {
    const shot = this.busy!;
    this.busy = null;
    this.done({ image: new ImageData(new Uint8ClampedArray(pixels), width, height), owner }, shot);
    this.next();
  }

  private alone(): void {
    this.worker = null;
    this.waiting ??= this.busy;
    this.busy = null;
    this.next();
  }
}
