// Makes the pages live. Every page is complete without it.
// @ts-check

const $ = (/** @type {string} */ sel, /** @type {ParentNode} */ of = document) => /** @type {any} */ (of.querySelector(sel));
const root = document.documentElement;
// The signs come from the server, so that its numbers and these are written alike.
const watts = (/** @type {number} */ w) => (Math.round(w) < 0 ? '\u2212' : '') + String(Math.abs(Math.round(w))).replace(/\B(?=(\d{3})+$)/g, root.dataset.group || '');
const fill = (/** @type {string} */ text, /** @type {any} */ v) => text.replace('{0}', v);

// --- the numbers of the first page ---

/** @type {number | null} When the reading came in, by this browser's clock. */
let readAt = null;

/** @type {any} The last live event. */
let last = null;

/** Shows one live event. What it does not know it leaves to the server's page. */
function live(/** @type {any} */ s) {
  last = s;
  // The page is of another state of devices or plan than this event.
  if (s.devices_seq + '.' + s.plan_seq + '.' + s.guarding !== root.dataset.seqs) refresh();
  readAt = s.age_s == null ? null : performance.now() - s.age_s * 1000;
  const hero = $('#hero');
  if (!hero) return;
  if (s.stale || s.import_w == null) {
    if (hero.dataset.dir !== 'none') refresh();
    return;
  }
  if (hero.dataset.dir === 'none') refresh();
  const net = s.import_w - s.export_w;
  hero.dataset.dir = net > 0 ? 'from' : net < 0 ? 'to' : 'even';
  $('#net').textContent = watts(Math.abs(net));
  flow(s.flow);
  for (const d of s.devices) {
    const el = $(`[data-dev="${CSS.escape(d.id)}"]`);
    if (el && d.power_w != null) el.textContent = watts(d.power_w) + ' W';
  }
  age();
}

/** Shows what flows where, as the server's picture does. */
function flow(/** @type {any} */ f) {
  const nodes = { sun: f.solar_w, grid: f.grid_w, battery: f.battery_w, car: f.car_w, house: f.house_w };
  for (const [name, w] of Object.entries(nodes)) {
    const text = $(`[data-w=${name}]`), wire = $(`[data-wire=${name}]`);
    if (!text || w == null) continue;
    text.textContent = watts(Math.abs(w)) + ' W';
    if (wire) wire.dataset.dir = w === 0 ? '' : w > 0 === (name === 'sun' || name === 'grid') ? 'in' : 'out';
  }
  let x = 0;
  for (const [name, part] of Object.entries({ sun: f.from_sun_pct, battery: f.from_battery_pct, grid: f.from_grid_pct })) {
    const rect = $(`[data-share=${name}]`), text = $(`[data-part=${name}]`);
    if (!rect) continue;
    rect.setAttribute('x', x);
    rect.setAttribute('width', part);
    text.textContent = fill(root.dataset.percent || '', part);
    x += part;
  }
}

function age() {
  const el = $('#age');
  if (!el || readAt == null) return;
  const s = (performance.now() - readAt) / 1000, t = el.dataset;
  const text = s < 3 ? t.now : s < 120 ? fill(t.s, Math.floor(s)) : s < 7200 ? fill(t.min, Math.floor(s / 60)) : fill(t.h, Math.floor(s / 3600));
  if (el.textContent !== text) el.textContent = text;
}
setInterval(age, 1000);

// --- parts of the page that the server draws again ---

/** Puts the new page's marked parts in place, where nobody is at work. */
function swap(/** @type {Document} */ page) {
  for (const old of document.querySelectorAll('[data-swap]')) {
    const now = page.getElementById(old.id);
    const busy = old.contains(document.activeElement) || $('details[open]', old);
    if (now && !busy && now.outerHTML !== old.outerHTML) old.replaceWith(document.adoptNode(now));
  }
  root.dataset.seqs = page.documentElement.dataset.seqs;
  root.dataset.turn = page.documentElement.dataset.turn;
  midnight();
}

