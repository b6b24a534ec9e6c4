// The first-run tour: an investor who logs in for the first time is shown seven things, each where it stands; it blocks
// nothing, is over for good when it was done or skipped, and comes again only when it is asked for. Staff are not asked.
const keys = ['market', 'search', 'age', 'ticket', 'blotter', 'nav-settings', 'nav-help']
const titles = { zh: [/^行情$/, /键盘精灵/, /是否可信/, /委托下单/, /委托与持仓/, /^设置$/, /^帮助$/], en: [/^Market$/, /Search/, /trusted/, /ticket/, /positions/, /^Settings$/, /^Help$/] }

export default async (desk) => {
  const { page, account, phone } = desk
  const fail = (why) => { throw new Error(why) }
  const card = page.locator('[role=dialog][data-passive]')
  const inside = () => page.evaluate(() => !!document.activeElement?.closest('[data-passive]'))
  const kept = () => page.evaluate(() => localStorage.getItem('evenkeel.preferences'))
  const next = card.getByRole('button', { name: desk.say('下一步', 'Next') })
  const back = card.getByRole('button', { name: desk.say('上一步', 'Back') })
  const title = async (n) => {
    await card.getByRole('heading', { name: titles[desk.language][n] }).waitFor()
    await card.getByText(`${n + 1} / ${keys.length}`).waitFor()
  }
  const forget = (page, language) => page.evaluate((language) => localStorage.setItem('evenkeel.preferences', JSON.stringify({ state: { language, areas: {} } })), language)

  // The first login.
  await page.goto('/login')
  await forget(page, desk.language)
  await page.reload()
  await page.locator('input[name=username]').fill(account.login)
  await page.getByLabel(desk.say('密码', 'Password')).fill(account.password)
  await page.locator('button[type=submit]').click()
  await card.waitFor()
  if (!(await inside())) fail('the focus is not in the tour')
  await page.locator('[data-link=live]').waitFor({ state: 'attached' })
  await page.locator('[data-row]').filter({ hasText: /\d\.\d\d/ }).first().waitFor()

  // Each step, where it points.
  for (const [n, key] of keys.entries()) {
    await title(n)
    if (key === 'ticket') await page.waitForURL('**/trade')
    if (!phone || key !== 'age') { // the board of a phone has no column for it
      const ring = page.locator(`[data-tour-ring="${key}"]`)
      await desk.until(`a ring around ${key}`, async () => {
        const [a, b] = await Promise.all([ring.boundingBox({ timeout: 1000 }).catch(() => null), page.locator(`[data-tour="${key}"]`).boundingBox({ timeout: 1000 }).catch(() => null)])
        return a && b && Math.abs(a.x - b.x) <= 1 && Math.abs(a.y - b.y) <= 1 && a.width <= b.width + 1 && a.height <= b.height + 1
      })
      await desk.until(`the card beside ${key}`, async () => {
        const [a, b] = await Promise.all([ring.boundingBox(), card.boundingBox()])
        const apart = a && b && (a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y)
        return apart || (!phone && key === 'market') // which fills the page: the card stands in its corner
      })
      if ((await ring.evaluate((e) => parseFloat(getComputedStyle(e).animationDuration))) > 0.001) fail('it moves for who asked for less motion')
    }
    const box = await card.boundingBox()
    if (box.x < 0 || box.y < 0 || box.x + box.width > page.viewportSize().width || box.y + box.height > page.viewportSize().height) fail(`the card of ${key} leaves the window`)
    if (phone) {
      const tabs = await page.getByRole('navigation', { name: desk.say('主导航', 'Main') }).last().boundingBox()
      if (Math.abs(box.y + box.height - tabs.y) > 1) fail('the sheet does not stand on the tabs')
    }
    await desk.picture(`tour-${n + 1}`)
    if (n === 0 || key === 'ticket') await desk.accessible(`the tour at ${key}`)
    await desk.fits()
    if (key === 'search') { // a key that is not the tour's goes to the page, and what it opens has the keyboard
      await page.keyboard.press('6')
      await page.getByRole('combobox').fill('600519')
      await page.getByRole('option').filter({ hasText: '600519.SH' }).waitFor()
      await page.keyboard.press('Escape')
      await page.getByRole('option').first().waitFor({ state: 'detached' })
      await title(n)
      await desk.until('the focus back in the tour', inside)
    }
    if (key === 'ticket') {
      await page.keyboard.press('s')
      await page.locator('[data-tour=ticket] [aria-pressed=true][aria-keyshortcuts=S]').waitFor()
      await card.focus()
    }
    if (n === keys.length - 1) break
    if (n === 2) await page.keyboard.press('ArrowRight')
    else await next.click()
  }

  // Back, and out of it by Tab.
  await back.click()
  await title(keys.length - 2)
  await card.focus()
  await page.keyboard.press('ArrowLeft')
  await title(keys.length - 3)
  for (let n = 0; n < 8 && (await inside()); n++) await page.keyboard.press('Tab')
  if (await inside()) fail('Tab does not leave the tour')
  await page.locator('[data-tour=nav-help]').click() // the page beside it works, and the tour waits
  await page.waitForURL('**/help')
  await title(keys.length - 3)
  await back.click()
  await page.waitForURL('**/trade')
  await title(keys.length - 4)
  while ((await card.getByText(`${keys.length} / ${keys.length}`).count()) === 0) await next.click()
  await card.getByRole('button', { name: desk.say('完成', 'Done') }).click()
  await card.waitFor({ state: 'detached' })
  if (!(await page.evaluate(() => document.activeElement?.id === 'main'))) fail('the focus is lost')

  // Never again by itself; nothing of the account is kept for that.
  const words = await kept()
  if (JSON.parse(words).state.areas['help.toured'] !== true) fail(`it is not kept: ${words}`)
  const { account_number: number } = await desk.api('GET', '/v2/account')
  for (const secret of [account.login, number, account.key_id]) if (words.includes(secret)) fail(`localStorage has ${secret}`)
  const board = async (p) => {
    await p.goto('/market')
    await p.locator('[data-row]').first().waitFor()
    await p.waitForTimeout(1500)
    return p.locator('[data-passive]').count()
  }
  if (await board(page)) fail('it came again')

  // Asked for on the help page; Esc ends it.
  await page.goto('/help')
  await page.getByRole('button', { name: desk.say('开始导览', 'Start the tour') }).click()
  await page.waitForURL('**/market')
  await title(0)
  await page.keyboard.press('Escape')
  await card.waitFor({ state: 'detached' })

  // Skipped, it is done as well.
  await forget(page, desk.language)
  await page.reload()
  await card.getByRole('button', { name: desk.say('跳过导览', 'Skip the tour') }).last().click()
  await card.waitFor({ state: 'detached' })
  if (await board(page)) fail('it came again after it was skipped')

  // Who works here.
  const staff = (await (await fetch(`${desk.house.http}/api/v1/demo`)).json()).accounts.find((a) => a.staff) ?? fail('the demo has no staff')
  await page.context().clearCookies()
  await forget(page, desk.language)
  await page.context().request.post('/api/v1/login', { data: { login: staff.login, password: staff.password } })
  if (await board(page)) fail('staff are shown it')
  await page.goto('/help')
  await page.getByRole('button', { name: desk.say('开始导览', 'Start the tour') }).click()
  await title(0)
  await page.evaluate(() => { history.pushState(null, '', '/ops') })
  await card.waitFor({ state: 'detached' })
}
