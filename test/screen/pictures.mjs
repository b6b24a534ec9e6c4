// Makes the pictures of docs/screens anew, every page at both sizes: `node pictures.mjs [name...]`, only those whose
// name begins so. The house is one of its own: its day runs from before the call auction to the middle of the morning,
// sixty times as fast as the wall's, with the same players each time; there it is halted, and comes back at the wall's
// pace for the pictures. What one sees is alike each time, not equal to the last digit.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { house } from './house.mjs'
import { reduce } from './png.mjs'

const out = process.env.PICTURES ?? new URL('../../docs/screens/', import.meta.url).pathname
const most = 150_000 // bytes of one
const speed = 60 // of the market's clock in the morning
const day = ['--sessions', 'real', '--start', '2026-11-25T09:10:00+08:00', '--seed', '7']
const call = ['--sessions', 'real', '--start', '2026-11-25T09:17:00+08:00', '--seed', '7'] // a house of its own
const sizes = {
  desktop: { viewport: { width: 1440, height: 900 } },
  phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 1.5 },
}
const only = process.argv.slice(2)

const api = async (home, account, method, path, data) => {
  const headers = { 'APCA-API-KEY-ID': account.key_id, 'APCA-API-SECRET-KEY': account.secret, ...(data ? { 'Content-Type': 'application/json' } : {}) }
  const answer = await fetch(home.http + path, { method, headers, body: data && JSON.stringify(data) })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
  return text ? JSON.parse(text) : undefined
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** One morning of an investor: some orders are filled, some rest, one is cancelled, one is refused by its price. */
async function morning(home) {
  const investor = home.accounts[0]
  const opened = Date.now()
  for (;;) {
    const clock = await api(home, investor, 'GET', '/v2/clock')
    if (clock.is_open) break
    if (Date.now() - opened > 120_000) throw new Error('the market does not open')
    await pause(250)
  }
  const open = await clocks(home)
  const order = (symbol, side, qty, limit_price) => api(home, investor, 'POST', '/v2/orders', { symbol, side, qty: String(qty), type: 'limit', time_in_force: 'day', client_order_id: crypto.randomUUID(), limit_price })
  const { quotes } = await api(home, investor, 'GET', '/v2/stocks/quotes/latest?symbols=600519.SH,600036.SH,000858.SZ,300750.SZ,600000.SH')
  const touch = (symbol, side, by) => ((side === 'buy' ? quotes[symbol].ap : quotes[symbol].bp) * by).toFixed(2)
  await order('600036.SH', 'buy', 800, touch('600036.SH', 'buy', 1.01))
  await pause(10_000) // ten minutes of the market's
  await order('600519.SH', 'buy', 100, touch('600519.SH', 'buy', 1.01))
  await order('600000.SH', 'sell', 300, touch('600000.SH', 'sell', 0.99))
  await pause(15_000)
  const gone = await order('000858.SZ', 'buy', 200, touch('000858.SZ', 'buy', 0.97))
  await pause(8_000)
  await api(home, investor, 'DELETE', `/v2/orders/${gone.id}`)
  await order('300750.SZ', 'buy', 100, touch('300750.SZ', 'buy', 0.985))
  await order('600036.SH', 'buy', 1200, touch('600036.SH', 'buy', 0.985))
  await pause(20_000)
  return { opened: open, halted: await clocks(home) }
}

/**
 * A sale at the wall's pace. The exchange took it between the broker's stamps of its order and of its fill, and so it
 * says how the market's clock and the wall's stand to each other.
 */
async function sale(home) {
  const investor = home.accounts[0]
  const { quotes } = await api(home, investor, 'GET', '/v2/stocks/quotes/latest?symbols=000001.SZ')
  const { id } = await api(home, investor, 'POST', '/v2/orders', { symbol: '000001.SZ', side: 'sell', qty: '500', type: 'limit', time_in_force: 'day', client_order_id: crypto.randomUUID(), limit_price: (quotes['000001.SZ'].bp * 0.995).toFixed(2) })
  for (let n = 0; n < 100; n++) {
    const order = await api(home, investor, 'GET', `/v2/orders/${id}`)
    if (order.filled_at) return { wall: (Date.parse(order.created_at) + Date.parse(order.filled_at)) / 2, market: Date.parse(order.cn.accepted_at) }
    await pause(100)
  }
  throw new Error('the sale was not filled')
}

/** Some orders and cancels of other investors, so that the operators' page has something to show. */
async function traffic(home, seconds) {
  const others = home.accounts.filter((a) => a.key_id && !a.staff).slice(1, 4)
  const { quotes } = await api(home, others[0], 'GET', '/v2/stocks/quotes/latest?symbols=600036.SH')
  const until = Date.now() + seconds * 1000
  for (let n = 0; Date.now() < until; n++) {
    const investor = others[n % others.length]
    const placed = await api(home, investor, 'POST', '/v2/orders', { symbol: '600036.SH', side: 'buy', qty: '100', type: 'limit', time_in_force: 'day', client_order_id: crypto.randomUUID(), limit_price: (quotes['600036.SH'].bp * (0.93 + (n % 7) / 200)).toFixed(2) })
    await pause(20 + 60 * Math.abs(Math.sin(n / 40)))
    await api(home, investor, 'DELETE', `/v2/orders/${placed.id}`)
  }
}

let staff // of the demo

/** The pages: name, path, and what is done there before the picture. who: nobody, investor (default) or staff. */
const pages = [
  { name: 'login', title: 'Login', path: '/login', who: 'nobody', ready: '[name=username]', alsoLight: true, alsoEnglish: true },
  { name: 'board', title: 'Market', path: '/market', alsoLight: true, alsoEnglish: true },
  { name: 'search', title: 'Search by code, name or pinyin', path: '/market', act: async (page) => { await page.keyboard.press('6'); await page.getByRole('combobox').fill('zgp'); await page.getByRole('option').first().waitFor() } },
  { name: 'security', title: 'A security: the day by minutes, depth, trades', path: '/security/600519.SH', ready: '[data-chart=minutes] canvas', alsoLight: true, alsoEnglish: true },
  { name: 'auction', title: 'The opening call: the price so far, what is matched, what is left over', path: '/security/600519.SH', house: 'call', ready: '[data-auction]' },
  { name: 'candles', title: 'A security: candles with averages, volume and MACD', path: '/security/600519.SH', act: async (page, say) => {
    await page.getByRole('button', { name: say('日K', 'D'), exact: true }).click()
    await page.waitForFunction(() => Number(document.querySelector('[data-chart=day]')?.dataset.points) > 0)
  } },
  { name: 'depth-ten', title: 'Ten levels', path: '/security/600036.SH', act: async (page, say) => {
    await page.getByRole('button', { name: say('十档', '10'), exact: true }).click()
    await page.locator('[data-level=bid10]').scrollIntoViewIfNeeded()
  } },
  { name: 'tape', title: 'Trades as they come', path: '/security/600036.SH', act: async (page, say) => { await page.getByRole('tab', { name: say('逐笔成交', 'Trades') }).click(); await page.locator('[data-tick]').first().waitFor() } },
  { name: 'facts', title: 'What is known of a security', path: '/security/300750.SZ', act: async (page, say) => { await page.getByRole('tab', { name: say('资料', 'Facts') }).click(); await page.getByText(say('买入单位', 'Buy lot')).waitFor() } },
  { name: 'trade', title: 'The ticket, with fees and freeze to the cent', path: '/trade/600036.SH', alsoLight: true, alsoEnglish: true, act: (page, say) => write(page, say) },
  { name: 'confirm', title: 'Before an order leaves', path: '/trade/600036.SH', alsoEnglish: true, act: async (page, say) => { await write(page, say); await page.keyboard.press('Enter'); await page.getByRole('dialog').waitFor() } },
  { name: 'refused', title: 'Why an order was refused, and the nearest value that passes', path: '/trade/600036.SH', act: async (page, say) => {
    await write(page, say, '99999900')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Enter')
    await page.locator('[data-reason], [role=alert]').first().waitFor()
  } },
  { name: 'positions', title: 'Positions', path: '/trade/600036.SH', act: (page, say) => tab(page, say('持仓', 'Positions')) },
  { name: 'timeline', title: 'The life of an order', path: '/trade/600036.SH', act: async (page, say) => {
    await tab(page, say('全部委托', 'All orders'))
    await page.getByRole('row').filter({ hasText: say('已成交', 'Filled') }).first().click()
    await page.locator('[data-step=filled]').waitFor()
  } },
  { name: 'orders', title: 'All orders of the day', path: '/trade/600036.SH', act: (page, say) => tab(page, say('全部委托', 'All orders')) },
  { name: 'account', title: 'Account', path: '/account', alsoLight: true, alsoEnglish: true },
  { name: 'account-orders', title: 'History of orders', path: '/account', act: (page, say) => tab(page, say('历史委托', 'Orders')) },
  { name: 'account-cash', title: 'History of cash', path: '/account', act: (page, say) => tab(page, say('资金流水', 'Cash')) },
  { name: 'statements', title: 'Monthly statements', path: '/account', act: (page, say) => tab(page, say('对账单', 'Statements')) },
  { name: 'settings', title: 'Settings: second proof, devices, password, keys', path: '/settings', alsoLight: true, alsoEnglish: true },
  { name: 'tour', title: 'The tour after the first login', path: '/market', tour: true, ready: '[data-passive]', alsoEnglish: true },
  { name: 'help', title: 'Help', path: '/help', alsoEnglish: true },
  { name: 'locked', title: 'The idle lock', path: '/market', act: async (page, say) => { await page.getByRole('button', { name: say('锁定', 'Lock'), exact: false }).first().click(); await page.locator('input[type=password]').waitFor() }, unlocks: true },
  { name: 'offline', title: 'Without a network: a draft, and nothing that pretends to be fresh', path: '/trade/600036.SH', act: async (page, say, context) => { await write(page, say); await context.setOffline(true); await page.locator('[data-link=offline]').waitFor({ state: 'attached' }); await pause(1500) } },
  { name: 'not-found', title: 'No such page', path: '/nowhere' },
  { name: 'ops', title: "The operators' page", path: '/ops', who: 'staff', alsoEnglish: true, act: (page, say, context, phone, home) => traffic(home, 60) },
]

async function tab(page, name) {
  const found = page.getByRole('tab', { name: new RegExp(`^${name}`) }).last()
  await found.click()
  await found.evaluate((element) => element.scrollIntoView({ block: 'start' }))
  await pause(400)
}

/** Writes an order, up to its preview to the cent. */
async function write(page, say, quantity = '600') {
  const price = page.locator('input[name=price]')
  await page.waitForFunction(() => Number(document.querySelector('input[name=price]')?.value) > 0)
  await price.fill(await price.inputValue()) // it stays as it is from here on
  await page.locator('input[name=quantity]').fill(quantity)
  await page.waitForFunction(() => /\d\.\d\d/.test(document.querySelector('form dl dd')?.textContent ?? ''))
}

/**
 * Shows the broker's own stamps, which are the wall's, on the clock of the market. A house whose exchange keeps the
 * wall's time has but one clock.
 */
async function oneClock(page, context, home) {
  const { opened, halted, again } = home.clocks // each: { wall, market }
  const moved = (text) => text
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g, (stamp) => {
      const at = Date.parse(stamp)
      const ahead = at - Date.now() // a login's end is up to two days away
      if (ahead < -3 * 3600_000 || ahead > 48 * 3600_000 || Math.abs(at - again.market) < 3 * 3600_000) return stamp
      return new Date(at > halted.wall ? at - again.wall + again.market : opened.market + (at - opened.wall) * speed).toISOString()
    })
    .replace(/\b\d{10}\b/g, (seconds) => (Math.abs(seconds * 1000 - Date.now()) < 3 * 3600_000 ? String(Math.round(Number(seconds) + (again.market - again.wall) / 1000)) : seconds))
    .replaceAll(`"${dayOf(Date.now())}"`, `"${dayOf(again.market)}"`)
  await context.route(/\/(api|v2)\//, async (route) => {
    const answer = await route.fetch().catch(() => undefined)
    if (!answer) return route.abort().catch(() => {})
    const json = (answer.headers()['content-type'] ?? '').includes('json')
    await route.fulfill(json ? { response: answer, body: moved(await answer.text()) } : { response: answer }).catch(() => {})
  })
  await page.routeWebSocket(/\/api\/v1\/stream/, (here) => {
    const there = here.connectToServer()
    here.onMessage((message) => there.send(message))
    there.onMessage((message) => here.send(moved(String(message))))
  })
}

