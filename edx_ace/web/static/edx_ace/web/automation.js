// The pages of automation: variables are put where somebody writes, and whoever leaves with something unsaved is asked.
// Without this file the pages do all the same.

"use strict";

(() => {
  const form = document.querySelector(".ace-editor");
  if (!form) {
    return;
  }

  let field = form.querySelector("textarea.ace-source");
  form.addEventListener("focusin", (event) => {
    if (/^text-\d+-(subject|body)$/.test(event.target.name || "")) {
      field = event.target;
    }
  });

  form.querySelectorAll("[data-inserts] .ace-keyword").forEach((code) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = code.className;
    button.dir = "ltr";
    button.textContent = code.textContent;
    button.addEventListener("click", () => {
      field.focus();
      field.setRangeText(code.textContent, field.selectionStart, field.selectionEnd, "end");
      field.dispatchEvent(new Event("input", { bubbles: true }));
    });
    code.replaceWith(button);
  });

  let isChanged = "changed" in form.dataset;
  form.addEventListener("input", (event) => {
    isChanged = isChanged || !["search", "object", "as"].includes(event.target.name);
  });
  form.addEventListener("submit", () => (isChanged = false));
  addEventListener("beforeunload", (event) => isChanged && event.preventDefault());
})();
