// A security's page: every chart draws, depth and trades live, a click on a price of the depth is taken up by the ticket.
export default async (desk) => {
  const { page } = desk
  await desk.enter('/security/600000.SH')
  await page.getByRole('heading', { name: '浦发银行' }).waitFor()
  await page.locator('[data-chart=minutes] canvas').first().waitFor()
  const price = page.locator('[data-level=bid1]:enabled')
  await price.waitFor()
  await desk.picture('security')
  await desk.accessible('security')
  await desk.fits()
  for (const interval of ['1m', '60m', 'day', 'week', 'month']) {
    const name = { '1m': desk.say('1分', '1m'), '60m': desk.say('60分', '60m'), day: desk.say('日K', 'D'), week: desk.say('周K', 'W'), month: desk.say('月K', 'M') }[interval]
    await page.getByRole('button', { name, exact: true }).click()
    const chart = page.locator(`[data-chart="${interval}"]`)
    await desk.until(`candles of ${interval}`, async () => Number(await chart.getAttribute('data-points')) > 0)
    if (interval !== 'day') continue
    await desk.picture('candles')
    await desk.accessible('candles')
    const had = Number(await chart.getAttribute('data-points'))
    await chart.focus()
    await desk.until('older candles', async () => { // to the left, into history
      await page.keyboard.press('ArrowLeft')
      return Number(await chart.getAttribute('data-points')) > had
    })
  }
  await page.getByRole('button', { name: desk.say('分时', 'Day'), exact: true }).click()
  await page.getByRole('button', { name: desk.say('十档', '10'), exact: true }).click()
  await page.locator('[data-level=bid10]').waitFor()
  await page.getByRole('tab', { name: desk.say('逐笔成交', 'Trades') }).click()
  await page.locator('[data-tick]').first().waitFor()
  await page.getByRole('tab', { name: desk.say('资料', 'Facts') }).click()
  await page.getByText(desk.say('买入单位', 'Buy lot')).waitFor()
  await desk.accessible('facts')
  if (desk.phone) await page.getByRole('tab', { name: desk.say('盘口', 'Depth') }).click()
  await page.locator('[data-level=ask1]:enabled').click()
  const field = page.locator('input[name=price]')
  await desk.until('the price in the ticket', async () => /^\d+\.\d\d$/.test(await field.inputValue()))
}
