// Reads the published files, keeps the parts of the page in step, and looks for news.

import { drawAlerts } from "./alerts.js";
import { drawBasins, onDay } from "./basins.js";
import { scaleOf } from "./colours.js";
import { optionalJson, readGrid, readJson } from "./data.js";
import { find, make } from "./dom.js";
import { drawHealth } from "./health.js";
import { LANGUAGES, dayText, speak, spoken, t, timeText } from "./i18n.js";
import { drawLegend } from "./legend.js";
import { WaterMap } from "./map.js";
import { drawPanel, forgetDocuments } from "./panel.js";
import { showPlace } from "./readout.js";
import { onChange, readHash, recall, remember, state, update, writeHash } from "./state.js";
import { drawStations } from "./stations.js";

const NEWS_MS = 300_000;
const CLOCK_MS = 30_000;
const LAYERS = ["twsa", "anomaly", "percentile", "sigma", "classes"];

let files = null;
let grid = null;
let map = null;
let toPanel = false;

async function readFiles() {
  const index = await readJson("web/index.json");
  const [basins, latest, status, alerts] = await Promise.all([
    readJson("web/basins.json"), index.days.length ? optionalJson("latest.json") : null,
    optionalJson("status.json"), index.alerts ? optionalJson(index.alerts) : null]);
  return { index, basins, latest, status, alerts, problems: [] };
}

const record = () => files.index.days.find((one) => one.day === state.day) ?? null;
const method = () => grid?.facts.published_method ?? files.latest?.published_method ?? "tragnss";
const hasClasses = () => files.basins.basins.some((basin) => basin.standing);

function offeredLayers() {
  return LAYERS.filter((layer) => ({ twsa: true, sigma: true, classes: hasClasses() })[layer]
    ?? Boolean(grid?.has(layer)));
}

/** What the reader asked for, where it exists; else the newest day and the first layer. */
function sensible({ day, layer, basin, lang }) {
  const days = files.index.days.map((one) => one.day);
  return {
    day: days.includes(day) ? day : days.at(-1) ?? null,
    layer: LAYERS.includes(layer) ? layer : "twsa",
    basin: files.basins.basins.some((one) => one.id === basin) ? basin : null,
    lang: lang in LANGUAGES ? lang : state.lang ?? language(),
  };
}

