// More come to log in than passwords can be looked at: who comes then is told his place and the time. A login that is left
// alone goes in by itself; after a reload the place is kept, and the password is asked for when the turn has come.
export const house = 'mortal'
export const where = ['desktop zh', 'phone en']

const [crowd, absent] = [60, 400] // who wait in front of the work, and who were given a place and never come back

export default async (desk) => {
  const { page } = desk
  const { login, password } = desk.account
  let over = false
  desk.allow(/503.*\/api\/v1\/login|429.*\/api\/v1\/login/)
  const come = (n) => fetch(`${desk.house.http}/api/v1/login`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ login: `crowd${n}-${Math.random()}`, password: 'of the crowd' }) }).then((answer) => answer.json())
  const places = new Set()
  const storm = Array.from({ length: crowd }, async (_, n) => {
    while (!over) {
      places.add((await come(n).catch(() => ({}))).reason)
      await new Promise((then) => setTimeout(then, 500))
    }
  })
  const line = page.locator('section[aria-labelledby=line]')
  try {
    await page.goto('/login?next=/market')
    await desk.until('a crowd that waits', async () => places.has('LOGIN_WAITS'))
    await Promise.all(Array.from({ length: absent }, (_, n) => come(`-${n}`).catch(() => {})))
    await page.locator('input[name=username]').fill(login)
    await page.locator('input[name=password]').fill(password)
    await page.locator('button[type=submit]').click()
    await line.waitFor()
    const ahead = Number((await line.locator('dd').first().innerText()).replaceAll(/\D/g, ''))
    if (!(ahead > 0)) throw new Error(`nobody is ahead: ${ahead}`)
    await desk.picture('waiting')
    await desk.accessible('the waiting room')
    await desk.fits()
    if (desk.phone) {
      over = true
      await page.waitForURL('**/market')
      return
    }
    await page.reload()
    await line.waitFor()
    const now = Number((await line.locator('dd').first().innerText()).replaceAll(/\D/g, ''))
    if (now > ahead) throw new Error(`after a reload ${now} are ahead, before it ${ahead} were`)
    over = true
    await page.getByText(desk.say(/已轮到您/, /your turn/i)).waitFor()
    await page.locator('input[name=password]').fill(password)
    await page.locator('button[type=submit]').click()
    await page.waitForURL('**/market')
  } finally {
    over = true
    await Promise.all(storm)
  }
}
