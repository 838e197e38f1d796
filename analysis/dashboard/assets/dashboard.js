"use strict";
(function () {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const narrow = window.matchMedia("(max-width: 40rem)");

  function look() {
    return { mode: dark.matches ? "dark" : "light", narrow: narrow.matches };
  }

  /* How the figures were drawn last: a window may change its width while the page is made. */
  let drawn = "";

  function relook() {
    if (drawn === "" || drawn === JSON.stringify(look())) return;
    window.dash_clientside.set_props("scheme", { data: look() });
  }

  /* Every control owns one key of the address; a change writes that key and no other. */
  function write() {
    const params = new URLSearchParams(window.location.search);
    for (const one of window.dash_clientside.callback_context.triggered) {
      if (!one.prop_id.startsWith("{")) continue;
      const id = JSON.parse(one.prop_id.slice(0, one.prop_id.lastIndexOf(".")));
      const values = one.value === null || one.value === undefined ? [] : [].concat(one.value);
      params.delete(id.key);
      for (const value of values) params.append(id.key, value);
    }
    const search = params.toString() ? "?" + params.toString() : "";
    const sorted = text => { const p = new URLSearchParams(text); p.sort(); return p.toString(); };
    if (sorted(search) !== sorted(window.location.search)) {
      window.dash_clientside.set_props("address", { search });
    }
    return window.dash_clientside.no_update;
  }

  const BUTTONS = ["toimage", "zoom2d", "pan2d", "zoomin2d", "zoomout2d", "autoscale2d",
    "resetscale2d"];

  function draw(drawing, scheme, templates) {
    const nothing = window.dash_clientside.no_update;
    if (!drawing || !scheme) return [nothing, nothing];
    scheme = look();
    drawn = JSON.stringify(scheme);
    setTimeout(relook, 1000);
    const template = JSON.parse(JSON.stringify(templates[scheme.mode]));
    const layout = { ...drawing.layout, template };
    let height = drawing.height;
    if (scheme.narrow) {
      template.layout.font.size = 11;
      for (const axis of ["xaxis", "yaxis"]) template.layout[axis].title.font.size = 11;
      /* Names of points and buttons would lie on each other; a legend needs a row for each name. */
      layout.annotations = (layout.annotations || []).filter(one => one.name !== "name");
      layout.modebar = { ...layout.modebar, remove: BUTTONS };
      height += 16 * Math.max(0, drawing.data.filter(one => one.showlegend).length - 4);
    }
    const figure = { data: drawing.data, layout };
    /* Without data the words below say why; they can be read aloud and copied, a drawing not. */
    const display = drawing.data.length ? "block" : "none";
    const minWidth = ((drawing.layout.meta || {}).min_width || 0) + "px";
    return [JSON.parse(JSON.stringify(figure)), { height: height + "px", minWidth, display }];
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    dashboard: { write, draw, scheme: look },
  });
  dark.addEventListener("change", relook);
  narrow.addEventListener("change", relook);

  /* Links within the dashboard change the address without loading the page anew. */
  function go(href) {
    window.history.pushState({}, "", href);
    window.dispatchEvent(new PopStateEvent("popstate"));
    window.scrollTo(0, 0);
  }

  document.addEventListener("click", event => {
    const link = event.target.closest && event.target.closest("a.internal");
    const plain = !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (!link || !plain || event.button !== 0) return;
    event.preventDefault();
    go(link.getAttribute("href"));
  });

  /* A box of choices takes its name from the label above it. */
  function name_boxes() {
    for (const box of document.querySelectorAll("[data-label]")) {
      const button = box.querySelector("button, [role=combobox]");
      if (!button || button.dataset.named) continue;
      button.dataset.named = "yes";
      const label = box.querySelector(".label");
      if (!button.id) button.id = label.id.replace("label-", "box-");
      button.setAttribute("aria-labelledby", label.id + " " + button.id);
    }
  }

  function title() {
    const heading = document.querySelector("main h1");
    const studies = document.getElementById("studies");
    const parts = [heading && heading.textContent, studies && studies.textContent];
    const wanted = parts.filter(Boolean).join(" · ") || "bimp dashboard";
    if (document.title !== wanted) document.title = wanted;
  }

  new MutationObserver(() => { name_boxes(); title(); })
    .observe(document.documentElement, { childList: true, subtree: true });

  const functions = (window.dashAgGridFunctions = window.dashAgGridFunctions || {});
  functions.shown = params => {
    const value = params.value;
    if (value === null || value === undefined) return "–";
    if (typeof value !== "number") return String(value);
    /* As `labels.number` writes them, so that a number reads alike on every page. */
    const whole = Number.isInteger(value) || Math.abs(value) >= 9999.5;
    const text = whole && Math.abs(value) < 1e15
      ? String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, " ")
      : String(Number(value.toPrecision(4)));
    return text.replaceAll("-", "−");
  };

  const renderers = (window.dashAgGridComponentFunctions =
    window.dashAgGridComponentFunctions || {});
  renderers.TrialLink = props => {
    const params = new URLSearchParams(window.location.search);
    params.delete("trial");
    params.append("trial", props.value);
    params.delete("study");
    params.append("study", props.data.study);
    return React.createElement(
      "a", { href: "/trial?" + params.toString(), className: "internal" }, props.value
    );
  };

  function change(edit) {
    const params = new URLSearchParams(window.location.search);
    edit(params);
    const search = params.toString() ? "?" + params.toString() : "";
    if (search !== window.location.search) {
      window.dash_clientside.set_props("address", { search });
    }
  }

  function ticks() { return new URLSearchParams(window.location.search).getAll("tick"); }

  let table = null;

  renderers.TickBox = props => (table = props.api) && React.createElement("input", {
    type: "checkbox", className: "tick", defaultChecked: ticks().includes(props.data.fingerprint),
    "data-trial": props.data.fingerprint, "aria-label": "tick trial " + props.data.fingerprint,
    onChange: event => change(params => {
      const rest = ticks().filter(name => name !== props.data.fingerprint);
      params.delete("tick");
      for (const name of rest) params.append("tick", name);
      if (event.target.checked) params.append("tick", props.data.fingerprint);
    }),
  });

  /* Boxes and sort follow the address when it changes by a link or by going back. */
  window.addEventListener("popstate", () => {
    const wanted = ticks();
    for (const box of document.querySelectorAll("input.tick")) {
      box.checked = wanted.includes(box.dataset.trial);
    }
    if (!table || table.isDestroyed()) return;
    const sort = new URLSearchParams(window.location.search).getAll("trials.sort");
    const state = sort.map((text, sortIndex) => ({
      colId: text.replace(/^-/, "").replaceAll(".", "/"),
      sort: text.startsWith("-") ? "desc" : "asc", sortIndex,
    }));
    table.applyColumnState({ state, defaultState: { sort: null } });
  });

  /* On a narrow page names that stay in view would leave the other columns no room. */
  functions.drawn = params => {
    if (narrow.matches) {
      params.api.applyColumnState({ state: [{ colId: "fingerprint", pinned: null, width: 170 }] });
    }
  };

  functions.sorted = params => {
    if (params.source === "api") return;
    const columns = params.api.getColumnState().filter(one => one.sort);
    columns.sort((a, b) => a.sortIndex - b.sortIndex);
    change(search => {
      search.delete("trials.sort");
      for (const one of columns) {
        const name = one.colId.replaceAll("/", ".");
        search.append("trials.sort", (one.sort === "desc" ? "-" : "") + name);
      }
    });
  };

  /* Enter on a cell of the table opens its trial, as a click on its name does. */
  document.addEventListener("keydown", event => {
    if (event.key !== "Enter" || !event.target.closest) return;
    const row = event.target.closest(".ag-row");
    if (!row || event.target.closest("a, input")) return;
    const id = row.getAttribute("row-id");
    const link = document.querySelector('.ag-row[row-id="' + CSS.escape(id) + '"] a.internal');
    if (link) go(link.getAttribute("href"));
  });
})();
