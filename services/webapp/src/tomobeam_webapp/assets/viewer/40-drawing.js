/* What the scientist drew on one image: its items, undo and redo, and saving every change. */
(tb => {
  const BATCH = 400;
  const UNDO_DEPTH = 200;
  const random = () => crypto.getRandomValues(new Uint32Array(3)).reduce((s, n) => s + n.toString(36), "");
  const tab = random();
  const open = new Map();
  tb.newId = random;

  class Drawing {
    constructor(path) {
      this.path = path;
      this.url = "/annotations/" + path.split("/").map(encodeURIComponent).join("/");
      this.classes = [];
      this.items = new Map();
      this.version = 0;
      this.mask = null;
      this.ready = false;
      this.undone = [];
      this.done = [];
      this.pending = [];
      this.number = 0;
      this.saving = false;
    }

    /** The drawing of an image; one object per tab, so that unsaved changes stay with it. */
    static of(path) {
      if (!open.has(path)) open.set(path, new Drawing(path));
      return open.get(path);
    }

    get key() { return `tomobeam-unsaved:${this.user}:${this.path}`; }

    /** Read what the server has, then put this tab's unsaved changes on top. */
    async load(signal) {
      const answer = await tb.retrying("drawing", () => tb.request("GET", this.url, {signal}), signal);
      const body = await answer.json();
      this.user = body.user;
      this.version = body.version;
      this.classes = body.classes;
      this.mask = body.mask;
      this.items = new Map(body.items.map(item => [item.id, item]));
      if (!this.ready) this.pending = [...this.left(), ...this.pending];
      for (const change of this.pending) this.apply(change);
      this.ready = true;
      this.flush();
      tb.changed();
    }

    /** Changes that an earlier page of this browser could not save. */
    left() {
      try { return JSON.parse(localStorage.getItem(this.key)) || []; } catch (_broken) { return []; }
    }

    keep() {
      try {
        if (this.pending.length) localStorage.setItem(this.key, JSON.stringify(this.pending));
        else localStorage.removeItem(this.key);
      } catch (_full) { /* the tab itself still has them */ }
    }

    /** Items of a slice in painting order. */
    slice(z) {
      return [...this.items.values()].filter(item => item.z === z)
        .sort((a, b) => a.seq - b.seq || (a.id < b.id ? -1 : 1));
    }

    annotated() { return [...new Set([...this.items.values()].map(item => item.z))].sort((a, b) => a - b); }

    nextSeq() {
      let last = 0;
      for (const item of this.items.values()) last = Math.max(last, item.seq);
      return last + 1;
    }

    value(classId) { return this.classes.findIndex(entry => entry.id === classId) + 1; }

    apply(change) {
      switch (change.op) {
        case "put": this.items.set(change.item.id, change.item); break;
        case "delete": this.items.delete(change.id); break;
        case "class":
          this.classes = [...this.classes.filter(entry => entry.id !== change.value.id), change.value]
            .sort((a, b) => a.order - b.order || (a.id < b.id ? -1 : 1));
          break;
        case "class_delete":
          this.classes = this.classes.filter(entry => entry.id !== change.id);
          for (const item of [...this.items.values()]) if (item.cls === change.id) this.items.delete(item.id);
      }
    }

    /** What takes `change` back, from the state before it. */
    inverse(change) {
      const old = change.op === "put" ? this.items.get(change.item.id) : this.items.get(change.id);
      switch (change.op) {
        case "put": return old ? [{op: "put", item: old}] : [{op: "delete", id: change.item.id}];
        case "delete": return old ? [{op: "put", item: old}] : [];
        case "class": {
          const before = this.classes.find(entry => entry.id === change.value.id);
          return before ? [{op: "class", value: before}] : [{op: "class_delete", id: change.value.id}];
        }
        case "class_delete": {
          const items = [...this.items.values()].filter(item => item.cls === change.id);
          const value = this.classes.find(entry => entry.id === change.id);
          return value ? [{op: "class", value}, ...items.map(item => ({op: "put", item}))] : [];
        }
      }
      return [];
    }

    /** Do changes that the scientist asked for: shown at once, undoable, saved behind. */
    change(changes, z) {
      this.done.push({z, undo: this.run(changes), redo: changes});
      if (this.done.length > UNDO_DEPTH) this.done.shift();
      this.undone = [];
      tb.changed();
    }

    run(changes) {
      let back = [];
      for (const change of changes) {
        back = [...this.inverse(change), ...back];
        this.apply(change);
        this.pending.push(change);
      }
      this.keep();
      this.flush();
      return back;
    }

    /** Take back the last change, or do it again; returns the slice that it was on. */
    step(from, to, which) {
      const entry = from.pop();
      if (!entry) return null;
      this.run(entry[which]);
      to.push(entry);
      tb.changed();
      return entry.z;
    }
    undo() { return this.step(this.done, this.undone, "undo"); }
    redo() { return this.step(this.undone, this.done, "redo"); }

    /** Send what is pending, one batch after the other, until the server has it all. */
    async flush() {
      if (this.saving || !this.ready) return;
      this.saving = true;
      try {
        while (this.pending.length) await this.sendBatch(this.pending.slice(0, BATCH));
      } finally {
        this.saving = false;
        tb.changed();
      }
    }

    async sendBatch(changes) {
      const json = {base: this.version, tab, number: this.number, changes};
      try {
        const answer = await tb.retrying("drawing", () => tb.request("POST", this.url, {json}));
        this.version = (await answer.json()).version;
        this.number++;
        this.pending.splice(0, changes.length);
        this.keep();
      } catch (error) {
        if (!(error instanceof tb.Trouble)) throw error;
        this.number++;
        if (error.status === 409) await this.takeOver();
        else await this.drop(changes, error);
      }
    }

    /** The server will never take these: what can be kept is kept, the rest is named. */
    async drop(changes, error) {
      await this.load();
      const known = new Set(this.classes.map(entry => entry.id));
      const fits = change => change.op !== "put" || !change.item.cls || known.has(change.item.cls);
      const rest = error.status === 422 ? changes.filter(fits) : [];
      this.pending.splice(0, changes.length, ...(rest.length < changes.length ? rest : []));
      this.keep();
      await this.load();
      this.onReplaced?.();
      tb.tell("dropped", `${error.message} The last change could not be kept.`, {level: "error", forMs: 15000});
    }

    /** Another tab changed the drawing: read it, and keep this tab's changes on top. */
    async takeOver() {
      await this.load();
      this.onReplaced?.();
      tb.tell("tabs", "These annotations were also changed in another tab or browser. "
        + "The changes of both are kept.", {forMs: 12000});
    }

    /** Store the mask in Tiled once everything drawn is saved. */
    async saveMask() {
      await this.settled();
      const answer = await tb.request("POST", `${this.url}/save-mask`, {json: {version: this.version}});
      this.mask = await answer.json();
      return this.mask;
    }

    async settled() {
      while (this.pending.length || this.saving) {
        await new Promise(resolve => {
          const stop = tb.subscribe(() => { if (!this.pending.length && !this.saving) { stop(); resolve(); } });
          this.flush();
          tb.changed();
        });
      }
    }
  }

  window.addEventListener("beforeunload", event => {
    if ([...open.values()].some(drawing => drawing.pending.length)) event.preventDefault();
  });

  tb.Drawing = Drawing;
})(window.tomobeamViewer);
