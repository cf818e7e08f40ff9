/* Which pixels an item covers: the same rule, and the same arithmetic, as annotate/rasterise.py.
   Coordinates are integers in sixteenths of a pixel; whole pixels are centres. */
(tb => {
  const L = tb.LATTICE = 16;
  const up = v => Math.ceil(v / L), down = v => Math.floor(v / L);

  /** Bounds of an item on the lattice: [x0, y0, x1, y1]. */
  tb.bounds = item => {
    let x0 = Infinity, y0 = Infinity, x1 = -Infinity, y1 = -Infinity;
    const p = item.points, r = item.radius || 0;
    for (let i = 0; i < p.length; i += 2) {
      x0 = Math.min(x0, p[i]); x1 = Math.max(x1, p[i]);
      y0 = Math.min(y0, p[i + 1]); y1 = Math.max(y1, p[i + 1]);
    }
    return [x0 - r, y0 - r, x1 + r, y1 + r];
  };

  function windowOf([x0, y0, x1, y1], W, H) {
    const c0 = Math.max(0, up(x0)), c1 = Math.min(W - 1, down(x1));
    const r0 = Math.max(0, up(y0)), r1 = Math.min(H - 1, down(y1));
    return c0 <= c1 && r0 <= r1 ? [c0, r0, c1, r1] : null;
  }

  function runs(bits, y, c0, emit) {
    for (let i = 0; i < bits.length; i++) {
      if (!bits[i]) continue;
      const start = i;
      while (i < bits.length && bits[i]) i++;
      emit(y, c0 + start, c0 + i - 1);
    }
  }

  /** Columns of the pixels whose centres lie exactly on the outline, by row. */
  function onOutline(p, r0, r1) {
    const rows = new Map();
    const add = (row, column) => rows.has(row) ? rows.get(row).push(column) : rows.set(row, [column]);
    const n = p.length;
    for (let i = 0; i < n; i += 2) {
      let ax = p[i], ay = p[i + 1], bx = p[(i + 2) % n], by = p[(i + 3) % n];
      if (ay === by) {
        if (ay % L === 0 && ay / L >= r0 && ay / L <= r1) {
          for (let c = up(Math.min(ax, bx)); c <= down(Math.max(ax, bx)); c++) add(ay / L, c);
        }
        continue;
      }
      if (ay > by) [ax, ay, bx, by] = [bx, by, ax, ay];
      const height = by - ay;
      for (let r = Math.max(r0, up(ay)); r <= Math.min(r1, down(by)); r++) {
        const across = ax * height + (r * L - ay) * (bx - ax);
        if (across % (height * L) === 0) add(r, across / (height * L));
      }
    }
    return rows;
  }

  /** scikit-image's rule for one pixel. */
  function belongs(p, px, py) {
    const n = p.length;
    let right = 0, left = 0;
    for (let i = 0, j = n - 2; i < n; j = i, i += 2) {
      const x0 = p[i] - px, y0 = p[i + 1] - py, x1 = p[j] - px, y1 = p[j + 1] - py;
      if (x0 === 0 && y0 === 0) return true;
      const side = Math.sign(x1 * y0 - x0 * y1) * Math.sign(y0 - y1);
      if ((y1 > 0) !== (y0 > 0) && side > 0) right++;
      if ((y1 < 0) !== (y0 < 0) && side < 0) left++;
    }
    return right % 2 === 1 || left % 2 === 1;
  }

  function freeform(item, W, H, emit) {
    const p = item.points, n = p.length;
    const box = windowOf(tb.bounds(item), W, H);
    if (!box) return;
    const [c0, r0, c1, r1] = box, outline = onOutline(p, r0, r1);
    const bits = new Uint8Array(c1 - c0 + 1);
    for (let r = r0; r <= r1; r++) {
      const y = r * L, cuts = [];
      bits.fill(0);
      for (let i = 0, j = n - 2; i < n; j = i, i += 2) {
        const ay = p[j + 1], by = p[i + 1];
        if ((ay <= y) !== (by <= y)) cuts.push(p[j] + (y - ay) * (p[i] - p[j]) / (by - ay));
      }
      cuts.sort((a, b) => a - b);
      for (let k = 0; k + 1 < cuts.length; k += 2) {
        const from = Math.max(c0, down(cuts[k]) + 1), to = Math.min(c1, up(cuts[k + 1]) - 1);
        if (from <= to) bits.fill(1, from - c0, to - c0 + 1);
      }
      for (const c of outline.get(r) || []) {
        if (c >= c0 && c <= c1) bits[c - c0] = belongs(p, c * L, y) ? 1 : 0;
      }
      runs(bits, r, c0, emit);
    }
  }

  function rectangle(item, W, H, emit) {
    const box = windowOf(tb.bounds(item), W, H);
    if (box) for (let y = box[1]; y <= box[3]; y++) emit(y, box[0], box[2]);
  }

  function circle(item, W, H, emit) {
    const box = windowOf(tb.bounds(item), W, H), [cx, cy] = item.points, rr = item.radius * item.radius;
    if (!box) return;
    const bits = new Uint8Array(box[2] - box[0] + 1);
    for (let r = box[1]; r <= box[3]; r++) {
      const dy = r * L - cy;
      for (let c = box[0]; c <= box[2]; c++) {
        const dx = c * L - cx;
        bits[c - box[0]] = dx * dx + dy * dy <= rr ? 1 : 0;
      }
      runs(bits, r, box[0], emit);
    }
  }

  function segment(ax, ay, bx, by, radius, W, H, emit) {
    const box = windowOf([Math.min(ax, bx) - radius, Math.min(ay, by) - radius,
      Math.max(ax, bx) + radius, Math.max(ay, by) + radius], W, H);
    if (!box) return;
    const dx = bx - ax, dy = by - ay, length = dx * dx + dy * dy, square = radius * radius;
    const limit = square * length, bits = new Uint8Array(box[2] - box[0] + 1);
    for (let r = box[1]; r <= box[3]; r++) {
      const py = r * L - ay, qy = r * L - by;
      for (let c = box[0]; c <= box[2]; c++) {
        const px = c * L - ax, qx = c * L - bx;
        let near = px * px + py * py <= square || (length > 0 && qx * qx + qy * qy <= square);
        if (!near && length > 0) {
          const along = px * dx + py * dy, cross = px * dy - py * dx;
          near = along > 0 && along < length && cross * cross <= limit;
        }
        bits[c - box[0]] = near ? 1 : 0;
      }
      runs(bits, r, box[0], emit);
    }
  }

  function brush(item, W, H, emit) {
    const p = item.points, r = item.radius;
    if (p.length === 2) return segment(p[0], p[1], p[0], p[1], r, W, H, emit);
    for (let i = 0; i + 3 < p.length; i += 2) segment(p[i], p[i + 1], p[i + 2], p[i + 3], r, W, H, emit);
  }

  const COVER = {freeform, rectangle, circle, brush, erase: brush};
  /** Call `emit(row, firstColumn, lastColumn)` for the pixels that an item covers. */
  tb.cover = (item, W, H, emit) => COVER[item.kind](item, W, H, emit);

  /** Paint one item into labels (Uint8Array, H × W, 0 = nothing); returns the rows touched. */
  tb.paint = (labels, item, value, W, H) => {
    let first = H, last = -1;
    tb.cover(item, W, H, (y, from, to) => {
      labels.fill(value, y * W + from, y * W + to + 1);
      if (y < first) first = y;
      if (y > last) last = y;
    });
    return last < 0 ? null : [first, last];
  };

  /** Whether an item covers the pixel (column, row). */
  tb.covers = (item, column, row, W, H) => {
    const [x0, y0, x1, y1] = tb.bounds(item);
    if (column * L < x0 || column * L > x1 || row * L < y0 || row * L > y1) return false;
    let hit = false;
    tb.cover(item, W, H, (y, from, to) => { hit = hit || (y === row && column >= from && column <= to); });
    return hit;
  };
})(window.tomobeamViewer);
