// Forms drawn from a schema: times are typed in the viewer's zone.
"use strict";
(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  function prepare() {
    for (const field of document.querySelectorAll("[data-zone]")) field.value = zone;
    for (const input of document.querySelectorAll("[data-moment]")) {
      const moment = new Date(input.dataset.moment);
      delete input.dataset.moment;
      if (isNaN(moment)) continue;
      const local = new Date(moment.getTime() - moment.getTimezoneOffset() * 60000);
      input.value = local.toISOString().slice(0, 19);
    }
  }
  prepare();
  for (const name of ["htmx:after:swap", "htmx:after:settle"]) document.addEventListener(name, prepare);
})();
