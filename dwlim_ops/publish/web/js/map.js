// The map: a day's grid under the coast, graticule, basins, stations, and a cursor for the keys.

import { colourOfCategory } from "./colours.js";
import { Cursor } from "./cursor.js";
import { find } from "./dom.js";
import { drawGraticule } from "./graticule.js";
import { reasonText, t } from "./i18n.js";
import { paint } from "./raster.js";

const { L } = window;
const PANES = { land: 200, raster: 210, sea: 220, graticule: 230, basins: 400, stations: 420 };

/** Longitude and latitude as a plain grid, true to shape at one latitude. */
function plate(latitude) {
  const across = Math.cos((latitude * Math.PI) / 180) / 180;
  return L.extend({}, L.CRS.EPSG4326, {
    transformation: L.transformation(across, 1, -1 / 180, 0.5), wrapLng: undefined });
}

const rings = (geometry) => geometry.coordinates.flat()
  .map((ring) => ring.map(([lon, lat]) => [lat, lon]));

export class WaterMap {
  /** `onBasin(id)` is called when the reader picks a basin, `onPlace(place)` as a cursor moves. */
  constructor(geography, { onBasin, onPlace }) {
    const [west, south, east, north] = geography.bounds;
    this.bounds = L.latLngBounds([[south, west], [north, east]]);
    this.map = L.map("map", {
      crs: plate((south + north) / 2), attributionControl: false, zoomControl: false,
      zoomSnap: 0.25, keyboard: false, scrollWheelZoom: false, dragging: !L.Browser.mobile,
      minZoom: 0, maxZoom: 12, zoomAnimation: false, fadeAnimation: false,
      maxBounds: this.bounds.pad(0.6) });
    this.map.fitBounds(this.bounds.pad(0.02));
    for (const [name, level] of Object.entries(PANES)) {
      this.map.createPane(name).style.zIndex = level;
      this.map.getPane(name).style.pointerEvents = "none";
    }
    this.onBasin = onBasin;
    this.canvas = document.createElement("canvas");
    this.picture = null;
    this.zoom = L.control.zoom({ position: "topleft" }).addTo(this.map);
    this.#drawGeography(geography);
    this.stations = L.layerGroup([], { pane: "stations" });
    this.cursor = new Cursor(this.map, { onPlace, onEnter: (lat, lon) => this.#openAt(lat, lon) });
    this.map.on("focus", () => this.map.scrollWheelZoom.enable());
    this.map.on("blur", () => this.map.scrollWheelZoom.disable());
    new ResizeObserver(() => this.#resized()).observe(find("map"));
  }

  #resized() {
    this.map.invalidateSize({ animate: false });
    if (!this.map.getBounds().intersects(this.bounds)) this.map.fitBounds(this.bounds.pad(0.02));
  }

  #drawGeography({ outline, basins, bounds }) {
    const [west, south, east, north] = bounds;
    const far = 60;
    const frame = [[south - far, west - far], [south - far, east + far],
      [north + far, east + far], [north + far, west - far]];
    const path = (className, pane) => ({ className, pane, interactive: false, weight: 1 });
    const land = rings(outline);
    L.polygon(land, path("land", "land")).addTo(this.map);
    L.polygon([frame, ...land], path("sea", "sea")).addTo(this.map);
    drawGraticule(this.map, this.bounds, path("graticule", "graticule"));
    L.polygon(land, { ...path("coast", "basins"), fill: false }).addTo(this.map);
    this.basins = new Map(basins.map(({ id, geometry }) => {
      const shape = L.polygon(geometry.coordinates.map((polygon) => polygon
        .map((ring) => ring.map(([lon, lat]) => [lat, lon]))),
      { pane: "basins", className: "basin", weight: 1, fillOpacity: 0 }).addTo(this.map);
      shape.on("click", () => this.onBasin(id));
      shape.getElement().dataset.basin = id;
      return [id, { shape, geometry }];
    }));
  }

  /** Id of the basin that holds a place; null outside of all. */
  basinAt(lat, lon) {
    for (const [id, { geometry }] of this.basins) {
      const holds = geometry.coordinates.some((polygon) =>
        polygon.filter((ring) => within(ring, lon, lat)).length % 2 === 1);
      if (holds) return id;
    }
    return null;
  }

  #openAt(lat, lon) {
    const id = this.basinAt(lat, lon);
    if (id !== null) this.onBasin(id);
  }

  /** Show a layer of a grid, or nothing. Returns true if cells are hatched. */
  showGrid(grid, layer, scale) {
    this.picture?.remove();
    this.picture = null;
    this.cursor.use(grid);
    if (!grid || layer === "classes") return false;
    const hatched = paint(this.canvas, grid, layer, scale);
    this.picture = L.svgOverlay(this.canvas, grid.bounds,
      { pane: "raster", className: "raster" }).addTo(this.map);
    return hatched;
  }

  /** Colour the basins by class; without categories they are outlines. */
  showBasins(categories, index, selected) {
    for (const [id, { shape }] of this.basins) {
      const category = categories?.get(id) ?? null;
      const element = shape.getElement();
      shape.setStyle({ fillOpacity: category === null ? 0 : 1,
        fillColor: category === null ? "#888" : colourOfCategory(category, index) });
      element.classList.toggle("chosen", id === selected);
      element.dataset.category = category ?? "";
      if (id === selected) shape.bringToFront();
    }
  }

  showStations(stations) {
    this.stations.clearLayers().remove();
    if (!stations) return;
    for (const one of [...stations].sort((a, b) => rank(a) - rank(b))) {
      const className = `station ${one.state}`;
      const marker = one.state === "excluded"
        ? L.marker([one.lat, one.lon], { pane: "stations", keyboard: false,
          icon: L.divIcon({ className, iconSize: [13, 13] }) })
        : L.circleMarker([one.lat, one.lon], { pane: "stations", className, weight: 1.5,
          radius: one.state === "used" ? 4 : 3.5 });
      const label = document.createElement("span");
      label.textContent = `${one.id} · ${t(`station_${one.state}`)}${why(one)}`;
      marker.bindTooltip(label, { direction: "top" });
      this.stations.addLayer(marker);
    }
    this.stations.addTo(this.map);
  }

  speak(layer, day) {
    find("map").setAttribute("aria-label", t("mapLabel", { layer, day }));
    for (const [name, key] of [["in", "zoomIn"], ["out", "zoomOut"]]) {
      const button = document.querySelector(`.leaflet-control-zoom-${name}`);
      button.title = t(key);
      button.setAttribute("aria-label", t(key));
    }
  }
}

const rank = ({ state }) => ["absent", "excluded", "used"].indexOf(state);

/** Why a station is not used, with a colon before it. */
export function why({ reason, flags }) {
  const words = [reasonText(reason), ...flags.map((flag) => t(flag))].filter(Boolean);
  return words.length ? `: ${words.join(", ")}` : "";
}

function within(ring, lon, lat) {
  let inside = false;
  for (let at = 0, last = ring.length - 1; at < ring.length; last = at, at += 1) {
    const [x, y] = ring[at];
    const [u, v] = ring[last];
    if ((y > lat) !== (v > lat) && lon < ((u - x) * (lat - y)) / (v - y) + x) inside = !inside;
  }
  return inside;
}
