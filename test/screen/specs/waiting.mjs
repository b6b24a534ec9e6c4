// When many log in, who comes waits in line with a place and a time, keeps them over a reload, may leave, and goes in by
// himself when his turn has come.

/** Logins of names that nobody has, until the house gives places in line, and then so many more who never come back. */
async function storm(desk, absent) {
  let waiting = 0
  const knock = async () => {
    const answer = await fetch(`${desk.house.http}/api/v1/login`, {
      method: 'POST', headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ login: `storm-${crypto.randomUUID()}`, password: 'nobody has this' }),
    })
    const said = await answer.json()
    if (said.reason === 'LOGIN_WAITS') waiting++
  }
  const one = async () => { while (waiting < absent) await knock() }
  await Promise.all(Array.from({ length: 60 }, one))
}

export const house = 'quiet' // a storm of logins is nothing to share a house with

export default async (desk) => {
  const { page, account } = desk
  const heading = page.getByRole('heading', { name: desk.say('正在排队登录', 'You are in line') })
  const password = page.getByLabel(desk.say('密码', 'Password'))
  const submit = page.locator('button[type=submit]')
  const progress = page.getByRole('progressbar')
  desk.allow(/503.*\/api\/v1\/login/)
  const knock = async () => {
    await page.locator('input[name=username]').fill(account.login)
    await password.fill(account.password)
    await submit.click()
  }
  await page.goto('/login')
  await submit.waitFor()
  await storm(desk, 400)
  await knock()
  await heading.waitFor()
  await progress.waitFor()
  await desk.picture('waiting')
  await desk.accessible('the waiting room')
  await desk.fits()
  const kept = () => page.evaluate(() => JSON.stringify(sessionStorage) + JSON.stringify(localStorage))
  if ((await kept()).includes(account.password)) throw new Error('the browser keeps the password of who waits')

  await page.getByRole('button', { name: desk.say('取消排队', 'Cancel') }).click()
  await password.waitFor()
  if ((await kept()).includes('evenkeel.line')) throw new Error('who left still has a place')
  if (await password.inputValue()) throw new Error('the form has the password of who left')

  await knock() // a new place, or in at once when the storm is over
  await page.waitForURL('**/market')

  await desk.context.clearCookies()
  await page.goto('/login')
  await submit.waitFor()
  await storm(desk, 400)
  await knock()
  await heading.waitFor()
  await page.reload()
  await desk.until('the place, or its turn, after a reload', async () => (await heading.isVisible()) || (await password.isVisible()))
  await password.waitFor() // at the turn it is asked for again
  if (await page.locator('input[name=username]').inputValue() !== account.login) throw new Error('whose turn it is is not on the form')
  await page.getByRole('status').filter({ hasText: desk.say('已轮到您', 'Your turn has come') }).waitFor()
  await desk.picture('waiting-turn')
  await desk.accessible('the turn')
  await password.fill(account.password)
  await submit.click()
  await page.waitForURL('**/market')
}
