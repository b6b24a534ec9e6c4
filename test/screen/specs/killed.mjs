// The server is killed while an order is under way, and comes back: the screen shows the order's age meanwhile, asks for
// it by its name, is right again without a reload, and nothing is there twice.
export const house = 'mortal'
export const where = ['desktop zh', 'phone en']

const soon = 1000 // ms from the connection's return to a screen that is right

export default async (desk) => {
  const { page, house } = desk
  desk.allow(/ERR_CONNECTION|ERR_FAILED|ERR_EMPTY_RESPONSE|ERR_SOCKET|WebSocket|by_client_order_id.*|404|503/)
  let stream // the one that is open; what the server says over one that is mute goes no further
  await page.routeWebSocket('**/api/v1/stream', (client) => {
    const server = client.connectToServer()
    const one = { mute: false }
    stream = one
    server.onMessage((message) => { if (!one.mute) client.send(message) })
  })
  await desk.enter('/trade/600000.SH')
  const [price, quantity] = [page.locator('input[name=price]'), page.locator('input[name=quantity]')]
  await desk.until('a price', async () => Number(await price.inputValue()) > 0)
  await page.getByRole('checkbox').uncheck()
  await page.getByRole('button', { name: desk.say(/^跌停/, /^Limit ↓/) }).click() // it rests
  const dialog = page.getByRole('dialog')
  const sent = page.locator('[data-sent]')
  const open = page.getByRole('row').filter({ has: page.getByRole('button', { name: desk.say(/^撤单:/, /^Cancel the order/) }) })
  await page.getByRole('tab', { name: desk.say(/^未成交委托/, /^Open orders/) }).click()
  let posts = 0
  page.on('request', (request) => { if (request.method() === 'POST' && request.url().endsWith('/api/v1/orders')) posts++ })
  const ours = async () => (await desk.api('GET', '/v2/orders?status=all&limit=500')).filter((o) => o.symbol === '600000.SH')
  const send = async (shares) => {
    posts = 0
    await quantity.fill(shares)
    await quantity.press('Enter')
    await desk.until('the order to be on its way', async () => {
      if (await dialog.isVisible()) await dialog.getByRole('button', { name: desk.say('买入', 'Buy') }).last().click()
      return posts > 0
    })
  }
  // From here on the page itself notes, by its own clock, when the connection was back, and when the order stood in the
  // list of open orders and no more among those without an answer.
  const watch = () => page.evaluate(() => {
    const shown = () => document.querySelectorAll('button[aria-label^="撤单:"], button[aria-label^="Cancel the order"]').length
    window.seen = { loaded: performance.timeOrigin, had: shown() }
    const look = () => {
      const state = document.querySelector('[data-link]')?.dataset.link
      if (state !== 'live') window.seen.cut = true
      if (window.seen.cut && state === 'live') window.seen.live ??= performance.now()
      if (shown() > window.seen.had && !document.querySelector('[data-sent=sending], [data-sent=asking]')) window.seen.right ??= performance.now()
    }
    new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true, characterData: true })
  })
  const age = async () => Number(/(\d+) ?(?:秒|s\b)/.exec(await sent.first().innerText())?.[1] ?? -1)

  // It had reached the books: its answer, and the event that tells of it, were lost with the server.
  const had = (await ours()).length
  await page.route('**/api/v1/orders', async (route) => {
    if (route.request().method() !== 'POST') return route.continue()
    stream.mute = true
    await route.fetch()
    await house.kill()
    await route.abort('connectionreset')
  })
  await watch()
  await send('100')
  await page.locator('[data-sent=asking]').waitFor()
  await page.locator('[data-link=reconnecting]').getByText(desk.say('连接中断', 'The connection was lost')).waitFor()
  const young = await age()
  await desk.until('its age to grow', async () => (await age()) > young)
  await desk.picture('killed')
  await desk.accessible('a lost connection')
  await desk.fits()
  await page.unroute('**/api/v1/orders')
  await house.restart()
  await page.locator('[data-link=live]').waitFor({ state: 'attached' })
  await sent.first().waitFor({ state: 'hidden' })
  await open.filter({ hasText: '100' }).first().waitFor()
  const after = async (what, orders) => {
    const seen = await page.evaluate(() => ({ ...window.seen, origin: performance.timeOrigin }))
    if (seen.loaded !== seen.origin) throw new Error(`${what}: the page was loaded again`)
    const list = await ours()
    if (posts !== 1 || list.length !== orders) throw new Error(`${what}: sent ${posts} times, ${list.length} orders, not ${orders}`)
    const rows = await open.count()
    const working = list.filter((o) => ['new', 'accepted', 'pending_new', 'held'].includes(o.status)).length
    if (rows !== working) throw new Error(`${what}: the screen shows ${rows} open orders, the books have ${working}`)
    return seen
  }
  const seen = await after('an order that had arrived', had + 1)
  console.error(`killed ${desk.where.name}: right ${Math.round(seen.right - seen.live)} ms after the connection was back`)
  if (!(seen.right - seen.live <= soon)) throw new Error(`the screen was right ${seen.right - seen.live} ms after the connection was back`)

  // It had not: the server stood still with it on the wire, and never read it. Nobody sends it again but the investor.
  house.child.kill('SIGSTOP')
  await send('200')
  await page.locator('[data-sent=sending]').waitFor()
  const began = await age()
  await desk.until('its age to grow', async () => (await age()) > began)
  await desk.accessible('an order under way')
  await house.kill()
  await page.locator('[data-sent=asking]').waitFor()
  await house.restart()
  const missing = page.locator('[data-sent=missing]')
  await missing.waitFor()
  if (posts !== 1 || (await ours()).length !== had + 1) throw new Error('what did not arrive was sent again without a word')
  await desk.accessible('an order that did not arrive')
  await missing.getByRole('button', { name: desk.say('再次发送', 'Send again') }).click()
  await missing.waitFor({ state: 'hidden' })
  await open.filter({ hasText: '200' }).first().waitFor()
  posts--
  await after('an order that had not arrived', had + 2)
  await desk.api('DELETE', '/v2/orders')
}
