// What is wrong with an order is said at the ticket in the reader's language, with the rule and its numbers, and the nearest
// value is taken with a click. All refusals are the house's own.
import { ticket } from '../ticket.mjs'

export const house = 'quiet' // prices stand still: what is the limit, and what the cage, is known to the cent
export const where = ['desktop zh', 'phone en']

export default async (desk) => {
  const { page } = desk
  const { price, quantity, kind, box, open, side, send, refused } = ticket(desk)
  desk.allow(/\/api\/v1\/(orders|preview)/)
  await desk.api('DELETE', '/v2/orders')
  await desk.house.desk('', 'shares', desk.account.login, '--symbol', '600000.SH', '--quantity', '50', '--reference', 'an odd lot')
  await open('600000.SH')
  await page.getByRole('checkbox').uncheck()

  const cash = (await desk.api('GET', '/api/v1/account')).balance.available
  // what the ticket sends: given, bound, and the nearest value for the field that it is of; those of one security together,
  // since a page takes longer to open than an order to be refused
  const sent = [
    ['600000.SH', 'buy', '10.005', '100', 'PRICE_NOT_ON_TICK', ['10.005', '0.01', '10.00'], price],
    ['600000.SH', 'buy', '11.01', '100', 'PRICE_ABOVE_LIMIT', ['11.01', '11.00'], price],
    ['600000.SH', 'sell', '8.99', '100', 'PRICE_BELOW_LIMIT', ['8.99', '9.00'], price],
    ['600000.SH', 'buy', '10.21', '100', 'PRICE_OUTSIDE_CAGE', ['10.21', '10.20'], price],
    ['600000.SH', 'sell', '9.79', '100', 'PRICE_OUTSIDE_CAGE', ['9.79', '9.80'], price],
    ['600000.SH', 'buy', '10.00', '50', 'QUANTITY_BELOW_MINIMUM', ['50', '100'], quantity],
    ['600000.SH', 'buy', '10.00', '150', 'QUANTITY_NOT_IN_LOTS', ['150', '100'], quantity],
    ['600000.SH', 'buy', '10.00', '1000100', 'QUANTITY_ABOVE_MAXIMUM', ['1000100', '1000000'], quantity],
    ['600000.SH', 'sell', '10.00', '30', 'ODD_LOT_NOT_WHOLE', ['30', '50'], quantity],
    ['600000.SH', 'sell', '10.00', '3000', 'INSUFFICIENT_SELLABLE', ['3000', '2050'], quantity],
    ['510300.SH', 'buy', '3.9125', '100', 'PRICE_NOT_ON_TICK', ['3.9125', '0.001', '3.912'], price],
    ['688981.SH', 'buy', '52.66', '199', 'QUANTITY_BELOW_MINIMUM', ['199', '200'], quantity],
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
}
