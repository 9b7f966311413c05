// Elements from values. A view returns plain values made by `h`, and `fill` changes the
// document until it agrees with them. An element that stays keeps its focus, its scroll
// place and its running transitions. A value that is the same object as before costs nothing.

const SVG = 'http://www.w3.org/2000/svg';

/** A value that stands for one element. `attrs.key` names it among its siblings. */
function h(tag, attrs, ...children) {
  return { tag, attrs: attrs || {}, children };
}

/** Makes the children of `parent` agree with `children`: values of `h`, text, lists. */
function fill(parent, ...children) {
  const named = new Map();
  const unnamed = [];
  for (const node of parent.childNodes) {
    if (node.viewKey === undefined) unnamed.push(node);
    else named.set(node.viewKey, node);
  }
  let place = parent.firstChild;
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    const node = nodeFor(parent, child, named, unnamed);
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place);
  }
  for (const node of [...named.values(), ...unnamed]) node.remove();
}

/** The node that shows `child`: one that is there already, or a new one. */
function nodeFor(parent, child, named, unnamed) {
  if (typeof child !== 'object') return textFor(String(child), unnamed);
  const key = child.attrs.key;
  let node;
  if (key !== undefined) {
    node = named.get(key);
    named.delete(key);
  } else if (unnamed.length && unnamed[0].localName === child.tag) {
    node = unnamed.shift();
  }
  if (!node || node.localName !== child.tag) {
    if (node) node.remove();
    node = create(parent, child.tag);
    node.viewKey = key;
  }
  if (node.viewValue !== child) {
    update(node, child.attrs);
    fill(node, child.children);
    node.viewValue = child;
  }
  return node;
}

function textFor(text, unnamed) {
  if (unnamed.length && unnamed[0].nodeType === Node.TEXT_NODE) {
    const node = unnamed.shift();
    if (node.data !== text) node.data = text;
    return node;
  }
  return document.createTextNode(text);
}

function create(parent, tag) {
  const isSvg = tag === 'svg' || (parent.namespaceURI === SVG && parent.localName !== 'foreignObject');
  return isSvg ? document.createElementNS(SVG, tag) : document.createElement(tag);
}

function update(node, attrs) {
  const before = node.viewAttrs || {};
  for (const name of Object.keys(before)) {
    if (!(name in attrs)) assign(node, name, null);
  }
  for (const [name, value] of Object.entries(attrs)) {
    if (before[name] !== value) assign(node, name, value);
  }
  node.viewAttrs = attrs;
}

function assign(node, name, value) {
  if (name === 'key') return;
  if (name.startsWith('on')) node[name] = value;
  else if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? '' : value);
}

const byId = (id) => document.getElementById(id);
