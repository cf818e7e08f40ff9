/* Classes, drawing tools, the shapes of the slice, undo, redo and the mask. */
(tb => {
  const {app} = tb;
  const h = (...all) => window.React.createElement(...all);
  const DRAWING = ["select", "brush", "erase", "freeform", "rectangle", "circle"];
  const KIND = {freeform: "Freeform", rectangle: "Rectangle", circle: "Circle", brush: "Brush", erase: "Eraser"};
  const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

  function ClassRow({entry, index, count}) {
    const {useState} = window.React;
    const [name, setName] = useState(null), [color, setColor] = useState(null), [asking, setAsking] = useState(false);
    const rename = () => {
      const wanted = (name ?? entry.name).trim().slice(0, 80);
      if (wanted && wanted !== entry.name) app.editClass(entry, {name: wanted});
      setName(null);
    };
    const recolour = () => { if (color && color !== entry.color) app.editClass(entry, {color}); setColor(null); };
    const chosen = app.classId === entry.id, hidden = app.hiddenClasses.has(entry.id);
    const row = h("div", {className: `tb-class${chosen ? " tb-on" : ""}`, "data-class": entry.name},
      h("input", {type: "radio", name: "tb-class", checked: chosen, "aria-label": `Draw ${entry.name}`,
        title: index < 9 ? `Draw this class (${index + 1})` : "Draw this class", onChange: () => app.pickClass(entry.id)}),
      h("input", {type: "color", className: "tb-colour", value: color ?? entry.color, "aria-label": `Colour of ${entry.name}`,
        title: "Colour", onChange: event => setColor(event.target.value), onBlur: recolour,
        ref: node => { if (node) node.onchange = event => { app.editClass(entry, {color: event.target.value}); setColor(null); }; }}),
      h("input", {className: "tb-name", value: name ?? entry.name, "aria-label": `Name of class ${index + 1}`, maxLength: 80,
        onFocus: () => app.pickClass(entry.id), onChange: event => setName(event.target.value), onBlur: rename,
        onKeyDown: event => { if (event.key === "Enter") event.target.blur(); if (event.key === "Escape") setName(null); }}),
      h("span", {className: "tb-quiet tb-count", title: `${plural(count, "shape")} in all slices`}, count),
      tb.button({icon: hidden ? "hidden" : "eye", label: `${hidden ? "Show" : "Hide"} ${entry.name}`, pressed: hidden,
        onClick: () => app.toggle(app.hiddenClasses, entry.id)}),
      tb.button({icon: "bin", label: `Remove ${entry.name}`, onClick: () => setAsking(true)}));
    if (!asking) return row;
    return h("div", {className: "tb-ask", role: "alertdialog", "aria-label": `Remove ${entry.name}?`},
      h("span", null, `Remove ${entry.name}${count ? ` and its ${plural(count, "shape")}` : ""}?`),
      tb.button({text: "Remove", label: `Yes, remove ${entry.name}`, className: "tb-button tb-danger", autoFocus: true,
        onClick: () => { setAsking(false); app.removeClass(entry); }}),
      tb.button({text: "Keep", label: `Keep ${entry.name}`, onClick: () => setAsking(false)}));
  }

  function Classes() {
    const {drawing} = app, counts = new Map();
    for (const item of drawing.items.values()) counts.set(item.cls, (counts.get(item.cls) || 0) + 1);
    const all = drawing.classes.length > 0 && drawing.classes.every(entry => app.hiddenClasses.has(entry.id));
    const hideAll = () => {
      app.hiddenClasses = new Set(all ? [] : drawing.classes.map(entry => entry.id));
      app.redraw();
    };
    return h("div", {role: "group", "aria-label": "Classes"},
      h("div", {className: "tb-heading"}, h("span", null, "Classes"),
        tb.button({icon: all ? "hidden" : "eye", label: all ? "Show all classes" : "Hide all classes", pressed: all, onClick: hideAll}),
        tb.button({icon: "plus", label: "Add a class", onClick: app.addClass})),
      drawing.classes.map((entry, index) => h(ClassRow, {key: entry.id, entry, index, count: counts.get(entry.id) || 0})));
  }

  function Tools() {
    return h("div", {role: "toolbar", "aria-label": "Drawing tools"},
      h("div", {className: "tb-tools"}, DRAWING.map(tb.toolButton), h("span", {className: "tb-gap"}),
        tb.button({icon: "undo", label: "Undo", keys: "Ctrl+Z", disabled: !app.drawing.done.length, onClick: app.undo}),
        tb.button({icon: "redo", label: "Redo", keys: "Ctrl+Y", disabled: !app.drawing.undone.length, onClick: app.redo})),
      tb.TOOLS[app.tool].paints && h("label", {className: "tb-size", title: "Diameter of the brush ( [ and ] )"}, "Size",
        h("input", {type: "range", min: 1, max: 200, value: Math.min(200, app.brush), "aria-label": "Diameter of the brush in pixels",
          onChange: event => app.setBrush(Number(event.target.value))}),
        h("output", null, `${app.brush} px`)));
  }

  function ItemRow({item, number}) {
    const {drawing} = app, entry = drawing.classes.find(one => one.id === item.cls);
    const hidden = app.hiddenItems.has(item.id), name = `${KIND[item.kind]} ${number}`;
    return h("li", {className: `tb-item${app.selected === item.id ? " tb-on" : ""}`},
      h("button", {type: "button", className: "tb-item-name", "aria-pressed": app.selected === item.id,
        title: "Select this shape", onClick: () => app.selectItem(item.id)},
      h("span", {className: "tb-swatch", style: {background: entry?.color || "transparent"}}), name),
      entry && h("select", {className: "tb-item-class", "aria-label": `Class of ${name}`, value: item.cls,
        onChange: event => { drawing.change([{op: "put", item: {...item, cls: event.target.value}}], item.z); app.redraw(); }},
      drawing.classes.map(one => h("option", {key: one.id, value: one.id}, one.name))),
      tb.button({icon: hidden ? "hidden" : "eye", label: `${hidden ? "Show" : "Hide"} ${name}`, pressed: hidden,
        onClick: () => app.toggle(app.hiddenItems, item.id)}),
      tb.button({icon: "bin", label: `Delete ${name}`, keys: app.selected === item.id ? "Delete" : null, onClick: () => app.removeItem(item.id)}));
  }

  function Items() {
    const {drawing} = app, annotated = drawing.annotated(), here = drawing.slice(app.z);
    const i = annotated.findIndex(z => z > app.z), next = annotated[i < 0 ? 0 : i];
    return h("div", {role: "group", "aria-label": "Shapes"},
      h("div", {className: "tb-heading"},
        h("span", null, `On slice ${app.z}: ${here.length ? plural(here.length, "shape") : "nothing yet"}`),
        annotated.length > 0 && next !== app.z && tb.button({text: `→ ${next}`, label: `Go to annotated slice ${next}`, onClick: () => app.setZ(next)})),
      h("ul", {className: "tb-items"}, here.map((item, index) => h(ItemRow, {key: item.id, item, number: index + 1})).reverse()),
      annotated.length > 0 && h("div", {className: "tb-quiet"}, `${plural(annotated.length, "slice")} annotated`));
  }

  function Mask() {
    const {drawing} = app, unsaved = drawing.pending.length, mask = drawing.mask;
    const stale = mask && (unsaved || mask.drawing_version !== drawing.version);
    const state = unsaved ? "Saving your annotations…" : "All annotations are saved.";
    return h("div", {className: "tb-mask"},
      tb.button({icon: "save", text: app.saving ? "Saving…" : "Save mask", label: "Save mask for training", disabled: app.saving || !drawing.items.size,
        className: "tb-button tb-primary", "data-action": "save-mask", onClick: app.saveMask}),
      h("div", {className: "tb-quiet", role: "status", "data-saved": unsaved ? "no" : "yes"}, state,
        stale && h("strong", {className: "tb-stale"}, h("br"), "Changed since the mask was saved: save it again before you train."),
        mask && h("br"), mask && `Last mask: ${plural(mask.mask_idx.length, "slice")}, ${new Date(mask.saved_at).toLocaleString()}`));
  }

  function AnnotationPanel(props) {
    const {useEffect} = window.React;
    tb.useApp();
    const drawing = app.drawing?.ready && app.stack ? app.drawing : null;
    const classes = drawing ? drawing.classes.map(({name, color}) => ({name, color})) : [];
    const classesKey = JSON.stringify(classes), maskKey = JSON.stringify(drawing?.mask ?? null);
    useEffect(() => { props.setProps({classes}); }, [classesKey]);
    useEffect(() => { props.setProps({mask: drawing?.mask ?? null}); }, [maskKey]);
    return h("section", {id: props.id, className: "tb-annotations", "aria-label": "Annotation"},
      drawing ? [h(Classes, {key: "c"}), h(Tools, {key: "t"}), h(Items, {key: "i"}), h(Mask, {key: "m"})]
        : h("p", {className: "tb-quiet"}, app.image ? "Opening…" : "Choose a reconstruction first."));
  }

  window.tomobeam_viewer = Object.assign(window.tomobeam_viewer || {}, {AnnotationPanel});
})(window.tomobeamViewer);
