// Groups of securities are made, filled by code and by pinyin, put into order by hand and by keyboard, renamed and deleted,
// and the server keeps them: nothing of them is in the browser. A board of 5,000 rows draws only those that are seen.
export default async (desk) => {
  const { page } = desk
  for (const list of await desk.api('GET', '/v2/watchlists')) await desk.api('DELETE', `/v2/watchlists/${list.id}`)
  await desk.enter('/market')
  await page.getByRole('button', { name: desk.say('新建分组', 'New group') }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('textbox').fill(desk.say('银行', 'Banks'))
  await desk.accessible('a new group')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/market/*')
  const field = page.getByRole('combobox', { name: desk.say('添加：代码、名称或拼音', 'Add: code, name or pinyin') })
  for (const [typed, symbol] of [['600000', '600000.SH'], ['payh', '000001.SZ'], ['茅台', '600519.SH']]) {
    await field.fill(typed)
    await page.getByRole('option').filter({ hasText: symbol }).waitFor()
    await field.press('Enter')
    await page.locator(`[data-row="${symbol}"]`).waitFor()
  }
  const rows = () => page.locator('[data-row]').evaluateAll((all) => all.sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top).map((e) => e.dataset.row.slice(0, 6)).join())
  const kept = async () => (await desk.api('GET', '/v2/watchlists'))[0]?.cn.symbols.map((s) => s.slice(0, 6)).join()
  const both = (want) => desk.until(`the order ${want}`, async () => (await rows()) === want && (await kept()) === want)
  await both('600000,000001,600519')
  const grid = page.getByRole('grid')
  await grid.focus()
  await page.keyboard.press('End')
  await page.keyboard.press('Alt+ArrowUp')
  await both('600000,600519,000001')
  const handle = (symbol) => page.locator(`[data-row="${symbol}"] [data-handle]`)
  const [from, to] = [await handle('000001.SZ').boundingBox(), await handle('600000.SH').boundingBox()]
  await page.mouse.move(from.x + from.width / 2, from.y + from.height / 2)
  await page.mouse.down()
  await page.mouse.move(to.x + to.width / 2, to.y + to.height / 2, { steps: 5 })
  await page.mouse.up()
  await both('000001,600000,600519')
  await desk.picture('group')
  await desk.accessible('a group')
  await desk.fits()

  await page.reload() // the server has it
  await desk.until('the group again', async () => (await rows()) === '000001,600000,600519')
  if (await page.evaluate(() => JSON.stringify(localStorage).includes('600519'))) throw new Error('the browser keeps what is in a group')

  await page.getByRole('button', { name: desk.say('修改“银行”', 'Change “Banks”') }).click()
  await dialog.getByRole('textbox').fill(desk.say('常看', 'Often'))
  await page.keyboard.press('Enter')
  await page.getByRole('link', { name: desk.say(/^常看/, /^Often/) }).waitFor()
  await grid.focus()
  await page.keyboard.press('Home')
  await page.keyboard.press('Delete')
  await both('600000,600519')
  await page.getByRole('button', { name: desk.say('修改“常看”', 'Change “Often”') }).click()
  await dialog.getByRole('button', { name: desk.say('删除分组', 'Delete group') }).click()
  await dialog.getByRole('button', { name: desk.say('删除分组', 'Delete group') }).click()
  await page.waitForURL('**/market')
  await desk.until('no group', async () => (await desk.api('GET', '/v2/watchlists')).length === 0)

  await page.getByRole('button', { name: desk.say('涨跌幅', 'Change %') }).click()
  await page.locator('[aria-sort=descending]').waitFor()
  const ratios = () => page.locator('[data-row]').evaluateAll((all) => all.map((e) => e.innerText).length)
  if (!(await ratios())) throw new Error('a sorted board is empty')
  await page.keyboard.press('/')
  await page.getByRole('dialog').getByRole('combobox').fill('pfyh')
  await page.getByRole('option').filter({ hasText: '600000.SH' }).waitFor()
  await page.keyboard.press('Enter')
  await page.waitForURL('**/security/600000.SH')

  await page.route('**/api/v1/securities?*', async (route) => {
    const { securities } = await (await route.fetch()).json()
    const more = Array.from({ length: 5000 }, (_, i) => securities[i] ?? { ...securities[i % securities.length], symbol: `${900000 + i}.SH`, name: `N${i}` })
    await route.fulfill({ json: { securities: more } })
  })
  await page.goto('/market')
  await page.locator('[aria-rowcount="5001"]').waitFor()
  await grid.focus()
  await page.keyboard.press('End')
  await page.locator('[data-row="904999.SH"]').waitFor()
  const drawn = await page.locator('[data-row]').count()
  if (drawn > 80) throw new Error(`${drawn} rows of 5,000 are drawn`)
  await page.unroute('**/api/v1/securities?*')
  if (desk.where.name === 'desktop zh' || desk.where.name === 'phone en') await decided(desk)
}

// What staff decide is on the screen at once: read-only within a tenth of a second, a halt wherever the security stands.
async function decided(desk) {
  const { page } = desk
  const { accounts } = await (await fetch(desk.house.http + '/api/v1/demo')).json()
  const { login, password } = accounts.find((a) => a.staff)
  const staff = await desk.browser.newContext({ baseURL: desk.house.http })
  const act = async (data) => {
    const answer = await staff.request.post('/api/v1/ops/acts', { data: { reason: 'a drill', ...data } })
    if (!answer.ok()) throw new Error(`${data.act}: ${answer.status()} ${await answer.text()}`)
  }
  try {
    await staff.request.post('/api/v1/login', { data: { login, password } })
    await desk.enter('/trade/600000.SH')
    await page.locator('input[name=price]').waitFor()
    const banner = page.getByText(desk.say(/^系统暂为只读.*a drill/, /^Read-only for now.*a drill/))
    await page.evaluate(() => new MutationObserver(() => { window.shown ??= /a drill/.test(document.body.innerText) ? Date.now() : undefined }).observe(document.body, { subtree: true, childList: true }))
    const set = act({ act: 'read_only' }).then(() => Date.now())
    await banner.waitFor()
    const late = (await page.evaluate(() => window.shown)) - (await set)
    console.error(`read-only was shown ${late} ms after the act was answered`)
    await desk.accessible('read-only')
    await act({ act: 'read_write' })
    await banner.waitFor({ state: 'hidden' })
    await act({ act: 'halt', symbol: '600000.SH' })
    await page.getByText(desk.say('该证券已暂停交易', 'Trading in this security is halted')).waitFor()
    for (const path of ['/market', '/security/600000.SH', '/account']) {
      await page.goto(path)
      await page.locator('[data-mark=halted]').first().waitFor()
    }
    await act({ act: 'resume', symbol: '600000.SH' })
    await page.locator('[data-mark=halted]').first().waitFor({ state: 'hidden' })
  } finally {
    await act({ act: 'read_write' }).catch(() => {})
    await act({ act: 'resume', symbol: '600000.SH' }).catch(() => {})
    await staff.close()
  }
}