const dayOf = (at) => new Date(at + 8 * 3600_000).toISOString().slice(0, 10) // Shanghai's

/** The wall's time and the market's, at once. */
async function clocks(home) {
  const { quotes } = await api(home, home.accounts[0], 'GET', '/v2/stocks/quotes/latest?symbols=600519.SH,600036.SH,601318.SH')
  return { wall: Date.now(), market: Math.max(...Object.values(quotes).map((quote) => Date.parse(quote.t))) }
}

const sessions = new Map()

/** The cookie of somebody's login, the same for all pictures: each would else be one more of the devices listed. */
async function cookies(context, account, name) {
  if (!sessions.has(name)) {
    const answer = await context.request.post('/api/v1/login', { data: { login: account.login, password: account.password } })
    if (!answer.ok()) throw new Error(`login: ${answer.status()} ${await answer.text()}`)
    sessions.set(name, await context.cookies())
  }
  await context.addCookies(sessions.get(name))
}

const waysOf = (one) => [['zh', 'dark'], ...(one.alsoLight ? [['zh', 'light']] : []), ...(one.alsoEnglish ? [['en', 'dark']] : [])]
const nameOf = (one, size, language, theme) => `${one.name}-${size}-${language}${theme === 'light' ? '-light' : ''}`

async function shoot(browser, home, one, size, language, theme) {
  const phone = size === 'phone'
  const name = nameOf(one, size, language, theme)
  const context = await browser.newContext({ ...sizes[size], baseURL: home.http, timezoneId: 'Asia/Shanghai', locale: language === 'zh' ? 'zh-CN' : 'en-GB', colorScheme: theme, reducedMotion: 'reduce', serviceWorkers: 'block' })
  context.setDefaultTimeout(20_000)
  try {
    await context.addInitScript((kept) => { if (!localStorage.getItem('evenkeel.preferences')) localStorage.setItem('evenkeel.preferences', kept) },
      JSON.stringify({ state: { language, theme, areas: { 'help.toured': !one.tour } } }))
    const who = { nobody: undefined, staff, investor: home.accounts[0] }[one.who ?? 'investor']
    if (who) await cookies(context, who, one.unlocks ? one.name + size : `${who.login} ${size}`)
    const page = await context.newPage()
    await oneClock(page, context, home)
    await page.goto(one.path)
    if (who) await page.locator('[data-link=live]').waitFor({ state: 'attached' })
    if (one.ready) await page.locator(one.ready).first().waitFor()
    await pause(1500) // what is asked for has come
    const say = (zh, en) => (language === 'zh' ? zh : en)
    await one.act?.(page, say, context, phone, home)
    await page.evaluate(() => document.fonts.ready)
    await pause(500)
    const path = join(out, `${name}.png`)
    const picture = reduce(await page.screenshot({ animations: 'disabled', caret: 'hide' }))
    if (picture.length > most) throw new Error(`${name} has ${picture.length} bytes, more than ${most}`)
    writeFileSync(path, picture)
    console.log(`${name}.png ${(picture.length / 1000).toFixed(0)} kB`)
  } finally {
    await context.setOffline(false).catch(() => {})
    await context.close()
  }
}

