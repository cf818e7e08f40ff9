/* Draws a slice with WebGL2: 16-bit values through the window, drawn labels and a result above. */
(tb => {
  // One program for each set of layers in use: without a graphics card every unused one costs.
  const VERTEX = `#version 300 es
precision highp float;
in vec2 corner; uniform vec4 view, sharpBox, baseBox;
uniform vec2 sharpSize, baseSize;
out vec2 at, sharpAt, baseAt;
void main() {
  at = view.xy + vec2(corner.x, 1. - corner.y) * view.zw;
  sharpAt = (at - sharpBox.xy) / sharpBox.zw * sharpSize;
  baseAt = (at - baseBox.xy) / baseBox.zw * baseSize;
  gl_Position = vec4(corner * 2. - 1., 0, 1);
}`;
  const FRAGMENT = `
precision highp float; precision highp int; precision highp usampler2D;
in vec2 at, sharpAt, baseAt; out vec4 colour;
uniform usampler2D sharp, base, labels, result;
uniform sampler2D quick;
uniform vec2 quickWindow, grey, opacity, sharpSize, baseSize;
uniform vec3 drawn[26], found[26];
void main() {
  float v;
  ivec2 s = min(ivec2(sharpAt), ivec2(sharpSize) - 1);
#ifdef QUICK
  v = quickWindow.x + quickWindow.y * texelFetch(quick, max(s, 0), 0).r;
#else
  v = float(texelFetch(sharp, max(s, 0), 0).r);
#endif
#ifdef BASE
  if (any(lessThan(sharpAt, vec2(0))) || any(greaterThanEqual(sharpAt, sharpSize)))
    v = float(texelFetch(base, clamp(ivec2(baseAt), ivec2(0), ivec2(baseSize) - 1), 0).r);
#endif
  vec3 c = vec3(clamp(v * grey.x + grey.y, 0., 1.));
#ifdef RESULT
  uint r = texelFetch(result, ivec2(at), 0).r;
  if (r > 0u) c = mix(c, found[(r - 1u) % 26u], opacity.y);
#endif
#ifdef LABELS
  uint k = texelFetch(labels, ivec2(at), 0).r;
  if (k > 0u) c = mix(c, drawn[(k - 1u) % 26u], opacity.x);
#endif
  colour = vec4(c, 1);
}`;
  const UNITS = {sharp: 0, base: 1, labels: 2, result: 3, quick: 4};
  const COLOURS = 26;

  const rgb = hex => [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16) / 255);
  /** Colours as the shader wants them: COLOURS × 3 floats. */
  tb.colours = list => {
    const flat = new Float32Array(3 * COLOURS);
    list.slice(0, COLOURS).forEach((hex, i) => flat.set(rgb(hex), 3 * i));
    return flat;
  };

  /** The canvas's picture. `shape` is {W, H}; boxes are [x, y, w, h] in pixels of the slice. */
  class GlRenderer {
    constructor(canvas) {
      this.canvas = canvas;
      this.gl = canvas.getContext("webgl2", {antialias: false, alpha: false, powerPreference: "high-performance"});
      if (!this.gl) throw new Error("WebGL2 is missing");
      this.quick = true;
      this.kept = {};
      this.build();
    }

    build() {
      const gl = this.gl;
      this.programs = new Map();
      this.sizes = {};
      gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
      gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([0, 0, 1, 0, 0, 1, 1, 1]), gl.STATIC_DRAW);
      gl.enableVertexAttribArray(0);
      gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
      gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
      for (const unit of Object.values(UNITS)) {
        gl.activeTexture(gl.TEXTURE0 + unit);
        gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
        for (const [key, value] of [[gl.TEXTURE_MIN_FILTER, gl.NEAREST], [gl.TEXTURE_MAG_FILTER, gl.NEAREST],
          [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE]]) {
          gl.texParameteri(gl.TEXTURE_2D, key, value);
        }
      }
      this.program([]);
    }

    /** The program that draws these layers, made when first needed and now in use. */
    program(layers) {
      const gl = this.gl, key = layers.join(" ");
      if (!this.programs.has(key)) {
        const program = gl.createProgram(), defines = layers.map(name => `#define ${name}\n`).join("");
        const sources = [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, `#version 300 es\n${defines}${FRAGMENT}`]];
        for (const [type, source] of sources) {
          const shader = gl.createShader(type);
          gl.shaderSource(shader, source);
          gl.compileShader(shader);
          gl.attachShader(program, shader);
        }
        gl.bindAttribLocation(program, 0, "corner");
        gl.linkProgram(program);
        if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
        gl.useProgram(program);
        const places = new Map(), place = name => {
          if (!places.has(name)) places.set(name, gl.getUniformLocation(program, name));
          return places.get(name);
        };
        for (const [name, unit] of Object.entries(UNITS)) gl.uniform1i(place(name), unit);
        this.programs.set(key, {program, place});
      }
      const {program, place} = this.programs.get(key);
      gl.useProgram(program);
      return place;
    }

    /** After the browser took the graphics context away and gave it back. */
    rebuild() {
      this.build();
      for (const [name, [data, w, h]] of Object.entries(this.kept)) this.upload(name, data, w, h);
    }

    get largest() { return this.gl.getParameter(this.gl.MAX_TEXTURE_SIZE); }

    bind(name) { this.gl.activeTexture(this.gl.TEXTURE0 + UNITS[name]); return this.gl.TEXTURE_2D; }

    /** Give a layer its values: Uint16Array for sharp and base, Uint8Array for labels and result. */
    upload(name, data, w, h) {
      const gl = this.gl, wide = data instanceof Uint16Array;
      gl.texImage2D(this.bind(name), 0, wide ? gl.R16UI : gl.R8UI, w, h, 0, gl.RED_INTEGER,
        wide ? gl.UNSIGNED_SHORT : gl.UNSIGNED_BYTE, data);
      this.sizes[name] = [w, h];
      this.kept[name] = [data, w, h];
    }

    /** Labels changed in rows first…last only. */
    uploadRows(data, w, first, last) {
      const gl = this.gl;
      gl.texSubImage2D(this.bind("labels"), 0, 0, first, w, last - first + 1, gl.RED_INTEGER,
        gl.UNSIGNED_BYTE, data.subarray(first * w, (last + 1) * w));
    }

    uploadQuick(bitmap) {
      const gl = this.gl;
      gl.texImage2D(this.bind("quick"), 0, gl.R8, gl.RED, gl.UNSIGNED_BYTE, bitmap);
      this.sizes.quick = [bitmap.width, bitmap.height];
    }

    /** The slice's rectangle on the canvas, from its lower left: what lies outside is empty. */
    inside({view, size}) {
      const {width, height} = this.canvas, kx = width / view[2], ky = height / view[3];
      const x0 = Math.max(0, Math.round(-view[0] * kx)), x1 = Math.min(width, Math.round((size[0] - view[0]) * kx));
      const y0 = Math.max(0, Math.round(-view[1] * ky)), y1 = Math.min(height, Math.round((size[1] - view[1]) * ky));
      return [x0, height - y1, Math.max(0, x1 - x0), Math.max(0, y1 - y0)];
    }

    draw(s) {
      const gl = this.gl, [W, H] = s.size, [x, y, w, h] = s.sharpBox, shade = s.light ? 0.93 : 0.07;
      gl.viewport(0, 0, this.canvas.width, this.canvas.height);
      gl.disable(gl.SCISSOR_TEST);
      gl.clearColor(shade, shade, shade, 1);
      gl.clear(gl.COLOR_BUFFER_BIT);
      if (!W) return;
      const whole = x <= 0 && y <= 0 && x + w >= W && y + h >= H;
      const layers = [s.quickWindow && "QUICK", !whole && "BASE", s.hasResult && "RESULT", s.hasLabels && "LABELS"];
      const at = this.program(layers.filter(Boolean));
      gl.enable(gl.SCISSOR_TEST);
      gl.scissor(...this.inside(s));
      const [low, high] = s.window, scale = 1 / Math.max(high - low, 1e-6);
      gl.uniform4fv(at("view"), s.view);
      gl.uniform4fv(at("sharpBox"), s.sharpBox);
      gl.uniform4fv(at("baseBox"), s.baseBox);
      gl.uniform2fv(at("sharpSize"), this.sizes[s.quickWindow ? "quick" : "sharp"]);
      gl.uniform2fv(at("baseSize"), this.sizes.base || [1, 1]);
      gl.uniform2fv(at("grey"), [scale, -low * scale]);
      if (s.quickWindow) gl.uniform2fv(at("quickWindow"), [s.quickWindow[0], s.quickWindow[1] - s.quickWindow[0]]);
      gl.uniform2fv(at("opacity"), s.opacity);
      if (s.hasLabels) gl.uniform3fv(at("drawn"), s.drawn);
      if (s.hasResult) gl.uniform3fv(at("found"), s.found);
      gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    }
  }

  tb.GlRenderer = GlRenderer;
})(window.tomobeamViewer);
