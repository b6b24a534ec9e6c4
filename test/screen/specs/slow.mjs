// An exchange that stands still: the screen says that it is slow and for how long an order has waited, says when it is out
// of reach, and says nothing any more when it is back; the order is confirmed then, and is there once.
export const house = 'listed'
export const where = ['desktop zh', 'phone en']

export default async (desk) => {
  const { page, house } = desk
  await desk.enter('/market')
  const banners = page.locator('[data-link=live]')
  const slow = banners.getByText(desk.say(/交易所响应缓慢.有委托或撤单已等待 \d+秒/, /exchange is slow: an order or cancel has waited \d+ s/))
  const gone = banners.getByText(desk.say('交易所连接中断', 'exchange is out of reach'))
  const quiet = banners.getByText(desk.say('交易所行情中断', 'exchange sends no quotes'))
  const exchange = house.exchange.child
  const one = { symbol: '600000.SH', side: 'buy', qty: '100', type: 'limit', time_in_force: 'day', limit_price: '9.50' }
  exchange.kill('SIGSTOP')
  let order
  try {
    order = await desk.api('POST', '/v2/orders', one)
    await slow.waitFor()
    await quiet.waitFor()
    await desk.picture('slow exchange')
    await desk.accessible('a slow exchange')
    await gone.waitFor()
    await slow.waitFor({ state: 'hidden' })
  } finally {
    exchange.kill('SIGCONT')
  }
  await gone.waitFor({ state: 'hidden' })
  await quiet.waitFor({ state: 'hidden' })
  await desk.until('the order to be confirmed', async () => (await desk.api('GET', `/v2/orders/${order.id}`)).status === 'new')
  await desk.api('DELETE', '/v2/orders')
}
