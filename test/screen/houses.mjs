// The houses in which specs are played: real processes of the built binary, each on an empty data directory of its own.
// A spec names its house by `export const house = 'mortal'`; without that it is played in the common one.
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'

export const binary = process.env.EVENKEEL_BINARY ?? new URL('../../bin/evenkeel', import.meta.url).pathname
const root = process.env.EVENKEEL_SCRATCH
const startLimit = 120_000 // from the start of a process to readiness
const stopLimit = 30_000 // from SIGTERM to the end

const pause = (ms) => new Promise((then) => setTimeout(then, ms))

/** Waits until `look` gives something true, and returns it. */
export async function until(what, look, patience) {
  const limit = Date.now() + patience
  for (;;) {
    const found = await look()
    if (found) return found
    if (Date.now() > limit) throw new Error(`waited in vain for ${what}`)
    await pause(50)
  }
}

const given = new Set()

/** A port that is free and stays so: below those that the system gives away by itself, and none twice. */
export async function freePort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 10_000)
    if (given.has(port)) continue
    given.add(port)
    const free = await new Promise((then) => {
      const server = createServer().once('error', () => then(false)).listen(port, '127.0.0.1', () => server.close(() => then(true)))
    })
    if (free) return port
  }
}

const running = new Set()
process.on('exit', () => { for (const child of running) child.kill('SIGKILL') }) // a house that did not come up

/** One process of the binary, that may be killed and begun again. */
export class Process {
  constructor(args) {
    this.args = args
    this.said = ''
  }

  begin() {
    this.child = spawn(binary, this.args, { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on('data', (text) => { this.said = (this.said + text).slice(-20_000) })
    running.add(this.child)
    this.over = false
    this.ended = new Promise((then) => this.child.once('exit', (code, signal) => {
      running.delete(this.child)
      this.over = true
      then({ code, signal })
    }))
  }

  /** Ends it as a power cut would. */
  async kill() {
    if (this.child && !this.over) this.child.kill('SIGKILL')
    await this.ended
  }

  /** Asks it to end, and holds that it does. */
  async stop() {
    if (!this.child || this.over) return
    this.child.kill('SIGTERM')
    const late = setTimeout(() => this.child.kill('SIGKILL'), stopLimit)
    const end = await this.ended
    clearTimeout(late) // a timer that is left keeps the program alive
    if (end.code !== 0) throw new Error(`${this.args[0]} ended with ${end.code ?? end.signal} after SIGTERM:\n${this.said}`)
  }
}

/** A node: a process that serves the API. */
export class Node extends Process {
  constructor(data, port, args) {
    super(['serve', '--data', data, '--listen', `127.0.0.1:${port}`, '--listen-tls', '', ...args])
    Object.assign(this, { data, port, http: `http://127.0.0.1:${port}` })
  }

  async ready() {
    await until(`${this.http} to be ready`, async () => {
      if (this.over) throw new Error(`serve ended:\n${this.said}`)
      return (await fetch(`${this.http}/readyz`).catch(() => undefined))?.ok
    }, startLimit)
  }

  /** The demo accounts, of which the node knows that made them. */
  async demo() {
    const file = join(this.data, 'demo.json')
    await until(file, () => existsSync(file), startLimit)
    return JSON.parse(readFileSync(file, 'utf8')).accounts
  }

  async restart() {
    this.begin()
    await this.ready()
  }

  /** Brings back what a spec that failed has left dead, so that the next one is not judged by it. */
  async whole() {
    if (this.over) await this.restart()
  }

  /** Runs `evenkeel account` on it. */
  async desk(input, ...args) {
    const done = promisify(execFile)(binary, ['account', '--data', this.data, ...args])
    done.child.stdin.end(input)
    return (await done).stdout
  }
}

async function alone(name, ...args) {
  const house = new Node(join(root, name), await freePort(), ['--demo', '8', ...args])
  await house.restart()
  house.accounts = await house.demo()
  return house
}

/** A house whose exchange is a process of its own, with a list of securities of its own (CSV, as exchange/securities.csv). */
async function listed(name, list) {
  const dir = join(root, name)
  const [orders, market] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`]
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'list.csv'), list)
  const exchange = new Process(['exchange', '--data', join(dir, 'exchange'), '--orders', orders, '--market', market, '--units', '1', '--securities', join(dir, 'list.csv'), '--flow', '0'])
  exchange.begin()
  const password = join(dir, 'exchange', 'password')
  await until('the password of the exchange', () => existsSync(password), startLimit)
  const house = new Node(join(dir, 'node'), await freePort(), ['--demo', '8', '--exchange', orders, '--market', market, '--exchange-password-file', password])
  await house.restart()
  house.accounts = await house.demo()
  house.exchange = exchange
  house.stop = async () => {
    await Node.prototype.stop.call(house)
    await exchange.stop()
  }
  return house
}

/**
 * Three nodes and an exchange, as different processes, behind one address: a connection goes to the node that is
 * preferred, or else to the first that takes it.
 */
class Cluster {
  async open(name, ...args) {
    const dir = join(root, name)
    const run = (...words) => promisify(execFile)(binary, words)
    const [orders, market] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`]
    this.exchange = new Process(['exchange', '--data', join(dir, 'exchange'), '--orders', orders, '--market', market, '--units', '1', ...args])
    this.exchange.begin()
    await run('ca', 'init', '--dir', join(dir, 'pki'))
    const password = join(dir, 'exchange', 'password')
    await until('the password of the exchange', () => existsSync(password), startLimit)
    const peers = [1, 2, 3].map(async (id) => `${id}=127.0.0.1:${await freePort()}`)
    const where = await Promise.all(peers)
    this.nodes = []
    for (const id of [1, 2, 3]) {
      await run('ca', 'node', '--dir', join(dir, 'pki'), '--node', String(id))
      this.nodes.push(new Node(join(dir, `node-${id}`), await freePort(), ['--demo', '8', '--shards', '1', '--peer-listen', where[id - 1].slice(2), '--peer-tls', join(dir, 'pki', `node-${id}`),
        '--peers', where.join(','), '--exchange', orders, '--market', market, '--exchange-password-file', password]))
    }
    for (const node of this.nodes) node.begin()
    for (const node of this.nodes) await node.ready()
    this.accounts = await this.nodes[0].demo()
    this.prefer = this.nodes[0]
    await this.balance()
    return this
  }

