/* Draws a slice with WebGL2: 16-bit values through the window, drawn labels and a result above. */
(tb => {
  const VERTEX = `#version 300 es
in vec2 corner; uniform vec4 view; out vec2 at;
void main() { at = view.xy + vec2(corner.x, 1. - corner.y) * view.zw; gl_Position = vec4(corner * 2. - 1., 0, 1); }`;
  const FRAGMENT = `#version 300 es
precision highp float; precision highp int; precision highp usampler2D;
in vec2 at; out vec4 colour;
uniform usampler2D sharp, base, labels, result;
uniform sampler2D quick;
uniform int isQuick, hasLabels, hasResult, back;
uniform vec4 sharpBox, baseBox, quickWindow;
uniform vec2 size, window;
uniform vec2 opacity;
uniform vec3 drawn[26], found[26];
ivec2 texel(ivec2 s, vec4 box) { return clamp(ivec2((at - box.xy) / box.zw * vec2(s)), ivec2(0), s - 1); }
bool inside(vec4 box) { return all(greaterThanEqual(at, box.xy)) && all(lessThan(at, box.xy + box.zw)); }
void main() {
  if (!inside(vec4(0, 0, size))) { colour = vec4(vec3(back == 1 ? .93 : .07), 1); return; }
  float v;
  if (inside(sharpBox)) {
    if (isQuick == 1) v = mix(quickWindow.x, quickWindow.y, texelFetch(quick, texel(textureSize(quick, 0), sharpBox), 0).r);
    else v = float(texelFetch(sharp, texel(textureSize(sharp, 0), sharpBox), 0).r);
  } else v = float(texelFetch(base, texel(textureSize(base, 0), baseBox), 0).r);
  vec3 c = vec3(clamp((v - window.x) / (window.y - window.x), 0., 1.));
  ivec2 pixel = ivec2(at);
  if (hasResult == 1) {
    uint k = texelFetch(result, pixel, 0).r;
    if (k > 0u) c = mix(c, found[(k - 1u) % 26u], opacity.y);
  }
  if (hasLabels == 1) {
    uint k = texelFetch(labels, pixel, 0).r;
    if (k > 0u) c = mix(c, drawn[(k - 1u) % 26u], opacity.x);
  }
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
      const gl = this.gl, program = this.program = gl.createProgram();
      for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
        const shader = gl.createShader(type);
        gl.shaderSource(shader, source);
        gl.compileShader(shader);
        gl.attachShader(program, shader);
      }
      gl.linkProgram(program);
      if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
      gl.useProgram(program);
      gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
      gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([0, 0, 1, 0, 0, 1, 1, 1]), gl.STATIC_DRAW);
      const corner = gl.getAttribLocation(program, "corner");
      gl.enableVertexAttribArray(corner);
      gl.vertexAttribPointer(corner, 2, gl.FLOAT, false, 0, 0);
      gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
      this.places = new Map();
      for (const [name, unit] of Object.entries(UNITS)) {
        gl.activeTexture(gl.TEXTURE0 + unit);
        gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
        for (const [key, value] of [[gl.TEXTURE_MIN_FILTER, gl.NEAREST], [gl.TEXTURE_MAG_FILTER, gl.NEAREST],
          [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE]]) {
          gl.texParameteri(gl.TEXTURE_2D, key, value);
        }
        gl.uniform1i(this.place(name), unit);
      }
      this.upload("sharp", new Uint16Array(1), 1, 1);
      this.upload("base", new Uint16Array(1), 1, 1);
      this.upload("labels", new Uint8Array(1), 1, 1);
      this.upload("result", new Uint8Array(1), 1, 1);
      gl.texImage2D(this.bind("quick"), 0, gl.R8, 1, 1, 0, gl.RED, gl.UNSIGNED_BYTE, new Uint8Array(1));
    }

    /** After the browser took the graphics context away and gave it back. */
    rebuild() {
      this.build();
      for (const [name, [data, w, h]] of Object.entries(this.kept)) this.upload(name, data, w, h);
    }

    get largest() { return this.gl.getParameter(this.gl.MAX_TEXTURE_SIZE); }

    place(name) {
      if (!this.places.has(name)) this.places.set(name, this.gl.getUniformLocation(this.program, name));
      return this.places.get(name);
    }

    bind(name) { this.gl.activeTexture(this.gl.TEXTURE0 + UNITS[name]); return this.gl.TEXTURE_2D; }

    /** Give a layer its values: Uint16Array for sharp and base, Uint8Array for labels and result. */
    upload(name, data, w, h) {
      const gl = this.gl, wide = data instanceof Uint16Array;
      gl.texImage2D(this.bind(name), 0, wide ? gl.R16UI : gl.R8UI, w, h, 0, gl.RED_INTEGER,
        wide ? gl.UNSIGNED_SHORT : gl.UNSIGNED_BYTE, data);
      if (data.length > 1) this.kept[name] = [data, w, h];
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
    }

    draw(s) {
      const gl = this.gl, at = name => this.place(name);
      gl.viewport(0, 0, this.canvas.width, this.canvas.height);
      gl.uniform4fv(at("view"), s.view);
      gl.uniform4fv(at("sharpBox"), s.sharpBox);
      gl.uniform4fv(at("baseBox"), s.baseBox);
      gl.uniform4fv(at("quickWindow"), [...(s.quickWindow || [0, 0]), 0, 0]);
      gl.uniform1i(at("isQuick"), s.quickWindow ? 1 : 0);
      gl.uniform1i(at("hasLabels"), s.hasLabels ? 1 : 0);
      gl.uniform1i(at("hasResult"), s.hasResult ? 1 : 0);
      gl.uniform1i(at("back"), s.light ? 1 : 0);
      gl.uniform2fv(at("size"), s.size);
      gl.uniform2fv(at("window"), s.window);
      gl.uniform2fv(at("opacity"), s.opacity);
      gl.uniform3fv(at("drawn"), s.drawn);
      gl.uniform3fv(at("found"), s.found);
      gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    }
  }

  tb.GlRenderer = GlRenderer;
})(window.tomobeamViewer);
