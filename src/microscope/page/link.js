// Deep links: `#run=lost-edge&turn=17&step=3&predict=1`. `step` is the index of the event
// in its turn.

function readLink(hash) {
  const parts = new URLSearchParams(hash.replace(/^#/, ''));
  const number = (name) => (/^\d+$/.test(parts.get(name) || '') ? Number(parts.get(name)) : null);
  return {
    run: parts.get('run'),
    turn: number('turn'),
    step: number('step') || 0,
    predict: parts.get('predict') === '1',
  };
}

function linkTo(recording, index, predict) {
  const turn = recording.turnOf(index);
  return `#run=${encodeURIComponent(recording.name)}&turn=${turn.number}&step=${index - turn.first}${predict ? '&predict=1' : ''}`;
}

let linkTimer = 0;

/** Writes the link into the address. A key that is held down writes it once, at its end. */
function writeLink(link) {
  clearTimeout(linkTimer);
  linkTimer = setTimeout(() => {
    try {
      history.replaceState(null, '', link);
    } catch {
      location.hash = link;
    }
  }, 120);
}
