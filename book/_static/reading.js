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

// A table that is cut says that it scrolls: at first, and whenever its width has changed. Between,
// the sign only comes: the rules for a table that scrolls may make it fit, and without it, not.
addEventListener("load", () => {
  const tables = document.querySelectorAll(".table-scroll, .pst-scrollable-table-container");
  const widths = new Map();
  const mark = (table) => {
    if (widths.get(table) !== table.clientWidth) table.classList.remove("scrolls");
    widths.set(table, table.clientWidth);
    // less than half of the space beside a last word is not worth a sign
    if (table.scrollWidth > table.clientWidth + 4) table.classList.add("scrolls");
  };
  // afterwards: what it writes moves the page, of which the observer would be told again
  const cut = new ResizeObserver((seen) =>
    setTimeout(() => seen.forEach(({ target }) => mark(target))));
  for (const table of tables) {
    mark(table);
    cut.observe(table);
  }
});
