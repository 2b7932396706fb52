// What pages do besides being read: times in the viewer's zone, parts that follow the gateway, plots, passkeys.
// Every page works without it, but for passkeys and plots.
"use strict";
(() => {
  const REFRESH_MS = 2000; // a busy gateway writes many times a second; a person reads slower
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const clock = new Intl.DateTimeFormat("sv-SE", { // year first, as everywhere here
    year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZoneName: "short",
  });

  function localise(root) {
    for (const one of root.querySelectorAll("time[datetime]")) {
      const at = new Date(one.dateTime);
      if (isNaN(at)) continue;
      const [date, ...rest] = clock.format(at).split(" "); // a date is not cut at its hyphens
      const whole = document.createElement("span");
      whole.className = "date";
      whole.textContent = date;
      one.replaceChildren(whole, ` ${rest.join(" ")}`);
    }
  }

  function theme() {
    const button = document.querySelector("[data-theme-switch]");
    if (!button) return;
    button.addEventListener("click", () => {
      const root = document.documentElement;
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      localStorage.setItem("theme", root.dataset.theme);
      for (const figure of document.querySelectorAll("[data-plot]")) draw(figure);
    });
  }

  // Parts that follow the gateway.
  let waiting = null, asking = false;
  async function refresh() {
    waiting = null;
    const olds = [...document.querySelectorAll("[data-fresh][id]")];
    if (asking || document.hidden || !olds.length) return;
    asking = true;
    try {
      const answer = await fetch(location.href, { headers: { "X-Refresh": "1" }, redirect: "manual" });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const old of olds) {
        const fresh = page.getElementById(old.id);
        if (!fresh || old.contains(document.activeElement) && document.activeElement !== document.body) continue;
        localise(fresh);
        if (fresh.innerHTML !== old.innerHTML) {
          old.replaceWith(fresh);
          if (window.htmx) htmx.process(fresh);
          for (const figure of fresh.querySelectorAll("[data-plot]")) draw(figure);
        }
      }
      for (const figure of document.querySelectorAll("[data-plot][data-follows]")) draw(figure);
    } catch { /* the gateway is away: the stream of news comes again, and then this does */ } finally {
      asking = false;
    }
  }
  function follow() {
    const where = document.body.dataset.live;
    if (!where || !document.querySelector("[data-fresh],[data-follows]")) return;
    const stream = new EventSource(where);
    stream.addEventListener("news", () => { waiting ??= setTimeout(refresh, REFRESH_MS); });
    addEventListener("pagehide", () => stream.close());
  }

  // Times of a plot as pages write them: a day of 24 hours, in the viewer's zone. A line: from so many seconds between two
  // ticks on, their text, and what stands below it where the year, the month, the day or the minute is another one.
  const DAY_BELOW = "\n{YYYY}-{MM}-{DD}";
  const TIMES = [
    [365 * 86400, "{YYYY}", null, null, null, null, null, null, 1],
    [28 * 86400, "{YYYY}-{MM}", null, null, null, null, null, null, 1],
    [86400, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
    [60, "{HH}:{mm}", DAY_BELOW, null, DAY_BELOW, null, null, null, 1],
    [1, "{HH}:{mm}:{ss}", DAY_BELOW, null, DAY_BELOW, null, null, null, 1],
  ];
  // Plots: {"x": [seconds], "series": [{"label", "unit", "values", "stepped"}], "marks": [{"at", "label"}]}.
  async function draw(figure) {
    const canvas = figure.querySelector(".canvas");
    try {
      const answer = await fetch(figure.dataset.plot, { headers: { "X-Refresh": "1" } });
      if (!answer.ok) throw new Error(answer.status);
      const data = await answer.json();
      const ink = getComputedStyle(document.documentElement).getPropertyValue("--ink");
      const grid = getComputedStyle(document.documentElement).getPropertyValue("--line");
      const colours = getComputedStyle(document.documentElement).getPropertyValue("--plots").split(",").map((c) => c.trim());
      const unit = data.series[0]?.unit ?? "";
      const axis = { stroke: ink, grid: { stroke: grid }, ticks: { stroke: grid } };
      const options = {
        width: Math.max(canvas.clientWidth, 280), height: 300,
        cursor: { drag: { x: true, y: false } },
        axes: [{ ...axis, values: TIMES }, { ...axis, label: unit, size: 70 }],
        series: [{ value: "{YYYY}-{MM}-{DD} {HH}:{mm}:{ss}" }, ...data.series.map((one, i) => ({
          label: one.unit ? `${one.label} (${one.unit})` : one.label,
          stroke: colours[i % colours.length], width: 2, spanGaps: false, points: { show: data.x.length < 60 },
          dash: i % 2 ? [6, 3] : undefined,
          paths: one.stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
        }))],
      };
      canvas.replaceChildren();
      figure.plot = new uPlot(options, [data.x, ...data.series.map((one) => one.values)], canvas);
      figure.dataset.drawn = data.x.length;
    } catch {
      canvas.textContent = "The plot could not be drawn; the numbers are behind the link below.";
    }
  }
  function resize() {
    for (const figure of document.querySelectorAll("[data-plot]")) {
      figure.plot?.setSize({ width: Math.max(figure.querySelector(".canvas").clientWidth, 280), height: 300 });
    }
  }

  // Passkeys: the browser makes or uses one, and the form carries its answer.
  function passkeys() {
    for (const form of document.querySelectorAll("form[data-passkey]")) {
      const hint = form.querySelector(".hint");
      if (!window.PublicKeyCredential?.parseCreationOptionsFromJSON) {
        hint.textContent = "This browser knows no passkeys.";
        form.querySelector("button").disabled = true;
        continue;
      }
      form.addEventListener("submit", async (event) => {
        event.preventDefault();
        hint.textContent = "";
        try {
          const asked = await (await fetch(form.dataset.ask)).json();
          const made = form.dataset.passkey === "create"
            ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(asked.options) })
            : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(asked.options) });
          form.elements.credential.value = JSON.stringify(made.toJSON());
          if (form.elements.asked) form.elements.asked.value = asked.asked;
          form.submit();
        } catch (error) {
          hint.textContent = error.name === "NotAllowedError" ? "No passkey was used." : `The passkey did not work: ${error.name}.`;
        }
      });
    }
  }

  // The time that is left until a gate closes, by the second and the gateway's clock; when it is over the page asks anew.
  function countdown() {
    for (const one of document.querySelectorAll("[data-left]")) {
      one.ends ??= performance.now() + 1000 * Number(one.dataset.left);
      const left = Math.floor((one.ends - performance.now()) / 1000);
      if (isNaN(left) || left < 0) continue;
      const [days, hours, minutes] = [Math.floor(left / 86400), Math.floor(left / 3600) % 24, Math.floor(left / 60) % 60];
      const two = (n) => String(n).padStart(2, "0");
      one.textContent = `${days ? `${days} d ` : ""}${hours}:${two(minutes)}:${two(left % 60)}`;
      if (left === 0) waiting ??= setTimeout(refresh, REFRESH_MS);
    }
  }

  // "/" goes to the search field of the page.
  function keyboard() {
    addEventListener("keydown", (event) => {
      const typing = event.target.closest?.("input,select,textarea,[contenteditable]");
      const search = document.querySelector("input[type=search]");
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && search) {
        event.preventDefault();
        search.focus();
      }
    });
  }

  localise(document);
  theme();
  passkeys();
  keyboard();
  countdown();
  setInterval(countdown, 1000);
  follow();
  for (const figure of document.querySelectorAll("[data-plot]")) draw(figure);
  let resizing = null;
  addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(resize, 200); });
  document.addEventListener("htmx:after:swap", (event) => localise(event.target.ownerDocument));
  document.documentElement.dataset.zone = zone;
  document.documentElement.dataset.ready = "yes";
})();
