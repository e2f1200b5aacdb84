// Lines of longitude and latitude, labelled where they leave the map below and at the right.

import { find, make } from "./dom.js";

const { L } = window;
const FAR_DEG = 60;

export function drawGraticule(map, bounds, style) {
  const span = Math.max(bounds.getEast() - bounds.getWest(), bounds.getNorth() - bounds.getSouth());
  const step = [1, 2, 5, 10, 20, 30].find((one) => span / one <= 8) ?? 30;
  const [west, east] = [bounds.getWest() - FAR_DEG, bounds.getEast() + FAR_DEG];
  const longitudes = multiples(step, west, east);
  const latitudes = multiples(step, Math.max(-90, bounds.getSouth() - FAR_DEG),
    Math.min(90, bounds.getNorth() + FAR_DEG));
  L.polyline([...longitudes.map((lon) => [[-90, lon], [90, lon]]),
    ...latitudes.map((lat) => [[lat, west], [lat, east]])], style).addTo(map);
  const box = make("div", { "aria-hidden": "true" });
  find("map").append(box);
  const place = () => label(map, box, longitudes, latitudes);
  map.on("move zoom resize", place);
  place();
}

function multiples(step, from, to) {
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.floor(to / step) - first + 1 }, (_, at) => (first + at) * step);
}

function label(map, box, longitudes, latitudes) {
  const { x: width, y: height } = map.getSize();
  const labels = [];
  const put = (text, left, top) => {
    const found = make("span", { class: "graticule-label" }, text);
    found.style.left = `${left}px`;
    found.style.top = `${top}px`;
    labels.push(found);
  };
  for (const lon of longitudes) {
    const { x } = map.latLngToContainerPoint([0, lon]);
    if (x > 8 && x < width - 60) put(degrees(((lon + 540) % 360) - 180, "E", "W"), x + 4, height - 18);
  }
  for (const lat of latitudes) {
    const { y } = map.latLngToContainerPoint([lat, 0]);
    if (y > 20 && y < height - 24) put(degrees(lat, "N", "S"), width - 36, y - 17);
  }
  box.replaceChildren(...labels);
}

const degrees = (value, positive, negative) =>
  `${Math.abs(value)}°${value > 0 ? positive : value < 0 ? negative : ""}`;
