// Deep links: `#run=lost-edge&turn=17&step=3&predict=1&beside=echo`. `step` is the index of
// the event in its turn. `beside` names the recording that stands beside this one.

function readLink(hash) {
  const parts = new URLSearchParams(hash.replace(/^#/, ''));
  const number = (name) => (/^\d+$/.test(parts.get(name) || '') ? Number(parts.get(name)) : null);
  return {
    run: parts.get('run'),
    turn: number('turn'),
    step: number('step') || 0,
    predict: parts.get('predict') === '1',
    beside: parts.get('beside'),
  };
}

function linkTo(recording, index, predict, beside) {
  const turn = recording.turnOf(index);
  return `#run=${encodeURIComponent(recording.name)}&turn=${turn.number}&step=${index - turn.first}${predict ? '&predict=1' : ''}${beside ? `&beside=${encodeURIComponent(beside.name)}` : ''}`;
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
