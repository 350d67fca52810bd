// Active tasks: what is selected, and rows that are never overwritten by an older answer.
"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const picks = () => [...document.querySelectorAll('#tasks input[name="id"]')];

  // --- selection: the check boxes are the truth, this only counts them
  function count() {
    const all = at("pick-all");
    if (!all) return;
    const boxes = picks();
    const picked = boxes.filter((box) => box.checked).length;
    const page = at("pick-page");
    page.checked = picked > 0 && picked === boxes.length;
    page.indeterminate = picked > 0 && picked < boxes.length;
    const words = all.checked ? "All that match" : picked ? `${picked} selected` : "None selected";
    if (at("selected").textContent !== words) at("selected").textContent = words;
    for (const button of document.querySelectorAll("[data-acts]")) button.disabled = !all.checked && !picked;
  }
  document.addEventListener("change", (event) => {
    if (event.target.id === "pick-page") for (const box of picks()) box.checked = event.target.checked;
    if (event.target.closest("#selection")) count();
  });
  document.body.addEventListener("bulk:done", () => {
    for (const box of [...picks(), at("pick-all")]) if (box) box.checked = false;
    count();
  });

  // --- a live answer to an older question is dropped, and asked again for the new one
  document.addEventListener("htmx:before:swap", (event) => {
    const asked = event.detail.ctx;
    const rows = at("rows");
    if (asked?.sourceElement?.id !== "rows" || !rows) return;
    if (asked.request.action === rows.getAttribute("hx-get")) return;
    event.preventDefault();
    document.body.dispatchEvent(new CustomEvent("live:queue"));
  });
  // A select that was touched goes by what was chosen, not by what the page now says: so it is told.
  document.addEventListener("htmx:after:swap", (event) => {
    if (event.detail.ctx?.sourceElement?.id !== "rows") {
      for (const select of document.querySelectorAll("#find select")) {
        select.value = (select.querySelector("option[selected]") ?? select.options[0]).value;
      }
    }
    count();
  });

  // --- suggestions go on from what stands before the last AND
  document.addEventListener("input", (event) => {
    if (event.target.id !== "filter") return;
    const head = event.target.value.match(/^.* AND /s)?.[0] ?? "";
    for (const option of at("filter-words").options) option.value = head + option.dataset.word;
  });
  count();
})();
