// Hover, legends, sorting, filtering, copying. The page is whole without it.
"use strict";
const make = (name, attributes = {}, ...inside) => {
  const element = document.createElement(name);
  Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
  element.append(...inside);
  return element;
};

// Sorts a table by the head that is pressed.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = make("button", { type: "button" }, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      const key = (row) => row.cells[column].dataset.key ?? row.cells[column].textContent;
      const compare = (a, b) => {
        const [x, y] = [key(a), key(b)];
        // What is not known stays at the end in both directions.
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = head.classList.contains("number") ? x - y : x.localeCompare(y);
        return down ? -order : order;
      };
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
    });
  });
}

// Shows the rows of a long table that have the typed words.
for (const table of document.querySelectorAll("table.filterable")) {
  const input = make("input", { type: "search", "aria-label": `Filter: ${table.caption.textContent}`, placeholder: "Filter rows" });
  const count = make("span", { "aria-live": "polite" });
  const rows = [...table.tBodies[0].rows];
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (row) => words.every((word) => row.textContent.toLowerCase().includes(word));
    rows.forEach((row) => (row.hidden = !fits(row)));
    count.textContent = words.length ? `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows` : "";
  });
  table.parentElement.before(make("div", { class: "filter" }, input, count));
}

// Copies a genotype or a command; where the browser forbids that, it is selected.
for (const line of document.querySelectorAll(".copy")) {
  const button = make("button", { type: "button", class: "tool" }, "Copy");
  button.addEventListener("click", async () => {
    const code = line.querySelector("code");
    getSelection().selectAllChildren(code);
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Selected";
    }
  });
  line.append(button);
}

// A press on a legend's entry hides its series and shows it again.
for (const key of document.querySelectorAll("svg.figure .key")) {
  const of = [...key.ownerSVGElement.querySelectorAll(`.series[data-key="${key.dataset.key}"]`)];
  const toggle = () => {
    const off = key.classList.toggle("off");
    key.setAttribute("aria-pressed", String(!off));
    of.forEach((series) => series.classList.toggle("off", off));
  };
  key.classList.add("pressable");
  Object.entries({ role: "button", tabindex: "0", "aria-pressed": "true" }).forEach(([name, value]) => key.setAttribute(name, value));
  key.addEventListener("click", toggle);
  key.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    toggle();
  });
}

// Points of a series, read back from its path: data is in the page once.
const pointsOf = (series) => {
  const path = series.querySelector("path");
  if (!path) return [];
  const numbers = (path.getAttribute("d").match(/-?[\d.]+/g) ?? []).map(Number);
  const by = (size, point) => Array.from({ length: Math.floor(numbers.length / size) }, (_, i) => point(numbers.slice(i * size, (i + 1) * size)));
  const pairs = () => by(2, ([x, y]) => ({ x, y }));
  switch (series.dataset.shape) {
    case "dots": return by(3, ([x, y]) => ({ x, y }));
    case "crosses": return by(8, ([x, y]) => ({ x: x + 3, y: y + 3 }));
    case "columns": return by(5, ([left, y, right]) => ({ x: (left + right) / 2, y }));
    case "line":
    case "step": return pairs();
    case "stack": {
      const all = pairs();
      return all.slice(0, all.length / 2).map((top, i) => ({ ...top, low: all[all.length - 1 - i].y }));
    }
    default: return [];
  }
};

const axisOf = (text, kind, name) => {
  const [from, to, low, high] = text.split(" ").map(Number);
  const scale = (high - low) / (to - from);
  const factor = kind === "percent" ? 100 : 1;
  // A tenth of a pixel is what a path knows.
  const digits = kind === "whole" ? 0 : Math.min(6, Math.max(0, Math.ceil(-Math.log10(Math.abs(scale) * factor * 0.1))));
  const say = (value) => (value * factor).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }) + (kind === "percent" ? " %" : "");
  return { name, at: (pixel) => say(low + (pixel - from) * scale), length: (pixels) => say(Math.abs(pixels * scale)) };
};

const tip = make("div", { class: "tip", role: "status", hidden: "" });
document.body.append(tip);
const ring = document.createElementNS("http://www.w3.org/2000/svg", "circle");
ring.setAttribute("class", "found");
ring.setAttribute("r", "5");
const hide = () => {
  tip.hidden = true;
  ring.remove();
};

for (const plot of document.querySelectorAll("svg.figure .plot")) {
  const svg = plot.ownerSVGElement;
  const [x, y] = plot.dataset.ticks.split(" ").map((kind, i) => axisOf(i ? plot.dataset.y : plot.dataset.x, kind, i ? plot.dataset.yName : plot.dataset.xName));
  let all;
  const series = () => {
    all ??= [...plot.querySelectorAll(".series")].map((element) => ({ element, word: element.dataset.word, points: pointsOf(element) }));
    return all.filter((one) => one.points.length && !one.element.classList.contains("off"));
  };
  const show = (one, point) => {
    ring.setAttribute("cx", point.x);
    ring.setAttribute("cy", point.y);
    svg.append(ring);
    const value = point.low === undefined ? y.at(point.y) : y.length(point.low - point.y);
    tip.replaceChildren(one.word || y.name, make("br"), make("b", {}, value), ` at ${x.name} ${x.at(point.x)}`);
    tip.hidden = false;
    const box = svg.getBoundingClientRect();
    const scale = box.width / svg.viewBox.baseVal.width;
    const left = box.left + point.x * scale + 12;
    const room = document.documentElement.clientWidth - tip.offsetWidth - 6;
    tip.style.left = `${scrollX + Math.max(4, Math.min(left, room))}px`;
    tip.style.top = `${scrollY + box.top + point.y * scale + 12}px`;
  };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const scale = svg.viewBox.baseVal.width / box.width;
    const at = { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
    let best = { distance: 40 };
    for (const one of series()) {
      for (const point of one.points) {
        const distance = Math.hypot(point.x - at.x, point.y - at.y);
        if (distance < best.distance) best = { distance, one, point };
      }
    }
    if (best.one) show(best.one, best.point);
    else hide();
  });
  svg.addEventListener("pointerleave", hide);
  // Arrows walk along a series and from one to the next.
  let [which, where] = [0, 0];
  plot.setAttribute("tabindex", "0");
  plot.setAttribute("role", "group");
  plot.setAttribute("aria-label", "Values: left and right go along a series, up and down to another");
  plot.addEventListener("keydown", (event) => {
    const shown = series();
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (event.key === "Escape") hide();
    if (!step || !shown.length) return;
    event.preventDefault();
    which = (which + step[0] + shown.length) % shown.length;
    where = Math.max(0, Math.min(where + step[1], shown[which].points.length - 1));
    show(shown[which], shown[which].points[where]);
  });
  plot.addEventListener("blur", hide);
}

// Paper cannot be unfolded.
addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((details) => (details.open = true));
});
