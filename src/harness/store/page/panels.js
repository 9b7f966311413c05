// Everything around the two pictures: the verdict, the findings, details and logs.

const WORD = { true: ['valid', '✓', 'Everything looks good'], false: ['invalid', '✗', 'The run is invalid'], unknown: ['unknown', '?', 'Too little is known to tell'] };

/** How many lines of logs stand in the page at a time. */
const LOG_LINES_MAX = 2000;
const ONE = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** A measurement in words. A duration has seconds and nanoseconds. */
function measured(value) {
  if (value === null) return 'not seen';
  if (typeof value === 'string') return value;
  if (typeof value?.nanos !== 'number') return JSON.stringify(value);
  const millis = value.secs * 1000 + value.nanos / 1e6;
  return `${millis < 10 ? millis.toFixed(1) : Math.round(millis)} ms`;
}

class Panels {
  constructor(run) {
    this.run = run;
  }

  verdict() {
    const { run } = this;
    const [name, mark, title] = WORD[String(run.verdict)];
    document.title = `${run.workload}: ${title.toLowerCase()}`;
    document.getElementById('run-line').textContent = `Eddyline · ${run.workload} · seed ${run.seed} · ${new Date(run.started).toISOString().replace('T', ' ').slice(0, 19)} UTC`;
    document.getElementById('verdict-title').append(make('span', { class: `badge ${name}`, 'aria-hidden': 'true' }, mark), title);
    document.getElementById('verdict-text').textContent = this.sentence();
    const { statistics, operations } = run;
    const of = (outcome) => operations.outcome.filter((found, index) => found === outcome && operations.phase[index] !== 'setup').length;
    const gone = [[statistics.lost, 'lost'], [statistics.cut, 'cut off'], [statistics.toTheDead, 'to nodes that were down']].filter(([number]) => number).map(([number, word]) => `${number} ${word}`);
    if (!statistics.betweenNodesSeen) gone.push('those cut off are not seen on NATS');
    const facts = [
      ['Operations', `${(of('ok') + of('fail') + of('info')).toLocaleString('en')}`, `${of('ok')} ok, ${of('fail')} failed, ${of('info')} unknown`],
      run.availability === null ? ['Done', 'none', 'the load had no operation'] : ['Done', `${(run.availability * 100).toFixed(run.availability < 1 ? 1 : 0)} %`, 'of the load'],
      ['Messages of clients', statistics.clients.toLocaleString('en'), ''],
      ['Messages among servers', statistics.servers.toLocaleString('en'), statistics.betweenNodesSeen ? '' : 'with services; those between nodes are not seen on NATS'],
      ['Did not arrive', (statistics.lost + statistics.cut + statistics.toTheDead).toLocaleString('en'), gone.join(', ')],
      ['Faults', String(run.faults.length), run.neverStruck.length ? `never came: ${run.neverStruck.join(', ')}` : ''],
      ['Time', `${(run.elapsed / 1e6).toFixed(1)} s`, 'times count from the start of the test'],
    ];
    facts.splice(2, 0, ...this.latencies());
    document.getElementById('facts').append(...facts.map(([word, number, rest]) => make('div', {}, make('dt', {}, word), make('dd', {}, number, ' ', make('small', {}, rest)))));
  }

  /** The latencies of the load's operations that were done. A quantile stands at floor(n × q). */
  latencies() {
    const { operations } = this.run;
    const all = operations.from.map((from, index) => (operations.outcome[index] === 'ok' && operations.phase[index] === 'load' ? operations.to[index] - from : -1)).filter((time) => time >= 0);
    if (!all.length) return [];
    all.sort((one, other) => one - other);
    const at = (quantile) => lasted(all[Math.min(Math.floor(all.length * quantile), all.length - 1)]);
    return [['Latency', at(0.5), `median; 95 %: ${at(0.95)}, 99 %: ${at(0.99)}, longest: ${at(1)}`]];
  }

