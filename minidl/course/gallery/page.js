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
// All code at once, for reading and for printing. On a phone it is folded at first.
const button = document.getElementById("all-code"), cells = document.querySelectorAll("details.code");
const showCode = (open) => {
  for (const code of cells) code.open = open;
  button.textContent = open ? "Fold all code" : "Unfold all code";
};
button.hidden = false;
button.addEventListener("click", () => showCode(button.textContent.startsWith("Unfold")));
if (window.matchMedia("(max-width: 699px)").matches) showCode(false);
// A link into a folded file unfolds it, and so does the page's own address.
const unfold = (hash) => {
  const target = document.getElementById(decodeURIComponent(hash.slice(1)));
  const folded = target && target.closest("details:not([open])");
  if (folded) folded.open = true;
  return target;
};
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]');
  if (link) unfold(link.hash);
});
const goTo = () => unfold(location.hash)?.scrollIntoView();
window.addEventListener("hashchange", goTo);
window.addEventListener("load", goTo);
// What is wider than its box can be reached, and then scrolled, by keys.
const reach = (part) => {
  const boxes = [...part.querySelectorAll(".scroll, pre")];
  const wide = boxes.map((box) => box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight);
  boxes.forEach((box, k) => { if (wide[k]) box.tabIndex = 0; else box.removeAttribute("tabindex"); });
};
document.addEventListener("toggle", (event) => reach(event.target), true);
window.addEventListener("resize", () => reach(document));
window.addEventListener("load", () => reach(document));
// On a narrow screen the contents are folded until they are asked for.
if (window.matchMedia("(max-width: 1099px)").matches) document.querySelector("#contents details").open = false;
