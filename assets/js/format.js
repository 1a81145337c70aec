/** Numbers and states as words for a creator. */

/** Return a duration as "2.1 s", "14 s" or "1:08". */
export function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, "0")}`;
}

/** Return how long ago an epoch time in seconds was, in words. */
export function ago(epochSeconds) {
  const minutes = Math.floor((Date.now() / 1000 - epochSeconds) / 60);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ago`;
  return new Date(epochSeconds * 1000).toLocaleDateString();
}

/** Return a number of bytes as "512 KB", "3.4 MB" or "1.2 GB". */
export function bytes(number) {
  if (number < 1e6) return `${Math.ceil(number / 1e3)} KB`;
  return number < 1e9 ? `${(number / 1e6).toFixed(1)} MB` : `${(number / 1e9).toFixed(1)} GB`;
}

/** Return the name of a torch device as people call it. */
export function deviceName(device) {
  if (device.startsWith("cpu")) return "CPU";
  return /^(cuda|mps)/.test(device) ? "GPU" : device;
}

const PHASES = {
  loading: "Loading the model",
  text: "Reading the prompt",
  preparing: "Enlarging the draft",
  sampling: "Making",
  decoding: "Developing the frames",
  exporting: "Saving the clip",
};

const SOUND_PHASES = {
  preparing: "Watching the clip",
  decoding: "Developing the sound",
  exporting: "Saving the sound",
};

/** Return what is happening to `job`, such as "Making 18/30". */
export function phaseName(job) {
  if (job.status === "queued") return "Waiting for its turn";
  if (!job.progress) return "Starting";
  const { phase, step, num_steps: numSteps } = job.progress;
  const name = (job.kind === "sound" && SOUND_PHASES[phase]) || PHASES[phase] || phase;
  return phase === "sampling" ? `${name} ${step}/${numSteps}` : name;
}

/** Return how much of `progress` is done, 0 to 1. */
export function fraction(progress) {
  if (!progress) return 0;
  const { elapsed_seconds: elapsed, remaining_seconds: remaining, step, num_steps: numSteps } = progress;
  if (remaining !== null && elapsed + remaining > 0) return elapsed / (elapsed + remaining);
  return numSteps ? (0.95 * step) / numSteps : 0;
}

const NAMELESS = { detail: "A clip of yours", sound: "From the picture" };

/** Return the prompt of a take, or what it is called where it was made without words. */
export function wordsOf({ kind, request }) {
  return request.prompt || NAMELESS[kind];
}
