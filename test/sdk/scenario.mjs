// The checks that both published Node SDKs run against a running Evenkeel. Each SDK is behind an adapter (node3/run.cjs,
// node4/run.mjs) that calls it and gives back plain objects: prices and amounts of the trading API stay the strings that
// the wire carries, and are compared as whole fen.
//
// Prints "ok name" or "not ok name: why" for each check.

const patience = 30_000;

// Polls stay below the 200 requests a minute to which SDK 4 limits itself.
const pause = 400;

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function hold(ok, why, ...values) {
  if (!ok) throw new Error([why, ...values.map((v) => JSON.stringify(v))].join(" "));
}

// fen reads a decimal text of CNY, exactly; more than two places are cut.
function fen(text) {
  const parts = /^(-?)(\d+)(?:\.(\d*))?$/.exec(String(text));
  hold(parts, "not a decimal number:", text);
  const value = Number(parts[2]) * 100 + Number((parts[3] ?? "").padEnd(2, "0").slice(0, 2));
  return parts[1] ? -value : value;
}

const yuan = (value) => `${Math.floor(value / 100)}.${String(value % 100).padStart(2, "0")}`;

async function until(limit, ask) {
  const deadline = Date.now() + limit;
  for (;;) {
    try {
      return await ask();
    } catch (why) {
      if (Date.now() > deadline) throw why;
    }
    await sleep(pause);
  }
}

const sane = (bar) =>
  bar.volume > 0 && bar.low <= bar.open && bar.low <= bar.close && bar.high >= bar.open && bar.high >= bar.close;

export class Scenario {
  failed = 0;
  updates = [];
  quotes = [];
  trades = [];
  bars = [];

  constructor(name, sdk) {
    this.sdk = sdk;
    this.run = `${name}-${Date.now()}-${process.pid}`;
  }

  // play runs everything and returns the number of failed checks.
  async play() {
    await this.read();
    if (this.failed === 0) {
      await this.listen();
      await this.trade();
      await this.look();
      await this.minute();
    }
    return this.failed;
  }

  async check(name, run) {
    try {
      await run();
      console.log(`ok ${name}`);
    } catch (why) {
      this.failed++;
      console.log(`not ok ${name}: ${why?.message ?? why}`);
    }
  }

  // refused runs what must be refused, with this status and a code that begins with it.
  async refused(status, run) {
    let said;
    try {
      await run();
    } catch (error) {
      said = this.sdk.refusal(error);
      if (!said) throw error;
    }
    hold(said, `want a refusal with status ${status}, and nothing was refused`);
    hold(
      said.status === status && Math.floor(Number(said.code) / 100_000) === status && said.message,
      `want status ${status} and a code that begins with it, got`,
      said,
    );
  }

  async read() {
    const { sdk } = this;
    await this.check("account", async () => {
      const a = await sdk.account();
      const fine = a.status === "ACTIVE" && a.currency === "CNY" && a.id && fen(a.cash) > 0 && fen(a.buyingPower) > 0;
      hold(fine && fen(a.equity) >= fen(a.cash), "", a);
    });
    await this.check("wrong secret refused", () => this.refused(401, () => sdk.withSecret("wrong").account()));
    await this.check("assets", async () => {
      this.listed = await sdk.assets();
      hold(this.listed.length >= 20, "only", this.listed.length);
      const one = await sdk.asset(this.listed[0].symbol);
      hold(one.id === this.listed[0].id && one.name && one.tradable !== undefined, "", one);
    });
    await this.check("unknown asset", () => this.refused(404, () => sdk.asset("999999.SH")));
    await this.check("clock", async () => {
      const c = await sdk.clock();
      this.started = c.now;
      hold(c.open && c.nextClose > c.now && c.nextOpen > c.now, "", c);
    });
    await this.check("calendar", async () => {
      const days = await sdk.calendar(new Date(this.started.getTime() - 14 * 86_400_000), this.started);
      hold(days.length >= 3 && days[0].open === "09:30" && days[0].close === "15:00", "", days.slice(0, 3));
    });
    await this.check("snapshots", () => this.choose());
    await this.check("bars in pages", () =>
      until(patience, async () => {
        const others = this.listed.map((a) => a.symbol).filter((s) => s !== this.chosen.symbol);
        const symbols = [this.chosen.symbol, ...others.slice(0, 3)];
        const start = new Date(this.started.getTime() - 10 * 86_400_000);
        const bars = await sdk.bars(symbols, { timeframe: "1Day", start, page: 1 });
        hold(bars.length >= 2 && bars.every(sane), `${bars.length} bars on as many pages`, bars);
        hold(bars.some((b) => b.symbol === this.chosen.symbol), `no bar of ${this.chosen.symbol}`);
      }),
    );
  }

