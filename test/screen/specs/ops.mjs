// What staff can do on the operators' page: each act says what it means, wants a reason, is done in the cluster, and stands
// in the record with who did it and why.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

export const house = 'cluster'
export const where = ['desktop zh', 'phone en']

export default async (desk) => {
  const { page } = desk
  const maker = desk.house.prefer = desk.house.nodes[0] // of the demo: it alone knows the passwords; node 3 is drained below
  desk.account = await desk.until('the staff', async () => (await (await fetch(maker.http + '/api/v1/demo')).json()).accounts.find((a) => a.staff))
  const who = desk.account.login
  const dialog = page.getByRole('dialog')
  const card = (zh, en) => page.locator('section').filter({ has: page.getByRole('heading', { name: desk.say(zh, en), exact: true }) }).last()
  const [whole, nodes, shards, halts, record] = [card('全局', 'The house'), card('节点', 'Nodes'), card('分片', 'Shards'), card('停牌证券', 'Halted securities'), card('操作记录', 'What staff did')]
  const names = {
    halt: ['停牌', 'Halt a security'], resume: ['复牌', 'Resume'], read_only: ['切换为只读', 'Make read-only'], read_write: ['恢复交易', 'Open again'],
    drain: ['排空', 'Drain'], undrain: ['恢复', 'Undrain'], transfer: ['转移领导', 'Move leadership'],
  }
  const button = (within, act) => within.getByRole('button', { name: desk.say(...names[act]), exact: true })
  const reason = dialog.getByLabel(desk.say('原因', 'Reason'), { exact: true })
  desk.allow(/4(0|2)\d.*\/api\/v1\/ops\/acts/)

  /** Does an act through its dialog, and holds that the record tells of it. */
  const act = async (within, name, fill = async () => {}) => {
    const why = `${name} of ${desk.where.name}`
    await button(within, name).first().click()
    await dialog.waitFor()
    await fill()
    await button(dialog, name).click()
    if (!(await dialog.isVisible())) throw new Error(`${name} was done without a reason`)
    await reason.fill(why)
    if (name === 'drain') {
      await desk.picture('act')
      await desk.accessible('an act')
    }
    await button(dialog, name).click()
    await dialog.waitFor({ state: 'hidden' })
    const line = record.getByRole('listitem').filter({ hasText: why })
    await line.filter({ hasText: desk.say('已完成', 'done') }).waitFor()
    const text = await line.first().innerText()
    if (!text.includes(who) || !text.includes(desk.say(...names[name]))) throw new Error(`the record of ${name}: ${text}`)
  }

  await desk.enter('/settings')
  await page.getByRole('navigation').locator('a[href="/ops"]').click() // staff find it on the phone, too
  await nodes.getByRole('listitem').nth(2).waitFor()
  // the waiting room and the streams of each node: this very page reads some, and what they say is what the server tells
  const crowd = card('登录排队与行情流', 'Logins that wait, and streams')
  await crowd.getByRole('row').nth(3).waitFor()
  await desk.until('the readers of streams, as the server tells them', async () => {
    const look = await page.evaluate(async () => (await fetch('/api/v1/ops')).json())
    const told = look.nodes.map((n) => [n.load.room.waiting, n.load.room.turned_away, n.load.lag.readers, n.load.lag.cut_off].join())
    const rows = await crowd.getByRole('row').evaluateAll((all) => all.slice(1).map((row) => [...row.cells].map((cell) => cell.innerText)))
    return look.nodes.some((n) => n.load.lag.readers > 0) && rows.map((c) => [c[1], c[5], c[6], c[8]].join()).join(';') === told.join(';')
  })
  // what is asked for, held to what was measured: first nothing was, then less than is carried
  const capacity = card('容量', 'Capacity')
  await capacity.getByText('evenkeel capacity --data').waitFor()
  writeFileSync(join(maker.data, 'peaks', 'knees.json'), JSON.stringify({ measured: new Date(), machine: 'a test', rates: { query: 0.001, quote: 0.001, order: 1e9 } }))
  await page.getByText(desk.say(/^账户查询.{1,2}(已使用)?实测容量/, /^Account questions: .*what was measured/)).waitFor({ timeout: 40_000 })
  await capacity.getByText(desk.say('告警', 'alert'), { exact: true }).first().waitFor()
  await desk.picture('ops')
  await desk.accessible('ops')
  await desk.fits()

  await act(whole, 'read_only')
  await whole.getByText(new RegExp(desk.say(`只读.*${who}`, `read-only.*${who}`))).waitFor()
  await act(whole, 'read_write')

  await button(whole, 'halt').click()
  await dialog.getByLabel(desk.say('证券代码', 'Security')).fill('999999.SH')
  await reason.fill('no such security')
  await button(dialog, 'halt').click()
  await dialog.getByText(desk.say(/证券/, /symbol|security/i)).last().waitFor()
  await dialog.locator('[aria-invalid=true]').first().waitFor()
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'hidden' })
  await act(whole, 'halt', () => dialog.getByLabel(desk.say('证券代码', 'Security')).fill('000001.SZ'))
  await halts.getByText('000001.SZ').waitFor()
  await act(halts, 'resume')
  await halts.getByText('000001.SZ').waitFor({ state: 'hidden' })

  const leader = async () => (await shards.getByRole('row').filter({ hasText: desk.say('领导', 'leads') }).allInnerTexts()).filter((row) => /\d\/\d/.test(row)).join()
  const led = (await leader()).match(desk.say(/节点 (\d)/, /node (\d)/))?.[1]
  await act(shards, 'transfer')
  await desk.until('another leader', async () => {
    const now = (await leader()).match(desk.say(/节点 (\d)/, /node (\d)/))?.[1]
    return now && now !== led
  })

  const other = nodes.getByRole('listitem').filter({ hasText: desk.say('节点 3', 'node 3') })
  await act(other, 'drain')
  await other.getByText(desk.say('已排空', 'drained'), { exact: true }).waitFor()
  await act(other, 'undrain')
  await other.getByText(desk.say('已排空', 'drained'), { exact: true }).waitFor({ state: 'hidden' })
}