  sentence() {
    const { run } = this;
    const nodes = run.nodes.length < 3 ? run.nodes.join(' and ') : `${run.nodes[0]} to ${run.nodes[run.nodes.length - 1]}`;
    const parts = [];
    // What the tester notes beside them is no fault of a node.
    const broken = run.problems.filter(({ node }) => run.nodes.includes(node));
    if (broken.length) {
      const names = [...new Set(broken.map(({ node }) => node))].sort(byName);
      const times = broken.reduce((sum, problem) => sum + problem.count, 0);
      parts.push(`The protocol was broken ${times === 1 ? 'once' : `${times.toLocaleString('en')} times`}, by ${names.join(', ')}.`);
    }
    if (run.anomalyCount) parts.push(`The answers of ${nodes} show ${count(run.anomalyCount, 'anomaly', 'anomalies')}.${run.anomalies.length ? ` The first: ${run.anomalies[0].headline.replace(/\.$/, '')}.` : ''}`);
    else if (run.verdict === true) parts.push(`The ${run.workload} checker found nothing wrong in the answers of ${nodes}.`);
    else if (!broken.length) parts.push(`The checker found no anomaly in the answers of ${nodes}, but they are too few to say that there is none.`);
    if (run.verdict === 'unknown') parts.push(...run.doubts.map((doubt) => `${ONE(doubt)}.`));
    if (!run.faults.length) parts.push('No fault struck, so this run shows nothing about faults.');
    else if (run.neverStruck.length) parts.push(`It shows nothing about ${run.neverStruck.join(' and ')}: these faults were asked for and never came.`);
    return parts.join(' ');
  }

  problems() {
    const section = document.getElementById('problems');
    section.hidden = !this.run.problems.length;
    section.querySelector('ol').append(...this.run.problems.map((problem, nth) => {
      const where = problem.number ? `, line ${problem.number} of its stdout` : '';
      const more = problem.count > 1 ? `, and ${(problem.count - 1).toLocaleString('en')} more like it` : '';
      return make('li', { class: 'card' },
        make('div', { class: 'card-head' },
          make('p', { class: 'card-text' }, make('span', { class: 'nth' }, `${nth + 1}`), `${problem.node}${where}, at ${clock(problem.at)}${more}: ${problem.why}`),
          make('button', { type: 'button', click: () => this.app.goTo(problem.at, problem.node) }, 'Show the moment')),
        problem.words ? make('pre', {}, problem.words) : null,
        problem.line ? make('pre', {}, problem.line) : null);
    }));
  }

  anomalies() {
    const { run } = this;
    const section = document.getElementById('anomalies');
    section.hidden = !run.anomalies.length;
    const cards = run.anomalies.map((anomaly, nth) => {
      const operations = anomaly.operations.map((index) => run.operation(index)).filter(Boolean);
      const messages = anomaly.messages.filter((id) => run.placeOf.has(id)).length;
      const details = make('details', {}, make('summary', {}, `How ${count(operations.length, 'operation')} and ${count(messages, 'message')} show it`));
      details.addEventListener('toggle', () => {
        if (details.open && !details.querySelector('.steps')) details.append(this.steps(anomaly, nth), this.fullTable(operations));
      });
      if (nth === 0) details.open = true;
      const card = make('li', { class: 'card', id: `anomaly-${nth + 1}` },
        make('div', { class: 'card-head' },
          make('p', { class: 'card-text' }, make('span', { class: 'nth' }, `${nth + 1}`), ONE(anomaly.headline)),
          make('button', { type: 'button', class: 'primary', click: () => this.app.showAnomaly(nth) }, 'Show it')),
        anomaly.steps.length ? details : null);
      return card;
    });
    section.querySelector('ol').append(...cards.slice(0, 10));
    if (cards.length > 10) {
      const more = make('button', { type: 'button', click: () => (section.querySelector('ol').append(...cards.slice(10)), more.remove()) }, `Show ${cards.length - 10} more`);
      section.append(make('p', { style: 'margin-top:10px' }, more));
    }
    if (run.anomalyCount > cards.length) section.append(make('p', { class: 'count' }, `${run.anomalyCount.toLocaleString('en')} anomalies in all: the first ${cards.length} were kept.`));
  }

