/* The same picture without WebGL2, slower: every pixel of the canvas is computed here. */
(tb => {
  class CanvasRenderer {
    constructor(canvas) {
      this.canvas = canvas;
      this.context = canvas.getContext("2d", {alpha: false});
      this.quick = false;
      this.layers = {};
    }

    get largest() { return Infinity; }
    rebuild() { /* a 2-D canvas keeps what it needs */ }
    upload(name, data, w, h) { this.layers[name] = {data, w, h}; }
    uploadRows() { /* the labels are read where they lie */ }

    value(name, box, x, y) {
      const layer = this.layers[name];
      if (!layer || x < box[0] || y < box[1] || x >= box[0] + box[2] || y >= box[1] + box[3]) return -1;
      const c = Math.min(layer.w - 1, Math.floor((x - box[0]) / box[2] * layer.w));
      return layer.data[Math.min(layer.h - 1, Math.floor((y - box[1]) / box[3] * layer.h)) * layer.w + c];
    }

    draw(s) {
      const {width, height} = this.canvas, picture = this.context.createImageData(width, height);
      const out = picture.data, [W, H] = s.size, whole = [0, 0, W, H], empty = s.light ? 237 : 18;
      const scale = 255 / Math.max(s.window[1] - s.window[0], 1e-6);
      const blend = (colours, k, share, o) => {
        for (let i = 0; i < 3; i++) out[o + i] += (colours[3 * ((k - 1) % 26) + i] * 255 - out[o + i]) * share;
      };
      for (let row = 0, o = 0; row < height; row++) {
        const y = s.view[1] + (row + 0.5) / height * s.view[3];
        for (let column = 0; column < width; column++, o += 4) {
          const x = s.view[0] + (column + 0.5) / width * s.view[2];
          out[o + 3] = 255;
          if (x < 0 || y < 0 || x >= W || y >= H) { out[o] = out[o + 1] = out[o + 2] = empty; continue; }
          let v = this.value("sharp", s.sharpBox, x, y);
          if (v < 0) v = this.value("base", s.baseBox, x, y);
          out[o] = out[o + 1] = out[o + 2] = (v - s.window[0]) * scale;
          const found = s.hasResult ? this.value("result", whole, x, y) : 0;
          if (found > 0) blend(s.found, found, s.opacity[1], o);
          const drawn = s.hasLabels ? this.value("labels", whole, x, y) : 0;
          if (drawn > 0) blend(s.drawn, drawn, s.opacity[0], o);
        }
      }
      this.context.putImageData(picture, 0, 0);
    }
  }

  /** The best renderer that this browser has, for slices of W × H. */
  tb.makeRenderer = canvas => {
    try {
      if (new URLSearchParams(location.search).get("canvas") !== "2d") return new tb.GlRenderer(canvas);
    } catch (error) {
      console.warn("drawing without WebGL2:", error.message);
    }
    tb.tell("renderer", "This browser has no WebGL2: pictures are drawn more slowly.", {forMs: 8000});
    return new CanvasRenderer(canvas);
  };
})(window.tomobeamViewer);
