// What a spec is given: a page of a fresh browser context of one size and language, and the means that specs share.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { until } from './houses.mjs'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const patience = 40_000 // of every wait: the machines of tests are slow and shared

/** A number as the page shows amounts and shares. */
const grouped = (number) => number.replace(/^\d+/, (digits) => digits.replace(/\B(?=(\d{3})+$)/g, ','))

const desktop = { viewport: { width: 1440, height: 900 } }
const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 }

/** Where specs are played; the names are those of a spec's `where`. */
export const wheres = [
  { name: 'desktop zh', language: 'zh', size: desktop, phone: false },
  { name: 'desktop en', language: 'en', size: desktop, phone: false },
  { name: 'phone zh', language: 'zh', size: phone, phone: true },
  { name: 'phone en', language: 'en', size: phone, phone: true },
]

export class Desk {
  /** page: Playwright's. account: { login, password, key_id, secret }, one for each of `wheres`; spare: another one. where, phone, language. */
  constructor(browser, house, where, number) {
    Object.assign(this, { browser, house, where, phone: where.phone, language: where.language })
    this.account = house.accounts[number]
    this.spare = house.accounts[number + wheres.length]
    this.said = []
    this.met = new Set() // reasons of refusals that the investor was told of on the screen
    this.allowed = []
  }

  /** Opens the context, with preferences as a browser keeps them; the tour has been seen. */
  async open(more = {}) {
    this.context = await this.browser.newContext({
      ...this.where.size, baseURL: this.house.http, timezoneId: 'Asia/Shanghai', reducedMotion: 'reduce',
      locale: this.language === 'zh' ? 'zh-CN' : 'en-GB', colorScheme: 'dark', ...more,
    })
    this.context.setDefaultTimeout(patience)
    await this.context.addInitScript((language) => {
      const key = 'evenkeel.preferences'
      if (!localStorage.getItem(key)) localStorage.setItem(key, JSON.stringify({ state: { language, areas: { 'help.toured': true } } }))
    }, this.language)
    this.page = await this.context.newPage()
    this.page.on('console', (message) => { if (message.type() === 'error') this.said.push(`${message.text()} (${message.location().url})`) })
    this.page.on('pageerror', (error) => this.said.push(String(error.stack ?? error)))
  }

  async close() {
    await this.context?.close()
  }

  /** The text for this language. */
  say(zh, en) {
    return this.language === 'zh' ? zh : en
  }

  /** Logs in without the form and opens a path. */
  async enter(path = '/market') {
    const { login, password } = this.account
    const answer = await this.context.request.post('/api/v1/login', { data: { login, password }, timeout: patience })
    if (!answer.ok()) throw new Error(`login: ${answer.status()} ${await answer.text()}`)
    await this.page.goto(path)
    await this.page.locator('[data-link=live]').waitFor({ state: 'attached' })
  }

  /** Asks the API by the key of the account, or of another one, and throws what is refused. */
  async api(method, path, data, who = this.account) {
    const headers = { 'APCA-API-KEY-ID': who.key_id, 'APCA-API-SECRET-KEY': who.secret }
    const answer = await fetch(this.house.http + path, {
      method, headers: { ...headers, ...(data ? { 'Content-Type': 'application/json' } : {}) }, body: data ? JSON.stringify(data) : undefined,
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return text ? JSON.parse(text) : undefined
  }

  /** Places an order: symbol, side, qty, limit_price... as /v2/orders takes them. */
  order(order, who = this.account) {
    return this.api('POST', '/v2/orders', { type: 'limit', time_in_force: 'day', client_order_id: crypto.randomUUID(), ...order }, who)
  }

  /**
   * Holds that an element tells a reason in the reader's language, with these numbers, and notes that it was met. words:
   * [zh, en] where they are not those of the list of reasons.
   */
  async tells(element, reason, numbers = [], words = undefined) {
    this.reasons ??= new Map((await this.api('GET', '/api/v1/reasons')).reasons.map((r) => [r.reason, r]))
    const row = this.reasons.get(reason)
    if (!row) throw new Error(`the house knows no reason ${reason}`)
    const plain = (said) => said.normalize('NFKC').replace(/\s+/g, '') // Chinese is set with wide punctuation
    const parts = this.say(...(words ?? [row.message_zh, row.message_en])).split('…')
    let [text, lacks] = ['', []]
    await this.until(`${reason} on the screen`, async () => {
      text = plain(await element.innerText({ timeout: 1000 }).catch(() => ''))
      lacks = [...parts.map(plain), ...numbers.map(reason.includes('PRICE') ? String : grouped)].filter((part) => !text.includes(part))
      return lacks.length === 0
    }).catch((error) => { throw new Error(`${reason} is told without ${lacks.join(', ')}: "${text}"`, { cause: error }) })
    this.met.add(reason)
    await this.picture(`refused-${reason}`)
  }

  /** Waits until `look` gives something true, and returns it. */
  until(what, look) {
    return until(what, look, patience)
  }

  /** Holds that axe finds nothing on the page as it is. */
  async accessible(what = 'the page') {
    await this.page.evaluate(axe) // as a debugger: the page's own policy would forbid it
    const wrong = await this.page.evaluate(async () => {
      const { violations } = await window.axe.run(document, { resultTypes: ['violations'] })
      const node = (n) => `${n.target.join(' ')} ${n.failureSummary.replace(/\s+/g, ' ').slice(0, 200)}`
      return violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map(node).join('; ')}`)
    })
    if (wrong.length) throw new Error(`axe on ${what}: ${wrong.join(' || ')}`)
  }

  /** Keeps a picture of the page as NAME-WHERE.png, when somebody asked for pictures (make screens). */
  async picture(name) {
    if (!process.env.PICTURES) return
    await this.page.screenshot({ path: `${process.env.PICTURES}/${name}-${this.where.name.replace(' ', '-')}.png` })
  }

  /** Lets the console say what matches: Chromium tells of every answer of 400 and more. */
  allow(pattern) {
    this.allowed.push(pattern)
  }

  /** Holds that the console said nothing wrong. */
  quiet() {
    const wrong = this.said.filter((line) => !this.allowed.some((pattern) => pattern.test(line)))
    if (wrong.length) throw new Error(`the console said: ${wrong.join(' || ')}`)
  }

  /** Holds that the page is no wider than its window. */
  async fits() {
    const over = (await this.page.evaluate(() => document.documentElement.scrollWidth)) - this.where.size.viewport.width // a phone's innerWidth would grow with it
    if (over > 0) throw new Error(`the page is ${over} px wider than its window`)
  }
}
