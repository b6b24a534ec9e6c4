// The figures that the screen promises, measured in a real Chromium against a real house, as a table and as JSON:
//   node figures.mjs [first-load] [board] [rows] [order] [lighthouse]     all of them by default
// FIGURES names the file of the JSON (default bin/screen/figures.json). Ends with 1 when one of them is missed, and says
// which. Figures are those of this machine, with server, exchange and browser on the same processors.
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { mkdtempSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { chromium } from 'playwright-core'
import { alike, house } from './house.mjs'
import { until } from './houses.mjs'

const file = process.env.FIGURES ?? new URL('../../bin/screen/figures.json', import.meta.url).pathname
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
const args = ['--no-sandbox', '--disable-dev-shm-usage']
const desktop = { viewport: { width: 1440, height: 900 } }
const habits = { state: { language: 'zh', areas: { 'help.toured': true, 'ticket.confirm': false } } }
const rows = []

/** Notes a figure; most or least is its target. */
function note(name, value, unit, target, how) {
  const kept = target.most !== undefined ? value <= target.most : value >= target.least
  rows.push({ name, value, unit, ...target, kept, how })
  console.error(`${kept ? 'kept  ' : 'MISSED'} ${name}: ${value} ${unit}`)
}

const open = async (browser, http, more = {}) => {
  const context = await browser.newContext({ ...desktop, baseURL: http, timezoneId: 'Asia/Shanghai', locale: 'zh-CN', colorScheme: 'dark', ...more })
  context.setDefaultTimeout(30_000)
  await context.addInitScript((kept) => { if (!localStorage.getItem('evenkeel.preferences')) localStorage.setItem('evenkeel.preferences', JSON.stringify(kept)) }, habits)
  return context
}

async function logIn(context, account) {
  const answer = await context.request.post('/api/v1/login', { data: { login: account.login, password: account.password } })
  if (!answer.ok()) throw new Error(`login: ${answer.status()} ${await answer.text()}`)
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * q) - 1)]

/** Scripts of a fresh browser from the login page to a board with prices, as they came over the wire and by gzip. */
async function firstLoad(browser, home) {
  const context = await open(browser, home.http, { serviceWorkers: 'block' })
  const page = await context.newPage()
  const cdp = await context.newCDPSession(page)
  await cdp.send('Network.enable')
  const scripts = new Map()
  cdp.on('Network.responseReceived', ({ requestId, type, response }) => { if (type === 'Script') scripts.set(requestId, { url: response.url, coding: response.headers['Content-Encoding'] ?? 'none', wire: 0 }) })
  cdp.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => { const one = scripts.get(requestId); if (one) one.wire = encodedDataLength })
  await page.goto('/')
  await page.locator('input[name=username]').fill(home.accounts[0].login)
  await page.locator('input[name=password]').fill(home.accounts[0].password)
  await page.locator('button[type=submit]').click()
  await page.waitForURL('**/market')
  await page.getByRole('row').filter({ hasText: /\d\.\d\d/ }).first().waitFor()
  await page.waitForLoadState('networkidle').catch(() => {})
  let [wire, zipped] = [0, 0]
  for (const one of scripts.values()) {
    const body = await (await fetch(one.url, { headers: { 'Accept-Encoding': 'identity' } })).arrayBuffer()
    one.gzip = Math.min(body.byteLength, gzipSync(Buffer.from(body), { level: 9 }).length)
    wire += one.wire
    zipped += one.gzip
  }
  await context.close()
  const codings = [...new Set([...scripts.values()].map((one) => one.coding))].join(', ')
  note('first load: script, gzip', Number((zipped / 1000).toFixed(1)), 'kB', { most: 250 }, `${scripts.size} scripts from an empty cache, login by the form, board with prices`)
  note('first load: script on the wire', Number((wire / 1000).toFixed(1)), 'kB', { most: 250 }, `as Chromium counted it, headers too; encoded: ${codings}`)
}

