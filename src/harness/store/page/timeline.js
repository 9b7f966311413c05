// The operations in time: a bar each, in the rows of the node that was asked.

const LANE = 12;
const LABEL = 64;
/** Room for the names of faults, above the rows. */
const TOP = 18;

/** The first text that is no wider, or the last. */
const fit = (pen, texts, width) => texts.find((text) => pen.measureText(text).width <= width) ?? texts[texts.length - 1];

class Timeline {
  constructor(run, onChoose) {
    this.run = run;
    this.onChoose = onChoose;
    this.frame = document.getElementById('timeline');
    this.canvas = make('canvas', {});
    this.frame.append(this.canvas);
    this.shown = new Set();
    this.chosen = -1;
    [this.from, this.to] = [0, run.elapsed];
    this.lanes();
    new ResizeObserver(() => this.draw()).observe(this.frame);
    this.canvas.addEventListener('click', (event) => this.click(event));
    this.frame.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const now = this.order.indexOf(this.chosen);
      const at = now < 0 ? 0 : Math.min(Math.max(now + step, 0), this.order.length - 1);
      if (this.order.length) this.choose(this.order[at]);
    });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
  }

  /** Gives each operation a lane of its node, so that no two bars overlap. */
  lanes() {
    const all = this.run.operations;
    const ends = this.run.nodes.map(() => []);
    this.order = [];
    this.laneOf = [];
    all.from.forEach((from, index) => {
      if (all.phase[index] === 'setup') return;
      this.order.push(index);
      const lanes = ends[all.node[index]] ?? (ends[all.node[index]] = []);
      const to = all.to[index] < 0 ? this.run.elapsed : all.to[index];
      let lane = lanes.findIndex((end) => end < from);
      // Of too many at one time the last ones share a lane.
      if (lane < 0) lane = Math.min(lanes.length, 11);
      lanes[lane] = Math.max(to, lanes[lane] ?? 0);
      this.laneOf[index] = lane;
    });
    let row = 0;
    this.rows = ends.map((lanes) => {
      const first = row;
      row += Math.max(lanes.length, 1) + 0.8;
      return first;
    });
    this.height = row * LANE + 34 + TOP;
  }

  x(time) {
    return LABEL + ((time - this.from) / (this.to - this.from)) * (this.width - LABEL - 12);
  }

  y(index) {
    return (this.rows[this.run.operations.node[index]] + this.laneOf[index]) * LANE + 10 + TOP;
  }

  draw() {
    this.width = this.frame.clientWidth;
    if (!this.width) return;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = this.width * ratio;
    this.canvas.height = this.height * ratio;
    this.canvas.style.height = `${this.height}px`;
    const pen = this.canvas.getContext('2d');
    pen.scale(ratio, ratio);
    const css = getComputedStyle(document.documentElement);
    const colour = (name) => css.getPropertyValue(`--${name}`).trim();
    pen.font = `12px ${colour('sans')}`;
    for (const fault of this.run.faults) {
      const [from, to] = [Math.max(this.x(fault.from), LABEL), this.x(fault.to < 0 ? this.run.elapsed : fault.to)];
      if (to < LABEL || from > this.width) continue;
      for (const name of fault.nodes) {
        const node = this.run.nodes.indexOf(name);
        if (node < 0) continue;
        const y = this.rows[node] * LANE + 6 + TOP;
        const end = (this.rows[node + 1] ?? (this.height - 34 - TOP) / LANE) * LANE + 2 + TOP;
        pen.globalAlpha = 0.16;
        pen.fillStyle = colour('accent');
        pen.fillRect(from, y, Math.max(to - from, 2), end - y);
        pen.globalAlpha = 1;
      }
    }
    this.nameFaults(pen, colour);
    const all = this.run.operations;
    // Where a lane was last drawn: of several bars in one pixel the first is enough.
    const drawn = new Map();
    for (const index of this.order) {
      const [from, to] = [all.from[index], all.to[index] < 0 ? this.run.elapsed : all.to[index]];
      if (to < this.from || from > this.to) continue;
      const x = Math.max(this.x(from), LABEL);
      const lane = this.y(index);
      const isPlain = all.outcome[index] === 'ok' && index !== this.chosen && !this.shown.has(index);
      if (isPlain && x - (drawn.get(lane) ?? -9) < 1) continue;
      drawn.set(lane, x);
      this.bar(pen, colour, index, x, Math.max(this.x(to) - x, 3));
    }
    pen.fillStyle = colour('panel');
    pen.fillRect(0, 0, LABEL - 2, this.height);
    pen.fillStyle = colour('ink');
    this.run.nodes.forEach((name, node) => pen.fillText(name, 12, this.rows[node] * LANE + 19 + TOP));
    pen.fillStyle = colour('soft');
    const parts = Math.max(2, Math.floor((this.width - LABEL) / 130));
    for (let part = 0; part <= parts; part += 1) {
      const time = this.from + ((this.to - this.from) * part) / parts;
      pen.textAlign = part === parts ? 'right' : 'left';
      pen.fillText(`${(time / 1e6).toFixed(this.to - this.from < 2e6 ? 3 : 1)} s`, this.x(time), this.height - 8);
    }
    pen.textAlign = 'left';
  }

  /** Names each fault above the rows, as far as there is room until the next one. */
  nameFaults(pen, colour) {
    const { faults, elapsed } = this.run;
    pen.font = `11px ${colour('sans')}`;
    pen.fillStyle = colour('accent');
    let free = LABEL;
    faults.forEach((fault, nth) => {
      const [from, to] = [Math.max(this.x(fault.from), LABEL), this.x(fault.to < 0 ? elapsed : fault.to)];
      if (to < LABEL || from > this.width || from < free) return;
      const next = faults[nth + 1];
      const room = Math.min(next ? this.x(next.from) : Infinity, this.width) - from - 6;
      const of = fault.cut || fault.nodes.join(', ');
      const name = fit(pen, [`${fault.kind}: ${of}`, of, fault.kind], room);
      pen.fillText(name, from, 15);
      free = from + pen.measureText(name).width + 6;
    });
    pen.font = `12px ${colour('sans')}`;
  }

  bar(pen, colour, index, x, width) {
    const y = this.y(index);
    const outcome = this.run.operations.outcome[index];
    const isShown = this.shown.has(index);
    pen.lineWidth = 1.4;
    pen.strokeStyle = pen.fillStyle = colour({ ok: 'ok', fail: 'bad', info: 'unsure' }[outcome]);
    // Full, hollow, or hollow with a stroke through it.
    if (outcome === 'ok') pen.fillRect(x, y, width, LANE - 4);
    else {
      pen.strokeRect(x + 0.7, y + 0.7, Math.max(width - 1.4, 2), LANE - 5.4);
      if (outcome === 'info') pen.fillRect(x, y + (LANE - 4) / 2 - 0.7, width, 1.4);
    }
    if (isShown || index === this.chosen) {
      pen.strokeStyle = colour(index === this.chosen ? 'ink' : 'accent');
      pen.lineWidth = 2;
      pen.strokeRect(x - 2, y - 2, width + 4, LANE);
      pen.fillStyle = pen.strokeStyle;
      pen.fillText(`${index}`, x, y - 4);
    }
  }

  click(event) {
    const [x, y] = [event.offsetX, event.offsetY];
    const all = this.run.operations;
    const near = this.order.filter((index) => {
      const to = all.to[index] < 0 ? this.run.elapsed : all.to[index];
      return Math.abs(this.y(index) + 4 - y) < LANE / 2 + 1 && this.x(all.from[index]) - 4 <= x && this.x(to) + 6 >= x;
    });
    if (near.length) this.choose(near[near.length - 1]);
  }

  choose(index) {
    this.chosen = index;
    const { from } = this.run.operation(index);
    if (from < this.from || from > this.to) {
      const half = (this.to - this.from) / 2;
      this.look(from - half, from + half);
    } else this.draw();
    this.onChoose(index);
  }

  /** Shows a span of time. */
  look(from, to) {
    const length = Math.min(Math.max(to - from, 1000), this.run.elapsed);
    this.from = Math.min(Math.max(from, 0), this.run.elapsed - length);
    this.to = this.from + length;
    this.draw();
  }
}
