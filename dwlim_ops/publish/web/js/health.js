// How old everything is by the reader's own clock, so that a service that died shows.

import { fill, find, make } from "./dom.js";
import { dayText, number, percent, spanText, t, timeText } from "./i18n.js";

const HOUR_MS = 3_600_000;
const LEVELS = ["ok", "late", "stale"];

const endOf = (day) => Date.parse(`${day}T00:00:00Z`) + 24 * HOUR_MS;
const levelOf = (value, late, stale) => (value > stale ? 2 : value > late ? 1 : 0);

/** Level ("ok", "late", "stale", "unknown") with the sentences that say why, worst first. */
export function judge({ index, status }, now) {
  if (!status) return { level: "unknown", reasons: [t("statusUnknown")], hours: null, inputs: [] };
  const { thresholds } = index;
  const hours = (now - Date.parse(status.as_of)) / HOUR_MS;
  const found = [];
  const note = (level, text) => { if (level) found.push([level, text]); };
  const tick = levelOf(hours, thresholds.tick_late_hours, thresholds.tick_stale_hours);
  note(tick, t(tick === 2 ? "tickStale" : "tickLate",
    { span: spanText(hours), at: timeText(status.as_of) }));
  if (status.newest_published_day) {
    const age = (now - endOf(status.newest_published_day)) / HOUR_MS;
    const level = levelOf(age / 24, thresholds.day_late_days, thresholds.day_stale_days);
    note(level, t(level === 2 ? "dayStale" : "dayLate",
      { day: dayText(status.newest_published_day), span: spanText(age) }));
  }
  const inputs = Object.entries(status.newest_input_day ?? {}).map(([name, day]) => {
    const age = (now - endOf(day)) / HOUR_MS;
    const level = levelOf(age / 24, thresholds.day_late_days, thresholds.day_stale_days);
    note(level === 2 ? 1 : 0, t("inputStale", { name, span: spanText(age) }));
    return { name, day, age, level: LEVELS[level] };
  });
  if (status.outcome === "failed") note(2, t("failed"));
  found.sort((a, b) => b[0] - a[0]);
  return { level: LEVELS[found[0]?.[0] ?? 0], reasons: found.map(([, text]) => text), hours, inputs };
}

const LEVEL_WORDS = { ok: "healthOk", late: "healthLate", stale: "healthStale",
  unknown: "healthUnknown" };

/** The pill at the top, the banner under it, and the section of inputs. */
export function drawHealth(view) {
  const verdict = judge(view, Date.now());
  const pill = find("health-pill");
  pill.dataset.level = verdict.level;
  find("health-pill-text").textContent = [t(LEVEL_WORDS[verdict.level]), verdict.hours === null
    ? null : t("updated", { span: spanText(verdict.hours) })].filter(Boolean).join(" · ");
  const first = verdict.level === "ok" ? [] : verdict.reasons.slice(0, 1);
  const sentences = [...(view.index.synthetic ? [t("synthetic")] : []), ...first, ...view.problems];
  const banner = find("banner");
  banner.hidden = sentences.length === 0;
  banner.className = `banner ${verdict.level === "ok" ? "late" : verdict.level}`;
  if (banner.textContent !== sentences.join(" ")) banner.textContent = sentences.join(" ");
  fill(find("health"), ...sections(view, verdict).filter(Boolean));
}

function sections({ index, status, latest }, verdict) {
  return [inputTable(verdict.inputs, latest), statusList(status), qualityList(latest, index),
    listOf(t("degraded"), status?.last_tick?.degraded ?? []),
    listOf(t("quarantined"), (status?.quarantined ?? [])
      .map((one) => `${one.source}/${one.stream} ${one.key}: ${one.reason}`)),
    verdict.reasons.length > 1 ? listOf(t("stateOf"), verdict.reasons, true) : null];
}

function inputTable(inputs, latest) {
  if (!inputs.length) return null;
  const stream = new Map((latest?.inputs ?? []).map((one) => [one.source, one.stream]));
  const heads = ["input", "stream", "newest", "age", "stateOf"];
  return make("div", { class: "scroll", tabindex: "0", role: "group",
    "aria-labelledby": "health-heading" }, make("table", { id: "inputs" },
    make("thead", {}, make("tr", {}, ...heads.map((key) => make("th", { scope: "col" }, t(key))))),
    make("tbody", {}, ...inputs.map((one) => make("tr", { "data-input": one.name },
      make("th", { scope: "row" }, one.name), make("td", { class: "left" }, stream.get(one.name) ?? "–"),
      make("td", { class: "left" }, dayText(one.day)), make("td", { class: "left" }, spanText(one.age)),
      make("td", { class: "left" }, make("span", { class: "level", "data-level": one.level },
        make("span", { class: "dot", "aria-hidden": "true" }), t(`state_${one.level}`))))))));
}

const pairs = (title, rows) => make("div", {}, title ? make("h3", {}, title) : null,
  make("dl", { class: "pairs" }, ...rows.filter(([, value]) => value !== null).flatMap(
    ([name, value]) => [make("dt", {}, name), make("dd", {}, value)])));

function statusList(status) {
  if (!status) return null;
  const word = t(`outcome_${status.outcome}`);
  return pairs(null, [
    [t("updatedAt"), timeText(status.as_of)],
    [t("outcome"), word.startsWith("outcome_") ? String(status.outcome) : word],
    [t("newestDay"), status.newest_published_day ? dayText(status.newest_published_day) : "–"],
    [t("daysPublished"), String(status.n_published_days ?? "–")],
    [t("bundle"), status.bundle ?? t("none")]]);
}

function qualityList(latest) {
  const quality = latest?.quality;
  if (!quality) return null;
  return pairs(t("quality"), [
    [t("stationsUsed"), `${quality.n_stations_used} / ${quality.n_stations}`],
    [t("simulatedCells"), String(quality.n_simulated_cells)],
    [t("lowResolution"), quality.share_low_resolution === null
      ? "–" : percent(quality.share_low_resolution)],
    [t("medianSigma"), `${number(quality.median_sigma_mm, 1)} ${t("mm")}`],
    [t("medianResolution"), `${number(quality.median_resolution_km, 0)} km`]]);
}

function listOf(title, texts, open = false) {
  if (!texts.length) return null;
  return make("details", { open }, make("summary", {}, `${title} (${texts.length})`),
    make("ul", {}, ...texts.map((text) => make("li", {}, String(text)))));
}
