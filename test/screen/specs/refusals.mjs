// Every reason for which an order can be refused is said in the reader's language, with its numbers, and the nearest value is
// taken with a click. What the house refuses by itself comes from the house; the rest are its own words, given for it.
export const where = ['desktop zh', 'phone en']

export default async (desk) => {
  const { page } = desk
  desk.allow(/\/api\/v1\/(orders|preview)/)
  await desk.enter('/trade/600000.SH')
  const [price, quantity] = [page.locator('input[name=price]'), page.locator('input[name=quantity]')]
  await desk.until('a price', async () => Number(await price.inputValue()) > 0)
  await page.getByRole('checkbox').uncheck()
  const dialog = page.getByRole('dialog')
  const send = async () => {
    await quantity.press('Enter')
    await desk.until('what is said of it', async () => (await page.locator('[data-reason]').count()) > 0 || dialog.isVisible())
    if (await dialog.isVisible()) await page.keyboard.press('Enter')
    await page.locator('[data-reason]').waitFor()
  }
  const real = [
    ['600000.SH', 'buy', '99.999', '100', 'PRICE_NOT_ON_TICK', 'price'], ['600000.SH', 'buy', '100.00', '100', 'PRICE_ABOVE_LIMIT', 'price'],
    ['600000.SH', 'buy', '1.00', '100', 'PRICE_BELOW_LIMIT', 'price'], ['600000.SH', 'buy', '10.00', '150', 'QUANTITY_NOT_IN_LOTS', 'quantity'],
    ['600000.SH', 'buy', '10.00', '2000000', 'QUANTITY_ABOVE_MAXIMUM', 'quantity'], ['600000.SH', 'sell', '10.00', '90000', 'INSUFFICIENT_SELLABLE', 'quantity'],
    ['600519.SH', 'buy', '1688.00', '900', 'INSUFFICIENT_CASH', 'quantity'], ['688981.SH', 'buy', '52.66', '100', 'QUANTITY_BELOW_MINIMUM', 'quantity'],
    ['603999.SH', 'buy', '6.10', '100', 'SECURITY_SUSPENDED'],
  ]
  let there = '600000.SH'
  for (const [symbol, side, p, q, reason, fixed] of real) {
    if (symbol !== there) {
      await page.goto(`/trade/${(there = symbol)}`)
      await page.getByText(desk.say(/^可买/, /^Can buy/)).waitFor()
    }
    await page.getByRole('group', { name: desk.say('买卖方向', 'Side') }).getByRole('button').nth(side === 'buy' ? 0 : 1).click()
    await price.fill(p)
    await quantity.fill(q)
    await send()
    const box = page.locator('[data-reason]')
    const said = await box.getAttribute('data-reason')
    if (said !== reason) throw new Error(`${p} × ${q} is refused for ${said}, not ${reason}`)
    await desk.picture(`refused-${reason}`)
    await box.getByRole('button').last().click() // the nearest value; where there is none, the way out
    await box.waitFor({ state: 'hidden' })
    if (!fixed) continue
    const now = await (fixed === 'price' ? price : quantity).inputValue()
    if (now === (fixed === 'price' ? p : q)) throw new Error(`the nearest value of ${said} was not taken: ${now}`)
  }
  await page.goto('/trade/600000.SH')
  await desk.until('a price', async () => Number(await price.inputValue()) > 0)
  await desk.api('PATCH', '/v2/account/configurations', { suspend_trade: true })
  try {
    await quantity.fill('100')
    await send()
    await page.locator('[data-reason=TRADING_SUSPENDED]').waitFor()
  } finally {
    await desk.api('PATCH', '/v2/account/configurations', { suspend_trade: false })
  }
  await page.keyboard.press('Escape')
  const { reasons } = await desk.api('GET', '/api/v1/reasons')
  let next
  await page.route('**/api/v1/orders', (route) => (route.request().method() !== 'POST' ? route.continue() : route.fulfill({
    status: next.status < 400 ? 422 : next.status, contentType: 'application/json',
    body: JSON.stringify({ code: next.code, reason: next.reason, message: next.message_en, message_en: next.message_en, message_zh: next.message_zh, request_id: 'req-1', docs: '', given: '1', bound: '2', nearest: '3' }),
  })))
  for (next of reasons.filter((r) => r.status >= 400 && r.status !== 401 && r.reason !== 'OUTCOME_UNKNOWN' && r.reason !== 'TIMEOUT' && r.reason !== 'NETWORK')) {
    await quantity.fill('100')
    await quantity.press('Enter')
    const box = page.locator(`[data-reason="${next.reason}"]`)
    await desk.until(next.reason, async () => { if (await dialog.isVisible()) await page.keyboard.press('Enter'); return box.isVisible() })
    const text = await box.innerText()
    const words = desk.say(next.message_zh, next.message_en)
    const plain = (said) => said.normalize('NFKC').replace(/([,;:?!]) /g, '$1') // Chinese is set with wide punctuation
    if (!plain(text).includes(plain(words))) throw new Error(`${next.reason} is told as ${text}`)
    await box.getByRole('button', { name: desk.say('关闭', 'Close') }).click()
  }
}