async function fetchPage(/** @type {string} */ url, /** @type {RequestInit} */ init = {}) {
  const answer = await fetch(url, { headers: { Accept: 'text/html' }, ...init });
  return { url: answer.url, page: new DOMParser().parseFromString(await answer.text(), 'text/html') };
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let waiting;
let lastRefresh = -Infinity;

/** Draws again soon, and not more than every two seconds. */
function refresh() {
  if (waiting || !$('[data-swap]')) return;
  waiting = setTimeout(async () => {
    lastRefresh = performance.now();
    try {
      const { page } = await fetchPage(location.href);
      if (page.getElementById('main')) swap(page);
      waiting = undefined;
      if (last) live(last); // it may be newer than the page
    } catch { /* the next event, or the minute, tries again */ }
    waiting = undefined;
  }, Math.max(50, lastRefresh + 2000 - performance.now()));
}
// Relative dates and today's curve move on without any event.
setInterval(() => { if (!document.hidden) refresh(); }, 60000);

/** @type {ReturnType<typeof setTimeout> | undefined} */
let turn;

/** Draws again when the house's date changes. */
function midnight() {
  clearTimeout(turn);
  turn = setTimeout(refresh, (Number(root.dataset.turn) + 1) * 1000);
}
midnight();

// A page on a wall stays awake, where the browser lets it.
if ($('.kiosk')) /** @type {any} */ (navigator).wakeLock?.request('screen').catch(() => {});

// --- the stream ---

/** @type {EventSource | null} */
let source = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let retry;
/** @type {ReturnType<typeof setInterval> | undefined} */
let poll;

function connect() {
  clearTimeout(retry);
  clearInterval(poll);
  if (document.hidden || source) return;
  const es = source = new EventSource(root.dataset.events);
  es.addEventListener('hello', e => {
    lost(false);
    $('#newer').hidden = JSON.parse(e.data).version === root.dataset.version;
  });
  es.addEventListener('live', e => live(JSON.parse(e.data)));
  es.addEventListener('pairing', pairing);
  if (devicesOnly()) es.addEventListener('device', refresh);
  es.addEventListener('bye', () => {
    // Too many pages, a log-in that ended, or the hub goes: ask now and then.
    disconnect();
    pull();
    poll = setInterval(pull, 10000);
  });
  es.onerror = () => {
    lost(true);
    if (es.readyState === EventSource.CLOSED) {
      disconnect();
      retry = setTimeout(connect, 5000);
    }
  };
}

/** Whether this page shows devices and nothing of how the house lives. */
function devicesOnly() {
  return root.dataset.events?.includes('only=devices');
}

let pairRound = 0;

/** Draws again how far a pairing has come, at once: a device waits. */
async function pairing() {
  const round = ++pairRound;
  for (const [id, url] of [['ask', '/pairing?ask'], ['pairing', '/pairing']]) {
    if (!document.getElementById(id)) continue;
    try {
      const { page } = await fetchPage(url);
      const old = document.getElementById(id), now = page.getElementById(id);
      // A later change is fetched already, or somebody types or reads the guide.
      if (round !== pairRound || !old || !now || $('input:focus', old) || ($('details[open]', old) && $('details', now))) continue;
      old.replaceWith(document.adoptNode(now));
    } catch { /* the next change, or the next page, shows it */ }
  }
  refresh(); // others may have been seen meanwhile
}

async function pull() {
  if (document.hidden) return;
  if (devicesOnly()) return refresh();
  try {
    const answer = await fetch('/api/live');
    if (answer.status === 401) return location.assign('/login?next=' + encodeURIComponent(location.pathname + location.search));
    lost(!answer.ok);
    if (answer.ok) live(await answer.json());
  } catch { lost(true); }
}

function disconnect() {
  source?.close();
  source = null;
}

function lost(/** @type {boolean} */ is) {
  const el = $('#lost');
  if (el && el.hidden === is) {
    el.hidden = !is;
    el.textContent = is ? el.dataset.text : '';
  }
}

// A hidden page holds no connection: browsers have six per host.
document.addEventListener('visibilitychange', () => document.hidden ? disconnect() : connect());
addEventListener('pagehide', disconnect);
addEventListener('online', connect);
addEventListener('pageshow', e => { if (e.persisted) connect(); });
if ($('#lost') && !location.pathname.startsWith('/login')) connect();

// --- forms without leaving the page ---

document.addEventListener('submit', async e => {
  const form = /** @type {HTMLFormElement} */ (e.target);
  const button = /** @type {HTMLButtonElement | null} */ (e.submitter);
  if (!form.hasAttribute('data-inplace') || button?.formMethod === 'get') return disconnect();
  e.preventDefault();
  let to = button?.hasAttribute('formaction') ? button.formAction : form.action;
  if (form.dataset.inplace) to += '?' + form.dataset.inplace; // only that part of the page is drawn again
  for (const b of form.querySelectorAll('button')) b.disabled = true;
  try {
    const fields = new FormData(form);
    if (button?.name) fields.append(button.name, button.value);
    // @ts-ignore FormData of text fields is what URLSearchParams takes
    const { url, page } = await fetchPage(to, { method: 'POST', body: new URLSearchParams(fields) });
    const part = page.getElementById(form.dataset.inplace || '');
    if (part) return document.getElementById(part.id)?.replaceWith(document.adoptNode(part));
    const main = page.getElementById('main');
    if (!main) throw new Error('no page');
    const at = new URL(url);
    if (at.pathname === '/login') return location.assign(url);
    root.dataset.seqs = page.documentElement.dataset.seqs;
    $('#main').replaceWith(document.adoptNode(main));
    $('#flash').focus();
  } catch {
    lost(true);
    for (const b of form.querySelectorAll('button')) b.disabled = false;
  }
});

// --- a swipe goes a span back or on ---

/** @type {Touch | null} */
let finger = null;
addEventListener('touchstart', e => {
  const el = /** @type {Element} */ (e.target);
  finger = e.touches.length === 1 && !el.closest('.wide, .goto') ? e.touches[0] : null;
}, { passive: true });
addEventListener('touchend', e => {
  if (!finger) return;
  const x = e.changedTouches[0].clientX - finger.clientX, y = e.changedTouches[0].clientY - finger.clientY;
  if (Math.abs(x) > 70 && Math.abs(y) < Math.abs(x) / 2) $(`main a[rel=${x > 0 ? 'prev' : 'next'}]`)?.click();
});

// --- what the plan would be, while it is written ---

/** @type {ReturnType<typeof setTimeout> | undefined} */
let typing;
document.addEventListener('input', preview);
document.addEventListener('toggle', preview, true);
function preview(/** @type {Event} */ e) {
  const el = /** @type {HTMLDetailsElement} */ (e.target);
  const form = e.type === 'input' ? el.closest?.('form[data-preview]') : el.open && $('form[data-preview]', el);
  if (!(form instanceof HTMLFormElement)) return;
  clearTimeout(typing);
  typing = setTimeout(async () => {
    const id = /** @type {string} */ (form.dataset.preview);
    try {
      // @ts-ignore as above
      const { page } = await fetchPage('/plan?' + new URLSearchParams(new FormData(form)));
      const now = page.getElementById(id), old = document.getElementById(id);
      if (now && old) old.replaceWith(document.adoptNode(now));
    } catch { /* the next key tries again */ }
  }, e.type === 'input' ? 250 : 0);
}
