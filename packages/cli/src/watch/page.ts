/** The page: one document that loads nothing but the events of its own server. */
export function watchPage(nonce: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Plumbline</title>
<link rel="icon" href="data:,">
<style nonce="${nonce}">${STYLE}</style>
</head>
<body>
<h1 id="title">Plumbline</h1>
<p id="engine"></p>
<progress id="overall" max="1" value="0" aria-label="all stages"></progress>
<p id="time" role="status"></p>
<table>
<thead><tr><th></th><th>stage</th><th>progress</th><th class="number">time</th><th>loss</th><th>assessment</th><th></th></tr></thead>
<tbody id="stages"></tbody>
</table>
<ul id="notices"></ul>
<noscript>This page follows a run while it goes on, which needs JavaScript. "plumb watch" does the same in a terminal.</noscript>
<script nonce="${nonce}">${SCRIPT}</script>
</body>
</html>
`
}

const STYLE = `
:root { color-scheme: light dark; --good: #2a7d2e; --bad: #b3261e; --active: #0b6bcb; --faint: color-mix(in srgb, currentColor 60%, transparent) }
@media (prefers-color-scheme: dark) { :root { --good: #7fd083; --bad: #ff8a80; --active: #7cb8ff } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
h1 { font-size: 1.3rem; margin: 0; overflow-wrap: anywhere }
p { margin: .3rem 0; color: var(--faint) }
progress { width: 100%; accent-color: var(--active) }
table { border-collapse: collapse; width: 100%; margin-top: 1rem; font-variant-numeric: tabular-nums }
th { text-align: left; font-weight: 500; color: var(--faint) }
td, th { padding: .25rem .6rem .25rem 0; vertical-align: middle }
.number { text-align: right }
td:nth-child(-n + 4) { white-space: nowrap }
td progress { width: 9rem; vertical-align: middle }
.done, .reused { color: var(--good) } .working { color: var(--active) } .stopped { color: var(--bad) } .waiting { color: var(--faint) }
svg { width: 7rem; height: 1.4rem; vertical-align: middle; overflow: visible }
polyline { fill: none; stroke: currentColor; stroke-width: 1.5; vector-effect: non-scaling-stroke }
ul { color: var(--faint); padding-left: 1.2rem }
`

/** Texts come from data sets and models: they become text and never markup. */
const SCRIPT = `
'use strict'
const signs = { done: '✓', reused: '✓', working: '▸', waiting: '·', stopped: '✗' }
const outcomes = { done: 'done', interrupted: 'interrupted', failed: 'failed', gone: 'its process is gone' }
const of = (id) => document.getElementById(id)
let state
let shift = 0
function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds))
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const two = (n) => String(n).padStart(2, '0')
  return parts[0] > 0 ? parts[0] + ':' + two(parts[1]) + ':' + two(parts[2]) : parts[1] + ':' + two(parts[2])
}
const figure = (value) => (Number.isInteger(value) ? String(value) : Number(value.toPrecision(4)).toString())
function element(name, text, className) {
  const made = document.createElement(name)
  if (text !== undefined) made.textContent = text
  if (className) made.className = className
  return made
}
function curve(found) {
  const cell = element('td')
  if (!found) return cell
  cell.append(figure(found.last) + ' ')
  if (found.points.length < 2) return cell
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('viewBox', '0 0 100 20')
  svg.setAttribute('preserveAspectRatio', 'none')
  svg.setAttribute('role', 'img')
  svg.setAttribute('aria-label', found.name + ' from ' + figure(found.points[0]) + ' to ' + figure(found.last))
  const least = Math.min(...found.points)
  const range = Math.max(...found.points) - least || 1
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'polyline')
  const at = (value, n) => (100 * n) / (found.points.length - 1) + ',' + (20 - (20 * (value - least)) / range)
  line.setAttribute('points', found.points.map(at).join(' '))
  svg.append(line)
  cell.append(svg)
  return cell
}
function row(stage) {
  const made = element('tr')
  made.append(element('td', signs[stage.state], stage.state), element('td', stage.name, stage.state === 'waiting' ? 'waiting' : ''))
  const progress = element('td')
  if (stage.state === 'working' && stage.total > 0) {
    const bar = element('progress')
    bar.max = stage.total
    bar.value = stage.done
    bar.setAttribute('aria-label', stage.name)
    progress.append(bar, ' ' + stage.done + '/' + stage.total + ' ' + stage.unit)
  } else if (stage.state === 'reused') progress.textContent = 'already done'
  else if (stage.state === 'stopped') progress.textContent = 'stopped at ' + stage.done + ' of ' + stage.total + ' ' + stage.unit
  const time = stage.seconds !== undefined ? duration(stage.seconds) : stage.left !== undefined ? duration(stage.left) + ' left' : ''
  const more = stage.tokensPerSecond !== undefined ? Math.round(stage.tokensPerSecond) + ' tokens/s' : stage.summary
  const found = (name) => curve(stage.curves.find((each) => each.name === name))
  made.append(progress, element('td', time, 'number'), found('loss'), found('assessment'), element('td', more))
  return made
}
function clock() {
  if (!state) return
  const passed = state.startedAt === undefined || state.outcome ? '' : duration((Date.now() + shift - state.startedAt) / 1000) + ' so far'
  const left = state.left === undefined || state.outcome ? '' : (state.isAtLeast ? 'more than ' : 'about ') + duration(state.left) + ' left'
  const outcome = state.outcome ? outcomes[state.outcome] : ''
  of('time').textContent = [outcome, passed, left].filter(Boolean).join(', ')
}
function draw() {
  of('title').textContent = state.title || 'Plumbline'
  document.title = (state.outcome ? outcomes[state.outcome] : Math.floor((100 * state.finished) / (state.stages.length || 1)) + ' %') + ' · Plumbline'
  of('engine').textContent = state.engine
  of('overall').max = state.stages.length || 1
  of('overall').value = state.finished
  of('stages').replaceChildren(...state.stages.map(row))
  of('notices').replaceChildren(...state.notices.map((text) => element('li', text)))
  clock()
}
const source = new EventSource('/events')
source.onmessage = ({ data }) => {
  state = JSON.parse(data)
  draw()
  if (state.outcome) source.close()
}
source.onerror = () => { of('time').textContent = 'plumb watch does not answer; what is shown is what it said last.' }
setInterval(clock, 1000)
`
