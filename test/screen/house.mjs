// A house of a program's own, for figures and pictures: on a data directory under the system's temporary one, which goes
// when it stops.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, Node, Process, until } from './houses.mjs'

/**
 * Starts a house. list: securities (CSV lines) of an exchange of its own; without, the built-in exchange. flow: orders
 * and cancels a second of its players; even: securities take turns. args: more flags of serve. folder: of a house that was halted before. Gives http,
 * accounts, data (its directory), folder, ran() (milliseconds of processor time by program), halt(), and stop(), which removes the folder too.
 */
export async function house({ list, flow = 60, even = false, demo = 8, args = [], folder = mkdtempSync(join(tmpdir(), 'evenkeel-screen-')) } = {}) {
  const processes = []
  const halt = async () => {
    for (const one of processes.splice(0).reverse()) await one.stop()
  }
  const stop = async () => {
    await halt()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    let market = ['--flow', String(flow), ...(even ? ['--flow-even'] : [])]
    if (list) {
      const [orders, data, out] = [`127.0.0.1:${await freePort()}`, join(folder, 'exchange'), `127.0.0.1:${await freePort()}`]
      writeFileSync(join(folder, 'list.csv'), list)
      const exchange = new Process(['exchange', '--data', data, '--orders', orders, '--market', out, '--securities', join(folder, 'list.csv'), ...market])
      processes.push(exchange)
      exchange.begin()
      const password = join(data, 'password')
      await until('the exchange', () => existsSync(password), 30_000)
      market = ['--exchange', orders, '--market', out, '--exchange-password-file', password]
    }
    const node = new Node(join(folder, 'data'), await freePort(), ['--demo', String(demo), ...market, ...args])
    processes.push(node)
    await node.restart()
    return { http: node.http, accounts: await node.demo(), data: node.data, desk: node.desk.bind(node), folder, ran: () => Object.fromEntries(processes.map((one) => [one.args[0], ranOf(one.child.pid)])), halt, stop }
  } catch (error) {
    await stop().catch(() => {})
    throw error
  }
}

/** Processor time of a process in milliseconds (proc(5): 14 and 15 in hundredths of a second, behind the name). */
function ranOf(pid) {
  const words = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(words[11]) + Number(words[12])) * 10
}

/** A list of securities that are all alike, for measures of many rows. */
export function alike(count) {
  const row = (_, n) => `${600000 + n},SSE,MAIN,NORMAL,测试证券${String(n).padStart(4, '0')},CSZQ${n},${(8 + (n % 90)).toFixed(2)},5000,no,5`
  return Array.from({ length: count }, row).join('\n') + '\n'
}