  /** The evidence in words. A step leads to its messages. */
  steps(anomaly, nth) {
    return make('ol', { class: 'steps' }, ...anomaly.steps.map((step, which) => {
      const isThere = step.messages.some((id) => this.run.placeOf.has(id)) || step.operations.length;
      return make('li', {}, isThere ? make('button', { type: 'button', class: 'link', click: () => this.app.showAnomaly(nth, which) }, step.text) : step.text);
    }));
  }

  fullTable(operations) {
    if (!operations.length) return '';
    const details = make('details', { class: 'inner' }, make('summary', {}, 'The operations with all that was asked and answered'));
    details.addEventListener('toggle', () => {
      if (details.open && !details.querySelector('table')) details.append(make('div', { class: 'scroll-x' }, this.table(operations)));
    });
    return details;
  }

  table(operations) {
    const row = (operation) => make('tr', {},
      make('td', {}, make('button', { type: 'button', class: 'link', click: () => this.app.showOperation(operation.index) }, `${operation.index}`)),
      make('td', {}, `${operation.client} → ${operation.node}`),
      make('td', {}, clock(operation.from)),
      make('td', {}, operation.to < 0 ? 'never ended' : lasted(operation.to - operation.from)),
      make('td', {}, make('code', {}, `${operation.kind} ${operation.asked === 'nil' ? '' : operation.asked}`)),
      make('td', {}, make('span', { class: `outcome ${operation.outcome}` }, OUTCOMES[operation.outcome])),
      make('td', {}, make('code', {}, operation.ended)));
    const head = ['No.', 'Client → node', 'Began', 'Took', 'Asked', 'Outcome', 'Answer'];
    return make('table', {}, make('thead', {}, make('tr', {}, ...head.map((word) => make('th', { scope: 'col' }, word)))), make('tbody', {}, ...operations.map(row)));
  }

  message(place) {
    const { run } = this;
    const detail = document.getElementById('detail');
    if (place < 0) {
      detail.replaceChildren(make('p', { class: 'quiet' }, 'Choose a message to see what it says, which one it answers, and what the nodes logged at that moment.'));
      return;
    }
    const message = run.message(place);
    const isThere = message.fate === 'd';
    const way = isThere ? `arrived at ${clock(message.received)}, after ${lasted(message.received - message.sent)}` : FATES[message.fate];
    let body = message.body;
    try {
      body = pretty(JSON.parse(body));
    } catch {
      // It was cut, or it is no JSON: it is shown as it is.
    }
    const partner = run.partner(message);
    const answers = /"in_reply_to"/.test(message.body);
    const link = partner < 0 ? null : make('p', {}, make('button', { type: 'button', class: 'link', click: () => this.app.diagram.choose(partner, true) }, answers ? `It answers message ${run.messages.id[partner]}` : `Message ${run.messages.id[partner]} answers it`));
    detail.replaceChildren(
      make('h3', {}, `${message.src} → ${message.dest}: ${message.kind || 'no type'}`),
      make('p', { class: 'quiet' }, `Message ${message.id}`),
      make('p', {}, `Sent at ${clock(message.sent)}; ${way}.`),
      make('pre', { tabindex: '0' }, body),
      ...[link].filter(Boolean),
      ...this.moment([message.src, message.dest], isThere ? message.received : message.sent));
    this.logs(isThere ? message.received : message.sent);
  }

  /** The last lines that these nodes logged before a moment. */
  moment(names, time) {
    const parts = [];
    for (const name of names.filter((found) => this.run.isNode.has(found))) {
      const lines = this.run.logs.filter(([at, node]) => node === name && at <= time).slice(-3);
      if (lines.length) parts.push(make('h4', {}, `${name} had logged`), make('pre', { tabindex: '0' }, lines.map(([at, , text]) => `${clock(at)}  ${text}`).join('\n')));
    }
    return parts;
  }