mkdirSync(out, { recursive: true })
let home = await house({ flow: 1500, args: [...day, '--speed', String(speed)] })
let failed = 0
try {
  staff = (await (await fetch(`${home.http}/api/v1/demo`)).json()).accounts.find((a) => a.staff)
  const known = await morning(home)
  await home.halt()
  home = await house({ flow: 60, folder: home.folder, args: day })
  await pause(5000) // prices come alive again
  const again = await sale(home)
  Object.assign(home, { http: home.http.replace('127.0.0.1', 'localhost'), clocks: { ...known, again } }) // a name, for passkeys
  const launch = (lang) => chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', env: { ...process.env, LANGUAGE: lang }, args: ['--no-sandbox', '--disable-dev-shm-usage', '--font-render-hinting=none', `--lang=${lang}`] })
  const browsers = { zh: await launch('zh-CN'), en: await launch('en-GB') } // fields of dates speak the browser's language
  try {
    const wanted = pages.filter((p) => only.length === 0 || only.some((name) => p.name.startsWith(name)))
    const all = async (home, pages) => {
      for (const one of pages) for (const size of ['desktop', 'phone']) {
        for (const [language, theme] of waysOf(one)) {
          await shoot(browsers[language], home, one, size, language, theme).catch((error) => {
            failed++
            console.error(`${one.name} ${size} ${language} ${theme}: ${String(error.message).split('\n')[0]}`)
          })
        }
      }
    }
    await all(home, wanted.filter((p) => !p.house))
    const inCall = wanted.filter((p) => p.house === 'call')
    if (inCall.length > 0) {
      await home.stop()
      sessions.clear()
      home = await house({ flow: 300, args: call })
      await pause(20_000) // orders gather
      const now = await clocks(home)
      Object.assign(home, { http: home.http.replace('127.0.0.1', 'localhost'), clocks: { opened: now, halted: { ...now, wall: 0 }, again: now } })
      await all(home, inCall)
    }
  } finally {
    await Promise.all(Object.values(browsers).map((browser) => browser.close()))
  }
} finally {
  await home.stop()
}
writeFileSync(join(out, 'README.md'), index())
process.exitCode = failed > 0 ? 1 : 0

