/** What is heard over what moves, on one axis of time, 1000 x 160 units. */

const SPACE = "http://www.w3.org/2000/svg";
const WIDE = 1000;
const MIDDLE = 56;
const LOW = 156;

/** Draw waveform, onsets, motion and its peaks, as far as `facts` have them, into `svg`. */
export function drawPlot(svg, facts) {
  const { waveform = [], motion_curve: curve = [], onsets = [], motion_peaks: peaks = [] } = facts;
  const length = facts.sound_seconds || 1;
  const loudest = Math.max(1e-6, ...waveform);
  const fastest = Math.max(1e-6, ...curve);
  const wave = (sign) => waveform.map((height, place) => `${across(place, waveform)},${MIDDLE - (sign * 52 * height) / loudest}`);
  const parts = [shape("polygon", "wave", { points: [...wave(1), ...wave(-1).reverse()].join(" ") })];
  if (curve.length > 1) {
    const points = curve.map((value, place) => `${across(place, curve)},${LOW - (40 * value) / fastest}`);
    parts.push(shape("polyline", "curve", { points: points.join(" ") }));
  }
  for (const second of onsets) parts.push(mark("onset", second / length, 0, 112));
  for (const second of peaks) parts.push(mark("peak", second / length, 112, 160));
  svg.replaceChildren(...parts);
  svg.setAttribute("aria-label", `Sound begins ${onsets.length} times, motion peaks ${peaks.length} times. ${syncLine(facts)}`);
}

/** Say how well the sound goes with the picture. */
export function syncLine({ sync }) {
  return sync == null ? "" : `In step ${Math.round(100 * sync)} %`;
}

function across(place, values) {
  return ((WIDE * place) / Math.max(1, values.length - 1)).toFixed(1);
}

function mark(name, share, top, bottom) {
  const x = (WIDE * share).toFixed(1);
  return shape("line", name, { x1: x, x2: x, y1: top, y2: bottom });
}

function shape(tag, name, attributes) {
  const node = document.createElementNS(SPACE, tag);
  node.setAttribute("class", name);
  node.setAttribute("vector-effect", "non-scaling-stroke");
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}
