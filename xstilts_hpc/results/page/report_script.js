"use strict";
// What the report does beyond showing its tables: sorting, filtering, lists in pages, learning curves.
(() => {
  const PAGE = 50, LISTED = 200, CHOSEN = 6;
  const NUMBER = /^[[(<\s]*([+-]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[+-]?\d+)?)/i;
  const order = new Intl.Collator("en", { numeric: true });
  const counted = new Intl.NumberFormat("en", { maximumSignificantDigits: 21 });

  const byId = (id) => document.getElementById(id);
  const data = (id) => JSON.parse(byId(id).textContent);
  const words = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);
  const holds = (text, wanted) => wanted.every((word) => text.includes(word));
  const blank = (text) => text === "" || text === "--";
  const shown = (value) => (Number.isInteger(value) ? counted.format(value) : String(value));

  function make(name, attributes = {}, text = "") {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return element;
  }

  function draw(name, attributes, text = "") {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return element;
  }

  // Numbers and texts

  function numberIn(text) {
    const found = NUMBER.exec(text);
    return found ? Number(found[1].replaceAll(",", "")) : NaN;
  }

  // Return places in the order of their texts; blanks come last in both directions, equals keep their order.
  function sorted(texts, direction) {
    const numbers = texts.map(numberIn);
    const numeric = texts.every((text, i) => blank(text) || !Number.isNaN(numbers[i]));
    const compare = numeric ? (a, b) => numbers[a] - numbers[b] : (a, b) => order.compare(texts[a], texts[b]);
    const places = texts.map((_, i) => i);
    const filled = places.filter((i) => !blank(texts[i]));
    return [...filled.sort((a, b) => direction * compare(a, b) || a - b), ...places.filter((i) => blank(texts[i]))];
  }

  // Make the headers of a table buttons that sort; `apply(column, direction)` puts the rows in order.
  function sortable(table, apply) {
    const headers = [...table.tHead.rows[0].cells];
    headers.forEach((header, column) => {
      const button = make("button", { type: "button" }, header.textContent);
      header.replaceChildren(button);
      button.addEventListener("click", () => {
        const direction = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        for (const other of headers) other.removeAttribute("aria-sort");
        header.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
        apply(column, direction);
      });
    });
  }

  // Every kind of table gives a function that shows the rows with all words, and returns how many they are, and of how many.

  function dataTable(table) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const texts = rows.map((row) => [...row.cells].map((cell) => cell.textContent.trim()));
    const count = table.querySelector(".shown");
    const all = count.textContent;
    sortable(table, (column, direction) => {
      body.append(...sorted(texts.map((cells) => cells[column]), direction).map((i) => rows[i]));
    });
    return (wanted) => {
      let number = 0;
      rows.forEach((row, i) => {
        row.hidden = !holds(texts[i].join(" ").toLowerCase(), wanted);
        if (!row.hidden) number += 1;
      });
      count.textContent = number === rows.length ? all : `${shown(number)} of ${all}`;
      return [number, rows.length];
    };
  }

  // A table whose rows are data, shown in pages. A value in brackets is the best of its column.
  function paged(part, onName) {
    const rows = data(part.dataset.rows);
    const table = part.querySelector("table");
    const headers = [...table.tHead.rows[0].cells];
    const classes = headers.map((header) => header.className);
    const [previous, next] = part.querySelectorAll(".pages button");
    const list = { ordered: rows.map((_, i) => i), wanted: [], first: 0 };
    const text = (value) => shown(Array.isArray(value) ? value[0] : value);
    const whole = (row) => row.map(text).join(" ").toLowerCase();

    function cell(value, column) {
      const made = column ? make("td") : make("th", { scope: "row" });
      made.className = classes[column] + (text(value) === "--" ? " missing" : "");
      if (column === 0) made.append(onName(text(value)));
      else if (Array.isArray(value)) made.append(make("strong", {}, text(value)));
      else if (value === "--") made.append(make("span", { role: "img", "aria-label": "missing" }, "--"));
      else made.textContent = text(value);
      return made;
    }

    function show() {
      const all = list.wanted.length === 0;
      const found = all ? list.ordered : list.ordered.filter((i) => holds(whole(rows[i]), list.wanted));
      const page = found.slice(list.first, list.first + PAGE);
      table.tBodies[0].replaceChildren(...page.map((i) => {
        const row = make("tr");
        row.append(...rows[i].map(cell));
        return row;
      }));
      const range = page.length ? `rows ${shown(list.first + 1)} to ${shown(list.first + page.length)} of ` : "";
      const filtered = found.length < rows.length ? `, of ${shown(rows.length)} in all` : "";
      table.querySelector(".shown").textContent = `${range}${shown(found.length)}${filtered}`;
      previous.disabled = list.first === 0;
      next.disabled = list.first + PAGE >= found.length;
      previous.parentElement.hidden = found.length <= PAGE;
      return [found.length, rows.length];
    }

    function turn(change) {
      Object.assign(list, change);
      return show();
    }

    sortable(table, (column, direction) => {
      turn({ ordered: sorted(rows.map((row) => text(row[column])), direction), first: 0 });
    });
    previous.addEventListener("click", () => turn({ first: list.first - PAGE }));
    next.addEventListener("click", () => turn({ first: list.first + PAGE }));
    part.hidden = false;
    show();
    return (wanted) => turn({ wanted, first: 0 });
  }

  function filterTables(filters) {
    const controls = byId("filter-tables");
    controls.hidden = filters.length === 0;
    controls.querySelector("input").addEventListener("input", (event) => {
      const wanted = words(event.target.value);
      const [number, total] = filters.map((filter) => filter(wanted)).reduce(([a, b], [c, d]) => [a + c, b + d], [0, 0]);
      const tables = `${filters.length} table${filters.length === 1 ? "" : "s"}`;
      byId("count-tables").textContent = `${shown(number)} of ${shown(total)} rows in ${tables} are shown`;
    });
  }

  // The figures of a large report are drawn when they come near, and before it is printed.
  function drawLater(places) {
    const waiting = new Set(places);
    const show = (place) => {
      if (!waiting.delete(place)) return;
      place.innerHTML = JSON.parse(place.nextElementSibling.textContent);
      place.removeAttribute("style");
    };
    const watch = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) show(entry.target.querySelector(".later"));
    }, { rootMargin: "1000px" });
    for (const place of places) watch.observe(place.closest("figure"));
    addEventListener("beforeprint", () => [...waiting].forEach(show));
  }

  // Learning curves

  const FRAME = { left: 60, right: 745, top: 12, bottom: 275, height: 320 };

  // Return round numbers from 0 to at least `most`, about five of them.
  function ticks(most) {
    const rough = most / 5 || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
    return Array.from({ length: Math.max(2, Math.ceil(most / step - 1e-9) + 1) }, (_, i) => Number((i * step).toPrecision(6)));
  }

  // Return the place of the update nearest to `update`.
  function nearest(updates, update) {
    let best = 0;
    updates.forEach((one, i) => {
      if (Math.abs(one - update) < Math.abs(updates[best] - update)) best = i;
    });
    return best;
  }

  // The training of a run without its seeds.
  const training = (name) => name.replace(/-[0-9a-f]+$/, "").replaceAll(/_[ds]\d+/g, "");

  function axes(chart, marksX, marksY, x, y) {
    for (const mark of marksY) {
      chart.append(draw("line", { class: mark ? "grid" : "axis", x1: FRAME.left, x2: FRAME.right, y1: y(mark), y2: y(mark) }));
      chart.append(draw("text", { x: FRAME.left - 8, y: y(mark) + 4, "text-anchor": "end" }, shown(mark)));
    }
    chart.append(draw("line", { class: "axis", x1: FRAME.left, x2: FRAME.left, y1: FRAME.top, y2: FRAME.bottom }));
    for (const mark of marksX) {
      chart.append(draw("text", { x: x(mark), y: FRAME.bottom + 18, "text-anchor": "middle" }, shown(mark)));
    }
    const middle = (FRAME.top + FRAME.bottom) / 2;
    chart.append(draw("text", { x: (FRAME.left + FRAME.right) / 2, y: FRAME.bottom + 38, "text-anchor": "middle" }, "updates"));
    chart.append(draw("text", { x: 14, y: middle, "text-anchor": "middle", transform: `rotate(-90 14 ${middle})` }, "loss"));
  }

  // Return the pieces of a curve between its gaps, each as points of a polyline.
  function pieces([updates, losses], x, y) {
    const found = [[]];
    losses.forEach((loss, i) => {
      if (loss === null) found.push([]);
      else found.at(-1).push(`${x(updates[i]).toFixed(1)},${y(loss).toFixed(1)}`);
    });
    return found.filter((piece) => piece.length);
  }

  function learning() {
    const curves = data("learning-curves");
    const names = Object.keys(curves);
    const [chart, list, at, find] = ["chart", "runs", "at", "find"].map((id) => byId(`learning-${id}`));
    let chosen = names.filter((name) => training(name) === training(names[0])).slice(0, CHOSEN);
    let stops = [];
    let scale = () => 0;

    function choose() {
      const wanted = words(find.value);
      const others = names.filter((name) => !chosen.includes(name) && holds(name.toLowerCase(), wanted));
      const options = [...chosen, ...others.slice(0, LISTED)].map((name) => make("option", { value: name }, name));
      options.forEach((option, i) => { option.selected = i < chosen.length; });
      list.replaceChildren(...options);
      tell(others.length);
    }

    function tell(others = 0) {
      const hidden = others > LISTED ? `; the first ${LISTED} of ${shown(others)} others are listed` : "";
      byId("learning-count").textContent = `${chosen.length} of ${shown(names.length)} runs with a curve are shown${hidden}`;
    }

    function plot() {
      FRAME.right = Math.max(320, chart.clientWidth) - 15;
      chart.setAttribute("viewBox", `0 0 ${FRAME.right + 15} ${FRAME.height}`);
      const shownCurves = chosen.map((name) => curves[name]);
      stops = [...new Set(shownCurves.flatMap(([updates]) => updates))].sort((a, b) => a - b);
      const marksX = ticks(Math.max(1, ...stops));
      const marksY = ticks(Math.max(0, ...shownCurves.flatMap(([, losses]) => losses)));
      const along = (value, marks, from, to) => from + (value / marks.at(-1)) * (to - from);
      const x = (update) => along(update, marksX, FRAME.left, FRAME.right);
      const y = (loss) => along(loss, marksY, FRAME.bottom, FRAME.top);
      chart.replaceChildren();
      axes(chart, marksX, marksY, x, y);
      shownCurves.forEach((curve, i) => {
        for (const points of pieces(curve, x, y)) {
          if (points.length > 1) chart.append(draw("polyline", { class: `curve-${i}`, points: points.join(" ") }));
          else chart.append(draw("circle", { class: `curve-${i}`, cx: points[0].split(",")[0], cy: points[0].split(",")[1], r: 2 }));
        }
      });
      scale = x;
      at.max = Math.max(0, stops.length - 1);
      at.value = at.max;
      point();
    }

    // Say the values of every curve at the update that the slider stands at.
    function point() {
      const update = stops[Number(at.value)];
      const lines = chosen.map((name) => {
        const [updates, losses] = curves[name];
        const i = nearest(updates, update);
        return `${name}: update ${shown(updates[i])}, loss ${losses[i] === null ? "not finite" : losses[i]}`;
      });
      chart.querySelector(".cross")?.remove();
      if (update !== undefined) {
        const place = scale(update);
        chart.append(draw("line", { class: "cross", x1: place, x2: place, y1: FRAME.top, y2: FRAME.bottom }));
      }
      byId("learning-values").replaceChildren(...lines.map((line, i) => {
        const item = make("li");
        const sample = draw("svg", { viewBox: "0 0 35 12", "aria-hidden": "true" });
        sample.append(draw("line", { class: `curve-${i}`, x1: 0, x2: 35, y1: 6, y2: 6, "stroke-width": 3 }));
        item.append(sample, line);
        return item;
      }));
      at.setAttribute("aria-valuetext", lines.join("; ") || "no run is chosen");
    }

    list.addEventListener("change", () => {
      chosen = [...list.selectedOptions].map((option) => option.value).slice(0, CHOSEN);
      for (const option of list.options) option.selected = chosen.includes(option.value);
      tell();
      plot();
    });
    find.addEventListener("input", choose);
    at.addEventListener("input", point);
    chart.addEventListener("pointermove", (event) => {
      const place = chart.createSVGPoint();
      place.x = event.clientX;
      const wide = place.matrixTransform(chart.getScreenCTM().inverse()).x;
      at.value = nearest(stops.map(scale), wide);
      point();
    });
    byId("learning-part").hidden = false;
    choose();
    plot();
    let width = chart.clientWidth;
    new ResizeObserver(() => {
      if (chart.clientWidth !== width) plot();
      width = chart.clientWidth;
    }).observe(chart);

    // A name in the list of runs: a button where the run has a curve.
    return (name) => {
      if (!Object.hasOwn(curves, name)) return name;
      const button = make("button", { type: "button", "aria-label": `${name}: show its learning curve` }, name);
      button.addEventListener("click", () => {
        chosen = [name];
        choose();
        plot();
        byId("learning").scrollIntoView();
        at.focus({ preventScroll: true });
      });
      return button;
    };
  }

  drawLater(document.querySelectorAll(".later"));
  const onName = byId("learning-curves") ? learning() : (name) => name;
  filterTables([...document.querySelectorAll("table.data, .table .paged")].map((found) => {
    return found.matches(".paged") ? paged(found, (name) => name) : dataTable(found);
  }));
  for (const part of document.querySelectorAll(".paged:not(.table *)")) {
    const filter = paged(part, onName);
    part.querySelector("input").addEventListener("input", (event) => filter(words(event.target.value)));
  }
})();
