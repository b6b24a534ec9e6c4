// What is wrong with an order is said at the ticket in the reader's language, with the rule and its numbers, and the nearest
// value is taken with a click. All refusals are the house's own. What the ticket does not let go is changed on its way, as
// another program's order would be, so that the ticket has to tell of it all the same.
import { reasons as table } from '../reasons.mjs'

export const house = 'quiet' // prices stand still: what is the limit, and what the cage, is known to the cent
export const where = ['desktop zh', 'phone en']

export default async (desk) => {
  const { page } = desk
  desk.allow(/\/api\/v1\/(orders|preview)/)
  await desk.api('DELETE', '/v2/orders')
  await desk.house.desk('', 'shares', desk.account.login, '--symbol', '600000.SH', '--quantity', '50', '--reference', 'an odd lot')
  await desk.enter('/trade/600000.SH')
  const [price, quantity, kind] = [page.locator('input[name=price]'), page.locator('input[name=quantity]'), page.getByLabel(desk.say('委托类型', 'Order type'))]
  const dialog = page.getByRole('dialog')
  const box = page.locator('[data-reason]')
  let there = ''
  const open = async (symbol) => {
    if (symbol === there) return
    await page.goto(`/trade/${(there = symbol)}`)
    await page.getByText(desk.say(/^可买/, /^Can buy/)).waitFor()
    await desk.until('a price', async () => Number(await price.inputValue()) > 0)
  }
  const side = (word) => page.getByRole('group', { name: desk.say('买卖方向', 'Side') }).getByRole('button').nth(word === 'buy' ? 0 : 1).click()
  const send = async () => {
    await quantity.press('Enter')
    await desk.until('what is said of it', async () => (await box.count()) > 0 || dialog.isVisible())
    if (await dialog.isVisible()) await page.keyboard.press('Enter')
    await box.waitFor()
  }
  const refused = async (reason, numbers) => {
    const said = await box.getAttribute('data-reason')
    if (said !== reason) throw new Error(`refused for ${said}, not ${reason}`)
    await desk.tells(box, reason, numbers, reason === 'PRICE_OUTSIDE_CAGE' ? ['超出有效申报价格范围', 'is outside the price cage'] : undefined) // by the quote of now
  }
  await open('600000.SH')
  await page.getByRole('checkbox').uncheck()

  const cash = (await desk.api('GET', '/api/v1/account')).balance.available
  // what the ticket sends: given, bound, and the nearest value for the field that it is of
  const sent = [
    ['600000.SH', 'buy', '10.005', '100', 'PRICE_NOT_ON_TICK', ['10.005', '0.01', '10.00'], price],
    ['510300.SH', 'buy', '3.9125', '100', 'PRICE_NOT_ON_TICK', ['3.9125', '0.001', '3.912'], price],
    ['600000.SH', 'buy', '11.01', '100', 'PRICE_ABOVE_LIMIT', ['11.01', '11.00'], price],
    ['600000.SH', 'sell', '8.99', '100', 'PRICE_BELOW_LIMIT', ['8.99', '9.00'], price],
    ['600000.SH', 'buy', '10.21', '100', 'PRICE_OUTSIDE_CAGE', ['10.21', '10.20'], price],
    ['600000.SH', 'sell', '9.79', '100', 'PRICE_OUTSIDE_CAGE', ['9.79', '9.80'], price],
    ['600000.SH', 'buy', '10.00', '50', 'QUANTITY_BELOW_MINIMUM', ['50', '100'], quantity],
    ['600000.SH', 'buy', '10.00', '150', 'QUANTITY_NOT_IN_LOTS', ['150', '100'], quantity],
    ['600000.SH', 'buy', '10.00', '1000100', 'QUANTITY_ABOVE_MAXIMUM', ['1000100', '1000000'], quantity],
    ['688981.SH', 'buy', '52.66', '199', 'QUANTITY_BELOW_MINIMUM', ['199', '200'], quantity],
    ['600000.SH', 'sell', '10.00', '30', 'ODD_LOT_NOT_WHOLE', ['30', '50'], quantity],
    ['600000.SH', 'sell', '10.00', '3000', 'INSUFFICIENT_SELLABLE', ['3000', '2050'], quantity],
    ['601398.SH', 'sell', '5.42', '100', 'INSUFFICIENT_SELLABLE', ['100', '0']], // there is nothing, and no value is near
    ['600519.SH', 'buy', '1688.00', '900', 'INSUFFICIENT_CASH', [cash, '500'], quantity], // the shares that it buys
  ]
  for (const [symbol, word, p, q, reason, numbers, field] of sent) {
    await open(symbol)
    await side(word)
    await price.fill(p)
    await quantity.fill(q)
    await send()
    await refused(reason, numbers)
    if (!field) {
      if ((await box.getByRole('button').count()) > 1) throw new Error(`${reason} offers a value that is not there`)
      await box.getByRole('button').click()
      continue
    }
    await box.getByRole('button', { name: desk.say('改为', 'Change to') }).click()
    await box.waitFor({ state: 'hidden' })
    const taken = await field.inputValue()
    if (taken !== numbers.at(-1)) throw new Error(`the nearest value of ${reason}, ${numbers.at(-1)}, was not taken: ${taken}`)
    if (reason === 'PRICE_OUTSIDE_CAGE') continue // it would rest, and that is not what is held here
    if ((await page.locator('[data-remark=quantityInvalid], [data-remark=aboveLimit], [data-remark=belowLimit], [data-remark=offTick]').count()) > 0) throw new Error(`the nearest value of ${reason} is not valid either`)
  }

  // what the ticket says instead of sending
  const offers = async (symbol, may, mayNot) => {
    await open(symbol)
    const options = await kind.locator('option').evaluateAll((all) => all.map((o) => [o.value, o.disabled]))
    const on = options.filter(([, off]) => !off).map(([value]) => value)
    if (!may.every((type) => on.includes(type)) || mayNot.some((type) => on.includes(type))) throw new Error(`${symbol} offers ${on}`)
  }
  await offers('301999.SZ', ['LIMIT'], ['BEST5_IOC', 'FOK', 'FIXED_PRICE'])
  await offers('600000.SH', ['LIMIT', 'BEST5_IOC'], ['FOK', 'IOC', 'FIXED_PRICE'])
  await offers('000001.SZ', ['LIMIT', 'FOK', 'IOC'], ['BEST5_TO_LIMIT', 'FIXED_PRICE'])
  await page.goto('/trade/603999.SH')
  await page.getByText(desk.say(/该证券停牌/, 'The security is suspended.')).waitFor()
  if (await kind.isEnabled() || !(await kind.innerText()).includes(desk.say('今日不接受委托', 'it takes no orders today'))) throw new Error('order types are offered for a suspended security')
  if (await page.locator('button[type=submit]').isEnabled()) throw new Error('an order for a suspended security can be sent')
  await desk.accessible('a suspended security')

  // what the ticket does not let go, changed on its way
  let change
  await page.route('**/api/v1/orders', (route) => (route.request().method() !== 'POST' ? route.continue()
    : route.continue({ postData: JSON.stringify({ ...JSON.parse(route.request().postData()), ...change }) })))
  await open('600000.SH')
  await side('buy')
  const used = await desk.order({ symbol: '600000.SH', side: 'buy', qty: '100', limit_price: '9.80' })
  const changed = [
    [{ symbol: '603999.SH', price: '6.10' }, 'SECURITY_SUSPENDED'],
    [{ type: 'FOK', price: undefined }, 'TYPE_NOT_AVAILABLE'],
    [{ symbol: '301999.SZ', type: 'FOK', price: undefined }, 'MARKET_ORDER_NO_LIMIT'],
    [{ type: 'FIXED_PRICE' }, 'FIXED_PRICE_NOT_NOW'],
    [{ symbol: '000001.SZ', type: 'FOK', price: '11.40' }, 'PRICE_NOT_ALLOWED', ['11.40']],
    [{ quantity: '0' }, 'QUANTITY_NOT_POSITIVE'],
    [{ client_order_id: used.client_order_id, quantity: '200' }, 'CLIENT_ORDER_ID_USED'],
    [{ client_order_id: 'x'.repeat(129) }, 'CLIENT_ORDER_ID_TOO_LONG', ['129', '128']],
  ]
  for (const [to, reason, numbers] of changed) {
    change = to
    await price.fill('10.00')
    await quantity.fill('100')
    await send()
    await refused(reason, numbers)
    if ((await box.getByRole('button').count()) > 1) throw new Error(`${reason} offers a value that is of no field`)
    await box.getByRole('button').click()
    await box.waitFor({ state: 'hidden' })
  }
  change = {}
  await desk.api('DELETE', '/v2/orders')

  // by the account's own setting, and on a board that it may not trade on
  await desk.api('PATCH', '/v2/account/configurations', { suspend_trade: true })
  try {
    await quantity.fill('100')
    await send()
    await refused('TRADING_SUSPENDED')
  } finally {
    await desk.api('PATCH', '/v2/account/configurations', { suspend_trade: false })
  }
  const login = `main-board-only-${desk.language}`
  await desk.house.desk('a long password\n', 'open', login, '--permissions', 'read,trade')
  const answer = await desk.context.request.post('/api/v1/login', { data: { login, password: 'a long password' } })
  if (!answer.ok()) throw new Error(`login: ${answer.status()}`)
  await open('688981.SH')
  await price.fill('52.66')
  await quantity.fill('200')
  await send()
  await refused('BOARD_NOT_ALLOWED')
  await desk.accessible('a refusal')
  await box.getByRole('button').click()
  await box.waitFor({ state: 'hidden' })

  // the words of every other reason, given for the house: none lacks a language or breaks the box
  const { reasons } = await desk.api('GET', '/api/v1/reasons')
  const nameless = Object.values(table).filter((r) => !reasons.some((one) => one.reason === r.said)).map((r) => r.said)
  if (nameless.length) throw new Error(`the house does not say ${nameless}`)
  await page.unroute('**/api/v1/orders')
  let next
  await page.route('**/api/v1/orders', (route) => (route.request().method() !== 'POST' ? route.continue() : route.fulfill({
    status: next.status < 400 ? 422 : next.status, contentType: 'application/json',
    body: JSON.stringify({ code: next.code, reason: next.reason, message: next.message_en, message_en: next.message_en, message_zh: next.message_zh, request_id: 'req-1', docs: '', given: '1', bound: '2', nearest: '3' }),
  })))
  for (next of reasons.filter((r) => r.status >= 400 && r.status !== 401 && !desk.met.has(r.reason) && r.reason !== 'OUTCOME_UNKNOWN' && r.reason !== 'TIMEOUT' && r.reason !== 'NETWORK')) {
    await quantity.fill('200')
    await send()
    const text = await box.innerText()
    const words = desk.say(next.message_zh, next.message_en)
    const plain = (said) => said.normalize('NFKC').replace(/([,;:?!]) /g, '$1') // Chinese is set with wide punctuation
    if (!plain(text).includes(plain(words))) throw new Error(`${next.reason} is told as ${text}`)
    await box.getByRole('button', { name: desk.say('关闭', 'Close') }).click()
    await box.waitFor({ state: 'hidden' })
  }
}