/** Boards of 200 securities, all of which change 20 times a second: as an investor sees one, and with all rows drawn at once. */
const boards = [
  { name: 'board', height: 900, of: (drawn) => `a window of 1440 x 900 onto 200 securities: ${drawn} rows exist, those that fit and six beyond` },
  { name: 'rows', height: 28 * 206, of: (drawn) => `a window of 1440 x 5768, taller than any display, so that all ${drawn} rows are drawn at once` },
]

async function manyRows(browser, board) {
  const [count, seconds] = [200, 20]
  const home = await house({ list: alike(count), flow: 10_000, even: true, demo: 1 })
  try {
    const context = await open(browser, home.http, { viewport: { width: 1440, height: board.height } })
    await context.addInitScript(() => {
      window.heard = { frames: 0, rows: 0 }
      const Real = WebSocket
      window.WebSocket = class extends Real {
        constructor(...all) {
          super(...all)
          this.addEventListener('message', ({ data }) => {
            if (!data.startsWith('{"t":"quotes"')) return
            window.heard.frames++
            window.heard.rows += data.split('"symbol":').length - 1
          })
        }
      }
    })
    await logIn(context, home.accounts[0])
    const page = await context.newPage()
    await page.goto('/market')
    await page.locator('[data-row]').first().waitFor()
    const drawnNow = () => page.evaluate(() => document.querySelectorAll('[data-row]').length)
    if (board.name === 'rows') await page.waitForFunction((n) => document.querySelectorAll('[data-row]').length >= n, count)
    await page.waitForTimeout(6000) // books fill, code is compiled
    const cdp = await context.newCDPSession(page)
    await cdp.send('Performance.enable', { timeDomain: 'threadTicks' })
    const busy = async () => (await cdp.send('Performance.getMetrics')).metrics.find((m) => m.name === 'TaskDuration').value * 1000
    const [worked, ran] = [await busy(), home.ran()]
    const seen = await page.evaluate((ms) => new Promise((resolve) => {
      const gaps = []
      const tasks = []
      const before = { ...window.heard }
      const watch = new PerformanceObserver((list) => { for (const one of list.getEntries()) tasks.push(one.duration) })
      watch.observe({ type: 'longtask' })
      let changed = 0
      const cells = new MutationObserver((list) => { changed += list.length })
      cells.observe(document.querySelector('[role=grid]'), { subtree: true, characterData: true, childList: true })
      const began = performance.now()
      let last
      const frame = (now) => {
        if (last !== undefined) gaps.push(now - last)
        last = now
        if (now - began < ms) return requestAnimationFrame(frame)
        watch.disconnect()
        cells.disconnect()
        resolve({ gaps, tasks, changed, took: (now - began) / 1000, frames: window.heard.frames - before.frames, rows: window.heard.rows - before.rows })
      }
      requestAnimationFrame(frame)
    }), seconds * 1000)
    const work = (await busy()) - worked
    const spent = Object.entries(home.ran()).map(([name, ms]) => `${name} ${((ms - ran[name]) / seen.took / 10).toFixed(0)} %`).join(', ') + ' of a processor'
    const drawn = await drawnNow()
    const gaps = seen.gaps.sort((a, b) => a - b)
    const rate = seen.frames / seen.took
    note(`${board.name}: messages of quotes`, Number(rate.toFixed(1)), 'a second', { least: 18 }, `${board.of(drawn)}; the server sends one each 50 ms; ${(seen.rows / seen.took).toFixed(0)} quotes a second, by 10,000 orders and cancels a second at the exchange, each of ${count} securities in its turn`)
    note(`${board.name}: quotes of each`, Number((seen.rows / seen.took / drawn).toFixed(1)), 'a second', { least: 18 }, `the latest of each 50 ms; ${(work / seen.frames).toFixed(1)} ms of processor time of the page's thread for each message, ${(work / seen.took / 10).toFixed(0)} % of its time; ${spent}`)
    note(`${board.name}: frames later than 50 ms`, gaps.filter((g) => g > 50.5).length, `of ${gaps.length}`, { most: 0 }, `${(seen.changed / seen.took).toFixed(0)} cells changed a second; gaps between frames: median ${quantile(gaps, 0.5).toFixed(1)} ms, p99 ${quantile(gaps, 0.99).toFixed(1)} ms, longest ${gaps.at(-1).toFixed(1)} ms; long tasks: ${seen.tasks.length}`)
    await context.close()
  } finally {
    await home.stop()
  }
}

