// Sorts tables, and lets Vega draw the figures in place of their pictures. Nothing here is needed to
// read the page; when a figure cannot be drawn its picture stays.
(() => {
  "use strict";
  const root = document.documentElement;

  const value = (row, column) => {
    const cell = row.cells[column];
    return cell === undefined ? "" : cell.dataset.value ?? cell.textContent;
  };

  // Rows without a value come last, whatever the direction. Bounds stay apart: each body by itself.
  function sort(table, column, direction) {
    for (const body of table.tBodies) {
      const rows = [...body.rows];
      rows.sort((a, b) => {
        const [x, y] = [value(a, column), value(b, column)];
        const [m, n] = [parseFloat(x), parseFloat(y)];
        if (Number.isNaN(m) !== Number.isNaN(n)) return Number.isNaN(m) ? 1 : -1;
        return direction * (Number.isNaN(m) ? (x < y ? -1 : x > y ? 1 : 0) : m - n);
      });
      body.append(...rows);
    }
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const numbers = head.classList.contains("n");
        const now = head.getAttribute("aria-sort");
        const descending = now === null ? numbers : now === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        sort(table, column, descending ? -1 : 1);
      });
    });
  }

  const json = (id) => JSON.parse(document.getElementById(id).textContent);

  // Colours become those of the page, so that they follow its theme.
  function themed(config) {
    const ink = "currentColor";
    for (const part of Object.values(config)) {
      if (part === null || typeof part !== "object") continue;
      for (const [key, colour] of Object.entries(part)) {
        if (colour === "#222222") part[key] = ink;
      }
    }
    config.background = "transparent";
    config.range.category = config.range.category.map((colour, i) => `var(--c${i},${colour})`);
    return config;
  }

  const records = ({ columns, rows }) =>
    rows.map((row) => Object.fromEntries(columns.map((column, i) => [column, row[i]])));

  async function draw(figure, config) {
    const { spec, data } = json(figure.dataset.chart);
    spec.datasets = Object.fromEntries(Object.entries(data).map(([name, set]) => [name, records(set)]));
    const compiled = vegaLite.compile(spec, { config }).spec;
    const runtime = vega.parse(compiled, null, { ast: true });
    const place = document.createElement("div");
    const view = new vega.View(runtime, {
      expr: vega.expressionInterpreter, renderer: "svg", container: place, hover: true,
      loader: { load: () => Promise.reject(new Error("nothing is loaded")), sanitize: () => Promise.reject(new Error("no links")) },
    });
    await view.runAsync();
    const picture = figure.querySelector("svg");
    const drawn = place.querySelector("svg");
    drawn.setAttribute("role", "img");
    drawn.setAttribute("aria-label", picture.getAttribute("aria-label"));
    picture.replaceWith(place);
  }

  async function drawAll() {
    const figures = [...document.querySelectorAll("figure[data-chart]")];
    if (figures.length === 0) return;
    const config = themed(json("theme"));
    let drawn = 0;
    for (const figure of figures) {
      try {
        await draw(figure, config);
        ++drawn;
      } catch (error) {
        console.warn(`${figure.id}: the picture stays:`, error);
      }
      root.dataset.figures = `${drawn} of ${figures.length}`;
    }
  }

  if (typeof vega !== "undefined" && typeof vegaLite !== "undefined") drawAll();
})();
