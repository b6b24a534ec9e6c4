// The help page tells everything that an investor meets: its contents lead to each topic, its search leaves what has the
// words, and every reason that the API has is on it in the API's own words. A digit typed on it opens the search.
export default async (desk) => {
  const { page, phone } = desk
  const fail = (why) => { throw new Error(why) }
  await desk.enter('/help')
  await page.getByRole('heading', { name: desk.say('帮助', 'Help'), exact: true }).waitFor()
  const { reasons } = await (await fetch(`${desk.house.http}/api/v1/reasons`)).json()
  const refusals = reasons.filter((reason) => reason.status >= 400)
  const rows = page.locator('[data-help]')
  const told = page.locator('[data-help^="refusals."]')
  await desk.until('every reason', async () => (await told.count()) === refusals.length && refusals.length > 100)
  await desk.picture('help')
  await desk.accessible('help')
  await desk.fits()

  // All topics, none empty, none with a text that was not filled in.
  const topics = page.locator('[data-topic]')
  const names = await topics.evaluateAll((all) => all.map((e) => e.id))
  for (const name of ['keys', 'colours', 'age', 'banners', 'drafts', 'phases', 'depth', 'ticket', 'types', 'states', 'refusals', 'money', 'login', 'history', 'print', 'install']) if (!names.includes(name)) fail(`nothing is said of ${name}`)
  const bare = (await page.locator('main').innerText()).match(/\$t\(|\{\{|\bsections\.|%[sd]|type\.[A-Z]/)
  if (bare) fail(`a text is not filled in: ${bare[0]}`)
  for (const type of ['LIMIT', 'BEST5_IOC', 'BEST5_TO_LIMIT', 'IOC', 'FOK', 'OWN_BEST', 'OPPOSITE_BEST', 'FIXED_PRICE']) await page.locator(`[data-help="types.${type}"]`).waitFor({ state: 'attached' })
  const whole = await rows.count()

  // The contents.
  const contents = page.getByRole('navigation', { name: desk.say('目录', 'Contents') })
  if (phone) await page.locator('main details summary').click()
  await contents.getByRole('link', { name: desk.say(/二次验证/, /second factors/) }).click()
  await desk.until('the topic under the search', async () => {
    const [topic, search] = await Promise.all([page.locator('#login').boundingBox(), page.getByRole('search').boundingBox()])
    return topic.y >= search.y + search.height - 8 && topic.y < search.y + search.height + 60
  })
  await desk.picture('help-topic')

  // The search: by a key, by words, by the name of a reason; and back.
  const field = page.getByRole('searchbox')
  const look = async (text, ids) => {
    await field.fill(text)
    await desk.until(`"${text}" to find ${ids}`, async () => {
      const now = await rows.evaluateAll((all) => all.map((e) => e.dataset.help))
      return now.length < whole / 2 && ids.every((id) => now.includes(id))
    })
  }
  await look('F8', ['keys.cancelAll'])
  await look(desk.say('恢复码', 'recovery code'), ['login.recovery'])
  await look('price_not_on_tick', ['refusals.PRICE_NOT_ON_TICK'])
  if ((await rows.count()) !== 1) fail('more is shown than was asked for')
  await look(desk.say('可用资金不足', 'insufficient buying power'), ['refusals.INSUFFICIENT_CASH'])
  await look(desk.say('草稿', 'draft'), ['drafts.draft'])
  await page.locator('mark').first().waitFor()
  await desk.picture('help-found')
  await desk.accessible('what was found')
  await field.fill('qwertz')
  await page.getByText(desk.say('没有找到', 'Nothing found')).waitFor()
  await field.press('Escape')
  await desk.until('all of it again', async () => (await rows.count()) === whole)

  // An address that names a topic.
  await page.goto('/help#refusals')
  await page.reload()
  await told.first().waitFor()
  await desk.until('the topic of the address', async () => (await page.locator('#refusals').boundingBox()).y < page.viewportSize().height / 2)
  await desk.picture('help-refusals')

  await page.getByRole('heading', { name: desk.say('帮助', 'Help'), exact: true }).click()
  await page.keyboard.press('6')
  await page.getByRole('combobox').fill('600519')
  await page.getByRole('option').filter({ hasText: '600519.SH' }).waitFor()
  await page.keyboard.press('Enter')
  await page.waitForURL('**/security/600519.SH')
}
