// Light and dark. The system decides until the reader has chosen.

/** A value that is kept for the next visit, if the browser allows it. */
const kept = {
  get(name) {
    try {
      return localStorage.getItem(`eddyline ${name}`);
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`eddyline ${name}`, value);
    } catch {
      // Without storage the choice ends with the visit.
    }
  },
};

const systemDark = matchMedia('(prefers-color-scheme: dark)');
const theme = () => document.documentElement.dataset.theme || (systemDark.matches ? 'dark' : 'light');

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  kept.set('theme', name);
  showTheme();
}

function showTheme() {
  const other = theme() === 'dark' ? 'light' : 'dark';
  byId('theme').setAttribute('aria-label', `switch to ${other} colours`);
  byId('theme').title = `switch to ${other} colours`;
}
