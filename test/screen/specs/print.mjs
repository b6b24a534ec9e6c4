// On paper: every row of a long board, none over another, in the light theme whatever the screen's is, with the account
// and the time, and without what only a hand can use.
export const where = ['desktop zh', 'desktop en']
export default async (desk) => {
  const { page } = desk
  const onPaper = (look) => page.evaluate(look)
  const theme = () => onPaper(() => document.documentElement.dataset.theme)
  await desk.enter('/market')
  const rows = page.locator('[data-row]')
  await rows.first().waitFor()
  const all = Number(await page.getByRole('grid').getAttribute('aria-rowcount')) - 1
  const seen = await rows.count()
  if ((await theme()) !== 'dark') throw new Error('the screen is not dark')

  await page.emulateMedia({ media: 'print' })
  await desk.until('white paper', async () => (await theme()) === 'light')
  await desk.until('every row', async () => (await rows.count()) === all)
  await page.getByText(desk.say(/^账户 ?\d+$/, /^Account \d+$/)).waitFor()
  const shown = await page.getByRole('navigation').evaluateAll((all) => all.filter((e) => e.checkVisibility()).length)
  if (shown) throw new Error('the navigation is printed')
  const over = await rows.evaluateAll((all) => all.map((e) => e.getBoundingClientRect()).filter((box, i, boxes) => i > 0 && box.top < boxes[i - 1].bottom - 1).length)
  if (over) throw new Error(`${over} rows lie over others`)
  await page.emulateMedia({ media: 'screen' })
  await desk.until('the screen again', async () => (await theme()) === 'dark' && (await rows.count()) <= seen)

  for (const path of ['/account', '/trade/600000.SH', '/security/600000.SH', '/help']) {
    await page.goto(path)
    await page.locator('h1').waitFor({ state: 'attached' })
    await desk.until('the data', async () => (await page.locator('main .animate-skeleton').count()) === 0)
    await page.emulateMedia({ media: 'print' })
    await desk.until('white paper', async () => (await theme()) === 'light')
    const cut = await onPaper(() => [...document.querySelectorAll('main div')].filter((e) => e.scrollHeight > e.clientHeight + 4 && /auto|scroll|hidden/.test(getComputedStyle(e).overflowY) && e.checkVisibility()).length)
    if (cut) throw new Error(`${path}: ${cut} boxes are cut off`)
    if (process.env.PICTURES) await page.screenshot({ path: `${process.env.PICTURES}/print${path.replaceAll('/', '-')}-${desk.language}.png`, fullPage: true })
    await page.emulateMedia({ media: 'screen' })
  }
}
