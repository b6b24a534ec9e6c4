// The published Node SDK 3.1.3, unmodified, behind the adapter that ../scenario.mjs plays on. It is pointed at the server
// by options; its data stream always speaks TLS, so EVENKEEL_HTTPS is the address and NODE_EXTRA_CA_CERTS the
// certificate.
"use strict";
const Alpaca = require("@alpacahq/alpaca-trade-api");

const { EVENKEEL_HTTP, EVENKEEL_HTTPS, APCA_API_KEY_ID, APCA_API_SECRET_KEY } = process.env;

const list = (l) => ({ id: l.id, name: l.name, symbols: (l.assets ?? []).map((a) => a.symbol) });

const order = (o) => ({
  id: o.id,
  clientId: o.client_order_id,
  symbol: o.symbol,
  status: o.status,
  qty: o.qty,
  filledQty: o.filled_qty,
  average: o.filled_avg_price,
  limit: o.limit_price,
  replaces: o.replaces,
  replacedBy: o.replaced_by,
  canceledAt: o.canceled_at,
});

const position = (p) => ({
  symbol: p.symbol,
  side: p.side,
  qty: p.qty,
  sellable: p.qty_available,
  average: p.avg_entry_price,
  price: p.current_price,
  value: p.market_value,
});

const bar = (b) => ({
  symbol: b.Symbol,
  time: new Date(b.Timestamp),
  open: b.OpenPrice,
  high: b.HighPrice,
  low: b.LowPrice,
  close: b.ClosePrice,
  volume: b.Volume,
});

class Adapter {
  constructor(secret) {
    this.api = new Alpaca({
      keyId: APCA_API_KEY_ID,
      secretKey: secret,
      baseUrl: EVENKEEL_HTTP,
      dataBaseUrl: EVENKEEL_HTTP,
      dataStreamUrl: EVENKEEL_HTTPS,
      feed: "iex",
    });
  }

  withSecret = (secret) => new Adapter(secret);

  refusal(error) {
    const { status, data } = error.response ?? {};
    return status && { status, code: data?.code, message: data?.message };
  }

  async account() {
    const a = await this.api.getAccount();
    const { id, status, currency, cash, equity } = a;
    return { id, status, currency, cash, equity, buyingPower: a.buying_power };
  }

  assets = () => this.api.getAssets({ status: "active" });

  asset = (symbol) => this.api.getAsset(symbol);

  async clock() {
    const c = await this.api.getClock();
    return {
      now: new Date(c.timestamp),
      open: c.is_open,
      nextOpen: new Date(c.next_open),
      nextClose: new Date(c.next_close),
    };
  }

  calendar = (start, end) => this.api.getCalendar({ start, end });

  async snapshots(symbols) {
    const found = {};
    for (const s of await this.api.getSnapshots(symbols)) {
      found[s.symbol] = {
        trade: s.LatestTrade?.Price,
        bid: s.LatestQuote?.BidPrice,
        ask: s.LatestQuote?.AskPrice,
        day: s.DailyBar?.ClosePrice,
        previous: s.PrevDailyBar?.ClosePrice,
      };
    }
    return found;
  }

  async bars(symbols, { timeframe, start, end, page }) {
    const options = { timeframe, start: start.toISOString(), ...(end && { end: end.toISOString() }) };
    const found = await this.api.getMultiBarsV2(symbols, { ...options, ...(page && { pageLimit: page }) });
    return [...found.values()].flat().map(bar);
  }

  async place({ symbol, side, qty, limit, clientId }) {
    const body = { symbol, side, qty, type: "limit", time_in_force: "day", limit_price: limit };
    return order(await this.api.createOrder({ ...body, client_order_id: clientId }));
  }

  order = async (id) => order(await this.api.getOrder(id));

  orderByClientId = async (id) => order(await this.api.getOrderByClientId(id));

  openOrders = async (symbols) => (await this.api.getOrders({ status: "open", symbols })).map(order);

  amend = async (id, { qty, limit }) => order(await this.api.replaceOrder(id, { qty, limit_price: limit }));

  cancel = (id) => this.api.cancelOrder(id);

  cancelAll = () => this.api.cancelAllOrders();

  positions = async () => (await this.api.getPositions()).map(position);

  async position(symbol) {
    try {
      return position(await this.api.getPosition(symbol));
    } catch (error) {
      if (this.refusal(error)?.status === 404) return null;
      throw error;
    }
  }

  async activities({ types, size, token }) {
    const query = { activityTypes: types, pageSize: size, pageToken: token };
    const found = await this.api.getAccountActivities(query);
    return found.map((a) => ({ id: a.id, orderId: a.order_id, qty: a.qty, side: a.side, symbol: a.symbol }));
  }

  async history(period, timeframe) {
    const h = await this.api.getPortfolioHistory({ period, timeframe });
    return { timestamp: h.timestamp, equity: h.equity, profit: h.profit_loss, base: h.base_value };
  }

  makeList = async (name, symbols) => list(await this.api.addWatchlist(name, symbols));

  addToList = async (id, symbol) => list(await this.api.addToWatchlist(id, symbol));

  removeFromList = (id, symbol) => this.api.deleteFromWatchlist(id, symbol);

  changeList = async (id, name, symbols) => list(await this.api.updateWatchlist(id, { name, symbols }));

  lists = async () => (await this.api.getWatchlists()).map(list);

  list = async (id) => list(await this.api.getWatchlist(id));

  dropList = (id) => this.api.deleteWatchlist(id);

  // listen resolves when the server has said that it listens to the subscription.
  listen(put) {
    const stream = this.api.trade_ws;
    this.updates = stream;
    return new Promise((done, fail) => {
      stream.onError((why) => fail(new Error(String(why))));
      stream.onOrderUpdate((u) => put({ event: u.event, qty: u.qty, price: u.price, order: order(u.order) }));
      stream.onConnect(() => {
        // The SDK tells nobody that the subscription has been confirmed; the frame itself does.
        stream.conn.on("message", (frame) => JSON.parse(frame).stream === "listening" && done());
        stream.subscribe(["trade_updates"]);
      });
      stream.connect();
    });
  }

  // watch resolves when the server has confirmed the subscription.
  watch({ quote, trade, bar: put }) {
    const stream = this.api.data_stream_v2;
    this.market = stream;
    return new Promise((done, fail) => {
      stream.onError((why) => fail(new Error(String(why))));
      stream.onStockQuote((q) =>
        quote({ symbol: q.Symbol, bid: q.BidPrice, ask: q.AskPrice, bidSize: q.BidSize, askSize: q.AskSize }),
      );
      stream.onStockTrade((t) =>
        trade({ symbol: t.Symbol, price: t.Price, size: t.Size, time: new Date(t.Timestamp) }),
      );
      stream.onStockBar((b) => put(bar(b)));
      stream.onConnect(() => {
        stream.subscribeForQuotes(["*"]);
        stream.subscribeForTrades(["*"]);
        stream.subscribeForBars(["*"]);
        done();
      });
      stream.connect();
    });
  }

  close() {
    this.updates?.disconnect();
    this.market?.disconnect();
  }
}

import("../scenario.mjs").then(({ run }) => run("node3", new Adapter(APCA_API_SECRET_KEY)));