  async balance() {
    this.door = createServer((client) => {
      const others = [this.prefer, ...this.nodes.filter((n) => n !== this.prefer)]
      client.on('error', () => {})
      const next = () => {
        const node = others.shift()
        if (!node) return client.destroy()
        const server = connect(node.port, '127.0.0.1')
        server.once('error', next)
        server.once('connect', () => {
          server.removeListener('error', next)
          server.on('error', () => client.destroy())
          server.on('close', () => client.destroy())
          client.on('close', () => server.destroy())
          client.pipe(server).pipe(client)
        })
      }
      next()
    })
    await new Promise((then) => this.door.listen(0, '127.0.0.1', then))
    this.http = `http://127.0.0.1:${this.door.address().port}`
  }

  async whole() {
    await Promise.all(this.nodes.map((node) => node.whole()))
  }

  /** The node that leads, as one that runs says. */
  async leader() {
    return until('a leader', async () => {
      for (const node of this.nodes.filter((n) => !n.over)) {
        const said = await promisify(execFile)(binary, ['node', 'status', '--json', '--data', node.data]).catch(() => undefined)
        const leads = said && JSON.parse(said.stdout).find((n) => n.shards?.[0]?.leads)
        if (leads && !this.nodes[leads.node - 1].over) return this.nodes[leads.node - 1]
      }
      return undefined
    }, startLimit)
  }

  desk(input, ...args) {
    return this.nodes.find((n) => !n.over).desk(input, ...args)
  }

  async stop() {
    this.door.close()
    const ends = await Promise.allSettled([...this.nodes, this.exchange].map((one) => one.stop()))
    const wrong = ends.find((end) => end.status === 'rejected')
    if (wrong) throw wrong.reason
  }
}

/** How each house is opened, in a folder of this name. */
export const houses = {
  common: (name) => alone(name),
  quiet: (name) => alone(name, '--flow', '0'),
  hours: (name) => alone(name, '--flow', '0', '--sessions', 'real', '--start', '2026-11-23T09:10:00+08:00'),
  listed: (name) => listed(name, '510999,SSE,ETF,SPECIAL_TREATMENT,无规则ETF,WGZ,1.000,3000,no,1\n600000,SSE,MAIN,NORMAL,浦发银行,PFYH,10.00,5000,no,7\n'),
  mortal: (name) => alone(name, '--flow', '20'),
  cluster: (name) => new Cluster().open(name),
}


/** Houses in which the plays of a spec would be in each other's way: what one leaves in a book is another's price. */
export const apart = new Set(['quiet'])
