"use strict";
(() => {
  const PRINTED = 100;
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  const read = (row) => ({
    row,
    text: row.textContent.toLowerCase(),
    choice: row.querySelector("[data-choice]")?.dataset.choice ?? "",
    cells: [...row.cells].map((cell) => cell.dataset.value ?? cell.textContent.trim()),
  });

  // What is missing comes last, whichever way a column is sorted.
  const MISSING = "–";
  const compare = (column, numeric, rising) => (one, other) => {
    const [a, b] = [one.cells[column], other.cells[column]];
    if (a === MISSING || b === MISSING) return (a === MISSING) - (b === MISSING);
    const order = numeric ? a - b : collator.compare(a, b);
    return rising ? order : -order;
  };

  const enliven = (table) => {
    const body = table.tBodies[0];
    const what = table.dataset.what;
    const size = Math.min(Number(table.dataset.page), matchMedia("(max-width: 46rem)").matches ? 10 : Infinity);
    const all = [...body.rows].map(read);
    const headings = [...table.tHead.rows[0].cells];
    let found = all;
    let page = 0;

    const status = make("span", { role: "status" });
    const previous = make("button", { type: "button", textContent: "Previous" });
    const next = make("button", { type: "button", textContent: "Next" });
    const pager = make("div", { className: "pager" }, previous, next, status);

    const show = (limit = size) => {
      const pages = Math.max(1, Math.ceil(found.length / size));
      page = Math.min(page, pages - 1);
      const from = page * size;
      const shown = found.slice(from, from + limit);
      body.replaceChildren(...shown.map((entry) => entry.row));
      const range = shown.length ? `${(from + 1).toLocaleString("en")}–${(from + shown.length).toLocaleString("en")}` : "none";
      status.textContent = `${range} of ${found.length.toLocaleString("en")} ${what}`;
      previous.disabled = page === 0;
      next.disabled = page >= pages - 1;
      previous.hidden = next.hidden = pages === 1;
    };

    const search = make("input", { type: "search", autocomplete: "off", spellcheck: false });
    const choices = [...new Set(all.map((entry) => entry.choice))].filter(Boolean);
    const choose = make("select", {}, make("option", { value: "", textContent: "all" }));
    choose.append(...choices.map((choice) => make("option", { value: choice, textContent: choice })));
    const filter = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      found = all.filter(
        (entry) => (!choose.value || entry.choice === choose.value) && words.every((word) => entry.text.includes(word)),
      );
      page = 0;
      show();
    };
    search.addEventListener("input", filter);
    choose.addEventListener("change", filter);
    previous.addEventListener("click", () => { page -= 1; show(); });
    next.addEventListener("click", () => { page += 1; show(); });

    headings.forEach((heading, column) => {
      const numeric = all.length > 0 && all.every((entry) => entry.row.cells[column].dataset.value !== undefined);
      const button = make("button", { type: "button", textContent: heading.textContent });
      heading.replaceChildren(button);
      button.addEventListener("click", () => {
        const now = heading.getAttribute("aria-sort");
        const rising = now ? now === "descending" : !numeric;
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
        all.sort(compare(column, numeric, rising));
        filter();
      });
    });

    const controls = make("div", { className: "controls", role: "search" });
    controls.setAttribute("aria-label", `Filter ${what}`);
    controls.append(make("label", {}, `Filter ${what}`, search));
    if (choices.length > 1) {
      const name = body.querySelector("[data-choice]").dataset.name;
      controls.append(make("label", {}, name, choose));
    }
    table.before(controls);
    table.after(pager);
    if (all.length <= 5) controls.hidden = true;
    addEventListener("beforeprint", () => show(PRINTED));
    addEventListener("afterprint", () => show());
    show();
  };

  document.querySelectorAll("table.data").forEach(enliven);
})();
