// Every page keeps to the strict policy and breaks it nowhere; what would inject a script is stopped; the session is a
// cookie that no script sees and no other site sends; the browser keeps nothing of the account.
export const where = ['desktop zh', 'phone en']

export default async (desk) => {
  const { page, context, house, account } = desk
  await page.addInitScript(() => {
    window.broken = []
    addEventListener('securitypolicyviolation', (event) => window.broken.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`))
  })
  await desk.enter('/market')
  const seen = [
    ['/market', '[data-row]'], ['/security/600000.SH', '[data-chart=minutes] canvas'], ['/trade/600000.SH', 'input[name=price]'],
    ['/account', '[role=tab]'], ['/settings', '[role=tab]'], ['/help', 'h1'], ['/nowhere', 'main'],
  ]
  for (const [path, what] of seen) {
    const headers = (await page.goto(path)).headers()
    const policy = headers['content-security-policy'] ?? ''
    for (const word of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]) {
      if (!policy.includes(word)) throw new Error(`${path}: the policy lacks ${word}: ${policy}`)
    }
    if (/unsafe|\*|https?:/.test(policy)) throw new Error(`${path}: the policy is loose: ${policy}`)
    await page.locator(what).first().waitFor()
    if (path.startsWith('/security')) await page.getByRole('button', { name: desk.say('日K', 'D'), exact: true }).click()
    const broken = await page.evaluate(() => window.broken)
    if (broken.length) throw new Error(`${path} breaks the policy: ${broken.join('; ')}`)
  }

  const injected = await page.evaluate(async () => {
    const got = []
    const no = (name, act) => { try { act(); got.push(name) } catch (error) { if (!(error instanceof TypeError)) throw error } }
    no('innerHTML', () => { document.createElement('div').innerHTML = '<img src=x>' })
    no('script.src', () => { document.createElement('script').src = '/assets/other.js' })
    no('a policy of its own', () => window.trustedTypes.createPolicy('other', { createHTML: (s) => s }))
    no('the policy of the app again', () => window.trustedTypes.createPolicy('evenkeel', { createScriptURL: (s) => s }))
    const style = document.createElement('style')
    style.textContent = 'body { opacity: .123 }'
    document.head.append(style)
    if (getComputedStyle(document.body).opacity === '0.123') got.push('style')
    const box = document.createElement('div')
    no('onclick', () => { box.setAttribute('onclick', 'window.ran = true') })
    await fetch('https://elsewhere.example/').then(() => got.push('fetch'), () => {})
    return got
  })
  if (injected.length) throw new Error(`the policy let through: ${injected.join(', ')}`)
  desk.allow(/Content Security Policy|TrustedHTML|TrustedScript|TrustedTypePolicy|violates/) // told of the attempts above

  const [cookie, ...more] = await context.cookies()
  if (!cookie?.httpOnly || cookie.sameSite !== 'Strict' || more.length) throw new Error(`cookies: ${JSON.stringify([{ ...cookie, value: '' }, ...more])}`)
  if (await page.evaluate(() => document.cookie)) throw new Error('a script sees a cookie')
  const foreign = { Cookie: `${cookie.name}=${cookie.value}`, Origin: 'https://elsewhere.example', 'Sec-Fetch-Site': 'cross-site' }
  for (const [method, path] of [['POST', '/api/v1/orders'], ['POST', '/api/v1/logout'], ['POST', '/api/v1/lock'], ['DELETE', '/v2/orders'], ['POST', '/v2/orders']]) {
    for (const kind of ['application/json', 'text/plain', 'application/x-www-form-urlencoded']) {
      const answer = await fetch(house.http + path, { method, headers: { ...foreign, 'Content-Type': kind }, body: method === 'POST' ? '{}' : undefined })
      if (answer.status !== 403) throw new Error(`${method} ${path} as ${kind} from elsewhere: ${answer.status} ${await answer.text()}`)
    }
  }

  const kept = await page.evaluate(async () => ({
    local: { ...localStorage }, session: { ...sessionStorage }, databases: await indexedDB.databases(),
    cached: (await Promise.all((await caches.keys()).map(async (name) => (await (await caches.open(name)).keys()).map((r) => new URL(r.url).pathname)))).flat(),
  }))
  const { account_number } = await desk.api('GET', '/v2/account')
  const text = JSON.stringify([kept.local, kept.session])
  for (const secret of [account.login, account.key_id, account_number, cookie.value]) if (text.includes(secret)) throw new Error(`the browser keeps ${secret}: ${text}`)
  if (Object.keys(kept.local).some((key) => key !== 'evenkeel.preferences') || Object.keys(kept.session).length || kept.databases.length) throw new Error(`the browser keeps ${JSON.stringify(kept)}`)
  const wrong = kept.cached.filter((path) => path !== '/' && !/^\/(assets|icons)\/|^\/boot\.js$/.test(path))
  if (wrong.length) throw new Error(`the service worker keeps ${wrong.join(', ')}`)
}
