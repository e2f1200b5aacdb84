// Elements made by hand. Text goes in as text only: a name can never become markup.

export const find = (id) => document.getElementById(id);

/** An element with attributes and children; strings become text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    if (name === "onclick") element.addEventListener("click", value);
    else if (name === "colour") element.style.backgroundColor = value;
    else if (name === "ink") element.style.color = value;
    else if (name === "width") element.style.width = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== null));
}

let said = 0;

/** Have a screen reader say something; only the last of many in quick succession. */
export function say(text) {
  clearTimeout(said);
  said = setTimeout(() => { find("live").textContent = text; }, 150);
}
