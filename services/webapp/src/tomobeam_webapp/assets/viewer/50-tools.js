/* Pointer tools: each gets down, move and up in lattice coordinates and changes the drawing. */
(tb => {
  const L = tb.LATTICE;
  const MAX_POINTS = 40000;

  const erase = () => tb.app.tool === "erase";
  const newItem = (kind, points, radius) => {
    const item = {id: tb.newId(), z: tb.app.shownZ, seq: tb.app.drawing.nextSeq(), kind, points};
    if (kind !== "erase") item.cls = tb.app.classId;
    if (radius) item.radius = radius;
    return item;
  };
  const put = item => tb.app.drawing.change([{op: "put", item}], item.z);
  const far = (points, [x, y], least) => {
    const n = points.length;
    return Math.hypot(x - points[n - 2], y - points[n - 1]) >= least;
  };

  /** Brush and eraser: painted into the labels while drawing, kept as the path. */
  const stroke = {
    down(at) {
      const radius = Math.max(L / 2, Math.round(tb.app.brush * L / 2));
      this.item = newItem(erase() ? "erase" : "brush", [...at], radius);
      this.dab(at, at);
    },
    move(at) {
      const p = this.item.points;
      if (!far(p, at, Math.max(L / 4, this.item.radius / 8)) || p.length >= 2 * MAX_POINTS) return;
      const from = p.slice(-2);
      p.push(...at);
      this.dab(from, at);
    },
    up() { put(this.item); this.item = null; },
    cancel() { this.item = null; tb.app.view.repaint(); },
    dab(from, to) { tb.app.view.paintNow({...this.item, points: from === to ? [...to] : [...from, ...to]}); },
    outline: () => null,
  };

  const freeform = {
    down(at) { this.points = [...at]; },
    move(at) {
      const least = Math.max(L / 4, L * tb.app.view.pixelsPerPoint());
      if (far(this.points, at, least) && this.points.length < 2 * MAX_POINTS) this.points.push(...at);
    },
    up() {
      const points = this.points;
      this.points = null;
      if (points.length >= 6) put(newItem("freeform", points));
    },
    cancel() { this.points = null; },
    outline() { return this.points && {kind: "freeform", points: this.points}; },
  };

  const corner = (kind, make) => ({
    down(at) { this.from = at; this.to = at; },
    move(at) { this.to = at; },
    up() {
      const item = make(this.from, this.to);
      this.from = null;
      if (item) put(newItem(kind, item.points, item.radius));
    },
    cancel() { this.from = null; },
    outline() { const made = this.from && make(this.from, this.to); return made && {kind, ...made}; },
  });
  const rectangle = corner("rectangle", (a, b) =>
    a[0] === b[0] || a[1] === b[1] ? null : {points: [...a, ...b]});
  const circle = corner("circle", (a, b) => {
    const radius = Math.round(Math.hypot(b[0] - a[0], b[1] - a[1]));
    return radius < L / 2 ? null : {points: [...a], radius: Math.min(radius, 2000 * L)};
  });

  /** Select the topmost shape under the pointer, and move it. */
  const select = {
    down(at) {
      const {app} = tb, {W, H} = app.stack;
      const hit = [...app.drawing.slice(app.shownZ)].reverse().find(item =>
        app.isShown(item) && tb.covers(item, Math.round(at[0] / L), Math.round(at[1] / L), W, H));
      app.selected = hit ? hit.id : null;
      this.from = hit ? at : null;
      this.by = [0, 0];
      tb.changed();
    },
    move(at) { if (this.from) this.by = [at[0] - this.from[0], at[1] - this.from[1]]; },
    up() {
      const item = tb.app.selectedItem(), [dx, dy] = this.by;
      this.from = null;
      if (item && (dx || dy)) put({...item, points: tb.shifted(item.points, dx, dy)});
    },
    cancel() { this.from = null; this.by = [0, 0]; },
    outline() {
      const item = tb.app.selectedItem();
      return item && (this.from ? {...item, points: tb.shifted(item.points, ...this.by)} : item);
    },
  };

  tb.shifted = (points, dx, dy) => points.map((v, i) => v + (i % 2 ? dy : dx));

  /** Put an outline into a 2-D path; `to` maps a lattice point to the screen, `unit` a length. */
  tb.trace = (context, item, to, unit) => {
    const p = item.points;
    context.beginPath();
    if (item.kind === "rectangle") {
      const [x0, y0] = to(p[0], p[1]), [x1, y1] = to(p[2], p[3]);
      context.rect(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0));
    } else if (item.kind === "circle") {
      context.arc(...to(p[0], p[1]), item.radius * unit, 0, 2 * Math.PI);
    } else {
      for (let i = 0; i < p.length; i += 2) context.lineTo(...to(p[i], p[i + 1]));
      if (item.kind === "freeform") context.closePath();
      else if (p.length === 2) context.arc(...to(p[0], p[1]), item.radius * unit, 0, 2 * Math.PI);
    }
  };

  tb.TOOLS = {
    pan: {title: "Move the picture", key: "h"},
    contrast: {title: "Brightness and contrast: drag", key: "l"},
    select: {title: "Select a shape and move it", key: "v", handler: select},
    brush: {title: "Brush", key: "b", handler: stroke, paints: true},
    erase: {title: "Eraser", key: "e", handler: stroke, paints: true},
    freeform: {title: "Freeform shape", key: "f", handler: freeform, draws: true},
    rectangle: {title: "Rectangle", key: "r", handler: rectangle, draws: true},
    circle: {title: "Circle from its centre", key: "c", handler: circle, draws: true},
  };
})(window.tomobeamViewer);
