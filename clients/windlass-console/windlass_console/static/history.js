// History: the selection, and the form that asks as soon as something is chosen.
"use strict";
(() => {
  const boxes = () => [...document.querySelectorAll("#cards tbody input[type=checkbox]")];
  const chosen = () => boxes().filter((box) => box.checked);

  function show() {
    const all = document.getElementById("pick-all");
    const button = document.getElementById("retry-selected");
    if (!all || !button) return;
    const many = chosen().length;
    all.checked = many > 0 && many === boxes().length;
    all.indeterminate = many > 0 && !all.checked;
    button.disabled = many === 0;
    const words = many ? `Retry ${many} selected…` : "Retry selected…";
    if (button.textContent !== words) button.textContent = words;
  }

  document.addEventListener("change", (event) => {
    if (event.target.id === "pick-all") for (const box of boxes()) box.checked = event.target.checked;
    if (event.target.closest("#cards")) show();
    if (event.target.matches("#history-kind, #history-order")) event.target.form.requestSubmit();
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#retry-selected")) return;
    const filter = `id = (${chosen().map((box) => box.value).join(" OR ")})`;
    const address = `${windlass.prefix}/bulk/retry?${new URLSearchParams({ filter })}`;
    htmx.ajax("GET", address, { target: "#dialog", swap: "innerHTML" });
  });
  document.body.addEventListener("bulk:done", () => {
    for (const box of chosen()) box.checked = false;
    show();
  });
  document.addEventListener("htmx:after:swap", show);
  addEventListener("pageshow", show);
  show();
})();
