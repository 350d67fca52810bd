// Launch: what is wrong gets the focus, and the part "More" stays as open as it was.
"use strict";
(() => {
  document.addEventListener("toggle", (event) => {
    if (event.target.id === "more") document.getElementById("more-open").value = event.target.open ? "1" : "";
  }, true);
  document.addEventListener("htmx:after:swap", () => {
    const wrong = document.querySelector("#launch [aria-invalid]");
    if (wrong && !wrong.contains(document.activeElement)) wrong.focus();
  });
})();
