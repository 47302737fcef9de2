/* What a style sheet cannot do. */

// Paper is white, and nothing on it can be opened.
addEventListener("beforeprint", () => {
  const page = document.documentElement;
  page.dataset.themeOnScreen = page.dataset.theme;
  page.dataset.theme = "light";
  for (const part of document.querySelectorAll("details:not([open])")) {
    part.dataset.closedOnScreen = "";
    part.open = true;
  }
});
addEventListener("afterprint", () => {
  const page = document.documentElement;
  page.dataset.theme = page.dataset.themeOnScreen;
  for (const part of document.querySelectorAll("details[data-closed-on-screen]")) {
    delete part.dataset.closedOnScreen;
    part.open = false;
  }
});

// A table that is cut takes the margin, where no note stands in it; if it is still cut, it says that
// it scrolls: at first, and whenever its room has changed.
addEventListener("load", () => {
  const tables = document.querySelectorAll(".table-scroll, .pst-scrollable-table-container");
  const notes = [...document.querySelectorAll("aside.margin")];
  const isCut = (table) => table.scrollWidth > table.clientWidth + 1;
  const widen = (part) => {
    part.classList.add("wide");
    const { top, bottom } = part.getBoundingClientRect();
    const beside = notes.map((note) => note.getBoundingClientRect());
    if (beside.some((note) => note.top < bottom && note.bottom > top))
      part.classList.remove("wide");
  };
  const mark = (table) => {
    if (isCut(table)) widen(table.closest("details, div.cell") || table);
    table.classList.toggle("scrolls", isCut(table));
  };
  // afterwards: what it writes moves the page, of which the observer would be told again
  const cut = new ResizeObserver((seen) =>
    setTimeout(() => seen.forEach(({ target }) => mark(target))));
  for (const table of tables) {
    mark(table);
    cut.observe(table);
  }
});
