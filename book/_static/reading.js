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

// A table that is cut says that it scrolls: at first, and whenever its room has changed.
addEventListener("load", () => {
  const tables = document.querySelectorAll(".table-scroll, .pst-scrollable-table-container");
  const mark = (table) =>
    table.classList.toggle("scrolls", table.scrollWidth > table.clientWidth + 1);
  // afterwards: what it writes moves the page, of which the observer would be told again
  const cut = new ResizeObserver((seen) =>
    setTimeout(() => seen.forEach(({ target }) => mark(target))));
  for (const table of tables) {
    mark(table);
    cut.observe(table);
  }
});
