// Joins the parts of the page.

class App {
  constructor(run) {
    this.run = run;
    this.panels = new Panels(run);
    this.panels.app = this;
    this.panels.verdict();
    this.panels.problems();
    this.panels.anomalies();
    this.timeline = new Timeline(run, (index) => this.panels.operation(index));
    this.timelineControls();
    this.panels.faults();
    this.panels.logControls();
    this.panels.more();
    if (run.messages.id.length) {
      this.diagram = new Diagram(run, (place) => this.panels.message(place));
      this.filters();
      this.panels.message(-1);
      this.layOut();
      this.legend();
    } else document.getElementById('diagram').hidden = true;
    document.getElementById('plots').hidden = !document.querySelector('#plots svg');
    // timeline.html is this page with the operations alone.
    if (run.only) for (const id of ['problems', 'anomalies', 'more']) document.getElementById(id).hidden = true;
    this.contents();
    document.getElementById('theme').addEventListener('click', () => this.theme());
  }

  contents() {
    const sections = [...document.querySelectorAll('main > section')].filter((section) => !section.hidden);
    const titled = sections.filter((section) => section.querySelector('h2'));
    document.getElementById('contents').append(...titled.map((section) => make('a', { href: `#${section.id}` }, section.querySelector('h2').textContent)));
  }

  theme() {
    const root = document.documentElement;
    const isDark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = isDark ? 'light' : 'dark';
    this.timeline.draw();
  }

  filters() {
    const { run, diagram } = this;
    const { filter } = diagram;
    const all = run.messages;
    const choice = (word, entries, key) => {
      const select = make('select', {}, ...entries.map(([value, text]) => make('option', { value }, text)));
      select.addEventListener('change', () => {
        filter[key] = select.value;
        this.layOut();
      });
      return [select, make('label', {}, word, select)];
    };
    const clients = all.names.filter((name) => run.isClient(name));
    const [, kinds] = choice('Type', [['', 'all'], ...[...all.kinds].sort().map((kind) => [kind, kind || 'no type'])], 'kind');
    const fates = [['', 'all'], ['gone', 'those that did not arrive'], ...Object.entries(FATES)];
    const [, ends] = choice('End', fates, 'fate');
    const [, columns] = choice('Clients', [['one', 'in one column'], ['each', 'a column each']], 'clients');
    [this.clientSelect] = [columns.querySelector('select')];
    const search = make('input', { type: 'search', placeholder: 'text in the body' });
    search.addEventListener('input', () => {
      filter.text = search.value;
      this.layOut();
    });
    const number = make('input', { type: 'number', min: '0', class: 'number' });
    number.addEventListener('change', () => this.showMessage(Number(number.value)));
    this.number = number;
    const names = ['clients', ...all.names.filter((name) => !run.isClient(name))].sort((one, other) => (run.isNode.has(other) ? 1 : 0) - (run.isNode.has(one) ? 1 : 0) || byName(one, other));
    this.hidden = new Set();
    const chips = names.map((name) => {
      const chip = make('button', { type: 'button', 'aria-pressed': 'true' }, name);
      chip.addEventListener('click', () => {
        if (!this.hidden.delete(name)) this.hidden.add(name);
        chip.setAttribute('aria-pressed', String(!this.hidden.has(name)));
        this.layOut();
      });
      return chip;
    });
    this.evidenceBar = make('div', { class: 'evidence-bar', hidden: '' });
    document.getElementById('filters').append(
      this.evidenceBar,
      make('div', { class: 'chips', role: 'group', 'aria-label': 'Columns' }, ...chips),
      kinds, ends, ...(clients.length > 1 ? [columns] : []), make('label', {}, 'With', search), make('label', {}, 'Go to message', number));
  }

  /** Goes to a message, although a filter hides it. */
  showMessage(id) {
    const { diagram } = this;
    const place = this.run.placeOf.get(id);
    this.number.setCustomValidity(place === undefined ? 'There is no such message.' : '');
    this.number.reportValidity();
    if (place === undefined) return;
    if (diagram.rowFrom[place] < 0) {
      Object.assign(diagram.filter, { only: false, kind: '', fate: '', text: '' });
      document.querySelectorAll('#filters select, #filters input[type="search"]').forEach((field) => (field.value = field === this.clientSelect ? diagram.filter.clients : ''));
      this.hidden.clear();
      document.querySelectorAll('#filters .chips button').forEach((chip) => chip.setAttribute('aria-pressed', 'true'));
      this.layOut();
    }
    diagram.choose(place, true);
  }

  layOut() {
    const { run, diagram } = this;
    const { names } = run.messages;
    const isHidden = (name) => this.hidden.has(run.isClient(name) ? 'clients' : name);
    diagram.filter.names = this.hidden.size ? new Set(names.filter((name) => !isHidden(name)).map((name) => diagram.column(name))) : null;
    const shown = diagram.layOut();
    const all = run.messages.id.length;
    const more = run.messages.leftOut ? ` ${run.messages.leftOut.toLocaleString('en')} later messages were not kept.` : '';
    document.getElementById('diagram-count').textContent = `${shown === all ? count(all, 'message') : `${shown.toLocaleString('en')} of ${count(all, 'message')}`}.${more}`;
  }

