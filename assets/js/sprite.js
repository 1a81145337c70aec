/** A preview that plays: all frames of a clip in one JPEG, shown one after the other on a canvas. */

const stillness = matchMedia("(prefers-reduced-motion: reduce)");

export class SpritePlayer {
  #canvas;
  #motionCanvas;
  #preview = null;
  #sheet = null;
  #wanted = "";
  #turn = 0;

  /** `motionCanvas` shows the predicted motion, where a preview has it. */
  constructor(canvas, motionCanvas) {
    this.#canvas = canvas;
    this.#motionCanvas = motionCanvas;
  }

  /** Play `preview` from the frame the last one had reached, as soon as its sheet has arrived. */
  async show(preview) {
    if (preview.url === this.#wanted) return;
    this.#wanted = preview.url;
    const sheet = await fetchSheet(preview.url);
    if (!sheet || this.#wanted !== preview.url) return;
    this.#sheet?.close();
    this.#sheet = sheet;
    this.#preview = preview;
    for (const canvas of [this.#canvas, this.#motionCanvas]) {
      canvas.width = preview.width;
      canvas.height = preview.height;
    }
    cancelAnimationFrame(this.#turn);
    this.#draw();
  }

  /** Stop and clear the canvas. */
  clear() {
    this.#wanted = "";
    this.pause();
    for (const canvas of [this.#canvas, this.#motionCanvas]) {
      canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
    }
  }

  /** Keep the frame that is shown. */
  pause() {
    cancelAnimationFrame(this.#turn);
    this.#turn = 0;
  }

  #draw() {
    const { columns, num_frames: numFrames, frame_rate: frameRate, width, height } = this.#preview;
    const cell = this.#preview.has_motion ? 2 * width : width;
    const elapsedFrames = Math.floor((performance.now() / 1000) * frameRate);
    const frame = stillness.matches ? numFrames >> 1 : elapsedFrames % numFrames;
    const x = (frame % columns) * cell;
    const y = Math.floor(frame / columns) * height;
    const draw = (canvas, left) =>
      canvas.getContext("2d").drawImage(this.#sheet, left, y, width, height, 0, 0, width, height);
    draw(this.#canvas, x);
    if (this.#preview.has_motion) draw(this.#motionCanvas, x + width);
    if (!stillness.matches) this.#turn = requestAnimationFrame(() => this.#draw());
  }
}

/** Return the picture at `url`, or null when the clip has moved on and it is gone. */
async function fetchSheet(url) {
  try {
    const response = await fetch(url);
    return response.status === 200 ? await createImageBitmap(await response.blob()) : null;
  } catch {
    return null;
  }
}
