// What the pages remember and show: the theme, predictions, sections read, where the reader is. They can be read without it.
"use strict";

// What the browser keeps; where it keeps nothing, the page forgets.
const kept = {
  get(key, fallback) {
    try { return JSON.parse(localStorage.getItem("motamot." + key)) ?? fallback; } catch { return fallback; }
  },
  set(key, value) {
    try { localStorage.setItem("motamot." + key, JSON.stringify(value)); } catch {}
  },
};
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const root = document.documentElement;

document.querySelector(".theme")?.addEventListener("click", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = (root.dataset.theme || (dark ? "dark" : "light")) === "dark" ? "light" : "dark";
  try { localStorage.setItem("theme", root.dataset.theme); } catch {}
});

// The list of notebooks: how far each was read.
for (const item of all("li[data-name]")) {
  const { read = [], of = 0 } = kept.get(item.dataset.name, {});
  if (!read.length) continue;
  const mark = document.createElement("span");
  mark.className = "read";
  mark.textContent = `✓ ${read.length}/${of}`;
  item.querySelector("a").after(mark);
}

const main = document.querySelector("main.chapter");
if (main) {
  const { name } = main.dataset;
  const sections = all("main > h2[id], main > section > h2[id]");
  predictions(name);
  progress(name, sections);
  // A link into something folded opens it.
  const unfold = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    let hidden = false;
    for (let fold = target?.closest("details"); fold; fold = fold.parentElement.closest("details")) {
      hidden ||= !fold.open;
      fold.open = true;
    }
    if (hidden) target.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  unfold();
  // On paper everything is seen.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("details:not([open])");
    folded.forEach((fold) => { fold.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((fold) => { fold.open = false; }));
}

// Choosing an option shows what it waits for; so does opening it. One switch shows all, on every page.
function predictions(name) {
  const key = name + ".chosen";
  const chosen = kept.get(key, {});
  const answers = (number) => all(`details.answer[data-prediction="${number}"]`);
  const mark = (section, choice) => {
    all(".option", section).forEach((option, i) => option.setAttribute("aria-pressed", String(i === choice)));
  };
  for (const section of all(".predict")) {
    const number = section.dataset.prediction;
    if (number in chosen) {
      mark(section, chosen[number]);
      answers(number).forEach((answer) => { answer.open = true; });
    }
    all(".option", section).forEach((option, choice) => option.addEventListener("click", () => {
      mark(section, choice);
      chosen[number] = choice;
      kept.set(key, chosen);
      answers(number).forEach((answer) => { answer.open = true; });
    }));
  }
  const button = document.querySelector(".show-all");
  if (!button) return;
  const show = (on) => {
    button.setAttribute("aria-pressed", String(on));
    all("details.answer").forEach((answer) => { answer.open = on || answer.dataset.prediction in chosen; });
  };
  if (kept.get("show-all", false)) show(true);
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    kept.set("show-all", on);
    show(on);
  });
}

// Sections that were read are ticked; the bar says which one this is, and how much of the page is above it.
function progress(name, sections) {
  const bar = document.querySelector(".bar");
  bar.hidden = false;
  const where = bar.querySelector(".where"), line = bar.querySelector(".progress");
  const links = sections.map((section) => all(".contents a").filter((link) => link.hash.slice(1) === encodeURIComponent(section.id)
    || link.hash.slice(1) === section.id));
  const state = kept.get(name, {});
  const read = new Set(state.read ?? []);
  const save = (more) => kept.set(name, Object.assign(state, { read: [...read], of: sections.length }, more));
  const say = (text, number) => text.replace("{n}", number);
  const show = () => links.forEach((of, i) => of.forEach((link) => link.classList.toggle("read", read.has(i + 1))));

  sections.forEach((_, i) => {
    const number = i + 1, label = document.createElement("label"), box = document.createElement("input");
    label.className = "tick";
    box.type = "checkbox";
    box.checked = read.has(number);
    box.addEventListener("change", () => {
      if (box.checked) read.add(number); else read.delete(number);
      save();
      show();
    });
    label.append(box, " " + say(main.dataset.read, number));
    // It ends its section.
    const next = sections[number], end = next?.closest("main > section") ?? next ?? main.querySelector(".pager");
    end.before(label);
  });
  show();

  if (state.at > 1 && state.at <= sections.length && !location.hash) {
    const resume = document.createElement("p"), link = document.createElement("a");
    resume.className = "resume";
    link.href = "#" + sections[state.at - 1].id;
    link.textContent = say(main.dataset.resume, state.at) + " ↓";
    resume.append(link);
    main.querySelector("h1")?.after(resume);
  }

  let now = -1;
  const follow = () => {
    const room = root.scrollHeight - innerHeight;
    line.style.width = `${room > 0 ? Math.min(100, 100 * scrollY / room) : 0}%`;
    let number = 0;
    while (number < sections.length && sections[number].getBoundingClientRect().top < bar.offsetHeight + 40) number++;
    // At its end the last section need not reach the bar.
    if (room > 0 && scrollY > room - 2) number = sections.length;
    if (number === now) return;
    const moved = now >= 0;
    now = number;
    const section = sections[number - 1];
    where.textContent = section ? `§ ${number}/${sections.length} · ${section.textContent.replace(/^\d+\s*[.·]\s*/, "")}`
      : main.querySelector("h1")?.textContent ?? "";
    where.href = section ? "#" + section.id : "#text";
    links.forEach((of, i) => of.forEach((link) => {
      if (i + 1 === number) link.setAttribute("aria-current", "location"); else link.removeAttribute("aria-current");
    }));
    const current = document.querySelector(".side [aria-current]");
    current?.scrollIntoView?.({ block: "nearest" });
    if (moved && number > 0) save({ at: number });
  };
  addEventListener("scroll", follow, { passive: true });
  addEventListener("resize", follow);
  follow();
}
