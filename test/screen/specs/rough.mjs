// A slow and a lossy network: prices that do not come go grey and say how old they are, the lost connection is told and
// found again by itself, questions that are lost are asked again, and nothing is sent without the investor's word.
export const where = ['desktop zh', 'phone en']

export default async (desk) => {
  const { page, context } = desk
  desk.allow(/ERR_FAILED|ERR_INTERNET_DISCONNECTED|ERR_NETWORK|WebSocket|by_client_order_id/)
  // The stream goes through here: it can be cut, made mute, and refused.
  const wire = { mute: false, refuse: false, open: undefined, times: 0 }
  await page.routeWebSocket('**/api/v1/stream', (client) => {
    wire.times++
    if (wire.refuse) return client.close({ code: 1011 })
    const server = client.connectToServer()
    wire.open = client
    server.onMessage((message) => { if (!wire.mute) client.send(message) })
    return undefined
  })
  const cdp = await context.newCDPSession(page)
  await cdp.send('Network.enable')
  const slow = { offline: false, latency: 300, downloadThroughput: 60_000, uploadThroughput: 20_000 } // bytes a second
  await cdp.send('Network.emulateNetworkConditions', slow)
  let lost = 0
  let asked = 0
  await page.route('**/api/v1/**', (route) => { // every third question is lost on its way
    if (route.request().method() !== 'GET' || ++asked % 3 !== 0) return route.continue()
    lost++
    return route.abort()
  })

  await desk.enter('/trade/000001.SZ')
  const [price, quantity] = [page.locator('input[name=price]'), page.locator('input[name=quantity]')]
  const [dialog, sent] = [page.getByRole('dialog'), page.locator('[data-sent]')]
  const orders = async () => (await desk.api('GET', '/v2/orders?status=all&limit=500')).filter((o) => o.symbol === '000001.SZ').length
  await desk.until('a price', async () => Number(await price.inputValue()) > 0)
  await page.getByRole('checkbox').uncheck()
  const down = page.getByRole('button', { name: desk.say(/^跌停/, /^Limit ↓/) })
  await down.click()
  let posts = 0
  page.on('request', (request) => { if (request.method() === 'POST' && request.url().endsWith('/api/v1/orders')) posts++ })
  const send = async (shares, gone) => {
    await quantity.fill(shares)
    await quantity.press('Enter')
    await desk.until('the order to have left', async () => {
      if (await dialog.isVisible()) await dialog.getByRole('button', { name: desk.say('买入', 'Buy') }).last().click()
      return gone()
    })
  }
  const had = await orders()
  await send('100', () => posts === 1)
  await desk.until('an order over a slow network', async () => (await orders()) === had + 1)
  await sent.first().waitFor({ state: 'hidden' })
  await page.getByRole('tab', { name: desk.say(/^未成交委托/, /^Open orders/) }).click()
  await page.getByRole('button', { name: desk.say(/^撤单:/, /^Cancel the order/) }).first().waitFor()
  if (lost === 0) throw new Error('no question was lost: the network was not lossy')

  // No word of the server: its prices are called old after 5 s, with their age; then the connection is given up.
  wire.mute = true
  await page.getByText(desk.say('行情已停止更新', 'Quotes have stopped')).waitFor()
  const age = page.getByText(desk.say(/已 \d+秒 未更新/, /not updated for \d+ s/)).first()
  if (!desk.phone || (await age.count()) > 0) await age.waitFor()
  await page.locator('.text-stale').first().waitFor()
  await desk.accessible('old prices')
  wire.refuse = true
  await page.locator('[data-link=reconnecting]').getByText(desk.say('连接中断', 'The connection was lost')).waitFor()
  await desk.picture('reconnecting')
  await desk.accessible('a lost connection')
  await desk.fits()
  wire.mute = false
  wire.refuse = false
  await page.locator('[data-link=live]').waitFor({ state: 'attached' })
  await page.getByText(desk.say('行情已停止更新', 'Quotes have stopped')).waitFor({ state: 'hidden' })

  // Cut again and again: each time it comes back by itself.
  for (let n = 0; n < 3; n++) {
    const times = wire.times
    await wire.open.close({ code: 1001 })
    await desk.until('another connection', async () => wire.times > times)
    await page.locator('[data-link=live]').waitFor({ state: 'attached' })
  }

  // Without a network: two drafts, of which one is thrown away, and nothing leaves by itself.
  await context.setOffline(true)
  await page.locator('[data-link=offline]').waitFor({ state: 'attached' })
  await page.getByText(desk.say('当前设备没有网络', 'This device has had no network')).waitFor()
  posts = 0
  const draft = page.locator('[data-sent=draft]')
  await send('200', async () => (await draft.count()) === 1)
  await send('300', async () => (await draft.count()) === 2)
  await draft.first().getByText(desk.say(/草稿，写于 \d\d:\d\d:\d\d/, /Draft of \d\d:\d\d:\d\d/)).waitFor()
  if (!(await draft.first().getByRole('button', { name: desk.say('现在发出', 'Send now') }).isDisabled())) throw new Error('a draft can be sent without a network')
  await desk.picture('drafts')
  await desk.accessible('drafts')
  await desk.fits()
  await context.setOffline(false)
  await cdp.send('Network.emulateNetworkConditions', slow)
  await page.locator('[data-link=live]').waitFor({ state: 'attached' })
  await draft.filter({ hasText: '300' }).getByRole('button', { name: desk.say('丢弃', 'Discard') }).click()
  await desk.until('one draft', async () => (await draft.count()) === 1)
  if (posts !== 0 || (await orders()) !== had + 1) throw new Error(`${posts} orders left without a word`)
  await draft.getByRole('button', { name: desk.say('现在发出', 'Send now') }).click()
  await desk.until('the draft at the books', async () => (await orders()) === had + 2)
  await draft.waitFor({ state: 'hidden' })
  if (posts !== 1) throw new Error(`the draft was sent ${posts} times`)
  await desk.api('DELETE', '/v2/orders')
}
