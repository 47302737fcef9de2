// Tables of results: heads that sort, a form that filters. Without it the page shows every row.
document.querySelectorAll("div.results").forEach((box) => {
  const table = box.querySelector("table");
  const form = box.querySelector("form");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...body.rows];
  const files = heads.findIndex((head) => head.textContent === "file");

  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent : +cell.dataset.value;
  };

  const sort = (column) => {
    const numbers = rows.some((row) => row.cells[column].dataset.value !== undefined);
    const before = heads[column].getAttribute("aria-sort");
    // numbers begin with the largest, words with the first
    const first = numbers ? "descending" : "ascending";
    const other = numbers ? "ascending" : "descending";
    const now = before === first ? other : first;
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", now);
    const sign = now === "ascending" ? 1 : -1;
    rows.sort((a, b) => {
      const [x, y] = [value(a, column), value(b, column)];
      return sign * (typeof x === "number" ? x - y : x.localeCompare(y));
    });
    body.append(...rows);
  };

  const filter = () => {
    const words = form.elements.text.value.trim().toLowerCase();
    const file = form.elements.file.value;
    rows.forEach((row) => {
      const model = row.cells[0].textContent.toLowerCase();
      row.hidden = !model.includes(words) || (file !== "" && row.cells[files].textContent !== file);
    });
    table.dataset.protocol = form.elements.protocol.value;
    const seen = rows.filter((row) => !row.hidden).length;
    form.querySelector("output").textContent = `${seen} of ${rows.length} rows`;
  };

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(column));
    head.replaceChildren(button);
  });
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  filter();
});
