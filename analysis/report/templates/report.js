"use strict";
(function () {
  const settings = JSON.parse(document.getElementById("settings").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const narrow = window.matchMedia("(max-width: 32rem)");
  const figures = Array.from(document.querySelectorAll("figure[data-start]"));
  const drawn = new Set();
  const page = document.documentElement;
  let printing = false;

  function variant(figure) {
    if (!figure.variants) {
      const payload = document.getElementById("data-" + figure.id);
      figure.variants = JSON.parse(payload.textContent).variants;
    }
    const selects = Array.from(figure.querySelectorAll(".selectors select"));
    return figure.variants[selects.map(s => s.selectedIndex).join("|")];
  }

  function layoutOf(chosen) {
    const layout = JSON.parse(JSON.stringify(chosen.layout));
    layout.height = chosen.height;
    layout.template = JSON.parse(
      JSON.stringify(settings.templates[dark.matches && !printing ? "dark" : "light"]));
    if (narrow.matches && !printing) {
      layout.template.layout.font.size = 11;
      for (const axis of ["xaxis", "yaxis"]) layout.template.layout[axis].title.font.size = 11;
    }
    return layout;
  }

  function say(figure, chosen) {
    figure.querySelector(".subtitle").textContent = chosen.subtitle;
    const said = figure.querySelector(".said");
    said.replaceChildren(...chosen.notes.map(text => {
      const item = document.createElement("li");
      item.textContent = text;
      return item;
    }));
  }

  function draw(figure) {
    const chosen = variant(figure);
    const plot = figure.querySelector(".plot");
    plot.style.height = chosen.height + "px";
    plot.style.minWidth = ((chosen.layout.meta || {}).min_width || 0) + "px";
    say(figure, chosen);
    drawn.add(figure);
    const data = JSON.parse(JSON.stringify(chosen.data));
    return Plotly.react(plot, data, layoutOf(chosen), settings.config);
  }

  function redraw() { for (const figure of drawn) draw(figure); }

  for (const figure of figures) {
    for (const select of figure.querySelectorAll(".selectors select")) {
      select.addEventListener("change", () => draw(figure));
    }
  }
  dark.addEventListener("change", redraw);
  narrow.addEventListener("change", redraw);
  /* Figures are drawn as wide as the paper, and in light colours, whatever the window shows. */
  function print_or_not(now) {
    if (printing === now) return;
    printing = now;
    page.classList.toggle("printing", now);
    if (!now) return redraw();
    for (const details of document.querySelectorAll("#studied details")) details.open = true;
    for (const scroll of document.querySelectorAll(".scroll")) {
      const table = scroll.querySelector("table");
      scroll.classList.toggle("crowded", table !== null && table.offsetWidth > scroll.clientWidth);
    }
    figures.forEach(draw);
  }
  window.addEventListener("beforeprint", () => print_or_not(true));
  window.addEventListener("afterprint", () => print_or_not(false));

  const seen = new IntersectionObserver(entries => {
    for (const entry of entries) {
      if (entry.isIntersecting && !drawn.has(entry.target)) draw(entry.target);
    }
  }, { rootMargin: "600px" });
  figures.forEach(figure => seen.observe(figure));
})();
