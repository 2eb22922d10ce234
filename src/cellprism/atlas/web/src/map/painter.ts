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

/** To start a worker takes longer than to draw a map. */
let spare: Worker | null = null;

function started(): Worker {
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(address);
  URL.revokeObjectURL(address);
  return worker;
}

export class Painter {
  private worker: Worker | null = null;
  private scene: Scene | null = null;
  private sent: Scene | null = null;
  private busy: Shot | null = null;
  private waiting: Shot | null = null;

  constructor(private readonly done: (picture: Picture, shot: Shot) => void) {
    try {
      this.worker = spare ?? started();
      spare = null;
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

  /** Ends the painter; a worker with nothing to do is kept for the next one. */
  close(): void {
    if (this.worker && !this.busy && !spare) {
      this.worker.onmessage = this.worker.onerror = null;
      spare = this.worker;
    } else this.worker?.terminate();
    this.worker = null;
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
