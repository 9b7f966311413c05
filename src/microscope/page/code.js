// The real function that runs, with the running line marked.

const TOKENS =
  /(\/\/[^\n]*)|("(?:[^"\\]|\\.)*")|\b(fn|let|mut|match|if|else|while|for|in|loop|break|continue|return|self|Self|pub|crate|impl|struct|enum|use|true|false|as|const|ref|move|where|debug_assert)\b|\b([A-Z]\w*)|\b(\d[\d_]*)/g;

let codeDrawn = {};

function codeView(recording, event) {
  const [name, running] = event.code || [];
  const part = recording.code?.[name];
  if (!part) return { title: '', lines: [h('p', { class: 'none' }, 'No code belongs to this event.')] };
  const drawnAs = `${recording.name} ${name} ${running}`;
  if (codeDrawn.drawnAs === drawnAs) return codeDrawn;
  const lines = part.text.replace(/\n$/, '').split('\n');
  codeDrawn = {
    drawnAs,
    title: `${part.file}, line ${part.first_line + running}`,
    name,
    lines: h(
      'ol',
      { class: 'code-lines', key: name, start: part.first_line },
      lines.map((line, place) =>
        h(
          'li',
          { class: place === running ? 'running' : '', 'aria-current': place === running ? 'step' : null },
          h('span', { class: 'line-number' }, part.first_line + place),
          coloured(line),
        ),
      ),
    ),
  };
  return codeDrawn;
}

const colouredLines = new Map();

function coloured(line) {
  if (!colouredLines.has(line)) colouredLines.set(line, h('code', {}, tokens(line)));
  return colouredLines.get(line);
}

function tokens(line) {
  const parts = [];
  let done = 0;
  for (const found of line.matchAll(TOKENS)) {
    if (found.index > done) parts.push(line.slice(done, found.index));
    const kind = ['comment', 'string', 'keyword', 'type', 'number'][
      found.slice(1).findIndex((group) => group !== undefined)
    ];
    parts.push(h('span', { class: `code-${kind}` }, found[0]));
    done = found.index + found[0].length;
  }
  parts.push(line.slice(done) || (done ? '' : ' '));
  return parts;
}

/** Scrolls the pane, and only the pane, until the running line stands in its middle. */
function showRunningLine(pane) {
  const line = pane.querySelector('.running');
  if (!line) return;
  const middle = line.offsetTop - pane.offsetTop - (pane.clientHeight - line.offsetHeight) / 2;
  pane.scrollTop = Math.max(0, middle);
}
