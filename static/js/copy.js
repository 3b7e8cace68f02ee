// Copy buttons: <button type="button" data-copy="id of the element">. Hidden where the browser has no clipboard.
"use strict";

function offerCopying(root) {
  for (const button of root.querySelectorAll("button[data-copy][hidden]")) {
    if (navigator.clipboard) button.hidden = false;
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy).textContent;
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text.trim());
    button.textContent = "Copied";
  } catch {
    button.textContent = "Select and copy by hand";
  }
  const status = document.getElementById("copy-status");
  if (status) status.textContent = button.textContent;
  setTimeout(() => { button.textContent = label; }, 2000);
});

document.addEventListener("DOMContentLoaded", () => offerCopying(document));
