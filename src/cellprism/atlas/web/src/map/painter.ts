// Pictures of a scene, drawn in a worker; a shot that comes while one is under way replaces the one that waits. New
// colours are drawn by the page itself: the way to a worker and back takes longer than the dots do, unless they are many.
import source from "worker:./painter-worker.ts";
import { Brush, type Scene, type Shot } from "./scene";
import { CROWD, isCrowd, type Picture } from "./splat";

interface Drawn {
  pixels: ArrayBuffer;
  owner: Int32Array;
  width: number;
  height: number;
}

/** Dots that the page draws by itself, at most. */
const FEW = 100_000;

/** Rehearsals of a recolouring, and the dots of each where they are not a crowd: short enough to hold up nothing. */
const REHEARSALS = 6;
const REHEARSED = 800;
/** Not in every browser. */
const idle: (then: () => void) => unknown = window.requestIdleCallback ?? setTimeout;

/** To start a worker takes longer than to draw a map. */
let spare: Worker | null = null;
export const isWarm = () => spare !== null;

function started(): Worker {
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(address);
  URL.revokeObjectURL(address);
  return worker;
}

export class Painter {
  private readonly brush = new Brush();
  private worker: Worker | null = null;
  private scene: Scene | null = null;
  private sent: Scene | null = null;
  private busy: Shot | null = null;
  private waiting: Shot | null = null;
  /** whether the picture under way has been overtaken */
  private stale = false;
  private rehearsals = 0;

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
    const recoloured = this.scene !== null && this.scene !== scene;
    this.scene = scene;
    if (recoloured && scene.order.length <= FEW) {
      this.waiting = null;
      this.stale = this.busy !== null;
      this.rehearsals = REHEARSALS;
      this.done(this.brush.paint(scene, shot, false), shot);
      return;
    }
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
    if (!this.worker) return this.done(this.brush.paint(scene, shot, false), shot);
    this.busy = shot;
    this.worker.postMessage(this.sent === scene ? { shot } : { scene, shot });
    this.sent = scene;
  }

  private receive({ pixels, owner, width, height }: Drawn): void {
    const shot = this.busy!;
    this.busy = null;
    if (!this.stale) this.done({ image: new ImageData(new Uint8ClampedArray(pixels), width, height), owner }, shot);
    this.stale = false;
    this.next();
    if (!this.rehearsals) idle(() => this.rehearse(shot));
  }

  /** Draws some dots that nobody sees: a browser makes code fast that it has run, and where the dots lie is kept. */
  private rehearse(shot: Shot): void {
    const { scene } = this;
    if (!scene || !this.worker || this.rehearsals === REHEARSALS || scene.order.length > FEW) return;
    const some = isCrowd(scene.order) ? CROWD + 1 : REHEARSED;
    const order = scene.order.subarray(0, some);
    this.rehearsals++;
    this.brush.paint({ ...scene, order }, shot, false);
    idle(() => this.rehearse(shot));
  }

  private alone(): void {
    this.worker = null;
    this.waiting ??= this.busy;
    this.busy = null;
    this.next();
  }
}
