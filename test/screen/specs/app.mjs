// The app can be installed, opens without a network, and says then that it has no data; it goes on by itself.
export const where = ['desktop zh', 'phone en']

export default async (desk) => {
  const { page, context } = desk
  desk.allow(/ERR_INTERNET_DISCONNECTED|ERR_FAILED|Failed to fetch|WebSocket/)
  await desk.enter('/market')
  const cdp = await context.newCDPSession(page)
  const { errors, manifest } = await cdp.send('Page.getAppManifest')
  if (errors.length || manifest?.startUrl === undefined) throw new Error(`the manifest: ${JSON.stringify(errors)}`)
  const { installabilityErrors } = await cdp.send('Page.getInstallabilityErrors')
  const wrong = installabilityErrors.filter((e) => e.errorId !== 'in-incognito') // as every context of a test is
  if (wrong.length) throw new Error(`not installable: ${JSON.stringify(wrong)}`)

  await page.evaluate(() => navigator.serviceWorker.ready)
  await desk.until('the worker to have what the page fetched', () => page.evaluate(async () => {
    const names = performance.getEntriesByType('resource').map((e) => new URL(e.name)).filter((u) => u.pathname.startsWith('/assets/')).map((u) => u.pathname)
    return names.length > 0 && (await Promise.all(names.map((name) => caches.match(name)))).every(Boolean)
  }))
  await context.setOffline(true)
  await page.reload()
  const alone = page.locator('[data-alone]')
  await alone.getByText(desk.say('应用已经打开', 'The app is open')).waitFor()
  if (await page.locator('[data-row], [data-link=live]').count()) throw new Error('there are rows without a network')
  await desk.picture('alone')
  await desk.accessible('alone')
  await desk.fits()
  await context.setOffline(false)
  await page.locator('[data-link=live]').waitFor({ state: 'attached' })
  await page.locator('[data-row]').first().waitFor()

  // What was locked without a network stays locked over a reload: the server is told before anything is shown.
  await context.setOffline(true)
  await page.getByRole('button', { name: desk.say('锁定屏幕', 'Lock the screen') }).click()
  const password = page.locator('input[name=password]')
  await password.waitFor()
  await page.reload()
  await alone.waitFor()
  const opened = []
  page.on('response', (answer) => { if (/\/api\/v1\/orders|\/v2\//.test(answer.url()) && answer.ok()) opened.push(answer.url()) })
  await context.setOffline(false)
  await password.waitFor()
  if (opened.length > 0) throw new Error(`the lock let ${opened} through`)
  await password.fill(desk.account.password)
  await page.locator('button[type=submit]').click()
  await page.locator('[data-row]').first().waitFor()
}
