// Chips that move from one list to another glide there. An edge is seen to come from the
// kernel, and a source that is carried over from the carry-over list.
//
// An element with `data-move` is moved; one with `data-origin` is where a chip of that name
// comes from if it was in no list before. Only single steps are animated.

const GLIDE_MS = 280;
const GLIDE_PIXELS_MAX = 1100;

const reducedMotion = matchMedia('(prefers-reduced-motion: reduce)');

/** Where things stand, by name. A list counts more than an origin. */
function placesOf(root) {
  const places = new Map();
  for (const node of root.querySelectorAll('[data-origin]')) {
    places.set(node.dataset.origin, node.getBoundingClientRect());
  }
  for (const node of root.querySelectorAll('[data-move]')) {
    places.set(node.dataset.move, node.getBoundingClientRect());
  }
  return places;
}

/** Lets each chip glide from where it stood. */
function glide(root, places) {
  for (const node of root.querySelectorAll('[data-move]')) {
    const from = places.get(node.dataset.move);
    if (!from) continue;
    const to = node.getBoundingClientRect();
    const [x, y] = [from.left - to.left, from.top - to.top];
    const distance = Math.hypot(x, y);
    if (distance < 3 || distance > GLIDE_PIXELS_MAX) continue;
    node.animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: 'none' }], {
      duration: GLIDE_MS,
      easing: 'cubic-bezier(.2, .7, .2, 1)',
    });
  }
}
