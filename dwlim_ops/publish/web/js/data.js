// What the page reads, and how the numbers of a grid are unpacked.

const MISSING = -32768;
const grids = new Map();

export const VARIABLES = {
  twsa: "twsa", anomaly: "twsa_standardized_anomaly", percentile: "twsa_percentile",
  sigma: "twsa_sigma", resolution: "resolution_km" };

/** Address of a file of the published tree; signs that an address cannot hold are encoded. */
export const address = (path) => path.split("/").map(encodeURIComponent).join("/");

export async function readJson(path) {
  const answer = await fetch(address(path), { cache: "no-cache" });
  if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status}`);
  return answer.json();
}

export async function optionalJson(path) {
  try {
    return await readJson(path);
  } catch {
    return null;
  }
}

/** Grid of a product; a product never changes, so it is read once. */
export function readGrid(productId) {
  if (!grids.has(productId)) {
    const reading = unpack(productId);
    reading.catch(() => grids.delete(productId));
    grids.set(productId, reading);
  }
  return grids.get(productId);
}

async function unpack(productId) {
  const path = `web/grids/${productId}`;
  const [facts, answer] = await Promise.all([
    readJson(`${path}.json`), fetch(address(`${path}.bin`))]);
  if (!answer.ok) throw new Error(`${path}.bin: HTTP ${answer.status}`);
  const content = await answer.arrayBuffer();
  if (content.byteLength !== facts.n_bytes) throw new Error(`${path}.bin: not whole`);
  return new Grid(facts, content);
}

/** Values of one day on land cells, found by row (from the south) and column. */
export class Grid {
  constructor(facts, content) {
    this.facts = facts;
    [this.rows, this.columns] = facts.shape;
    this.cell = new Int32Array(this.rows * this.columns).fill(-1);
    let number = 0;
    for (let at = 0; at < facts.runs.length; at += 3) {
      const [row, first, length] = facts.runs.slice(at, at + 3);
      for (let step = 0; step < length; step += 1) {
        this.cell[row * this.columns + first + step] = number;
        number += 1;
      }
    }
    this.view = new DataView(content);
    this.layers = new Map(facts.layers.map((layer) => [layer.name, layer]));
  }

  has(layer) {
    return this.layers.has(VARIABLES[layer]);
  }

  /** Value of a layer in a cell by its number; null where there is none. */
  value(layer, cell) {
    const known = this.layers.get(VARIABLES[layer]);
    if (!known || cell < 0) return null;
    const steps = this.view.getInt16(known.offset + 2 * cell, true);
    return steps === MISSING ? null : steps * known.step;
  }

  flagged(name, cell) {
    return (this.view.getUint8(this.facts.flags_offset + cell) & this.facts.flags[name]) !== 0;
  }

  flags(cell) {
    return Object.keys(this.facts.flags).filter((name) => this.flagged(name, cell));
  }

  /** Row and column that hold a place; null outside of the grid. */
  at(lat, lon) {
    const { spacing_deg: spacing } = this.facts;
    const row = Math.floor((lat - this.facts.lat) / spacing + 0.5);
    const column = Math.floor((lon - this.facts.lon) / spacing + 0.5);
    const inside = row >= 0 && row < this.rows && column >= 0 && column < this.columns;
    return inside ? { row, column, cell: this.cell[row * this.columns + column] } : null;
  }

  centre(row, column) {
    const { lat, lon, spacing_deg: spacing } = this.facts;
    return { lat: lat + row * spacing, lon: lon + column * spacing };
  }

  get bounds() {
    const { lat, lon, spacing_deg: spacing } = this.facts;
    return [[lat - spacing / 2, lon - spacing / 2],
      [lat + (this.rows - 0.5) * spacing, lon + (this.columns - 0.5) * spacing]];
  }
}