/** The page that shows them all; what no longer has a page goes. */
function index() {
  const all = pages.flatMap((one) => Object.keys(sizes).flatMap((size) => waysOf(one).map(([language, theme]) => ({ name: nameOf(one, size, language, theme), page: one.name, size, language, theme }))))
  for (const file of readdirSync(out)) if (file.endsWith('.png') && !all.some((m) => file === `${m.name}.png`)) rmSync(join(out, file))
  const made = all.filter((m) => existsSync(join(out, `${m.name}.png`)))
  const lines = ['# The screen, in pictures', '', 'Made by `make screens` from a demo house: desktop (1440x900) and phone (390x844), Chinese and English, dark and light.', '']
  for (const one of pages) {
    const mine = made.filter((m) => m.page === one.name)
    if (mine.length === 0) continue
    lines.push(`## ${one.title}`, '')
    for (const size of Object.keys(sizes)) {
      const row = mine.filter((m) => m.size === size)
      if (row.length > 0) lines.push(row.map((m) => `<img src="${m.name}.png" alt="${one.title}, ${m.size}, ${m.language === 'zh' ? 'Chinese' : 'English'}, ${m.theme}" width="${size === 'phone' ? 200 : 420}">`).join('\n'), '')
    }
  }
  return lines.join('\n').trimEnd() + '\n'
}