/** From the click on the button that sends to the frame that shows that the order was accepted. */
async function orders(browser, home) {
  const count = 220
  const context = await open(browser, home.http)
  const account = home.accounts[1]
  await logIn(context, account)
  const page = await context.newPage()
  await page.goto('/trade/600000.SH')
  await page.locator('[data-link=live]').waitFor({ state: 'attached' })
  const headers = { 'APCA-API-KEY-ID': account.key_id, 'APCA-API-SECRET-KEY': account.secret }
  const { cn } = await (await fetch(`${home.http}/api/v1/securities/600000.SH`, { headers })).json()
  await page.evaluate(() => {
    window.took = []
    let clicked
    addEventListener('click', (event) => { if (event.target.closest('button[type=submit]')) clicked = event.timeStamp }, true)
    new MutationObserver((list) => {
      if (clicked === undefined || !list.some((m) => [...m.addedNodes].some((n) => n.textContent.includes('委托已受理')))) return
      const from = clicked
      clicked = undefined
      requestAnimationFrame(() => { // the frame that shows it; a message comes when it has been handed over
        const { port1, port2 } = new MessageChannel()
        port1.onmessage = () => window.took.push(performance.now() - from)
        port2.postMessage(0)
      })
    }).observe(document.body, { subtree: true, childList: true })
  })
  const [price, quantity, send] = [page.locator('input[name=price]'), page.locator('input[name=quantity]'), page.locator('form button[type=submit]')]
  await quantity.fill('100')
  await page.waitForTimeout(1000)
  // An order that is a large part of what was traded today is asked about; before the first trade none is.
  await until('600000.SH to have traded', async () => Number((await (await fetch(`${home.http}/api/v1/quotes/600000.SH`, { headers })).json()).volume) > 10_000, 120_000)
  await page.waitForFunction(() => !document.querySelector('[data-remark]'), undefined, { timeout: 30_000 })
  // Five percent below the close: nobody sells there, and it is near enough that no remark asks for a confirmation.
  const low = ((3 * Number(cn.limit_down) + Number(cn.limit_up)) / 4).toFixed(2)
  for (let n = 1; n <= count; n++) {
    if (n % 20 === 1) await fetch(`${home.http}/v2/orders`, { method: 'DELETE', headers })
    await price.fill(low) // it rests: its fill would be told as well
    await quantity.fill('100')
    await send.click()
    await page.waitForFunction((many) => window.took.length >= many, n).catch(async (error) => {
      throw new Error(`order ${n} was not shown as accepted: ${await page.locator('form').first().innerText()}`, { cause: error })
    })
  }
  const took = (await page.evaluate(() => window.took)).slice(20).sort((a, b) => a - b) // the first ones compile the code
  await context.close()
  note('order: click to accepted, p99', Number(quantile(took, 0.99).toFixed(1)), 'ms', { most: 100 }, `${took.length} orders; median ${quantile(took, 0.5).toFixed(1)} ms, p95 ${quantile(took, 0.95).toFixed(1)} ms, longest ${took.at(-1).toFixed(1)} ms; to the frame that shows it, the log on disk in between`)
}

/**
 * How many times slower a mid-tier phone's processor is than this machine's, by the table in Lighthouse's own
 * documentation (docs/throttling.md): its default of 4 is right on a fast desktop only, and it asks to be calibrated
 * elsewhere by the index of speed that it measures.
 */
const slowdown = (index) => (index >= 1500 ? 4 : index >= 800 ? 2 : 1)

/**
 * Lighthouse's categories, the median of three runs as its authors advise, at its own settings for a desktop and for a
 * phone (slow 4G, a mid-tier phone's processor). What the phone's would be at its default, four times slower than
 * whatever machine this is, is told beside.
 */
