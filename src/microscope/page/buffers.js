// Buffers as bars, with their watermarks and limits.

function buffersPanel({ state, before, changes }) {
  const buffers = state.buffers || {};
  return Object.entries(buffers).map(([name, buffer]) => {
    const was = before.buffers?.[name];
    const changed = changes.differ(buffer, was);
    const ticks = [];
    if (buffer.low !== undefined) ticks.push([buffer.low, 'low']);
    if (buffer.high !== undefined) ticks.push([buffer.high, 'high']);
    const top = buffer.high ? buffer.high * 1.15 : buffer.limit || 65536;
    const max = Math.max(Math.min(top, buffer.high ? top : 131072), buffer.bytes);
    return bar({
      name,
      now: buffer.bytes,
      before: was?.bytes,
      max,
      ticks,
      changed,
      full: Boolean(buffer.congested),
      flags: buffer.congested ? [h('span', { class: 'flag strong' }, 'congested: stdin is held')] : [],
    });
  });
}
