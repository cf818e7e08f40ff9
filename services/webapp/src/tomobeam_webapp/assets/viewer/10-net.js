/* Requests to the page's own server: sentences for what goes wrong, retries, a bounded memory. */
window.tomobeamViewer = {};
(tb => {
  const SIGN_IN = "Your session has ended. Sign in again.";
  const SILENT = "The page's server does not answer. Your work is kept; trying again…";
  const FIRST_WAIT = 400, LONGEST_WAIT = 10000;

  /** A refusal or a failure; `message` is for the scientist, `again` says whether to retry. */
  class Trouble extends Error {
    constructor(sentence, status, body) {
      super(sentence);
      this.status = status;
      this.body = body || {};
      this.again = !status || status === 401 || status === 403 || status >= 500;
    }
  }

  function cookie(name) {
    const found = document.cookie.split("; ").find(part => part.startsWith(name + "="));
    return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
  }

  async function refusal(response) {
    if (response.status === 401 || response.status === 403) return new Trouble(SIGN_IN, response.status);
    let body = {};
    try { body = await response.json(); } catch (_notJson) { /* a proxy's own page */ }
    const sentence = body.error || `The page's server failed (${response.status}); trying again…`;
    return new Trouble(sentence, response.status, body);
  }

  /** One request; throws `Trouble`, or AbortError where the signal aborted it. */
  async function request(method, url, {json, signal, priority} = {}) {
    const options = {method, signal, priority, credentials: "same-origin", headers: {}};
    if (json !== undefined) {
      options.body = JSON.stringify(json);
      options.headers["Content-Type"] = "application/json";
    }
    if (method !== "GET") options.headers["X-CSRFToken"] = cookie("_csrf_token");
    let response;
    try {
      response = await fetch(url, options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Trouble(SILENT, 0);
    }
    if (response.redirected && new URL(response.url).pathname.startsWith("/login")) {
      throw new Trouble(SIGN_IN, 401);
    }
    if (!response.ok) throw await refusal(response);
    return response;
  }

  /** Wait, but no longer than until the scientist comes back to this tab or the network does. */
  const wait = (ms, signal) => new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      for (const event of ["focus", "online"]) window.removeEventListener(event, end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    for (const event of ["focus", "online"]) window.addEventListener(event, end);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("aborted", "AbortError"));
    }, {once: true});
  });

  /** Repeat `task` until it succeeds or is refused for good; its trouble shows under `topic`. */
  async function retrying(topic, task, signal) {
    for (let pause = FIRST_WAIT; ; pause = Math.min(2 * pause, LONGEST_WAIT)) {
      try {
        const answer = await task();
        tb.tell(topic, null);
        return answer;
      } catch (error) {
        if (error.name === "AbortError" || !(error instanceof Trouble)) throw error;
        tb.tell(topic, error.message, {level: "error", signIn: error.status === 401 || error.status === 403});
        if (!error.again) throw error;
      }
      await wait(pause, signal);
    }
  }

  /** Least recently used values, bounded by their bytes. */
  class Memory {
    constructor(maxBytes) { this.max = maxBytes; this.used = 0; this.map = new Map(); }
    get(key) {
      const found = this.map.get(key);
      if (found) { this.map.delete(key); this.map.set(key, found); }
      return found;
    }
    set(key, value) {
      if (this.map.has(key)) { this.used -= this.map.get(key).byteLength; this.map.delete(key); }
      this.map.set(key, value);
      this.used += value.byteLength;
      for (const [oldest, old] of this.map) {
        if (this.used <= this.max || oldest === key) break;
        this.map.delete(oldest);
        this.used -= old.byteLength;
      }
    }
  }

  const listeners = new Set();
  let announced = false;
  /** Tell whoever renders that something shown has changed, once per frame. */
  tb.changed = () => {
    if (announced) return;
    announced = true;
    queueMicrotask(() => { announced = false; for (const listener of [...listeners]) listener(); });
  };
  tb.subscribe = listener => { listeners.add(listener); return () => listeners.delete(listener); };

  /** Sentences now on screen, by topic. */
  tb.messages = new Map();
  tb.tell = (topic, sentence, {level = "info", signIn = false, forMs = 0} = {}) => {
    const before = tb.messages.get(topic);
    if (before?.timer) clearTimeout(before.timer);
    if (!sentence) {
      if (tb.messages.delete(topic)) tb.changed();
      return;
    }
    const message = {sentence, level, signIn};
    if (forMs) message.timer = setTimeout(() => tb.tell(topic, null), forMs);
    tb.messages.set(topic, message);
    tb.changed();
  };

  Object.assign(tb, {Trouble, request, retrying, wait, Memory});
})(window.tomobeamViewer);
