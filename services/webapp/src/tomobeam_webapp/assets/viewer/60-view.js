/* The canvas: where the slice lies on it, what it shows, and what the pointer does. */
(tb => {
  const L = tb.LATTICE;
  const LOAD_AFTER_MS = 90;
  const CLOSEST = 1 / 40;

  class View {
    constructor(element, canvas, sketch) {
      Object.assign(this, {element, canvas, over: sketch});
      this.renderer = tb.makeRenderer(canvas);
      this.box = [0, 0, 1, 1];
      this.labels = new Uint8Array(1);
      this.picture = null;
      this.cursor = null;
      this.observer = new ResizeObserver(() => this.resize());
      this.observer.observe(element);
      canvas.addEventListener("webglcontextlost", event => event.preventDefault());
      canvas.addEventListener("webglcontextrestored", () => { this.renderer.rebuild(); this.draw(); });
      tb.listenToPointer(this);
      this.resize();
    }

    destroy() {
      this.close();
      cancelAnimationFrame(this.frame);
      this.observer.disconnect();
    }

    /** Show a stack at its whole size; its first picture is asked for at once. */
    open(stack) {
      this.close();
      this.stack = stack;
      if (Math.max(stack.W, stack.H) > this.renderer.largest) {
        tb.tell("pixels", `Slices of ${stack.W} × ${stack.H} are too large for this graphics card.`, {level: "error"});
        return;
      }
      this.labels = new Uint8Array(stack.W * stack.H);
      this.hasLabels = false;
      this.loader = new tb.Loader(stack, picture => this.show(picture));
      this.fit();
    }

    close() {
      this.loader?.close();
      this.loader = this.stack = this.picture = null;
      this.resultKey = null;
      this.hasResult = false;
      clearTimeout(this.timer);
      this.draw();
      this.sketch();
    }

    resize() {
      const ratio = window.devicePixelRatio || 1, {clientWidth: w, clientHeight: h} = this.element;
      if (!w || !h) return;
      for (const canvas of [this.canvas, this.over]) {
        canvas.width = Math.round(w * ratio);
        canvas.height = Math.round(h * ratio);
      }
      if (this.stack) {
        if (this.fitted) this.fit();
        else this.zoomBy(1);
      } else this.draw();
    }

    /** Pixels of the slice per CSS pixel. */
    pixelsPerPoint() { return this.box[2] / Math.max(1, this.element.clientWidth); }

    place(scale, cx, cy) {
      const {clientWidth: w, clientHeight: h} = this.element;
      this.box = [cx - w * scale / 2, cy - h * scale / 2, w * scale, h * scale];
      this.moved();
    }
    fit() {
      if (!this.stack) return;
      const {W, H} = this.stack, {clientWidth: w, clientHeight: h} = this.element;
      this.place(Math.max(W / w, H / h), W / 2, H / 2);
      this.fitted = true;
      tb.changed();
    }
    oneToOne() {
      this.fitted = false;
      this.place(1 / (window.devicePixelRatio || 1), this.box[0] + this.box[2] / 2, this.box[1] + this.box[3] / 2);
      tb.changed();
    }
    /** Zoom around a point of the slice, or the middle. */
    zoomBy(factor, at) {
      if (!this.stack) return;
      const {clientWidth: w, clientHeight: h} = this.element, {W, H} = this.stack;
      const furthest = 2 * Math.max(W / w, H / h);
      const scale = Math.min(furthest, Math.max(CLOSEST, this.pixelsPerPoint() * factor));
      const [x, y] = at || [this.box[0] + this.box[2] / 2, this.box[1] + this.box[3] / 2];
      const k = scale * w / this.box[2];
      if (factor !== 1) this.fitted = false;
      this.box = [x + (this.box[0] - x) * k, y + (this.box[1] - y) * k, w * scale, h * scale];
      this.moved();
      tb.changed();
    }
    panBy(dx, dy) {
      const {W, H} = this.stack, k = this.pixelsPerPoint();
      this.fitted = false;
      this.box[0] = Math.min(W - this.box[2] * 0.1, Math.max(-this.box[2] * 0.9, this.box[0] - dx * k));
      this.box[1] = Math.min(H - this.box[3] * 0.1, Math.max(-this.box[3] * 0.9, this.box[1] - dy * k));
      this.moved();
    }
    moved() {
      this.draw();
      this.sketch();
      clearTimeout(this.timer);
      if (!this.picture || this.picture.z !== tb.app.z) this.load();
      else this.timer = setTimeout(() => { if (!this.covered()) this.load(); }, LOAD_AFTER_MS);
    }

    /** Whether the picture on screen has the level and the region that the view wants. */
    covered() {
      const {level, box} = this.loader.choose(this.box, this.canvas.width), p = this.picture;
      if (p.quick || p.region.level !== level) return false;
      if (String(p.region.box) === String(box)) return true;
      const [x, y, w, h] = p.sharpBox, {W, H} = this.stack, [vx, vy, vw, vh] = this.box;
      return x <= Math.max(0, vx) && y <= Math.max(0, vy)
        && x + w >= Math.min(W, vx + vw) && y + h >= Math.min(H, vy + vh);
    }

    load(quick = false) {
      this.loader?.want({z: tb.app.z, view: [...this.box], across: this.canvas.width,
        window: tb.app.window, quick: quick && this.renderer.quick});
    }

    /** A picture has arrived: slice, labels and result change together. */
    show(picture) {
      const r = this.renderer;
      if (picture.quick) r.uploadQuick(picture.quick.bitmap);
      else r.upload("sharp", picture.data, ...picture.size);
      if (picture.base) r.upload("base", picture.base, ...picture.baseSize);
      const turned = tb.app.shownZ !== picture.z;
      this.picture = picture;
      tb.app.shownZ = picture.z;
      if (turned) this.repaint();
      else this.draw();
      if (turned) tb.changed();
      this.loadResult();
      this.showns = (this.showns || 0) + 1;
    }

    /** Paint the labels of this slice again from its items. */
    repaint() {
      const {drawing, shownZ, stack} = tb.app;
      if (!stack || shownZ === null || !this.stack) return;
      const items = drawing.slice(shownZ).filter(tb.app.isShown);
      if (this.hasLabels) this.labels.fill(0);
      for (const item of items) tb.paint(this.labels, item, drawing.value(item.cls), stack.W, stack.H);
      if (items.length) this.renderer.upload("labels", this.labels, stack.W, stack.H);
      this.hasLabels = items.length > 0;
      this.draw();
      this.sketch();
    }

    /** Paint part of a stroke while it is drawn. */
    paintNow(item) {
      const {stack, drawing} = tb.app;
      if (!this.hasLabels) this.renderer.upload("labels", this.labels, stack.W, stack.H);
      this.hasLabels = true;
      const rows = tb.paint(this.labels, item, drawing.value(item.cls), stack.W, stack.H);
      if (!rows) return;
      this.renderer.uploadRows(this.labels, stack.W, ...rows);
      this.draw();
    }

    /** Bring the plane of the result that belongs to this slice. */
    async loadResult() {
      const {overlay, shownZ, stack} = tb.app;
      const plane = overlay && (overlay.mask_idx ? overlay.mask_idx.indexOf(shownZ) : shownZ);
      const key = overlay?.visible && plane >= 0 && stack ? `${overlay.path}@${overlay.version}/${plane}` : null;
      tb.tell("overlay", overlay?.visible && plane < 0 ? "This slice was not segmented." : null);
      if (key === this.resultKey) return this.draw();
      this.resultKey = key;
      this.asking?.abort();
      this.hasResult = false;
      this.draw();
      if (!key) return;
      const signal = (this.asking = new AbortController()).signal;
      const url = `/view/${overlay.path}/@${encodeURIComponent(overlay.version)}/labels/${plane}`;
      try {
        const data = await tb.retrying("overlay", async () => {
          const answer = await tb.request("GET", url, {signal});
          return new Uint8Array(await answer.arrayBuffer());
        }, signal);
        if (signal.aborted || this.stack !== stack) return;
        if (data.length !== stack.W * stack.H) {
          tb.tell("overlay", "The result has another size than this image.", {level: "error"});
          return;
        }
        this.renderer.upload("result", data, stack.W, stack.H);
        this.result = data;
        this.hasResult = true;
        this.draw();
      } catch (error) {
        if (!(error instanceof tb.Trouble) && error.name !== "AbortError") throw error;
      }
    }

    /** Draw once in the next frame, however often it is asked. */
    draw() {
      this.frame ||= requestAnimationFrame(() => { this.frame = 0; this.drawNow(); });
    }

    drawNow() {
      const {app} = tb, {overlay} = app, p = this.picture, nowhere = [-2, -2, 1e-6, 1e-6];
      const size = this.stack && p ? [this.stack.W, this.stack.H] : [0, 0];
      this.renderer.draw({
        view: this.box, size, window: app.window,
        sharpBox: p ? p.sharpBox : nowhere, baseBox: p ? p.baseBox : nowhere,
        quickWindow: p?.quick?.range || null,
        hasLabels: Boolean(p) && this.hasLabels, hasResult: this.hasResult && Boolean(overlay?.visible),
        opacity: [app.labelOpacity, overlay?.opacity ?? 0],
        drawn: tb.colours((app.drawing?.classes || []).map(entry => entry.color)),
        found: tb.colours((overlay?.classes || []).map(entry => entry.color)),
        light: document.documentElement.getAttribute("data-mantine-color-scheme") === "light",
      });
    }

    toScreen(x, y) {
      const k = this.canvas.width / this.box[2];
      return [(x / L + 0.5 - this.box[0]) * k, (y / L + 0.5 - this.box[1]) * k];
    }
    /** Position of the pointer on the lattice, where whole pixels are centres. */
    lattice(event) {
      const r = this.canvas.getBoundingClientRect();
      const x = this.box[0] + (event.clientX - r.left) / r.width * this.box[2] - 0.5;
      const y = this.box[1] + (event.clientY - r.top) / r.height * this.box[3] - 0.5;
      const bound = v => Math.max(-(1 << 19), Math.min(1 << 19, Math.round(v * L)));
      return [bound(x), bound(y)];
    }

    /** Values at two percentiles of the picture on screen. */
    percentiles(low, high) {
      const data = this.picture?.data;
      if (!data) return null;
      const counts = new Uint32Array(65536);
      for (const v of data) counts[v]++;
      const at = share => {
        let seen = 0;
        for (let v = 0; v < 65536; v++) { seen += counts[v]; if (seen >= share / 100 * data.length) return v; }
        return 65535;
      };
      return [at(low), at(high)];
    }

    /** What lies under the cursor: {x, y, value, bound, drawn, found}. */
    readout() {
      const {app} = tb, p = this.picture;
      if (!this.cursor || !p || !this.stack) return null;
      const x = Math.round(this.cursor[0] / L), y = Math.round(this.cursor[1] / L), {W, H} = this.stack;
      if (x < 0 || y < 0 || x >= W || y >= H) return null;
      const [bx, by, bw, bh] = p.sharpBox, [w, h] = p.size;
      const c = Math.floor((x + 0.5 - bx) / bw * w), r = Math.floor((y + 0.5 - by) / bh * h);
      const inside = p.data && c >= 0 && r >= 0 && c < w && r < h, raw = inside ? p.data[r * w + c] : null;
      const drawn = this.labels[y * W + x], found = this.hasResult ? this.result[y * W + x] : 0;
      return {x, y, raw, drawn: drawn ? app.drawing.classes[drawn - 1]?.name : null,
        found: found ? app.overlay?.classes?.[found - 1]?.name ?? `class ${found - 1}` : null};
    }
  }

  tb.View = View;
})(window.tomobeamViewer);
