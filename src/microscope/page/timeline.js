// The whole recording on one strip, written like music: time runs to the right, each step
// of the turn has a line, each event is a note. Faint bars stand between the turns.

const LINE_HEIGHT = 11;

class Timeline {
  constructor(canvas, slider, playhead) {
    this.canvas = canvas;
    this.slider = slider;
    this.playhead = playhead;
    this.drawn = '';
    this.measure();
  }

  /** Reads the width, which costs a layout: only when it may have changed. */
  measure() {
    this.width = this.canvas.clientWidth;
  }

  /** Draws the notes if they are not there already, and moves the playhead. */
  show(recording, index, hidesFuture) {
    const { width } = this;
    const future = hidesFuture ? index : recording.last;
    const key = [recording.name, width, theme(), future].join();
    if (key !== this.drawn) this.draw(recording, width, future);
    this.drawn = key;
    this.slider.max = recording.last;
    this.slider.value = index;
    const event = recording.events[index];
    this.slider.setAttribute(
      'aria-valuetext',
      `turn ${event.turn}, ${event.step}, event ${index + 1} of ${recording.last + 1}`,
    );
    this.playhead.style.transform = `translateX(${((index + 0.5) / (recording.last + 1)) * width}px)`;
  }

  draw(recording, width, future) {
    const colours = getComputedStyle(document.documentElement);
    const scale = window.devicePixelRatio || 1;
    const height = STEPS.length * LINE_HEIGHT;
    this.canvas.width = width * scale;
    this.canvas.height = height * scale;
    const pen = this.canvas.getContext('2d');
    pen.scale(scale, scale);
    const colour = (name) => colours.getPropertyValue(name).trim();
    const advance = width / (recording.last + 1);
    this.drawTurns(pen, recording, advance, height, colour('--line'));
    const note = Math.min(15, Math.max(1.6, advance * 0.72));
    recording.events.forEach((event, index) => {
      const line = STEPS.indexOf(event.step);
      if (line < 0) return;
      pen.fillStyle = pen.strokeStyle = colour(`--step-${event.step}`);
      pen.globalAlpha = index > future ? 0 : 1;
      const x = (index + 0.5) * advance - note / 2;
      drawNote(pen, event, x, line * LINE_HEIGHT + 2, note);
    });
    pen.globalAlpha = 1;
  }

  drawTurns(pen, recording, advance, height, colour) {
    pen.strokeStyle = colour;
    pen.lineWidth = 1;
    const every = Math.max(1, Math.ceil(12 / ((advance * recording.last) / recording.turns.length)));
    for (const turn of recording.turns) {
      if (turn.number % every) continue;
      const x = Math.round(turn.first * advance) + 0.5;
      pen.beginPath();
      pen.moveTo(x, 0);
      pen.lineTo(x, height);
      pen.stroke();
    }
  }
}

/** A wait that blocks is a full note; a wait that takes no time is a flat one. */
function drawNote(pen, event, x, y, width) {
  const height = LINE_HEIGHT - 4;
  if (event.kind === 'wait' && event.about.timeout_ms === 0) pen.fillRect(x, y + height - 2, width, 2);
  else if (event.kind === 'line' || event.kind === 'park')
    pen.fillRect(x, y + 1, Math.max(1, width * 0.6), height - 2);
  else pen.fillRect(x, y, width, height);
}
