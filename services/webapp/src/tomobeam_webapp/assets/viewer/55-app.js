/* What the page is showing, and what buttons and keys do to it. */
(tb => {
  const PALETTE = ["#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#F0E442", "#0072B2", "#D55E00", "#999999"];
  const LEVEL_KEYS = {ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10};
  const MAX_CLASSES = 24;

  const app = tb.app = {
    image: null, stack: null, drawing: null, overlay: null, view: null,
    z: 0, shownZ: null, tool: "pan", classId: null, brush: 20, selected: null,
    window: [0, 65535], hiddenItems: new Set(), hiddenClasses: new Set(), labelOpacity: 0.55,
    saving: false,
  };

  app.isShown = item => !app.hiddenItems.has(item.id) && !(item.cls && app.hiddenClasses.has(item.cls));
  app.selectedItem = () => {
    const item = app.selected && app.drawing?.items.get(app.selected);
    return item && item.z === app.shownZ ? item : null;
  };
  app.canDraw = () => Boolean(app.drawing?.ready && app.stack && app.shownZ === app.z && app.shownZ !== null);

  /** Show another image, or none. */
  app.openImage = async image => {
    app.opening?.abort();
    app.view?.close();
    Object.assign(app, {image, stack: null, drawing: null, selected: null, shownZ: null});
    app.hiddenItems.clear();
    app.hiddenClasses.clear();
    for (const topic of ["info", "drawing", "mask", "overlay"]) tb.tell(topic, null);
    tb.changed();
    if (!image) return;
    const control = app.opening = new AbortController(), signal = control.signal;
    const drawing = tb.Drawing.of(image.path);
    drawing.onReplaced = () => { if (app.drawing === drawing) app.redraw(); };
    const url = `/view/${image.path.split("/").map(encodeURIComponent).join("/")}/@${image.version}/info`;
    try {
      const [answer] = await Promise.all([
        tb.retrying("info", () => tb.request("GET", url, {signal}), signal),
        drawing.load(signal),
      ]);
      const info = await answer.json();
      if (signal.aborted) return;
      app.start(image, info, drawing);
    } catch (error) {
      if (!(error instanceof tb.Trouble) && error.name !== "AbortError") throw error;
    }
  };

  app.start = (image, info, drawing) => {
    const [depth, H, W] = info.shape;
    const scale = 65535 / (info.hi - info.lo);
    const window = info.window.map(v => (v - info.lo) * scale);
    const stack = {path: image.path, version: image.version, depth, H, W, levels: info.levels,
      lo: info.lo, hi: info.hi, window, pixelSize: info.pixel_size, exact: info.dtype.startsWith("uint")};
    const annotated = drawing.annotated();
    Object.assign(app, {stack, drawing, window: [...window],
      z: app.lastSlice?.[image.path] ?? annotated[0] ?? Math.floor(depth / 2)});
    app.z = Math.min(app.z, depth - 1);
    if (!drawing.classes.some(entry => entry.id === app.classId)) app.classId = drawing.classes[0]?.id ?? null;
    app.view?.open(stack);
    tb.changed();
  };

  app.real = v => app.stack.lo + v * (app.stack.hi - app.stack.lo) / 65535;
  app.view16 = value => (value - app.stack.lo) * 65535 / (app.stack.hi - app.stack.lo);

  app.setZ = (z, quick = false) => {
    if (!app.stack) return;
    const next = Math.max(0, Math.min(app.stack.depth - 1, Math.round(z)));
    if (next === app.z && app.shownZ === next) return;
    app.z = next;
    (app.lastSlice ||= {})[app.image.path] = next;
    app.view?.load(quick);
    tb.changed();
  };

  app.setWindow = (low, high) => {
    if (!(high > low)) high = low + 1;
    app.window = [low, high];
    app.view?.draw();
    tb.changed();
  };
  app.autoWindow = () => { const found = app.view?.percentiles(0.5, 99.5); if (found) app.setWindow(...found); };
  app.fullWindow = () => app.setWindow(0, 65535);

  app.setTool = tool => {
    app.view?.cancel();
    app.tool = tool;
    if (tool !== "select") app.selected = null;
    app.view?.sketch();
    tb.changed();
  };
  app.setBrush = size => { app.brush = Math.max(1, Math.min(400, Math.round(size))); app.view?.sketch(); tb.changed(); };
  app.setLabelOpacity = share => { app.labelOpacity = share; app.view?.draw(); tb.changed(); };
  app.redraw = () => { app.view?.repaint(); tb.changed(); };

  app.pickClass = id => {
    app.classId = id;
    const item = app.selectedItem();
    if (app.tool === "select" && item && item.cls && item.cls !== id) {
      app.drawing.change([{op: "put", item: {...item, cls: id}}], item.z);
      app.redraw();
    }
    tb.changed();
  };
  app.addClass = () => {
    const {classes} = app.drawing, used = new Set(classes.map(entry => entry.color));
    if (classes.length >= MAX_CLASSES) {
      tb.tell("classes", `There can be at most ${MAX_CLASSES} classes.`, {level: "error", forMs: 6000});
      return;
    }
    const color = PALETTE.find(hex => !used.has(hex)) || PALETTE[classes.length % PALETTE.length];
    const names = new Set(classes.map(entry => entry.name));
    let n = classes.length + 1;
    while (names.has(`Class ${n}`)) n++;
    const order = Math.max(0, ...classes.map(entry => entry.order)) + 1;
    const value = {id: tb.newId(), name: `Class ${n}`, color, order};
    app.drawing.change([{op: "class", value}], app.z);
    app.classId = value.id;
    tb.changed();
  };
  app.editClass = (entry, change) => {
    app.drawing.change([{op: "class", value: {...entry, ...change}}], app.z);
    app.view?.draw();
  };
  app.removeClass = entry => {
    app.drawing.change([{op: "class_delete", id: entry.id}], app.z);
    if (app.classId === entry.id) app.classId = app.drawing.classes[0]?.id ?? null;
    app.redraw();
  };

  app.removeItem = id => {
    const item = app.drawing.items.get(id);
    if (!item) return;
    app.drawing.change([{op: "delete", id}], item.z);
    if (app.selected === id) app.selected = null;
    app.redraw();
  };
  app.toggle = (set, id) => { if (!set.delete(id)) set.add(id); app.redraw(); };
  app.selectItem = id => {
    app.tool = "select";
    app.selected = id;
    app.hiddenItems.delete(id);
    app.redraw();
  };

  app.undo = () => app.moveTo(app.drawing?.undo());
  app.redo = () => app.moveTo(app.drawing?.redo());
  app.moveTo = z => {
    if (z === null || z === undefined) return;
    if (!app.drawing.classes.some(entry => entry.id === app.classId)) app.classId = app.drawing.classes[0]?.id ?? null;
    if (z !== app.z) app.setZ(z);
    app.redraw();
  };

  app.saveMask = async () => {
    const {drawing} = app, hidden = [...drawing.items.values()].filter(item => !app.isShown(item)).length;
    app.saving = true;
    tb.changed();
    try {
      const mask = await drawing.saveMask();
      const more = hidden ? ` ${hidden} hidden shape${hidden > 1 ? "s are" : " is"} part of it.` : "";
      const n = mask.mask_idx.length;
      tb.tell("mask", `Mask saved: ${n} slice${n > 1 ? "s" : ""}.${more}`, {forMs: 8000});
    } catch (error) {
      if (!(error instanceof tb.Trouble)) throw error;
      const again = error.status >= 500 || !error.status ? " Press Save mask to try again." : "";
      tb.tell("mask", error.message + again, {level: "error", signIn: error.status === 401});
    } finally {
      app.saving = false;
      tb.changed();
    }
  };

  /** What a key does; returns whether it did something. */
  app.key = event => {
    if (!app.stack) return false;
    const letter = event.key.toLowerCase();
    if (event.ctrlKey || event.metaKey) {
      if (letter === "z" && !event.shiftKey) app.undo();
      else if (letter === "y" || letter === "z") app.redo();
      else return false;
      return true;
    }
    if (event.altKey) return false;
    if (event.key in LEVEL_KEYS) app.setZ(app.z + LEVEL_KEYS[event.key], event.repeat);
    else if (event.key === "Home") app.setZ(0);
    else if (event.key === "End") app.setZ(app.stack.depth - 1);
    else if (event.key === "Escape") app.view?.cancel();
    else if ((event.key === "Delete" || event.key === "Backspace") && app.selected) app.removeItem(app.selected);
    else if (letter === "[") app.setBrush(app.brush / 1.25 - 0.5);
    else if (letter === "]") app.setBrush(app.brush * 1.25 + 0.5);
    else if (letter === "a") app.autoWindow();
    else if (letter === "0") app.view?.fit();
    else if (letter === "x") app.view?.oneToOne();
    else if (/^[1-9]$/.test(letter) && app.drawing.classes[letter - 1]) app.pickClass(app.drawing.classes[letter - 1].id);
    else {
      const tool = Object.keys(tb.TOOLS).find(name => tb.TOOLS[name].key === letter);
      if (!tool) return false;
      app.setTool(tool);
    }
    return true;
  };
})(window.tomobeamViewer);
