// The data of the run, and what is asked about them.
'use strict';

const FATES = { d: 'arrived', l: 'lost by the network', c: 'cut off by a partition', x: 'its receiver was down', o: 'on its way at the end' };
const OUTCOMES = { ok: 'ok', fail: 'failed', info: 'unknown' };

/** An element with attributes and children; texts are never read as HTML. */
function make(name, attributes = {}, ...children) {
  const isDrawing = ['svg', 'g', 'line', 'path', 'rect', 'text', 'circle'].includes(name);
  const made = isDrawing ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'click') made.addEventListener('click', value);
    else if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const count = (number, one, many = one + 's') => `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
/** Microseconds as seconds; -1 is never. */
const clock = (micros) => (micros < 0 ? 'never' : `${(micros / 1e6).toFixed(micros < 1e8 ? 4 : 3)} s`);
function lasted(micros) {
  if (micros < 1000) return `${micros} µs`;
  return micros < 1e6 ? `${(micros / 1e3).toFixed(1)} ms` : `${(micros / 1e6).toFixed(2)} s`;
}

/** JSON over several lines, where it does not fit into one of so many characters. */
function pretty(value, room = 36, indent = '') {
  const flat = JSON.stringify(value, null, 1).replace(/\n\s*/g, ' ').replace(/([[{]) | (?=[\]}])/g, '$1');
  if (flat.length <= room || typeof value !== 'object' || value === null) return flat;
  const inner = `${indent} `;
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  // A long list of numbers is a paragraph and not a column.
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object')) return flat;
  const items = Object.entries(value).map(([key, item]) => `${inner}${Array.isArray(value) ? '' : `${JSON.stringify(key)}: `}${pretty(item, room - 1, inner)}`);
  return `${open}\n${items.join(',\n')}\n${indent}${close}`;
}

/** Numbers before others: n2 stands before n10. */
const byName = (one, other) => one.localeCompare(other, 'en', { numeric: true });

class Run {
  constructor(data) {
    Object.assign(this, data);
    const none = { names: [], kinds: [], id: [], sent: [], received: [], src: [], dest: [], kind: [], fate: '', body: [], leftOut: 0 };
    this.messages ??= none;
    this.isNode = new Set(this.nodes);
    this.placeOf = new Map(this.messages.id.map((id, place) => [id, place]));
  }
  isClient(name) {
    return /^c\d+$/.test(name) && !this.isNode.has(name);
  }
  message(place) {
    const all = this.messages;
    return {
      place,
      id: all.id[place],
      src: all.names[all.src[place]],
      dest: all.names[all.dest[place]],
      sent: all.sent[place],
      received: all.received[place],
      kind: all.kinds[all.kind[place]],
      fate: all.fate[place],
      body: all.body[place],
    };
  }
  operation(index) {
    const all = this.operations;
    if (!(index < all.client.length)) return null;
    const operation = { index };
    for (const key of ['client', 'kind', 'from', 'to', 'outcome', 'phase', 'asked', 'ended']) operation[key] = all[key][index];
    operation.node = this.nodes[all.node[index]] ?? `n${all.node[index]}`;
    return operation;
  }
  /** The messages of an operation, by place. */
  messagesOf(operation) {
    const all = this.messages;
    const client = all.names.indexOf(operation.client);
    const end = operation.to < 0 ? Infinity : operation.to;
    const places = [];
    if (client < 0) return places;
    for (let place = 0; place < all.id.length; place += 1) {
      const isOf = all.src[place] === client || all.dest[place] === client;
      if (isOf && all.sent[place] >= operation.from && all.sent[place] <= end) places.push(place);
    }
    return places;
  }
  /** The reply to a message, or the message that it answers; -1 if there is none. */
  partner(message) {
    const number = (name, body) => new RegExp(`"${name}"\\s*:\\s*(\\d+)`).exec(body)?.[1];
    const asks = number('msg_id', message.body);
    const answers = number('in_reply_to', message.body);
    const all = this.messages;
    const [src, dest] = [all.src[message.place], all.dest[message.place]];
    const find = (name, wanted, step) => {
      for (let place = message.place + step; place >= 0 && place < all.id.length; place += step) {
        if (all.src[place] === dest && all.dest[place] === src && number(name, all.body[place]) === wanted) return place;
      }
      return -1;
    };
    if (answers) return find('msg_id', answers, -1);
    return asks ? find('in_reply_to', asks, 1) : -1;
  }
}
