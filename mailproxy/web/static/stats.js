// Live updates and buttons of the stats page. Without it the page is whole, as it was when it was loaded.
"use strict";

(() => {
  const KEY = "mailproxy-token";
  const SURE_MS = 4000;
  const SAID_MS = 8000;
  const $ = (id) => document.getElementById(id);
  let source = null;
  let paused = false;
  let saidTimer = 0;

  // ---- Updates: a section arrives as HTML that the server has escaped; only what differs is changed. ----

  function morph(old, now) {
    if (old.nodeType !== now.nodeType || old.nodeName !== now.nodeName) {
      old.replaceWith(now);
      return;
    }
    if (old.nodeType === Node.TEXT_NODE) {
      if (old.data !== now.data) old.data = now.data;
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE || "armed" in old.dataset) return;
    for (const { name } of [...old.attributes]) if (!now.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of [...now.attributes]) {
      if (name === "value" && (old === document.activeElement || old.dataset.edited)) continue;
      if (old.getAttribute(name) !== value) {
        old.setAttribute(name, value);
        if (name === "value") old.value = value;
      }
    }
    morphChildren(old, now);
  }

  const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset.key : undefined);

  function morphChildren(old, now) {
    const byKey = new Map();
    for (const child of old.childNodes) {
      const key = keyOf(child);
      if (key !== undefined) byKey.set(key, child);
    }
    const wanted = new Set([...now.childNodes].map(keyOf));
    for (const [key, child] of byKey) if (!wanted.has(key)) child.remove();
    let place = old.firstChild;
    for (const child of [...now.childNodes]) {
      const key = keyOf(child);
      let match = key === undefined ? place : byKey.get(key);
      if (key === undefined && match && keyOf(match) !== undefined) match = null;
      if (!match) {
        old.insertBefore(child, place);
        continue;
      }
      if (match !== place) old.insertBefore(match, place);
      place = match.nextSibling;
      morph(match, child);
    }
    while (place) {
      const next = place.nextSibling;
      place.remove();
      place = next;
    }
  }

  function update(event) {
    const { id, html } = JSON.parse(event.data);
    const old = $(id);
    const now = new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
    if (old && now) morph(old, document.adoptNode(now));
  }

  function show(state, words) {
    $("live").className = `live ${state}`;
    if ($("live").textContent !== words) $("live").textContent = words;
  }

  function follow() {
    stop();
    if (paused || document.hidden) return;
    const search = $("search").value.trim();
    source = new EventSource(`/stats/updates?search=${encodeURIComponent(search)}`);
    source.addEventListener("section", update);
    source.addEventListener("open", () => show("", "live"));
    source.addEventListener("error", () => {
      show("off", "no connection");
      // A browser tries again by itself, except after an error of the server.
      if (source && source.readyState === EventSource.CLOSED) setTimeout(follow, 5000);
    });
  }

  function stop() {
    if (source) source.close();
    source = null;
  }

  // ---- Changes: with the token, which stays in this tab. ----

  const token = () => sessionStorage.getItem(KEY);

  function say(words, bad = false) {
    $("said").textContent = words;
    $("said").className = bad ? "bad" : "";
    clearTimeout(saidTimer);
    saidTimer = setTimeout(() => { $("said").textContent = ""; }, SAID_MS);
  }

  function showToken() {
    const has = token() !== null;
    document.documentElement.toggleAttribute("data-token", has);
    if (!$("token-form")) return;
    $("token-form").hidden = has;
    $("forget").hidden = !has;
  }

  async function ask(path, options, given) {
    const response = await fetch(path, {
      ...options,
      headers: { ...options.headers, Authorization: `Bearer ${given}` },
      cache: "no-store",
    });
    const answer = await response.json();
    if (!response.ok) {
      throw Object.assign(new Error(answer.error || `status ${response.status}`), { status: response.status });
    }
    return answer;
  }

  async function use(given) {
    try {
      await ask("/api/v1/token", {}, given);
      sessionStorage.setItem(KEY, given);
      say("The token is right: servers and sessions have buttons now.");
    } catch (error) {
      say(error.status === 401 ? "This token is wrong." : `This token is not used: ${error.message}`, true);
    }
    showToken();
  }

  async function change(command, values) {
    try {
      const answer = await ask(
        `/api/v1/${command.replaceAll(" ", "/")}`,
        { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(values) },
        token(),
      );
      const checked = answer.rows.filter((row) => "took_s" in row);
      const words = checked.map((row) => `${row.backend}/${row.server} ${row.protocol}: ${row.ok ? "passed" : "failed"}${row.says ? `, ${row.says}` : ""}`);
      say(answer.message || words.join("; ") || "done", checked.some((row) => !row.ok));
    } catch (error) {
      say(error.message, true);
    }
  }

  // A button that takes something from clients asks once more, in its own place.
  function isSure(button) {
    if ("sure" in button.dataset || disarm(button)) return true;
    button.dataset.armed = button.textContent;
    button.textContent = "sure?";
    setTimeout(() => disarm(button), SURE_MS);
    return false;
  }

  // Each answer counts once: the second click of a double click asks again.
  function disarm(button) {
    if (!("armed" in button.dataset)) return false;
    button.textContent = button.dataset.armed;
    delete button.dataset.armed;
    return true;
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-command]");
    if (!button || !isSure(button)) return;
    button.disabled = true;
    await change(button.dataset.command, JSON.parse(button.dataset.arguments));
    button.disabled = false;
  });

  document.addEventListener("input", (event) => {
    if (event.target.name === "weight") event.target.dataset.edited = "yes";
  });

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.id === "token-form") {
      event.preventDefault();
      const given = $("token").value.trim();
      $("token").value = "";
      if (given) await use(given);
    } else if (form.dataset.command) {
      event.preventDefault();
      const input = form.elements.weight;
      await change(form.dataset.command, { ...JSON.parse(form.dataset.arguments), weight: input.value.trim() });
      delete input.dataset.edited;
      input.blur();
    } else if (form.getAttribute("role") === "search") {
      event.preventDefault();
      const search = $("search").value.trim();
      history.replaceState(null, "", search ? `?search=${encodeURIComponent(search)}#sessions` : "/stats");
      paused = false;
      showPaused();
      follow();
    }
  });

  // ---- Start. ----

  function showPaused() {
    $("pause").textContent = paused ? "go on" : "pause";
    $("pause").setAttribute("aria-pressed", String(paused));
    if (paused) show("paused", "paused");
  }

  $("controls").hidden = false;
  $("pause").addEventListener("click", () => {
    paused = !paused;
    if (paused) stop();
    showPaused();
    if (!paused) follow();
  });
  if ($("forget")) $("forget").addEventListener("click", () => {
    sessionStorage.removeItem(KEY);
    showToken();
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : follow()));
  addEventListener("pagehide", stop);
  showToken();
  follow();
})();
