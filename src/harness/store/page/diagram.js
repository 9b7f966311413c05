// The space-time diagram. Every sending and every arrival has a row. Only the rows that are in
// sight are drawn, so that 100,000 messages cost no more than 50.

const ROW = 17;
const BLOCK = 128;
const LEFT = 86;
/** More than the page ever has: a time and a place fit into one number for nine hours. */
const PLACES_MAX = 2 ** 18;
/** A message that takes longer than so many blocks of rows is drawn at its ends. */
const BLOCKS_MAX = 40;

class Diagram {
  constructor(run, onChoose) {
    this.run = run;
    this.onChoose = onChoose;
    this.scroll = document.getElementById('diagram-scroll');
    this.head = document.getElementById('diagram-head');
    this.sheet = make('div', { class: 'sheet' });
    this.scroll.append(this.sheet);
    this.shown = new Set();
    this.chosen = -1;
    this.filter = { names: null, kind: '', fate: '', text: '', only: false, clients: 'one' };
    let isDue = false;
    const later = () => {
      if (isDue) return;
      isDue = true;
      requestAnimationFrame(() => {
        isDue = false;
        this.draw();
      });
    };
    this.scroll.addEventListener('scroll', later, { passive: true });
    new ResizeObserver(later).observe(this.scroll);
    this.scroll.addEventListener('keydown', (event) => this.key(event));
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !this.places.length) return;
    event.preventDefault();
    const now = this.places.indexOf(this.chosen);
    const next = now < 0 ? this.firstInSight() : Math.min(Math.max(now + step, 0), this.places.length - 1);
    this.choose(this.places[next], true);
  }

  firstInSight() {
    const row = this.scroll.scrollTop / ROW;
    const found = this.places.findIndex((place) => this.rowFrom[place] >= row);
    return Math.max(found, 0);
  }

  column(name) {
    return this.filter.clients === 'one' && this.run.isClient(name) ? 'clients' : name;
  }

  /** Takes the messages that pass the filter, and gives each of their ends a row. */
  layOut() {
    const { run, filter } = this;
    const all = run.messages;
    const wanted = filter.names;
    const kind = filter.kind ? all.kinds.indexOf(filter.kind) : -1;
    const text = filter.text.toLowerCase();
    const columns = all.names.map((name) => this.column(name));
    const passes = (place) => {
      if (filter.only && !this.shown.has(place)) return false;
      if (kind >= 0 && all.kind[place] !== kind) return false;
      if (filter.fate === 'gone' ? all.fate[place] === 'd' : filter.fate && all.fate[place] !== filter.fate) return false;
      if (wanted && !(wanted.has(columns[all.src[place]]) && wanted.has(columns[all.dest[place]]))) return false;
      return !text || all.body[place].toLowerCase().includes(text);
    };
    this.places = [];
    const arrivals = [];
    const used = new Set();
    for (let place = 0; place < all.id.length; place += 1) {
      if (!passes(place)) continue;
      this.places.push(place);
      // One number for time and place, because numbers are sorted much faster than pairs.
      if (all.received[place] >= 0) arrivals.push(all.received[place] * PLACES_MAX + place);
      used.add(columns[all.src[place]]);
      used.add(columns[all.dest[place]]);
    }
    if (filter.only) for (const time of this.showCrashes(used)) arrivals.push(time * PLACES_MAX + PLACES_MAX - 1);
    this.giveRows(Float64Array.from(arrivals).sort());
    const rank = (name) => (name === 'clients' || run.isClient(name) ? 0 : run.isNode.has(name) ? 1 : 2);
    this.columns = [...used].sort((one, other) => rank(one) - rank(other) || byName(one, other));
    this.sheet.style.height = `${(this.times.length + 3) * ROW}px`;
    this.draw();
    return this.places.length;
  }

  /** The moments of the crashes between the messages that are shown, whose nodes get columns. A crash explains a finding also while no message of it is on its way. */
  showCrashes(used) {
    const all = this.run.messages;
    const ends = this.places.map((place) => Math.max(all.sent[place], all.received[place]));
    const [first, last] = [all.sent[this.places[0]], Math.max(...ends)];
    const crashes = this.run.faults.filter(({ kind, from }) => kind === 'crash' && from >= first && from <= last);
    crashes.forEach(({ nodes }) => nodes.forEach((name) => used.add(name)));
    return crashes.flatMap(({ from, to }) => (to < 0 ? [from] : [from, to]));
  }

  /** Merges the sendings, which are in order, with the arrivals. */
  giveRows(arrivals) {
    const all = this.run.messages;
    this.times = [];
    this.rowFrom = new Float32Array(all.id.length).fill(-1);
    this.rowTo = new Float32Array(all.id.length);
    let next = 0;
    const arrive = (until) => {
      for (; next < arrivals.length; next += 1) {
        const time = Math.floor(arrivals[next] / PLACES_MAX);
        const place = arrivals[next] - time * PLACES_MAX;
        if (time > until || this.rowFrom[place] < 0) return;
        this.rowTo[place] = this.times.push(time) - 1;
      }
    };
    for (const place of this.places) {
      arrive(all.sent[place] - 1);
      const row = this.times.push(all.sent[place]) - 1;
      this.rowFrom[place] = row;
      // One that never arrives ends a little below its beginning.
      this.rowTo[place] = row + 1.6;
    }
    arrive(Infinity);
    this.blocks = [];
    for (const place of this.places) {
      const [from, to] = [this.rowFrom[place], this.rowTo[place]].map((row) => Math.floor(row / BLOCK));
      for (let block = from; block <= to; block += 1) {
        if (block > from + BLOCKS_MAX && block < to - BLOCKS_MAX) block = to - BLOCKS_MAX;
        (this.blocks[block] ??= []).push(place);
      }
    }
  }

  /** Gives each column its place. */
  spread() {
    const room = this.scroll.clientWidth - LEFT - 30;
    const gap = Math.max(74, Math.min(190, room / Math.max(this.columns.length, 1)));
    const width = Math.max(this.scroll.clientWidth, LEFT + gap * this.columns.length + 10);
    this.x = new Map(this.columns.map((name, place) => [name, LEFT + gap * (place + 0.5)]));
    this.sheet.style.width = `${width}px`;
    return { gap, width };
  }

  draw() {
    const height = this.scroll.clientHeight;
    const { gap, width } = this.spread();
    const { x } = this;
    const top = Math.max(0, this.scroll.scrollTop - 200);
    const first = Math.floor(top / ROW);
    const last = Math.ceil((this.scroll.scrollTop + height + 200) / ROW);
    const svg = make('svg', { width, height: height + 400, viewBox: `0 ${top} ${width} ${height + 400}`, style: `top:${top}px` });
    const bottom = Math.min(top + height + 400, (this.times.length + 2) * ROW);
    for (const name of this.columns) svg.append(make('line', { class: 'life', x1: x.get(name), x2: x.get(name), y1: top, y2: bottom }));
    const names = this.drawFaults(svg, x, gap, top, bottom);
    let before = '';
    for (let row = first; row <= Math.min(last, this.times.length - 1); row += 1) {
      const time = clock(this.times[row]);
      if (time !== before) svg.append(make('text', { class: 'time', x: LEFT - 14, y: (row + 1) * ROW + 4 }, time));
      before = time;
    }
    const drawn = new Set();
    for (let block = Math.floor(first / BLOCK); block <= Math.floor(last / BLOCK); block += 1) {
      for (const place of this.blocks[block] ?? []) {
        const [from, to] = [this.rowFrom[place], this.rowTo[place]];
        if (drawn.has(place) || to < first || from > last) continue;
        drawn.add(place);
        svg.append(this.arrow(place, x, (from + 1) * ROW, (to + 1) * ROW));
      }
    }
    svg.append(...names);
    this.sheet.replaceChildren(svg);
    const head = make('svg', { width, height: 34 });
    for (const name of this.columns) head.append(make('text', { class: 'name', x: x.get(name), y: 22 }, name));
    head.style.transform = `translateX(${-this.scroll.scrollLeft}px)`;
    this.head.replaceChildren(head);
  }

  /** The row of a moment. */
  rowAt(time) {
    let [low, high] = [0, this.times.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle] < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Draws the faults behind the messages. Returns their names, which stand before them. */
  drawFaults(svg, x, gap, top, bottom) {
    const names = [];
    for (const fault of this.run.faults) {
      const from = this.rowAt(fault.from) * ROW + ROW / 2;
      const to = (fault.to < 0 ? this.times.length : this.rowAt(fault.to)) * ROW + ROW / 2;
      if (to <= from || to < top || from > bottom) continue;
      const y = Math.max(from, top);
      const named = Math.max(from, this.scroll.scrollTop) + 13;
      fault.nodes.filter((name) => x.has(name)).forEach((name, nth) => {
        const left = x.get(name) - gap / 2 + 3;
        svg.append(make('rect', { class: 'band', x: left, y, width: gap - 6, height: Math.max(2, Math.min(to, bottom) - y) }));
        if (from >= top) svg.append(make('line', { class: 'band-edge', x1: left, x2: left + gap - 6, y1: from, y2: from }));
        if (to <= bottom) svg.append(make('line', { class: 'band-edge', x1: left, x2: left + gap - 6, y1: to, y2: to }));
        if (!fault.cut && (named < to || nth === 0)) svg.append(make('text', { class: 'band-name', x: left + 3, y: named }, fault.kind));
      });
      // Once for all its columns: which nodes are cut off from which.
      const ends = fault.nodes.filter((name) => x.has(name)).map((name) => x.get(name) + gap / 2 - 8);
      const right = Math.min(Math.max(...ends), this.scroll.scrollLeft + this.scroll.clientWidth - 8);
      if (fault.cut && ends.length && named < to + ROW) names.push(make('text', { class: 'band-name cut', x: right, y: named }, `${fault.kind}, ${fault.cut}`));
    }
    return names;
  }

  arrow(place, x, y1, y2) {
    const message = this.run.message(place);
    const isGone = 'lcx'.includes(message.fate);
    const [x1, target] = [x.get(this.column(message.src)), x.get(this.column(message.dest))];
    const side = Math.sign(target - x1) || 1;
    // A message that does not arrive ends before its receiver's line.
    const x2 = message.fate === 'd' ? target - side * 1 : target - side * 20;
    const names = ['arrow', isGone && 'gone', message.fate === 'o' && 'open', this.shown.has(place) && 'shown', this.chosen === place && 'chosen'];
    const arrow = make('g', { class: names.filter(Boolean).join(' '), click: () => this.choose(place, false) });
    const ends = { x1, y1, x2, y2 };
    arrow.append(make('line', ends), make('line', { ...ends, class: 'hit' }));
    const angle = (Math.atan2(y2 - y1, x2 - x1) * 180) / Math.PI;
    const turn = `translate(${x2} ${y2}) rotate(${angle})`;
    if (message.fate === 'd') arrow.append(make('path', { class: 'tip', d: 'M0 0L-9 -4V4z', transform: turn }));
    if (message.fate === 'l') arrow.append(make('path', { class: 'mark', d: 'M-5 -5L5 5M5 -5L-5 5', transform: `translate(${x2} ${y2})` }));
    if (message.fate === 'c') arrow.append(make('path', { class: 'mark', d: 'M-2 -7V7M3 -7V7', transform: turn }));
    if (message.fate === 'x') arrow.append(make('path', { class: 'mark', d: 'M0 -6V6M-4 -2H4', transform: `translate(${x2} ${y2})` }));
    const [lx, ly] = [(x1 + 2 * x2) / 3, (y1 + 2 * y2) / 3 - 4];
    arrow.append(make('text', { x: lx, y: ly }, message.kind || '?'));
    return arrow;
  }

  choose(place, isMoving) {
    this.chosen = place;
    if (isMoving && this.rowFrom[place] >= 0) {
      const y = this.rowFrom[place] * ROW;
      const { scrollTop, clientHeight } = this.scroll;
      if (y < scrollTop + 40 || y > scrollTop + clientHeight - 80) this.scroll.scrollTop = y - clientHeight / 3;
      this.lookAside(place);
    }
    this.draw();
    this.onChoose(place);
  }

  /** Scrolls sideways, until both ends of a message are in sight, or its beginning if they are too far apart. */
  lookAside(place) {
    const { names, src, dest } = this.run.messages;
    const [from, to] = [src, dest].map((column) => this.x.get(this.column(names[column[place]])));
    const { scrollLeft, clientWidth } = this.scroll;
    const [left, right] = [Math.min(from, to) - LEFT, Math.max(from, to) + 50];
    if (left >= scrollLeft && right <= scrollLeft + clientWidth) return;
    if (right - left <= clientWidth) this.scroll.scrollLeft = left < scrollLeft ? left : right - clientWidth;
    else this.scroll.scrollLeft = from - clientWidth / 2;
  }

  /** Scrolls to a moment. */
  goTo(time) {
    this.scroll.scrollTop = Math.max(0, this.rowAt(time) * ROW - 80);
    this.draw();
  }
}
