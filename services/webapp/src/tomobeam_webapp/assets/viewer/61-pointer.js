/* Pointer on the canvas: drawing, panning, window/level, zooming; and the sketch above it. */
(tb => {
  const {app} = tb;

  /** Draw what is being drawn, the outline of the selected shape, and the brush. */
  tb.View.prototype.sketch = function () {
    const context = this.over.getContext("2d"), ratio = window.devicePixelRatio || 1;
    context.clearRect(0, 0, this.over.width, this.over.height);
    if (!this.stack) return;
    const tool = tb.TOOLS[app.tool], item = tool.handler?.outline?.();
    const to = (x, y) => this.toScreen(x, y), unit = this.canvas.width / this.box[2] / tb.LATTICE;
    const line = (what, dash) => {
      tb.trace(context, what, to, unit);
      for (const [colour, width] of [["#000", 3], ["#fff", 1.5]]) {
        context.strokeStyle = colour;
        context.lineWidth = width * ratio;
        context.setLineDash(colour === "#fff" ? dash : []);
        context.stroke();
      }
    };
    if (item) line(item, app.tool === "select" ? [6 * ratio, 4 * ratio] : []);
    if (tool.paints && this.cursor) {
      line({kind: "circle", points: this.cursor, radius: app.brush * tb.LATTICE / 2}, []);
    }
  };

  tb.View.prototype.cancel = function () {
    if (!this.drag) {
      app.selected = null;
    } else {
      tb.TOOLS[app.tool].handler?.cancel?.();
      this.drag = null;
    }
    this.sketch();
    tb.changed();
  };

  function modeOf(event, view) {
    if (event.button === 1 || view.space) return "pan";
    if (event.button === 2) return "contrast";
    return event.button === 0 ? app.tool : null;
  }

  function down(view, event) {
    if (!view.picture) return;
    const mode = modeOf(event, view);
    view.element.focus({preventScroll: true});
    if (!mode || view.drag) return;
    const {handler, paints, draws} = tb.TOOLS[mode];
    if (handler && !app.canDraw()) return;
    if ((paints || draws) && mode !== "erase") {
      if (!app.classId) {
        tb.tell("classes", "Add a class first, then draw.", {level: "error", forMs: 6000});
        return;
      }
      if (app.hiddenClasses.delete(app.classId)) view.repaint();
    }
    view.canvas.setPointerCapture(event.pointerId);
    view.drag = {mode, x: event.clientX, y: event.clientY, window: [...app.window]};
    handler?.down(view.lattice(event));
    view.sketch();
  }

  function move(view, event) {
    view.cursor = view.lattice(event);
    const {drag} = view;
    if (drag?.mode === "pan") {
      view.panBy(event.clientX - drag.x, event.clientY - drag.y);
      Object.assign(drag, {x: event.clientX, y: event.clientY});
    } else if (drag?.mode === "contrast") {
      contrast(view, event);
    } else if (drag) {
      const events = event.getCoalescedEvents?.() || [];
      for (const one of events.length ? events : [event]) tb.TOOLS[drag.mode].handler.move(view.lattice(one));
    }
    view.sketch();
    view.onCursor?.();
  }

  /** Right for more contrast, up for brighter, as in the viewers that scientists know. */
  function contrast(view, event) {
    const [low, high] = view.drag.window, {clientWidth: w, clientHeight: h} = view.element;
    const width = (high - low) * 2 ** (-3 * (event.clientX - view.drag.x) / w);
    const middle = (low + high) / 2 + (high - low) * 1.5 * (event.clientY - view.drag.y) / h;
    app.setWindow(middle - width / 2, middle + width / 2);
  }

  function up(view, event) {
    const {drag} = view;
    view.drag = null;
    if (!drag) return;
    const handler = drag.mode !== "pan" && drag.mode !== "contrast" && tb.TOOLS[drag.mode].handler;
    if (handler) {
      if (event.type === "pointercancel") handler.cancel?.();
      else handler.up(view.lattice(event));
      view.repaint();
    }
    view.sketch();
    tb.changed();
  }

  tb.listenToPointer = view => {
    const {canvas, element} = view;
    canvas.addEventListener("pointerdown", event => down(view, event));
    canvas.addEventListener("pointermove", event => move(view, event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, event => up(view, event));
    canvas.addEventListener("pointerleave", () => {
      if (view.drag) return;
      view.cursor = null;
      view.sketch();
      view.onCursor?.();
    });
    canvas.addEventListener("contextmenu", event => event.preventDefault());
    canvas.addEventListener("mousedown", event => { if (event.button === 1) event.preventDefault(); });
    canvas.addEventListener("wheel", event => {
      event.preventDefault();
      if (!view.stack) return;
      const at = view.lattice(event).map(v => v / tb.LATTICE + 0.5);
      const lines = event.deltaMode === 1 ? 30 : 1;
      view.zoomBy(Math.exp(Math.max(-300, Math.min(300, event.deltaY * lines)) * 0.0015), at);
    }, {passive: false});
    element.addEventListener("keydown", event => {
      if (event.key === " ") { view.space = true; event.preventDefault(); }
    });
    element.addEventListener("keyup", event => { if (event.key === " ") view.space = false; });
    element.addEventListener("blur", () => { view.space = false; });
  };

  const TYPING = "input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable=true]";
  document.addEventListener("keydown", event => {
    const {target} = event;
    const ours = target === document.body || target.closest?.(".tb-view, .tb-annotations");
    if (!ours || target.matches?.(TYPING) || event.defaultPrevented || app.view?.drag) return;
    if (target.matches?.("input[type=range]:not(.tb-slices)") && /^(Arrow|Page|Home|End)/.test(event.key)) return;
    if (app.key(event)) event.preventDefault();
  });
})(window.tomobeamViewer);
