// Frames (`.frames`) become a slider: one picture at a time. On paper, and without this script, they are a strip.
"use strict";

for (const strip of document.querySelectorAll(".frames")) {
  const [previous, next, play, stop, name] = strip.dataset.labels.split("|");
  const figures = [...strip.querySelectorAll(":scope > figure")];
  // A picture has a view of each frame; texts are figures.
  const views = strip.dataset.views?.split("|");
  const captions =
    views ? strip.dataset.captions.split("|") : figures.map((figure) => figure.querySelector("figcaption").textContent);
  const kept = ["viewBox", "style", "aria-label"].map((attribute) => [attribute, strip.getAttribute(attribute)]);
  const last = captions.length - 1;
  let now = 0, timer = 0;

  const element = (tag, properties, ...inside) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...inside);
    return made;
  };
  const button = (sign, label, act) => {
    const made = element("button", { type: "button", title: label, onclick: act }, sign);
    made.setAttribute("aria-label", label);
    return made;
  };
  const range = element("input", { type: "range", min: 0, max: last, value: 0 });
  range.setAttribute("aria-label", name);
  const count = element("output", {});
  const player = button("▶", play, () => (timer ? pause() : start()));
  const bar = element("div", { className: "frames-bar" },
    button("‹", previous, () => go(now - 1)), range, button("›", next, () => go(now + 1)), player, count);

  const draw = () => {
    if (views) {
      const [, , wide, high] = views[now].split(" ").map(Number);
      strip.setAttribute("viewBox", views[now]);
      strip.setAttribute("aria-label", captions[now]);
      strip.style.cssText = `min-width: 0; width: ${wide * 1.2}px; aspect-ratio: ${wide} / ${high}`;
    } else {
      strip.style.cssText = "display: grid; grid-template-columns: minmax(0, 1fr)";
      figures.forEach((figure, i) => figure.classList.toggle("now", i === now));
    }
    strip.classList.add("on");
    range.value = now;
    range.setAttribute("aria-valuetext", `${now + 1} / ${last + 1}: ${captions[now]}`);
    count.textContent = `${now + 1} / ${last + 1}`;
  };
  const show = (frame) => {
    now = Math.min(Math.max(frame, 0), last);
    draw();
  };
  const pause = () => {
    clearInterval(timer);
    timer = 0;
    player.firstChild.data = "▶";
    player.title = play;
    player.setAttribute("aria-label", play);
  };
  const go = (frame) => {
    pause();
    show(frame);
  };
  const start = () => {
    show(now === last ? 0 : now + 1);
    player.firstChild.data = "❚❚";
    player.title = stop;
    player.setAttribute("aria-label", stop);
    timer = setInterval(() => {
      show(now + 1);
      if (now === last) pause();
    }, 1200);
  };
  range.addEventListener("input", () => go(Number(range.value)));
  // The arrows of the keyboard, wherever the focus is in it; the range has its own.
  strip.parentElement.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.target === range) return;
    event.preventDefault();
    go(now + step);
  });
  addEventListener("beforeprint", () => {
    pause();
    strip.classList.remove("on");
    kept.forEach(([attribute, value]) => value === null ? strip.removeAttribute(attribute) : strip.setAttribute(attribute, value));
  });
  addEventListener("afterprint", draw);
  strip.after(bar);
  draw();
}