  legend() {
    const { run } = this;
    const sample = (className, mark) => make('svg', { viewBox: '0 0 46 14', 'aria-hidden': 'true' }, make('g', { class: `arrow ${className}` }, make('line', { x1: 2, y1: 7, x2: mark ? 32 : 40, y2: 7 }), mark ? make('path', { class: 'mark', d: mark, transform: 'translate(34 7)' }) : make('path', { class: 'tip', d: 'M0 0L-9 -4V4z', transform: 'translate(44 7)' })));
    const entries = [['', '', 'arrived'], ['gone', 'M-5 -5L5 5M5 -5L-5 5', 'lost by the network'], ['gone', 'M-2 -7V7M3 -7V7', 'cut off by a partition'], ['gone', 'M0 -6V6M-4 -2H4', 'its receiver was down'], ['shown', '', 'part of the chosen finding']];
    const fault = make('svg', { viewBox: '0 0 46 14', 'aria-hidden': 'true' }, make('rect', { class: 'band', x: 2, y: 0, width: 40, height: 14 }));
    if (run.faults.length) document.getElementById('legend').append(make('li', {}, fault, 'a fault of this node'));
    document.getElementById('legend').append(...entries.map(([name, mark, text]) => make('li', {}, sample(name, mark), text)));
  }

  timelineControls() {
    const { timeline, run } = this;
    const button = (text, act) => make('button', { type: 'button', click: act }, text);
    const scale = (factor) => {
      const [middle, half] = [(timeline.from + timeline.to) / 2, ((timeline.to - timeline.from) / 2) * factor];
      timeline.look(middle - half, middle + half);
    };
    const move = (part) => {
      const step = (timeline.to - timeline.from) * part;
      timeline.look(timeline.from + step, timeline.to + step);
    };
    document.getElementById('timeline-controls').append(button('Closer', () => scale(0.4)), button('Farther', () => scale(2.5)), button('Earlier', () => move(-0.5)), button('Later', () => move(0.5)), button('The whole run', () => timeline.look(0, run.elapsed)));
    const marks = make('ul', { class: 'legend' }, ...['ok', 'fail', 'info'].map((outcome) => make('li', { class: 'outcome-mark' }, { ok: 'full bar: ok', fail: 'hollow bar: failed', info: 'hollow with a stroke: unknown' }[outcome])));
    document.getElementById('timeline-controls').append(marks);
  }

  /** Marks these messages and operations, and goes to one of them. */
  mark(text, places, operations, first = places[0]) {
    const { diagram, timeline } = this;
    timeline.shown = new Set(operations);
    const spans = operations.map((index) => this.run.operation(index)).filter(Boolean);
    if (spans.length) {
      const from = Math.min(...spans.map((span) => span.from));
      const to = Math.max(...spans.map((span) => (span.to < 0 ? span.from : span.to)));
      const around = Math.max((to - from) * 0.15, 20000);
      timeline.look(from - around, to + around);
    }
    if (!diagram) return timeline.frame.scrollIntoView();
    diagram.shown = new Set(places);
    diagram.filter.only = places.length > 0;
    diagram.filter.clients = 'each';
    this.clientSelect.value = 'each';
    const only = make('button', { type: 'button' });
    const tell = () => (only.textContent = diagram.filter.only ? 'With all other messages' : 'Only these');
    only.addEventListener('click', () => {
      diagram.filter.only = !diagram.filter.only;
      // All clients would be too many columns.
      diagram.filter.clients = this.clientSelect.value = diagram.filter.only ? 'each' : 'one';
      tell();
      this.layOut();
      if (first !== undefined) diagram.choose(diagram.chosen < 0 ? first : diagram.chosen, true);
    });
    tell();
    const end = make('button', { type: 'button', class: 'plain', click: () => this.unmark() }, 'Done');
    this.evidenceBar.replaceChildren(make('span', { title: text }, text), only, end);
    this.evidenceBar.hidden = false;
    this.layOut();
    diagram.scroll.scrollTop = 0;
    if (first !== undefined) diagram.choose(first, true);
    document.getElementById('diagram').scrollIntoView();
    diagram.scroll.focus({ preventScroll: true });
  }

  unmark() {
    Object.assign(this.diagram.filter, { only: false, clients: 'one' });
    this.clientSelect.value = 'one';
    this.diagram.shown = new Set();
    this.timeline.shown = new Set();
    this.evidenceBar.hidden = true;
    document.querySelectorAll('.card.open').forEach((card) => card.classList.remove('open'));
    this.timeline.draw();
    this.layOut();
  }

  /** Shows a finding, at the messages of one of its steps. */
  showAnomaly(nth, which = 0) {
    const anomaly = this.run.anomalies[nth];
    const at = (ids) => ids.map((id) => this.run.placeOf.get(id)).filter((place) => place !== undefined);
    // The list of a finding is cut where it is long. That of a step is whole.
    const step = anomaly.steps[which];
    const places = [...new Set(at([...anomaly.messages, ...(step?.messages ?? [])]))];
    const first = step ? at(step.messages)[0] : undefined;
    document.querySelectorAll('.card.open').forEach((card) => card.classList.remove('open'));
    document.getElementById(`anomaly-${nth + 1}`)?.classList.add('open');
    this.mark(`${nth + 1}. ${ONE(anomaly.headline)}`, places.sort((one, other) => one - other), anomaly.operations, first);
  }

  showOperation(index) {
    const operation = this.run.operation(index);
    this.timeline.chosen = index;
    this.panels.operation(index);
    this.mark(`Operation ${index}: ${operation.client} asked ${operation.node} to ${operation.kind}`, this.run.messagesOf(operation), [index]);
  }

  /** Shows a moment in both pictures and in the logs. */
  goTo(time, node) {
    const around = Math.min(1e6, this.run.elapsed / 4);
    this.timeline.look(time - around, time + around);
    if (node && this.panels.logNode) this.panels.logNode.value = [...this.panels.logNode.options].some(({ value }) => value === node) ? node : '';
    this.panels.logs(time);
    if (!this.diagram) return;
    this.diagram.goTo(time);
    document.getElementById('diagram').scrollIntoView();
  }
}

document.addEventListener('DOMContentLoaded', () => {
  const data = JSON.parse(document.getElementById('run').textContent);
  window.report = new App(new Run(data));
});
