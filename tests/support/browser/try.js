// After everything else on the page: tries what a person would, and writes down what came of it.
addEventListener("load", () => {
  const verdict = { ...watched, width: innerWidth };
  const key = (element, name) => element.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
  document.querySelectorAll("details").forEach((details) => (details.open = true));
  const seen = (element) => element.getClientRects().length > 0;

  // Texts of pictures: inside the picture, and not on each other.
  verdict.cut = [];
  verdict.overlaps = [];
  for (const svg of [...document.querySelectorAll("svg.figure")].filter(seen)) {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].filter((text) => text.textContent.trim());
    const boxes = texts.map((text) => text.getBoundingClientRect());
    const title = svg.querySelector("title").textContent;
    texts.forEach((text, i) => {
      const box = boxes[i];
      const out = Math.max(frame.left - box.left, box.right - frame.right, frame.top - box.top, box.bottom - frame.bottom);
      // An ellipsis in a drawing of layers: words that had no room.
      const isClipped = title.startsWith("Layers") && text.matches(".layer") && text.textContent.endsWith("…");
      if (out > 1.5 || isClipped) verdict.cut.push(`${title}: ${text.textContent}`);
      if (text.hasAttribute("transform")) return;
      for (let j = 0; j < i; j++) {
        const other = boxes[j];
        const across = Math.min(box.right, other.right) - Math.max(box.left, other.left);
        const down = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top);
        // Boxes have room above and below letters.
        if (across > 1.5 && down > 4 && !texts[j].hasAttribute("transform")) verdict.overlaps.push(`${title}: ${texts[j].textContent} | ${text.textContent}`);
      }
    });
  }
  verdict.wider_than_window = Math.max(0, document.documentElement.scrollWidth - innerWidth);

  const table = document.querySelector("table.sortable");
  if (table) {
    const column = [...table.tHead.rows[0].cells].findIndex((head) => head.classList.contains("number"));
    const head = table.tHead.rows[0].cells[column];
    const keys = () => [...table.tBodies[0].rows].map((row) => row.cells[column].dataset.key);
    head.querySelector("button").click();
    verdict.ascending = keys();
    verdict.aria_sort = head.getAttribute("aria-sort");
    head.querySelector("button").click();
    verdict.descending = keys();
  }

  const filter = document.querySelector(".filter input");
  if (filter) {
    const rows = [...filter.parentElement.nextElementSibling.querySelectorAll("tbody tr")];
    const word = rows[1].cells[1].textContent;
    filter.value = word;
    filter.dispatchEvent(new Event("input"));
    const fits = rows.filter((row) => row.textContent.toLowerCase().includes(word.toLowerCase()));
    verdict.filtered = { shown: rows.filter((row) => !row.hidden).length, fitting: fits.length, all: rows.length };
  }

  const plot = [...document.querySelectorAll("svg.figure .plot")].find(seen);
  if (plot) {
    const svg = plot.ownerSVGElement;
    const legend = svg.querySelector(".key");
    const series = svg.querySelector(`.series[data-key="${legend.dataset.key}"]`);
    const state = () => [legend.getAttribute("aria-pressed"), getComputedStyle(series).display];
    verdict.legend = [state()];
    legend.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    verdict.legend.push(state());
    key(legend, "Enter");
    verdict.legend.push(state());

    const tip = document.querySelector(".tip");
    const [x, y] = series.querySelector("path").getAttribute("d").match(/[\d.]+/g).map(Number);
    const frame = svg.getBoundingClientRect();
    const scale = frame.width / svg.viewBox.baseVal.width;
    svg.dispatchEvent(new PointerEvent("pointermove", { clientX: frame.left + x * scale, clientY: frame.top + y * scale, bubbles: true }));
    verdict.hover = tip.hidden ? null : tip.textContent;
    svg.dispatchEvent(new PointerEvent("pointerleave"));
    verdict.hidden_again = tip.hidden;
    key(plot, "ArrowRight");
    verdict.keyboard = tip.hidden ? null : tip.textContent;
    key(plot, "Escape");
  }
  verdict.copy = [...document.querySelectorAll(".copy button")].length;
  verdict.requests = performance.getEntriesByType("resource").map((entry) => entry.name).filter((name) => !name.startsWith("data:"));
  verdict.interactive_ms = performance.getEntriesByType("navigation")[0].domInteractive;
  parent.document.body.append(Object.assign(parent.document.createElement("pre"), { id: "verdict", textContent: JSON.stringify(verdict) }));
});
