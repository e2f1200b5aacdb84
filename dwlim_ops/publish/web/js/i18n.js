// Words, numbers and dates in the reader's language.

import en from "./en.js";
import zh, { reasons } from "./zh.js";

export const LANGUAGES = { en, zh };
const REASONS = { en: {}, zh: reasons };
let words = en;
let language = "en";

export function speak(name) {
  language = name in LANGUAGES ? name : "en";
  words = LANGUAGES[language];
  document.documentElement.lang = language === "zh" ? "zh-Hans" : language;
  for (const element of document.querySelectorAll("[data-i18n]")) {
    element.textContent = t(element.dataset.i18n);
  }
  for (const element of document.querySelectorAll("[data-i18n-label]")) {
    element.setAttribute("aria-label", t(element.dataset.i18nLabel));
  }
  document.title = t("title");
}

export const spoken = () => language;

/** The words for a key, with the values in braces put in; an unknown key is shown as it is. */
export function t(key, values = {}) {
  const text = words[key] ?? en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** Reasons that the software worded, in the reader's language; an unknown one as it is. */
export const reasonText = (reason) => reason.split("; ").map(oneReason).join("; ");

function oneReason(reason) {
  for (const [wording, text] of Object.entries(REASONS[language])) {
    const literal = wording.replace(/[.()]/g, "\\$&");
    const found = reason.match(`^${literal.replace(/\{(\w)\}/g, "(?<$1>[-\\d.]+)")}$`);
    if (found) return text.replace(/\{(\w)\}/g, (_, name) => found.groups[name]);
  }
  return reason;
}

/** A number with a true minus sign; a dash where there is none. */
export function number(value, decimals = 1, signed = false) {
  if (value === null || value === undefined) return "–";
  const digits = Math.abs(value).toFixed(decimals);
  const sign = Number(digits) === 0 ? "" : value < 0 ? "−" : signed ? "+" : "";
  return sign + digits;
}

export const percent = (share) => `${Math.round(100 * share)} %`;

export function dayText(day, form = "medium") {
  const options = form === "short"
    ? { day: "numeric", month: "short" } : { day: "numeric", month: form, year: "numeric" };
  if (form === "medium") options.month = "short";
  return new Intl.DateTimeFormat(locale(), { ...options, timeZone: "UTC" })
    .format(new Date(`${day}T00:00:00Z`));
}

export function timeText(time) {
  const text = new Intl.DateTimeFormat(locale(), {
    day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit",
    hour12: false, timeZone: "UTC" }).format(new Date(time));
  return `${text} UTC`;
}

/** A span of time in its largest sensible unit. */
export function spanText(hours) {
  const [value, unit] = hours < 1 ? [hours * 60, "minutes"] : hours < 48 ? [hours, "hours"]
    : hours < 24 * 730 ? [hours / 24, "days"] : [hours / 24 / 365.25, "years"];
  const rounded = Math.max(0, Math.floor(value));
  return t(rounded === 1 ? `${unit}One` : unit, { n: rounded.toLocaleString(locale()) });
}

const locale = () => (language === "zh" ? "zh-CN" : "en-GB");
