// What the reader has chosen. Day, layer, basin and language stand in the address, so that a link
// shows the same again; language and theme are remembered too.

const SHARED = ["day", "layer", "basin", "lang"];
const listeners = [];
export const state = { day: null, layer: "twsa", basin: null, lang: null, stations: false };

export function onChange(listener) {
  listeners.push(listener);
}

/** Take up changes; listeners get the set of names that really changed. */
export function update(changes) {
  const changed = new Set();
  for (const [name, value] of Object.entries(changes)) {
    if (state[name] !== value) {
      state[name] = value;
      changed.add(name);
    }
  }
  if (changed.size) {
    writeHash();
    for (const listener of listeners) listener(changed);
  }
}

export function readHash() {
  const words = new URLSearchParams(location.hash.slice(1));
  const found = {};
  for (const name of SHARED) if (words.has(name)) found[name] = words.get(name);
  return found;
}

/** Put the choices into the address, also after a link within the page has taken their place. */
export function writeHash() {
  const words = new URLSearchParams();
  for (const name of SHARED) if (state[name] !== null) words.set(name, state[name]);
  history.replaceState(null, "", `#${words}`);
}

export function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch { /* storage is forbidden: it holds until the page is closed */ }
}

export function recall(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}
