// What depends on the hour is said in its hour: a trading day of the real sessions, each of its phases come to by a start of
// the clock that is later than the last one. The second play of it is on the next day of the same house.
export const house = 'hours'
export const where = ['desktop zh', 'phone en']

const days = ['2026-11-23', '2026-11-24', '2026-11-25', '2026-11-26', '2026-11-27']

export default async (desk) => {
  const { page, house, spare: maker } = desk
  desk.allow(/\/api\/v1\/|ERR_CONNECTION|WebSocket|Failed to fetch|502|503|\/v2\//) // the house goes and comes back
  const day = days[(house.day = (house.day ?? -1) + 1)]
  const [price, quantity, kind] = [page.locator('input[name=price]'), page.locator('input[name=quantity]'), page.getByLabel(desk.say('委托类型', 'Order type'))]
  const [dialog, box, newest] = [page.getByRole('dialog'), page.locator('[data-reason]'), page.getByRole('row').filter({ hasText: '浦发银行' }).first()]
  const tab = (zh, en) => page.getByRole('tab', { name: new RegExp(desk.say(zh, en)) }).click()
  const of = { symbol: '600000.SH' }
  const status = (id, ...words) => desk.until(`${id} to be ${words}`, async () => words.includes((await desk.api('GET', `/v2/orders/${id}`)).status))

  /** Goes on at a time of the day, and shows the ticket as it is then. */
  const at = async (time, phase) => {
    await house.stop()
    house.args = house.args.map((arg, n, all) => (all[n - 1] === '--start' ? `${day}T${time}+08:00` : arg))
    await house.restart()
    await desk.until(phase, async () => (await desk.api('GET', '/api/v1/phases')).phases.some((p) => p.market === 'XSHG' && p.phase === phase) && (await desk.api('GET', '/api/v1/quotes/600000.SH')).phase === phase)
    await desk.enter('/trade/600000.SH')
    await desk.until('a price', async () => Number(await price.inputValue()) > 0)
    if (await page.getByRole('checkbox').isChecked()) await page.getByRole('checkbox').uncheck()
  }
  /** Sends what stands in the ticket, also where its button is off: as when the word of a new phase comes late. */
  const send = async () => {
    await page.getByRole('form').first().evaluate((form) => form.requestSubmit())
    await desk.until('what is said of it', async () => {
      if (await dialog.isVisible()) await page.keyboard.press('Enter')
      return box.isVisible()
    })
  }
  const cancel = page.getByRole('button', { name: desk.say(/^撤单:/, /^Cancel the order/) })
  const toasts = page.locator('[data-toasts]')
  const closeToast = () => toasts.getByRole('button', { name: desk.say('关闭', 'Close') }).last().click()

  await at('09:16:00', 'OPENING_CALL')
  const rests = await desk.order({ ...of, side: 'buy', qty: '300', limit_price: '9.81' })
  const fills = await desk.order({ ...of, side: 'buy', qty: '200', limit_price: '9.82' })
  await status(rests.id, 'new')
  await status(fills.id, 'new')

  // market orders are not offered before continuous trading, and cancels are not taken in the last minutes of the call
  await at('09:21:00', 'OPENING_CALL_LOCKED')
  const market = kind.locator('option[value=BEST5_IOC]')
  if (!(await market.isDisabled()) || !(await market.innerText()).includes(desk.say('当前时段不可用', 'not in this phase'))) throw new Error('a market order is offered in the opening call')
  await page.route('**/api/v1/orders', (route) => (route.request().method() !== 'POST' ? route.continue()
    : route.continue({ postData: JSON.stringify({ ...JSON.parse(route.request().postData()), type: 'BEST5_IOC', price: undefined }) })))
  await quantity.fill('100')
  await send()
  await desk.tells(box, 'MARKET_ORDER_NOT_NOW')
  await page.unroute('**/api/v1/orders')
  await tab('未成交委托', 'Open orders')
  await cancel.first().click()
  await desk.tells(toasts, 'NO_CANCEL_PHASE')
  await closeToast()

  // at noon a cancel waits for 13:00, and another one of the same order has to wait for it
  await at('11:40:00', 'LUNCH')
  await tab('未成交委托', 'Open orders')
  await cancel.first().waitFor()
  await page.route('**/api/v1/orders/*', async (route) => { // asked for on another screen a moment before
    if (route.request().method() === 'DELETE') await desk.api('DELETE', `/v2/orders/${route.request().url().split('/').at(-1)}`)
    await route.continue()
  })
  const rest = page.getByRole('row').filter({ hasText: '9.81' }).getByRole('button')
  await rest.click()
  await desk.tells(toasts, 'CANCEL_PENDING')
  await closeToast()
  await page.unroute('**/api/v1/orders/*')
  // a sale is held in front of a replacement, so that what is to be replaced is filled first
  await desk.order({ ...of, side: 'sell', qty: '200', limit_price: '9.82' }, maker)
  const replacement = await desk.api('PATCH', `/v2/orders/${fills.id}`, { qty: '300', limit_price: '9.82' })

  await at('13:00:20', 'CONTINUOUS')
  await status(fills.id, 'filled')
  await status(replacement.id, 'rejected')
  await tab('全部委托', 'All orders')
  await desk.tells(page.getByRole('row').filter({ hasText: '浦发银行' }).filter({ hasText: desk.say('废单', 'Rejected') }).first(), 'FILLED_BEFORE_REPLACE')
  const open = await desk.order({ ...of, side: 'buy', qty: '100', limit_price: '9.70' })
  await status(open.id, 'new')

  // after the close a fixed price is the close, and a limit on its wrong side is void
  await at('15:01:00', 'FIXED_PRICE_ENTRY')
  await kind.selectOption('FIXED_PRICE')
  await page.getByRole('group', { name: desk.say('买卖方向', 'Side') }).getByRole('button').nth(1).click()
  await kind.selectOption('FIXED_PRICE')
  await price.fill('10.50')
  await quantity.fill('100')
  await quantity.press('Enter')
  await desk.until('the order', async () => {
    if (await dialog.isVisible()) await page.keyboard.press('Enter')
    return (await desk.api('GET', '/v2/orders?status=all')).some((o) => o.limit_price === '10.50')
  })
  await dialog.waitFor({ state: 'hidden' })
  await tab('全部委托', 'All orders')
  await desk.tells(newest, 'FIXED_PRICE_VOID', ['10.50'])
  await newest.click()
  await desk.tells(dialog, 'FIXED_PRICE_VOID', ['10.50'])
  await desk.accessible('a void order')

  // closed: the ticket says so and sends nothing; what was open has expired
  await at('15:31:00', 'CLOSED')
  await page.getByText(desk.say(/^当前时段不接受委托/, /^No orders are taken in this phase/)).waitFor()
  if (await page.locator('button[type=submit]').isEnabled()) throw new Error('an order can be sent to a closed market')
  await quantity.fill('100')
  await send()
  await desk.tells(box, 'MARKET_CLOSED')
  await tab('全部委托', 'All orders')
  await desk.tells(page.getByRole('row').filter({ hasText: '9.70' }).first(), 'EXPIRED_AT_CLOSE')
  await desk.accessible('after the close')
}