  operation(index) {
    const operation = this.run.operation(index);
    const detail = document.getElementById('operation-detail');
    if (!operation) return detail.replaceChildren();
    const show = this.run.messages.id.length ? make('p', {}, make('button', { type: 'button', click: () => this.app.showOperation(index) }, 'Show its messages')) : '';
    detail.replaceChildren(make('h3', {}, `Operation ${index}`), make('div', { class: 'scroll-x' }, this.table([operation])), show, ...this.moment([operation.node], operation.to < 0 ? this.run.elapsed : operation.to));
    this.logs(operation.from);
  }

  faults() {
    const { run } = this;
    const section = document.getElementById('faults');
    const head = ['Fault', 'Nodes', 'From', 'To', 'Lasted', 'Form'];
    const rows = run.faults.map((fault) => make('tr', {},
      make('td', {}, make('button', { type: 'button', class: 'link', click: () => this.app.goTo(fault.from) }, fault.kind)),
      make('td', {}, fault.cut || fault.nodes.join(', ')), make('td', {}, clock(fault.from)), make('td', {}, fault.to < 0 ? 'the end' : clock(fault.to)), make('td', {}, fault.to < 0 ? '' : lasted(fault.to - fault.from)), make('td', {}, fault.detail)));
    section.querySelector('div').append(rows.length ? make('table', {}, make('thead', {}, make('tr', {}, ...head.map((word) => make('th', { scope: 'col' }, word)))), make('tbody', {}, ...rows)) : make('p', { class: 'hint' }, 'None struck.'));
  }

  logControls() {
    const { run } = this;
    const section = document.getElementById('logs');
    section.hidden = !run.logs.length;
    const names = [...new Set(run.logs.map(([, node]) => node))].sort(byName);
    const select = make('select', {}, make('option', { value: '' }, 'all nodes'), ...names.map((name) => make('option', { value: name }, name)));
    select.addEventListener('change', () => this.logs(this.now ?? 0));
    const search = make('input', { type: 'search', placeholder: 'words' });
    search.addEventListener('input', () => this.logs(this.now ?? 0));
    document.getElementById('log-controls').append(make('label', {}, 'of', select), make('label', {}, 'with', search));
    this.logNode = select;
    this.logWords = search;
    this.logs(0);
  }

  /** Shows the lines around a moment. */
  logs(time) {
    if (!this.logNode) return;
    this.now = time;
    const [node, words] = [this.logNode.value, this.logWords.value.toLowerCase()];
    const lines = this.run.logs.filter(([, of, text]) => (!node || of === node) && (!words || text.toLowerCase().includes(words)));
    let now = lines.findLastIndex(([at]) => at <= time);
    const first = Math.max(0, Math.min(now - LOG_LINES_MAX / 2, lines.length - LOG_LINES_MAX));
    const shown = lines.slice(first, first + LOG_LINES_MAX);
    now -= first;
    const frame = document.querySelector('#logs .log');
    frame.replaceChildren(...shown.map(([at, of, text], nth) => make('div', { class: nth === now ? 'now' : null }, make('span', { class: 'at' }, clock(at)), make('span', { class: 'of' }, of), make('span', { class: 'words' }, text))));
    const more = this.run.logsLeftOut ? ` ${this.run.logsLeftOut.toLocaleString('en')} later lines are in node-logs/.` : '';
    document.querySelector('#logs .count').textContent = `${count(lines.length, 'line')}${shown.length < lines.length ? `, ${shown.length} around the moment` : ''}. The marked line is the last one before ${clock(time)}.${more}`;
    const marked = frame.children[now];
    if (marked) frame.scrollTop = marked.offsetTop - frame.offsetTop - 120;
  }

  more() {
    const { run } = this;
    const rows = [['Command', run.command.join(' ')], ['Seed', String(run.seed)], ['Nodes', run.nodes.join(', ')]];
    for (const [key, value] of Object.entries(run.summary ?? {})) rows.push([key, measured(value)]);
    document.querySelector('#more dl').append(...rows.map(([word, text]) => make('div', {}, make('dt', {}, word), make('dd', {}, make('code', {}, text.length > 400 ? `${text.slice(0, 400)}…` : text)))));
  }
}
