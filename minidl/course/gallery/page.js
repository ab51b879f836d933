"use strict";
// The slider: how much of each image shows the prediction below. Images can be dragged as well.
for (const box of document.querySelectorAll(".compare")) {
  const slider = box.querySelector("input");
  const show = () => {
    const at = slider.value;
    box.style.setProperty("--at", at + "%");
    slider.setAttribute("aria-valuenow", at);
    slider.setAttribute("aria-valuetext", at + " % " + box.dataset.left + ", " + (100 - at) + " % " + box.dataset.right);
  };
  slider.addEventListener("input", show);
  for (const image of box.querySelectorAll(".swipe")) {
    const move = (event) => {
      if (event.type === "pointermove" && !(event.buttons & 1)) return;
      const place = image.getBoundingClientRect();
      slider.value = Math.round(100 * (event.clientX - place.left) / place.width);
      show();
    };
    image.addEventListener("pointerdown", (event) => { image.setPointerCapture(event.pointerId); move(event); });
    image.addEventListener("pointermove", move);
  }
  show();
}
// All code at once, for reading and for printing.
const button = document.getElementById("all-code");
button.hidden = false;
button.addEventListener("click", () => {
  const open = button.getAttribute("aria-pressed") !== "true";
  for (const code of document.querySelectorAll("details.code")) code.open = open;
  button.setAttribute("aria-pressed", String(open));
});
// What is wider than its box can be reached, and then scrolled, by keys.
const reach = () => {
  for (const box of document.querySelectorAll(".scroll, pre"))
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0; else box.removeAttribute("tabindex");
};
document.addEventListener("toggle", reach, true);
window.addEventListener("resize", reach);
window.addEventListener("load", reach);
// On a narrow screen the contents are folded until they are asked for.
if (window.matchMedia("(max-width: 1099px)").matches) document.querySelector("#contents details").open = false;
