// Draws the chart of the history page with uPlot, above the table that has
// the same values.
// @ts-check

const box = document.getElementById('chart');
const source = document.getElementById('chart-data');
const uPlot = /** @type {any} */ (window).uPlot;

if (box && source && uPlot) start(box, JSON.parse(source.textContent || ''));

function start(/** @type {HTMLElement} */ box, /** @type {any} */ data) {
  const { zone, group, decimal } = document.documentElement.dataset;
  const bars = data.kind === 'bars';
  const scale = bars ? 1000 : 1; // bars come in Wh and are shown in kWh
  // The signs are those of the server's numbers, whatever the browser knows of the language.
  const number = (/** @type {number} */ v) => {
    const [whole, part] = String(bars ? Math.round(v * 100) / 100 : Math.round(v)).replace('-', '\u2212').split('.');
    return whole.replace(/\B(?=(\d{3})+$)/g, group || '') + (part ? decimal + part : '');
  };
  const hour = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', hour12: false, timeZone: zone });
  const css = (/** @type {string} */ name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const xs = Array.from({ length: data.n }, (_, i) => bars ? i : data.start + i * data.step);
  const when = (/** @type {number} */ i) => bars ? data.labels[i] : hour.format(xs[i] * 1000);
  const values = data.series.map((/** @type {any} */ s) => s.values.map((/** @type {any} */ v) => v == null ? null : v * s.sign / scale));
  const read = document.getElementById('chart-read');
  /** @type {any} */
  let plot;

  function tell(/** @type {number | null | undefined} */ i) {
    if (!read) return;
    read.textContent = i == null ? '' : when(i) + ': ' + data.series.map((/** @type {any} */ s) =>
      s.name + ' ' + (s.values[i] == null ? '–' : number(s.values[i] / scale) + ' ' + data.unit)).join(', ');
  }

  function draw() {
    plot?.destroy();
    const axis = { stroke: css('--soft'), grid: { stroke: css('--line'), width: 1 }, ticks: { stroke: css('--line'), width: 1 }, font: '12px system-ui' };
    plot = new uPlot({
      width: box.clientWidth, height: 260,
      tzDate: (/** @type {number} */ s) => uPlot.tzDate(new Date(s * 1000), zone),
      legend: { show: false },
      padding: [8, 14, 0, 0],
      cursor: { y: false, drag: { x: true, y: false } },
      scales: { x: { time: !bars, range: bars ? [-0.6, xs.length - 0.4] : undefined } },
      axes: [
        bars ? { ...axis, size: 30, splits: () => every(xs.length), values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map(short) }
          : { ...axis, size: 30, space: 60, values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map(s => hour.format(s * 1000)) },
        { ...axis, size: 52, values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map(v => number(Math.abs(v))) },
      ],
      series: [{}, ...data.series.map((/** @type {any} */ s, /** @type {number} */ i) => ({
        label: s.name, stroke: css(s.colour), width: bars && !s.then ? 0 : 1.5, points: { show: !!s.then && bars }, dash: s.then ? [4, 3] : undefined,
        fill: s.then ? undefined : bars || s.colour !== '--sun' ? css(s.colour) + (bars ? '' : '55') : undefined,
        paths: bars && !s.then ? uPlot.paths.bars({ size: [0.4, 24], align: s.colour === '--sun' ? 1 : -1 }) : undefined,
      }))],
      hooks: { setCursor: [(/** @type {any} */ u) => tell(u.cursor.idx)] },
    }, [xs, ...values], box);
    box.dataset.drawn = String(xs.length);
  }

  // Not more labels than fit: a phone shows about six.
  function every(/** @type {number} */ n) {
    const step = Math.ceil(n / Math.max(2, Math.floor(box.clientWidth / 62)));
    return Array.from({ length: Math.ceil(n / step) }, (_, i) => i * step);
  }
  function short(/** @type {number} */ i) {
    return (data.labels[i] || '').split(' ').slice(0, 2).join(' ');
  }

  box.addEventListener('keydown', e => {
    const n = xs.length, at = plot.cursor.idx ?? 0;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: n - 1 }[e.key];
    if (to != null) {
      const i = Math.max(0, Math.min(n - 1, to));
      plot.setCursor({ left: plot.valToPos(xs[i], 'x'), top: 10 });
      tell(i);
    } else if (e.key === '+' || e.key === '-') {
      const { min, max } = plot.scales.x, mid = xs[at] ?? (min + max) / 2, f = e.key === '+' ? 0.25 : 1;
      plot.setScale('x', { min: Math.max(xs[0], mid - (max - min) * f), max: Math.min(xs[n - 1], mid + (max - min) * f) });
    } else return;
    e.preventDefault();
  });

  draw();
  new ResizeObserver(() => { if (box.clientWidth && plot.width !== box.clientWidth) plot.setSize({ width: box.clientWidth, height: 260 }); }).observe(box);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
}
