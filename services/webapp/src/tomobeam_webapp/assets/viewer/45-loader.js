/* Gets the pixels that the view needs: 8 bits while slices fly by, 16 bits at rest. */
(tb => {
  const MEMORY_BYTES = 128 << 20;
  const REST_MS = 120;
  const WHOLE_PIXELS = 1.6e6;
  const BASE_EDGE = 512;
  const SNAP = 128;
  const PREFETCH = [1, -1, 2, -2];
  const memory = new tb.Memory(MEMORY_BYTES);

  /** Sizes [w, h] of every level, as the server makes them. */
  function levelSizes({W, H, levels}) {
    const sizes = [[W, H]];
    while (sizes.length < levels) sizes.push(sizes[sizes.length - 1].map(n => Math.floor(n / 2)));
    return sizes;
  }

  class Loader {
    /** `stack`: {path, version, W, H, levels}. `onPicture(picture)` is called when one can be shown. */
    constructor(stack, onPicture) {
      this.stack = stack;
      this.sizes = levelSizes(stack);
      this.onPicture = onPicture;
      this.root = `/view/${stack.path.split("/").map(encodeURIComponent).join("/")}/@${stack.version}`;
      this.busy = null;
      this.next = null;
    }

    close() {
      clearTimeout(this.timer);
      this.busy?.abort();
      this.ahead?.abort();
      this.next = null;
      this.closed = true;
      tb.tell("pixels", null);
    }

    /** Level and region of it that show `view` ([x, y, w, h] in pixels) on `across` screen pixels. */
    choose(view, across) {
      const {W, H} = this.stack, wanted = Math.floor(Math.log2(Math.max(view[2] / across, 1)) + 0.3);
      const level = Math.min(wanted, this.sizes.length - 1), [w, h] = this.sizes[level];
      if (w * h <= WHOLE_PIXELS) return {level, box: [0, 0, w, h]};
      const fx = W / w, fy = H / h, margin = 0.25;
      const low = (a, d, f) => Math.max(0, Math.floor((a - d * margin) / f / SNAP) * SNAP);
      const high = (a, d, f, n) => Math.min(n, Math.ceil((a + d * (1 + margin)) / f / SNAP) * SNAP);
      const x = Math.min(low(view[0], view[2], fx), w - 1), y = Math.min(low(view[1], view[3], fy), h - 1);
      return {level, box: [x, y, Math.max(1, high(view[0], view[2], fx, w) - x),
        Math.max(1, high(view[1], view[3], fy, h) - y)]};
    }

    /** A region of a level in pixels of the slice. */
    place({level, box}) {
      const [w, h] = this.sizes[level], fx = this.stack.W / w, fy = this.stack.H / h;
      return [box[0] * fx, box[1] * fy, box[2] * fx, box[3] * fy];
    }

    url(z, {level, box}, encoding) { return `${this.root}/${z}/${level}/${box.join(",")}.${encoding}`; }

    async fetch16(z, region, options) {
      const url = this.url(z, region, "u16"), known = memory.get(url);
      if (known) return known;
      const answer = await tb.request("GET", url, options);
      const data = new Uint16Array(await answer.arrayBuffer());
      if (data.length !== region.box[2] * region.box[3]) throw new tb.Trouble("A picture arrived incomplete; trying again…", 0);
      memory.set(url, data);
      return data;
    }

    async fetch8(z, region, window, options) {
      const range = window.map(v => Math.round(Math.min(65535, Math.max(0, v))));
      const url = `${this.url(z, region, "jpg")}?lo=${range[0]}&hi=${range[1]}`;
      const bitmap = await createImageBitmap(await (await tb.request("GET", url, options)).blob());
      return {bitmap, range};
    }

    /** The newest wish wins; one already under way is finished first while slices fly by. */
    want(wish) {
      this.next = wish;
      this.ahead?.abort();
      this.ready = null;
      clearTimeout(this.timer);
      if (this.busy && !(this.flying && wish.quick)) this.busy.abort();
      if (!this.busy || this.busy.signal.aborted) this.run();
    }

    async run() {
      const wish = this.next, control = this.busy = new AbortController();
      this.next = null;
      const region = this.choose(wish.view, wish.across);
      const cached = memory.get(this.url(wish.z, region, "u16"));
      this.flying = wish.quick && !cached;
      try {
        const picture = await tb.retrying("pixels", () => this.picture(wish, region, this.flying, control.signal), control.signal);
        if (!control.signal.aborted) this.onPicture(picture);
      } catch (error) {
        if (!(error instanceof tb.Trouble) && error.name !== "AbortError") throw error;
      }
      if (this.busy !== control || this.closed) return;
      this.busy = null;
      if (this.next) this.run();
      else if (this.flying) this.timer = setTimeout(() => this.want({...wish, quick: false}), REST_MS);
      else this.timer = setTimeout(() => this.lookAhead(wish, region), REST_MS);
    }

    async picture({z, window}, region, quick, signal) {
      const whole = region.box[2] * region.box[3] === this.sizes[region.level][0] * this.sizes[region.level][1];
      const baseLevel = this.sizes.findIndex(([w, h]) => Math.max(w, h) <= BASE_EDGE);
      const level = baseLevel < 0 ? this.sizes.length - 1 : baseLevel;
      const baseRegion = {level, box: [0, 0, ...this.sizes[level]]};
      const sharp = quick ? this.fetch8(z, region, window, {signal}) : this.fetch16(z, region, {signal});
      const [got, base] = await Promise.all([sharp, whole ? null : this.fetch16(z, baseRegion, {signal})]);
      return {
        z, region, sharpBox: this.place(region), size: region.box.slice(2),
        data: quick ? null : got, quick: quick ? got : null,
        base, baseSize: baseRegion.box.slice(2), baseBox: [0, 0, this.stack.W, this.stack.H],
      };
    }

    /** Whether nothing is on its way and the neighbours are here. */
    atRest() { return !this.busy && !this.next && this.ready === tb.app.z && tb.app.shownZ === tb.app.z; }

    /** Bring the neighbours, so that the next step needs no waiting. */
    async lookAhead(wish, region) {
      const control = this.ahead = new AbortController();
      try {
        for (const step of PREFETCH) {
          const z = wish.z + step;
          if (z < 0 || z >= this.stack.depth) continue;
          await this.fetch16(z, region, {signal: control.signal, priority: "low"});
        }
        this.ready = wish.z;
      } catch (error) {
        // Nobody waits for these: a step there asks again and then says what is wrong.
        if (!(error instanceof tb.Trouble) && error.name !== "AbortError") throw error;
      }
    }
  }

  tb.Loader = Loader;
})(window.tomobeamViewer);
