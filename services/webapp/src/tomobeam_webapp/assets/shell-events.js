// Asks the page's server what changed, and tells the stores of the page.
(function () {
  "use strict";
  const STORES = { recons: "recons-version", results: "results-version", jobs: "jobs-version" };
  const LOOKED_AT_MS = 1000;
  const HIDDEN_MS = 10000;
  const SIGNED_OUT = "You have been signed out. What you marked is kept.";
  const AWAY = "The page’s own server does not answer. It is asked again every second.";
  const known = {};
  let timer = null;
  let user = null;

  function ready() {
    return window.dash_clientside && window.dash_clientside.set_props && document.getElementById("page");
  }

  function set(store, value) {
    const text = JSON.stringify(value);
    if (known[store] === text) return;
    known[store] = text;
    window.dash_clientside.set_props(store, { data: value });
  }

  let last = { images: null, jobs: null };

  async function ask() {
    let page = null;
    try {
      const answer = await fetch("/events", { cache: "no-store", signal: AbortSignal.timeout(8000) });
      if (answer.status === 401) {
        page = { words: SIGNED_OUT, signIn: true };
      } else if (!answer.ok) {
        page = { words: AWAY };
      } else {
        const news = await answer.json();
        // Somebody else signed in from another tab: this one still shows the former's work.
        if (user !== null && user !== news.user) return window.location.reload();
        user = news.user;
        for (const [name, version] of Object.entries(news.versions)) {
          if (STORES[name]) set(STORES[name], version);
        }
        last = { ...news.faults, loaded: news.loaded };
      }
    } catch (error) {
      // No connection, a time-out, or half an answer.
      page = { words: AWAY };
    }
    set("faults", { ...last, page: page });
  }

  async function round() {
    clearTimeout(timer);
    if (ready()) await ask();
    clearTimeout(timer);
    timer = setTimeout(round, document.hidden ? HIDDEN_MS : ready() ? LOOKED_AT_MS : 100);
  }

  document.addEventListener("visibilitychange", () => { if (!document.hidden) round(); });
  round();
})();
