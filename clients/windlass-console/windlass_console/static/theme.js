// Before anything is painted: the theme that was chosen here last, else the system's.
"use strict";
const chosen = localStorage.getItem("theme");
if (chosen) document.documentElement.dataset.theme = chosen;
