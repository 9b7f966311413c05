// The keys. A key does nothing else while it moves through the recording.

const KEYS = [
  { keys: ['ArrowRight'], shown: '→', text: 'next event', act: (app) => app.forward() },
  { keys: ['ArrowLeft'], shown: '←', text: 'event before', act: (app) => app.back() },
  {
    keys: ['ArrowDown', 'PageDown', 'shift ArrowRight'],
    shown: '↓ or shift →',
    text: 'next turn',
    act: (app) => app.nextTurn(),
  },
  {
    keys: ['ArrowUp', 'PageUp', 'shift ArrowLeft'],
    shown: '↑ or shift ←',
    text: 'turn before',
    act: (app) => app.turnBefore(),
  },
  { keys: ['Home'], shown: 'Home', text: 'first event', act: (app) => app.go(0) },
  { keys: ['End'], shown: 'End', text: 'last event', act: (app) => app.go(app.recording.last) },
  { keys: [' '], shown: 'space', text: 'play, or stop', act: (app) => app.play() },
  { keys: ['p'], shown: 'P', text: 'predict mode', act: (app) => app.togglePredict() },
  {
    keys: ['1', '2', '3', '4'],
    shown: '1 to 4',
    text: 'answer a question',
    act: (app, key) => app.chooseNumber(Number(key)),
  },
  { keys: ['c'], shown: 'C', text: 'compare: a recording beside', act: (app) => app.toggleBeside() },
  { keys: ['d'], shown: 'D', text: 'first difference', act: (app) => app.goToParting() },
  { keys: ['['], shown: '[', text: 'recording before', act: (app) => app.chooseNext(-1) },
  { keys: [']'], shown: ']', text: 'next recording', act: (app) => app.chooseNext(1) },
  {
    keys: ['t'],
    shown: 'T',
    text: 'light or dark',
    act: () => setTheme(theme() === 'dark' ? 'light' : 'dark'),
  },
  { keys: ['?', 'h'], shown: '?', text: 'this help', act: () => byId('help-dialog').showModal() },
];

function listenToKeys(app) {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId('help-dialog').open) return;
    const { target } = event;
    if (target.tagName === 'SELECT') return;
    const isButton = target.tagName === 'BUTTON' || target.tagName === 'SUMMARY';
    if (isButton && (event.key === ' ' || event.key === 'Enter')) return;
    const isArrow = event.key.startsWith('Arrow');
    const name =
      event.shiftKey && isArrow
        ? `shift ${event.key}`
        : event.key.length === 1
          ? event.key.toLowerCase()
          : event.key;
    const found = KEYS.find(({ keys }) => keys.includes(name));
    if (!found) return;
    event.preventDefault();
    found.act(app, event.key);
  });
}
