/* The picture with its toolbar, slice slider and sentences, as a component of the page. */
(tb => {
  const {app} = tb;
  const h = (...all) => window.React.createElement(...all);

  const digits = value => Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3)
    ? value.toExponential(2) : String(Number(value.toPrecision(4)));

  /** A number that is set when the scientist has finished typing it. */
  function Limit({label, value, onSet}) {
    const [text, setText] = window.React.useState(null);
    const done = () => {
      const number = Number(text);
      if (text !== null && text.trim() !== "" && Number.isFinite(number)) onSet(number);
      setText(null);
    };
    return h("input", {
      className: "tb-limit", "aria-label": label, title: label, inputMode: "decimal", disabled: !app.stack,
      value: text ?? (app.stack ? digits(value) : ""), onChange: event => setText(event.target.value),
      onBlur: done, onKeyDown: event => { if (event.key === "Enter") event.target.blur(); },
    });
  }

  function Toolbar() {
    const has = Boolean(app.stack), [low, high] = app.window;
    return h("div", {className: "tb-toolbar", role: "toolbar", "aria-label": "View"},
      tb.toolButton("pan"), tb.toolButton("contrast"),
      h("span", {className: "tb-gap"}),
      tb.button({icon: "plus", label: "Zoom in", keys: "wheel", disabled: !has, onClick: () => app.view.zoomBy(0.7)}),
      tb.button({icon: "minus", label: "Zoom out", keys: "wheel", disabled: !has, onClick: () => app.view.zoomBy(1.4)}),
      tb.button({icon: "fit", label: "Fit the slice into the view", keys: "0", disabled: !has, onClick: () => app.view.fit()}),
      tb.button({text: "1:1", label: "One pixel of the slice per pixel of the screen", keys: "X", disabled: !has,
        onClick: () => app.view.oneToOne()}),
      h("span", {className: "tb-gap"}),
      h(Limit, {label: "Value shown black", value: has ? app.real(low) : 0, onSet: v => app.setWindow(app.view16(v), app.window[1])}),
      h(Limit, {label: "Value shown white", value: has ? app.real(high) : 1, onSet: v => app.setWindow(app.window[0], app.view16(v))}),
      tb.button({text: "Auto", label: "Fit brightness and contrast to this slice", keys: "A", disabled: !has, onClick: app.autoWindow}),
      tb.button({text: "Full", label: "Show the whole range of values", disabled: !has, onClick: app.fullWindow}),
      h("label", {className: "tb-opacity", title: "Opacity of the annotations"}, "Labels",
        h("input", {type: "range", min: 0, max: 1, step: 0.05, value: app.labelOpacity, disabled: !has,
          "aria-label": "Opacity of the annotations", onChange: event => app.setLabelOpacity(Number(event.target.value))})));
  }

  function Slices() {
    if (!app.stack) return null;
    const last = app.stack.depth - 1;
    const marks = app.drawing.annotated().filter(z => z <= last);
    return h("div", {className: "tb-slices-row"},
      h("label", {className: "tb-slice-label", htmlFor: "tb-slices"}, "Slice"),
      h("div", {className: "tb-slices-track"},
        h("input", {
          id: "tb-slices", className: "tb-slices", type: "range", min: 0, max: last, value: app.z,
          title: "Slice (arrow keys; Page Up and Page Down: ten; Home, End)", "aria-label": "Slice",
          "aria-valuetext": `slice ${app.z} of ${last}`, disabled: last === 0,
          onInput: event => app.setZ(Number(event.target.value), true), onChange: () => {},
        }),
        h("div", {className: "tb-marks", "aria-hidden": true}, marks.map(z =>
          h("span", {key: z, style: {left: `${last ? 100 * z / last : 0}%`}})))),
      h("input", {className: "tb-limit tb-slice-number", "aria-label": "Go to slice", type: "number", min: 0, max: last,
        value: app.z, onChange: event => { if (event.target.value !== "") app.setZ(Number(event.target.value)); }}),
      h("span", {className: "tb-quiet"}, `/ ${last}`));
  }

  function Readout({view}) {
    const [, again] = window.React.useReducer(n => n + 1, 0);
    window.React.useEffect(() => { if (view) view.onCursor = again; }, [view]);
    const at = view?.readout();
    if (!at) return h("div", {className: "tb-readout tb-quiet"}, app.shownZ === null ? "" : `z ${app.shownZ}`);
    let value = "…";
    if (at.raw !== null) {
      const bound = !app.stack.exact && (at.raw === 0 ? "≤ " : at.raw === 65535 ? "≥ " : "");
      value = (bound || "") + digits(app.real(at.raw));
    }
    const parts = [`z ${app.shownZ}`, `y ${at.y}`, `x ${at.x}`, value];
    if (at.drawn) parts.push(`drawn: ${at.drawn}`);
    if (at.found) parts.push(`segmented: ${at.found}`);
    if (app.stack.pixelSize) parts.push(`${digits(at.x * app.stack.pixelSize)}, ${digits(at.y * app.stack.pixelSize)} µm`);
    return h("div", {className: "tb-readout"}, parts.map((part, i) => h("span", {key: i}, part)));
  }

  function Messages() {
    return h("div", {className: "tb-messages", role: "status", "aria-live": "polite"},
      [...tb.messages].map(([topic, {sentence, level, signIn}]) =>
        h("div", {key: topic, className: `tb-message tb-${level}`, "data-topic": topic}, sentence,
          signIn && h("a", {href: "/login", target: "_blank", rel: "noopener"}, "Sign in"),
          h("button", {type: "button", className: "tb-close", "aria-label": "Close this message", onClick: () => tb.tell(topic, null)}, "×"))));
  }

  function Blank() {
    if (app.stack && app.shownZ !== null) return null;
    const text = !app.image ? "Choose a reconstruction to look at it here."
      : app.stack ? "Loading the first slice…" : "Opening the reconstruction…";
    return h("div", {className: "tb-blank"}, text);
  }

  function SliceView(props) {
    const {useRef, useEffect, useState} = window.React;
    const stage = useRef(), canvas = useRef(), sketch = useRef(), [view, setView] = useState(null);
    tb.useApp();
    useEffect(() => {
      const made = app.view = new tb.View(stage.current, canvas.current, sketch.current);
      setView(made);
      if (app.stack) made.open(app.stack);
      const scheme = new MutationObserver(() => made.draw());
      scheme.observe(document.documentElement, {attributes: true, attributeFilter: ["data-mantine-color-scheme"]});
      return () => { scheme.disconnect(); made.destroy(); app.view = null; };
    }, []);
    const image = props.image, imageKey = image ? `${image.path}@${image.version}` : null;
    useEffect(() => { app.openImage(image || null); }, [imageKey]);
    useEffect(() => { app.overlay = props.overlay || null; app.view?.loadResult(); tb.changed(); }, [props.overlay]);
    useEffect(() => {
      const tool = app.tool === "pan" ? "grab" : app.tool === "select" ? "default" : "crosshair";
      canvas.current.style.cursor = tb.TOOLS[app.tool].paints ? "none" : tool;
    }, [app.tool]);
    useEffect(() => { if (app.shownZ !== null && app.shownZ !== props.z) props.setProps({z: app.shownZ}); }, [app.shownZ]);
    return h("section", {id: props.id, className: "tb-view", "aria-label": "Slice"},
      h(Toolbar),
      h("div", {className: "tb-stage", ref: stage, tabIndex: 0, "aria-label": "Picture of the slice; the arrow keys turn slices"},
        h("canvas", {ref: canvas, className: "tb-canvas"}),
        h("canvas", {ref: sketch, className: "tb-sketch"}),
        h(Blank), h(Messages), h(Readout, {view})),
      h(Slices));
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside,
    {tomobeam_viewer: {pass: value => value === undefined ? window.dash_clientside.no_update : value}});
  window.tomobeam_viewer = Object.assign(window.tomobeam_viewer || {}, {SliceView});
})(window.tomobeamViewer);