  // choose reads snapshots and picks a main-board security that is some way from its price limits: within 4 per cent of
  // the previous close none is near, not even one of 5 per cent.
  async choose() {
    const main = this.listed.filter((a) => a.tradable && /^(60|00)/.test(a.symbol)).map((a) => a.symbol);
    this.chosen = await until(patience, async () => {
      const snapshots = await this.sdk.snapshots(main);
      for (const symbol of main) {
        const s = snapshots[symbol];
        if (!s?.trade || !s.bid || !s.ask || !s.day || !s.previous) continue;
        const [bid, ask, previous] = [s.bid, s.ask, s.previous].map((price) => Math.round(price * 100));
        const [rest, cross] = [Math.floor(bid * 0.97), Math.floor(ask * 1.01)];
        const near = rest > previous * 0.96 && cross < previous * 1.04;
        if (bid > 1_000 && bid < ask && ask < 20_000 && near) return { symbol, rest, cross };
      }
      throw new Error(`none of ${main.length} main-board securities is some way from its limits`);
    });
  }

  async listen() {
    const { sdk } = this;
    await this.check("stream of trade updates", () => sdk.listen((update) => this.updates.push(update)));
    await this.check("stream of the market", () =>
      sdk.watch({
        quote: (q) => this.quotes.push(q),
        trade: (t) => this.trades.push(t),
        bar: (b) => this.bars.push(b),
      }),
    );
    await this.check("stream quotes", () =>
      this.first(this.quotes, patience, (q) => q.bid > 0 && q.ask > q.bid && q.bidSize > 0 && q.askSize > 0),
    );
    await this.check("stream trades", async () => {
      const seen = await this.first(this.trades, patience, (t) => t.price > 0 && t.size > 0 && t.time.getTime() > 0);
      hold(this.listed.some((a) => a.symbol === seen.symbol), "trades and is not listed:", seen);
    });
  }

  // first waits for something in a mailbox that fits.
  first(box, limit, fits) {
    return until(limit, () => {
      const found = box.find(fits);
      hold(found, `nothing that fits among ${box.length} within ${limit} ms`);
      return found;
    });
  }

  told(id, event) {
    return this.first(this.updates, patience, (u) => u.order.id === id && u.event === event).catch((why) => {
      throw new Error(`update "${event}" of ${id}: ${why.message}`);
    });
  }

  status(id, want) {
    return until(patience, async () => {
      const order = await this.sdk.order(id);
      hold(order.status === want, `order ${id} is ${order.status}, not ${want}`);
      return order;
    });
  }

  order(name, change = {}) {
    const { symbol, rest } = this.chosen;
    return { symbol, side: "buy", qty: "100", limit: yuan(rest), clientId: `${this.run}-${name}`, ...change };
  }

  buyingPower = async () => (await this.sdk.account()).buyingPower;

  async trade() {
    const { sdk } = this;
    const before = await this.buyingPower();
    let placed;
    let amended;
    await this.check("place", async () => {
      placed = await sdk.place(this.order("rest"));
      await this.told(placed.id, "new");
      const again = await sdk.orderByClientId(`${this.run}-rest`);
      const open = await sdk.openOrders(this.chosen.symbol);
      hold(again.id === placed.id && fen(again.limit) === this.chosen.rest && again.status === "new", "", again);
      hold(open.some((o) => o.id === placed.id), "not among the open orders:", placed.id);
      hold(fen(await this.buyingPower()) < fen(before), "nothing was frozen of", before);
    });
    if (!placed) return;
    await this.check("another order under the same client id refused", () =>
      this.refused(422, () => sdk.place(this.order("rest", { qty: "200" }))),
    );
    await this.check("amend", async () => {
      amended = await sdk.amend(placed.id, { qty: "200", limit: yuan(this.chosen.rest + 1) });
      await this.told(placed.id, "replaced");
      const old = await this.status(placed.id, "replaced");
      const fresh = await this.status(amended.id, "new");
      hold(old.replacedBy === amended.id && fresh.replaces === placed.id, "", old, fresh);
      hold(fresh.qty === "200" && fen(fresh.limit) === this.chosen.rest + 1, "", fresh);
    });
    if (!amended) return;
    await this.check("cancel", async () => {
      await sdk.cancel(amended.id);
      await this.told(amended.id, "canceled");
      const order = await this.status(amended.id, "canceled");
      const after = await this.buyingPower();
      hold(Number(order.filledQty) === 0 && order.canceledAt && after === before, "", order, before, after);
    });
    await this.check("cancel of a dead order refused", () => this.refused(422, () => sdk.cancel(amended.id)));
    await this.check("fill", () => this.fill());
    await this.refusals();
    await this.check("cancel all", () => sdk.cancelAll());
  }

