// What the ticket does not let go is refused all the same, and told: orders that are changed on their way, as another program's
// would be; an account that may not trade now; a board that it may not trade on. All refusals are the house's own.
import { ticket } from '../ticket.mjs'

export const house = 'quiet' // prices stand still
export const where = ['desktop zh', 'phone en']

export default async (desk) => {
  const { page } = desk
  const { price, quantity, box, open, side, send, refused, shut } = ticket(desk)
  desk.allow(/\/api\/v1\/(orders|preview)/)
  await desk.api('DELETE', '/v2/orders')
  await open('600000.SH')
  await page.getByRole('checkbox').uncheck()

  let change // what the ticket does not let go
  await page.route('**/api/v1/orders', (route) => (route.request().method() !== 'POST' ? route.continue()
    : route.continue({ postData: JSON.stringify({ ...JSON.parse(route.request().postData()), ...change }) })))
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
    await shut()
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
  await shut()
}