async function lighthouse(home) {
  const { default: run, desktopConfig } = await import('lighthouse')
  const folder = mkdtempSync(join(tmpdir(), 'evenkeel-lighthouse-'))
  const port = 20_000 + (process.pid % 20_000)
  const context = await chromium.launchPersistentContext(folder, { executablePath, baseURL: home.http, args: [...args, `--remote-debugging-port=${port}`] })
  const folders = new URL('../../bin/screen/', import.meta.url).pathname
  try {
    for (const where of ['desktop', 'phone']) for (const [name, path] of [['login', '/login'], ['market', '/market']]) {
      await context.clearCookies()
      if (name === 'market') await logIn(context, home.accounts[2])
      const flags = { port, output: 'json', logLevel: 'error', disableStorageReset: name === 'market', onlyCategories: ['performance', 'accessibility', 'best-practices'] }
      const once = async (config) => {
        const { lhr } = await run(home.http + path, flags, config)
        if (!lhr.finalDisplayedUrl.endsWith(path)) throw new Error(`lighthouse saw ${lhr.finalDisplayedUrl} in place of ${path}`)
        return lhr
      }
      let [config, beside] = [desktopConfig, '']
      if (where === 'phone') {
        const byDefault = await once()
        const index = byDefault.environment.benchmarkIndex
        config = { extends: 'lighthouse:default', settings: { throttling: { ...byDefault.configSettings.throttling, cpuSlowdownMultiplier: slowdown(index) } } }
        beside = `${slowdown(index)} times slower than this machine, whose index is ${Math.round(index)}; four times slower, once: ${Math.round(byDefault.categories.performance.score * 100)}; `
      }
      const seen = []
      for (let n = 0; n < 3; n++) seen.push(await once(config))
      seen.sort((a, b) => a.categories.performance.score - b.categories.performance.score)
      const lhr = seen[1]
      writeFileSync(join(folders, `lighthouse-${name}-${where}.json`), JSON.stringify(lhr))
      const wrong = (category) => category.auditRefs.filter((r) => r.weight > 0 && lhr.audits[r.id].score !== null && lhr.audits[r.id].score < 0.9).map((r) => `${r.id} ${lhr.audits[r.id].displayValue ?? ''}`.trim()).join(', ')
      for (const category of Object.values(lhr.categories)) note(`lighthouse: ${name}, ${where}, ${category.id}`, Math.round(category.score * 100), 'of 100', { least: 95 }, `${category.id === 'performance' ? `${beside}the median of ${seen.map((one) => Math.round(one.categories.performance.score * 100)).join(', ')}; ` : ''}${wrong(category) || 'nothing below 90'}`)
    }
  } finally {
    await context.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

const wanted = process.argv.slice(2)
const wants = (name) => wanted.length === 0 || wanted.includes(name)
mkdirSync(dirname(file), { recursive: true })
const browser = await chromium.launch({ executablePath, args })
const version = browser.version()
try {
  if (['first-load', 'order', 'lighthouse'].some(wants)) {
    const home = await house({ flow: 200 })
    try {
      if (wants('first-load')) await firstLoad(browser, home)
      if (wants('order')) await orders(browser, home)
      if (wants('lighthouse')) await lighthouse(home)
    } finally {
      await home.stop()
    }
  }
  for (const board of boards) if (wants(board.name)) await manyRows(browser, board)
} finally {
  await browser.close()
}
writeFileSync(file, JSON.stringify({ at: new Date().toISOString(), chromium: version, processors: cpus().length, figures: rows }, null, 1) + '\n')
const target = (r) => (r.most !== undefined ? `<= ${r.most}` : `>= ${r.least}`)
const cells = [['figure', 'measured', 'target', ''], ...rows.map((r) => [r.name, `${r.value} ${r.unit}`, target(r), r.kept ? 'kept' : 'MISSED'])]
const widths = [0, 1, 2, 3].map((c) => Math.max(...cells.map((line) => line[c].length)))
for (const [n, line] of cells.entries()) console.log([...line.map((text, c) => text.padEnd(widths[c])), rows[n - 1]?.how ?? 'how'].join('  '))
const missed = rows.filter((r) => !r.kept)
if (missed.length > 0) console.log(`missed: ${missed.map((r) => r.name).join('; ')}`)
process.exitCode = missed.length > 0 ? 1 : 0
