// Three nodes, and the one that leads is killed while a chart runs. Who is connected to another one sees the chart go on
// over the same connection; who was connected to the dead one is told, and goes on elsewhere without a reload. While
// nobody can lead, the screen says so; afterwards an order works, and is there once.
export const house = 'cluster'
export const where = ['desktop zh', 'phone en']

export default async (desk) => {
  const { page, house } = desk
  desk.allow(/ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE|ERR_SOCKET|WebSocket|50\d|by_client_order_id.*404/)
  const leader = await house.leader()
  const atLeader = desk.phone // otherwise at a follower
  house.prefer = atLeader ? leader : house.nodes.find((n) => n !== leader)
  let sockets = 0
  page.on('websocket', () => sockets++)
  await desk.enter('/security/600000.SH')
  await page.evaluate(() => {
    window.states = []
    const look = () => {
      const state = document.querySelector('[data-link]')?.dataset.link
      const failover = /切换|moving to another/.test(document.querySelector('[data-link]')?.textContent ?? '')
      for (const one of [state, failover && 'failover']) if (one && window.states.at(-1) !== one) window.states.push(one)
    }
    new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true, characterData: true })
  })
  const states = () => page.evaluate(() => window.states)
  await page.getByRole('button', { name: desk.say('1分', '1m'), exact: true }).click()
  await page.mouse.move(0, 0) // a pointer that comes to rest on the chart would read out its own candle
  const chart = page.locator('[data-chart="1m"]')
  await desk.until('candles', async () => Number(await chart.getAttribute('data-points')) > 0)
  const runs = async (what) => { // the newest candle's figures, as it is read out, and its volume
    const read = async () => `${await chart.getAttribute('data-points')} ${await chart.getAttribute('aria-label')} ${await chart.locator('xpath=preceding-sibling::p').innerText()}`
    const had = await read()
    await desk.until(`the chart to go on ${what}, which said ${had}`, async () => (await read()) !== had)
  }
  const orders = async () => (await desk.api('GET', '/v2/orders?status=all&limit=500')).filter((o) => o.symbol === '600000.SH').length
  const order = async (what) => { // by the screen
    const had = await orders()
    await page.goto('/trade/600000.SH')
    await page.locator('[data-link=live]').waitFor({ state: 'attached' })
    const [price, quantity] = [page.locator('input[name=price]'), page.locator('input[name=quantity]')]
    await desk.until('a price', async () => Number(await price.inputValue()) > 0)
    await page.getByRole('button', { name: desk.say(/^跌停/, /^Limit ↓/) }).click()
    await quantity.fill('100')
    await quantity.press('Enter')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Enter')
    await desk.until(`an order ${what}`, async () => (await orders()) === had + 1)
    await page.locator('[data-sent]').first().waitFor({ state: 'hidden' })
    if ((await orders()) !== had + 1) throw new Error(`an order ${what} is there ${(await orders()) - had} times`)
  }
  await runs('before')
  const before = Number(await chart.getAttribute('data-points'))
  await leader.kill()
  const next = await house.leader()
  if (next === leader) throw new Error('the dead one leads')
  await runs('after its leader died')
  if (Number(await chart.getAttribute('data-points')) < before) throw new Error('the chart lost candles')
  if (atLeader) {
    if (!(await states()).includes('reconnecting')) throw new Error(`nothing was said of the lost connection: ${await states()}`)
    await page.locator('[data-link=live]').waitFor({ state: 'attached' })
  } else if (sockets !== 1) throw new Error(`the connection to a node that lives was opened ${sockets} times`)
  await order('after the leader died')
  await leader.restart()

  if (!atLeader) { // the last but one dies as well: nobody can lead, and the screen says so until somebody does
    const others = house.nodes.filter((n) => n !== house.prefer)
    await Promise.all(others.map((n) => n.kill()))
    await page.locator('[data-link=live]').getByText(desk.say('交易节点正在切换', 'moving to another machine')).waitFor()
    await desk.picture('failover')
    await desk.accessible('nobody leads')
    await Promise.all(others.map((n) => n.restart()))
    await page.getByText(desk.say('交易节点正在切换', 'moving to another machine')).waitFor({ state: 'hidden' })
    await order('after nobody could lead')
  }
  await desk.api('DELETE', '/v2/orders')
}