  // fill buys at once and compares fills, position and cash.
  async fill() {
    const { sdk } = this;
    const before = await sdk.account();
    await this.choose(); // the market has moved
    const { symbol, cross } = this.chosen;
    const held = await sdk.position(symbol);
    const placed = await sdk.place(this.order("fill", { limit: yuan(cross) }));
    await this.told(placed.id, "fill");
    this.filled = await this.status(placed.id, "filled");
    const fills = this.updates.filter((u) => u.order.id === placed.id && /fill$/.test(u.event));
    const shares = fills.reduce((sum, u) => sum + Number(u.qty), 0);
    const amount = fills.reduce((sum, u) => sum + fen(u.price) * Number(u.qty), 0);
    const average = amount / shares / 100;
    hold(shares === 100 && Math.abs(Number(this.filled.average) - average) < 0.0001, "", fills, this.filled);
    hold(fen(this.filled.average) <= cross, "bought above its limit:", this.filled);
    const now = await sdk.position(symbol);
    hold(Number(now.qty) - Number(held?.qty ?? 0) === 100, "position", held, now);
    hold(Number(now.sellable) === Number(held?.sellable ?? 0), "bought today is not sellable today:", held, now);
    const fees = fen(before.cash) - fen((await sdk.account()).cash) - amount;
    hold(fees > 0 && fees < amount / 100 + 600, `fees of ${yuan(fees)} for ${yuan(amount)}`);
  }

  async refusals() {
    const { sdk } = this;
    const { symbol, rest, cross } = this.chosen;
    const sellable = Number((await sdk.position(symbol))?.sellable ?? 0);
    const lots = Math.ceil(fen(await this.buyingPower()) / rest / 100);
    for (const [name, status, change] of [
      ["nothing sellable", 403, { side: "sell", qty: String(sellable + 100), limit: yuan(cross) }],
      ["no cash", 403, { qty: String(lots * 100) }],
      ["odd lot", 422, { qty: "150" }],
      ["off the tick", 422, { limit: `${yuan(rest)}1` }],
      ["beyond the price limit", 422, { limit: yuan(Math.floor(rest / 2)) }],
      ["unknown symbol", 422, { symbol: "999999.SH" }],
    ]) {
      await this.check(`refused: ${name}`, () =>
        this.refused(status, () => sdk.place(this.order(`bad-${name}`, change))),
      );
    }
  }

  async look() {
    const { sdk, filled } = this;
    if (!filled) return;
    await this.check("positions", async () => {
      const mine = (await sdk.positions()).find((p) => p.symbol === filled.symbol);
      hold(mine?.side === "long" && Number(mine.average) > 0 && Number(mine.price) > 0, "", mine);
      hold(Math.abs(Number(mine.value) - Number(mine.price) * Number(mine.qty)) < 0.01, "", mine);
    });
    await this.check("activities", () =>
      until(patience, async () => {
        const fills = (await sdk.activities({ types: ["FILL"] })).filter((a) => a.orderId === filled.id);
        const shares = fills.reduce((sum, a) => sum + Number(a.qty), 0);
        hold(shares === 100 && fills.every((a) => a.side === "buy" && a.symbol === filled.symbol), "", fills);
      }),
    );
    await this.check("activities in pages", async () => {
      const page = await sdk.activities({ size: 1 });
      hold(page.length === 1, `a page of one holds ${page.length}`);
      const next = await sdk.activities({ size: 1, token: page[0].id });
      hold(next.length === 0 || next[0].id !== page[0].id, "the second page repeats", page[0].id);
    });
    await this.check("portfolio history", async () => {
      const h = await sdk.history("1D", "5Min");
      const n = h.timestamp.length;
      hold(n > 0 && h.equity.length === n && h.profit.length === n && h.base > 0 && h.equity[n - 1] > 0, "", h);
    });
    await this.check("watchlists", async () => {
      const [first, second] = this.listed.map((a) => a.symbol);
      const made = await sdk.makeList(this.run, [first]);
      const added = await sdk.addToList(made.id, second);
      hold(added.symbols.join() === [first, second].join(), "", added);
      await sdk.removeFromList(made.id, first);
      const left = await sdk.changeList(made.id, `${this.run}b`, [second]);
      hold(left.symbols.join() === second && left.name === `${this.run}b`, "", left);
      hold((await sdk.lists()).some((l) => l.id === made.id), "not among the lists:", made.id);
      await sdk.dropList(made.id);
      await this.refused(404, () => sdk.list(made.id));
    });
  }

  // minute waits for a bar of the stream and finds it again among the bars of the past.
  async minute() {
    await this.check("stream bars", async () => {
      const bar = await this.first(this.bars, 100_000, sane);
      await until(patience, async () => {
        const past = await this.sdk.bars([bar.symbol], { timeframe: "1Min", start: bar.time, end: bar.time });
        const same = past.length === 1 && past[0].close === bar.close && past[0].volume === bar.volume;
        hold(same, "streamed, past:", bar, past);
      });
    });
  }
}

// run plays the scenario with an adapter and ends the process: 0 when every check was ok.
export async function run(name, sdk) {
  const scenario = new Scenario(name, sdk);
  const limit = setTimeout(() => {
    console.log("not ok time: four minutes are over");
    process.exit(1);
  }, 240_000);
  const failed = await scenario.play();
  clearTimeout(limit);
  sdk.close();
  if (failed > 0) console.log(`${failed} failed`);
  process.exit(failed > 0 ? 1 : 0);
}
