/* Small pictures on buttons: strokes on a 24 × 24 grid. */
(tb => {
  const PATHS = {
    pan: "M12 3v18M3 12h18M12 3l-3 3m3-3l3 3M12 21l-3-3m3 3l3-3M3 12l3-3m-3 3l3 3M21 12l-3-3m3 3l-3 3",
    contrast: "M12 3a9 9 0 1 0 0 18a9 9 0 0 0 0-18zM12 3v18M12 7h6M12 12h9M12 17h6",
    select: "M5 3l14 8-6 2-3 6z",
    brush: "M20 4L10 14M8 15c-3 0-2 4-5 5c4 1 8 0 8-3c0-1-1-2-3-2z",
    erase: "M15 4l6 6-9 9H7l-4-4zM9 10l6 6M7 19h14",
    freeform: "M5 17C2 10 7 4 11 6s3 4 6 3s5 4 2 8s-11 5-14 0z",
    rectangle: "M4 6h16v12H4z",
    circle: "M12 4a8 8 0 1 0 0 16a8 8 0 0 0 0-16z",
    fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
    plus: "M12 5v14M5 12h14",
    minus: "M5 12h14",
    eye: "M2 12s4-6 10-6s10 6 10 6s-4 6-10 6S2 12 2 12zM12 9a3 3 0 1 0 0 6a3 3 0 0 0 0-6z",
    hidden: "M4 4l16 16M6 8c-3 2-4 4-4 4s4 6 10 6c2 0 3 0 4-1M10 6c7-1 12 6 12 6s-1 2-3 3",
    bin: "M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13",
    undo: "M8 5L4 9l4 4M4 9h10a5 5 0 0 1 0 10h-3",
    redo: "M16 5l4 4-4 4M20 9H10a5 5 0 0 0 0 10h3",
    save: "M5 4h11l3 3v13H5zM8 4v5h7V4M8 20v-6h8v6",
  };
  const h = (...all) => window.React.createElement(...all);

  tb.icon = name => h("svg", {viewBox: "0 0 24 24", className: "tb-icon", "aria-hidden": true},
    h("path", {d: PATHS[name]}));

  /** A button with a picture; `label` is its name and, with the key, its tooltip. */
  tb.button = ({icon, label, keys, pressed, text, ...more}) => h("button", {
    type: "button", "aria-label": label, title: keys ? `${label} (${keys})` : label,
    "aria-pressed": pressed, className: `tb-button${pressed ? " tb-on" : ""}`, ...more,
  }, icon && tb.icon(icon), text);

  tb.toolButton = name => {
    const {title, key} = tb.TOOLS[name];
    return tb.button({icon: name, label: title, keys: key.toUpperCase(), pressed: tb.app.tool === name,
      key: name, "data-tool": name, disabled: !tb.app.stack, onClick: () => tb.app.setTool(name)});
  };

  /** Render again whenever something shown has changed. */
  tb.useApp = () => {
    const [, again] = window.React.useReducer(n => n + 1, 0);
    window.React.useEffect(() => tb.subscribe(again), []);
  };
})(window.tomobeamViewer);