function language() {
  const kept = recall("lang");
  if (kept in LANGUAGES) return kept;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

async function loadGrid() {
  const wanted = record();
  files.problems = [];
  find("map-problem").hidden = true;
  if (!wanted) {
    grid = null;
    return;
  }
  try {
    const found = await readGrid(wanted.product_id);
    if (record() === wanted) grid = found;
  } catch {
    if (record() !== wanted) return;
    grid = null;
    find("map-problem").textContent = t("gridUnreadable", { day: dayText(wanted.day) });
    find("map-problem").hidden = false;
  }
}

function drawMap() {
  const layers = offeredLayers();
  const layer = layers.includes(state.layer) ? state.layer : "twsa";
  const scale = scaleOf(layer, files.index);
  const hatched = map.showGrid(grid, layer, scale);
  map.showBasins(layer === "classes" ? categories() : null, files.index, state.basin);
  map.showStations(state.stations && grid ? grid.facts.stations : null);
  find("station-key").hidden = !state.stations;
  map.speak(t(`layer_${layer}`), state.day ? dayText(state.day) : "");
  drawLegend(layer, scale, files.index, hatched);
  drawLayers(layers, layer);
}

function categories() {
  const at = files.basins.days.indexOf(state.day);
  return new Map(files.basins.basins.map((basin) =>
    [basin.id, onDay(basin, at, method()).category]));
}

function drawLayers(layers, chosen) {
  const group = find("layers");
  const held = document.activeElement?.name === "layer";
  group.replaceChildren(group.querySelector("legend"), ...layers.map((name) => {
    const input = make("input", { type: "radio", name: "layer", value: name, id: `layer-${name}` });
    input.checked = name === chosen;
    input.addEventListener("change", () => update({ layer: name }));
    return make("span", {}, input, make("label", { for: `layer-${name}` }, t(`layer_${name}`)));
  }));
  if (held) find(`layer-${chosen}`).focus();
}

function drawDay() {
  const { days } = files.index;
  const at = days.findIndex((one) => one.day === state.day);
  const slider = find("day");
  slider.max = Math.max(0, days.length - 1);
  slider.value = Math.max(0, at);
  slider.disabled = days.length < 2;
  find("day-before").disabled = at <= 0;
  find("day-after").disabled = at < 0 || at === days.length - 1;
  const text = state.day ? dayText(state.day, "long") : t("nothing");
  find("day-text").textContent = text;
  slider.setAttribute("aria-valuetext", text);
  find("day-first").textContent = days.length > 1 ? dayText(days[0].day, "short") : "";
  find("day-last").textContent = days.length > 1 ? dayText(days.at(-1).day, "short") : "";
  const now = record();
  find("day-facts").textContent = now ? t("dayFacts", { method: t(method()),
    tier: t(`tier_${now.tier}`), revision: now.revision, issued: timeText(now.as_of) }) : "";
}

const view = () => ({ ...files, method: method(), day: state.day, onBasin: openBasin,
  onClose: closeBasin, redrawChart: () => {},
  onDay: (day) => files.index.days.some((one) => one.day === day) && update({ day }) });

function drawWords() {
  speak(state.lang);
  const { index } = files;
  find("region-title").textContent = index.title;
  find("language").textContent = t("language");
  find("language").lang = spoken() === "en" ? "zh-Hans" : "en";
  find("language").setAttribute("aria-label", t("toLanguage"));
  find("about").textContent = t("about");
  find("sources").textContent = t("sources",
    { licence: index.licence, citations: index.citations.join("; ") });
  drawTheme();
}

function drawAll() {
  drawWords();
  drawDay();
  drawMap();
  drawBasins(view());
  showPanel();
  drawAlerts(view());
  drawHealth(view());
  drawStations(grid?.facts.stations, state.day);
}

function openBasin(id) {
  toPanel = true;
  if (state.basin === id) showPanel();
  else update({ basin: id });
}

/** Draw the panel; after a basin was picked its heading has the focus. */
async function showPanel() {
  await drawPanel(view());
  if (toPanel) find("panel-heading")?.focus();
  toPanel = false;
}

function closeBasin() {
  const left = state.basin;
  update({ basin: null });
  document.querySelector(`#basins [data-basin="${CSS.escape(left)}"]`)?.focus();
}

const isDark = () => (document.documentElement.dataset.theme
  ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

function drawTheme() {
  find("theme").textContent = t(isDark() ? "themeLight" : "themeDark");
  find("theme").setAttribute("aria-label", t(isDark() ? "toLight" : "toDark"));
}

function changeTheme() {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  remember("theme", theme);
  drawTheme();
  showPanel();
}

function step(by) {
  const { days } = files.index;
  const at = days.findIndex((one) => one.day === state.day) + by;
  if (days[at]) update({ day: days[at].day });
}

function connect() {
  find("day").addEventListener("input", (event) =>
    update({ day: files.index.days[Number(event.target.value)].day }));
  find("day-before").addEventListener("click", () => step(-1));
  find("day-after").addEventListener("click", () => step(1));
  find("stations-toggle").addEventListener("change", (event) =>
    update({ stations: event.target.checked }));
  find("theme").addEventListener("click", changeTheme);
  find("language").addEventListener("click", () => {
    const lang = spoken() === "en" ? "zh" : "en";
    remember("lang", lang);
    update({ lang });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    drawTheme();
    showPanel();
  });
  window.addEventListener("hashchange", () => {
    const wanted = readHash();
    if (Object.keys(wanted).length) update(sensible(wanted));
    else writeHash();
  });
  onChange(react);
  setInterval(() => drawHealth(view()), CLOCK_MS);
  setInterval(lookForNews, NEWS_MS);
}

async function react(changed) {
  if (changed.has("day")) await loadGrid();
  if (changed.has("lang") || changed.has("day")) drawAll();
  else {
    if (["layer", "basin", "stations"].some((name) => changed.has(name))) drawMap();
    if (changed.has("basin")) {
      drawBasins(view());
      showPanel();
    }
  }
}

/** The files may have changed; a reader who looks at the newest day goes on to the new one. */
async function lookForNews() {
  const newest = files.index.days.at(-1)?.day;
  try {
    const found = await readFiles();
    const same = JSON.stringify([found.index, found.basins])
      === JSON.stringify([files.index, files.basins]);
    files = found;
    if (!same) {
      forgetDocuments();
      Object.assign(state, sensible({ ...state, day: state.day === newest ? null : state.day }));
      await loadGrid();
      drawAll();
    }
  } catch (error) {
    files.problems = [t("unreachable", { what: error.message })];
  }
  drawAlerts(view());
  drawHealth(view());
}

async function start() {
  speak(readHash().lang ?? language());
  try {
    const [found, geography] = await Promise.all([readFiles(), readJson("web/geography.json")]);
    files = found;
    Object.assign(state, sensible(readHash()));
    map = new WaterMap(geography, { onBasin: openBasin, onPlace: (place) => showPlace(grid, place,
      place && files.basins.basins.find((one) => one.id === map.basinAt(place.lat, place.lon))?.name) });
  } catch (error) {
    find("banner").textContent = t("unreachable", { what: error.message });
    find("banner").className = "banner stale";
    find("banner").hidden = false;
    return;
  }
  await loadGrid();
  connect();
  drawAll();
  document.documentElement.dataset.ready = "true";
  performance.mark("ready");
}

start();
