// The place that the reader looks at: by pointer, or by keys cell by cell.

const { L } = window;
const MOVES = { ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };

export class Cursor {
  /** `onPlace({lat, lon, cell, byKey})`, or null when the pointer leaves. */
  constructor(map, { onPlace, onEnter }) {
    this.map = map;
    this.grid = null;
    this.place = null;
    this.onPlace = onPlace;
    this.mark = L.circleMarker([0, 0], { pane: "stations", radius: 7, className: "cursor",
      interactive: false });
    map.on("mousemove", ({ latlng }) => this.#point(latlng));
    map.on("mouseout", () => onPlace(null));
    map.on("click", ({ latlng }) => this.#point(latlng));
    map.getContainer().addEventListener("keydown", (event) => this.#key(event, onEnter));
    map.getContainer().addEventListener("blur", () => { this.mark.remove(); onPlace(null); });
  }

  use(grid) {
    this.grid = grid;
    if (!grid) this.mark.remove();
  }

  #point({ lat, lng }) {
    const found = this.grid?.at(lat, lng);
    this.onPlace(found ? { lat, lon: lng, cell: found.cell, byKey: false } : null);
  }

  #key(event, onEnter) {
    if (event.target !== this.map.getContainer() || event.ctrlKey || event.altKey || event.metaKey) {
      return;
    }
    if (event.key in MOVES && this.grid) this.#step(MOVES[event.key], event.shiftKey ? 5 : 1);
    else if (event.key === "+" || event.key === "=") this.map.zoomIn(0.5);
    else if (event.key === "-") this.map.zoomOut(0.5);
    else if (event.key === "Enter" && this.place) onEnter(this.place.lat, this.place.lon);
    else return;
    event.preventDefault();
  }

  #step([north, east], cells) {
    const { rows, columns } = this.grid;
    const middle = this.map.getCenter();
    const from = (this.place && this.mark._map ? this.place : null)
      ?? this.grid.at(middle.lat, middle.lng) ?? { row: rows >> 1, column: columns >> 1 };
    const row = Math.min(rows - 1, Math.max(0, from.row + north * cells));
    const column = Math.min(columns - 1, Math.max(0, from.column + east * cells));
    const { lat, lon } = this.grid.centre(row, column);
    const { cell } = this.grid.at(lat, lon);
    this.place = { row, column, lat, lon };
    this.mark.setLatLng([lat, lon]).addTo(this.map);
    if (!this.map.getBounds().pad(-0.05).contains([lat, lon])) {
      this.map.panTo([lat, lon], { animate: false });
    }
    this.onPlace({ lat, lon, cell, byKey: true });
  }
}
