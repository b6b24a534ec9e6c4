// The published Node SDK 4.0.2, unmodified, behind the adapter that ../scenario.mjs plays on. Its facade has no base
// address, so the address is rewritten where it fetches, and the streams are given theirs.
import { Alpaca } from "@alpacahq/alpaca-trade-api";
import { run } from "../scenario.mjs";

const { EVENKEEL_HTTP, APCA_API_KEY_ID, APCA_API_SECRET_KEY } = process.env;
const socket = EVENKEEL_HTTP.replace(/^http/, "ws");

const list = (l) => ({ id: l.id, name: l.name, symbols: (l.assets ?? []).map((a) => a.symbol) });

const position = (p) => ({
  symbol: p.symbol,
  side: p.side,
  qty: p.qty,
  sellable: p.qtyAvailable,
  average: p.avgEntryPrice,
  price: p.currentPrice,
  value: p.marketValue,
});

const order = (o) => ({
  id: o.id,
  clientId: o.clientOrderId,
  symbol: o.symbol,
  status: o.status,
  qty: o.qty,
  filledQty: o.filledQty,
  average: o.filledAvgPrice,
  limit: o.limitPrice,
  replaces: o.replaces,
  replacedBy: o.replacedBy,
  canceledAt: o.canceledAt,
});

const bar = ({ symbol, timestamp, open, high, low, close, volume }) => ({
  symbol,
  time: timestamp,
  open,
  high,
  low,
  close,
  volume,
});

class Adapter {
  constructor(secret) {
    this.api = new Alpaca({
      keyId: APCA_API_KEY_ID,
      secret,
      paper: true,
      rateLimit: false,
      fetchApi: (url, init) => fetch(String(url).replace(/^https:\/\/[a-z.-]*alpaca\.markets/, EVENKEEL_HTTP), init),
    });
  }

  withSecret = (secret) => new Adapter(secret);

  refusal = (error) => error.status && { status: error.status, code: error.code, message: error.message };

  async account() {
    const { id, status, currency, cash, equity, buyingPower } = await this.api.trading.account.getAccount();
    return { id, status, currency, cash, equity, buyingPower };
  }

  assets = () => this.api.trading.assets.getV2Assets({ status: "active" });

  asset = (symbol) => this.api.trading.assets.getV2AssetsSymbolOrAssetId({ symbolOrAssetId: symbol });

  async clock() {
    const c = await this.api.trading.clock.legacyClock();
    const phases = await this.api.trading.clock.clock();
    if (phases.clocks.length === 0 || !phases.clocks[0].phase) throw new Error(JSON.stringify(phases));
    return { now: c.timestamp, open: c.isOpen, nextOpen: c.nextOpen, nextClose: c.nextClose };
  }

  calendar = (start, end) => this.api.trading.calendar.legacyCalendar({ start, end });

  async snapshots(symbols) {
    const found = await this.api.marketData.stocks.stockSnapshots({ symbols: symbols.join() });
    return Object.fromEntries(
      Object.entries(found).map(([symbol, s]) => [
        symbol,
        {
          trade: s.latestTrade?.p,
          bid: s.latestQuote?.bp,
          ask: s.latestQuote?.ap,
          day: s.dailyBar?.c,
          previous: s.prevDailyBar?.c,
        },
      ]),
    );
  }

  async bars(symbols, { timeframe, start, end, page }) {
    const found = await this.api.marketData.getStockBars({ symbols, timeframe, start, end, limit: page });
    return Object.entries(found).flatMap(([symbol, bars]) => bars.map((b) => bar({ ...b, symbol })));
  }

  async place({ symbol, side, qty, limit, clientId }) {
    const input = { symbol, side, qty, limitPrice: limit, clientOrderId: clientId };
    return order(await this.api.trading.orders.limit(input));
  }

  order = async (orderId) => order(await this.api.trading.orders.getOrderByOrderID({ orderId }));

  orderByClientId = async (clientOrderId) =>
    order(await this.api.trading.orders.getOrderByClientOrderId({ clientOrderId }));

  openOrders = async (symbol) =>
    (await this.api.trading.orders.getAllOrders({ status: "open", symbols: [symbol] })).map(order);

  amend = async (orderId, { qty, limit }) =>
    order(
      await this.api.trading.orders.patchOrderByOrderId({ orderId, patchOrderRequest: { qty, limitPrice: limit } }),
    );

  cancel = (orderId) => this.api.trading.orders.deleteOrderByOrderID({ orderId });

  cancelAll = () => this.api.trading.orders.deleteAllOrders();

  positions = async () => (await this.api.trading.positions.getAllOpenPositions()).map(position);

  async position(symbol) {
    try {
      return position(await this.api.trading.positions.getOpenPosition({ symbolOrAssetId: symbol }));
    } catch (error) {
      if (this.refusal(error)?.status === 404) return null;
      throw error;
    }
  }

  async activities({ types, size, token }) {
    const query = { activityTypes: types, pageSize: size, pageToken: token };
    return this.api.trading.accountActivities.getAccountActivities(query);
  }

  async history(period, timeframe) {
    const h = await this.api.trading.portfolioHistory.getAccountPortfolioHistory({ period, timeframe });
    return { timestamp: h.timestamp, equity: h.equity, profit: h.profitLoss, base: h.baseValue };
  }

  makeList = async (name, symbols) =>
    list(await this.api.trading.watchlists.postWatchlist({ createWatchlistRequest: { name, symbols } }));

  addToList = async (watchlistId, symbol) =>
    list(
      await this.api.trading.watchlists.addAssetToWatchlist({
        watchlistId,
        addAssetToWatchlistRequest: { symbol },
      }),
    );

  removeFromList = (watchlistId, symbol) =>
    this.api.trading.watchlists.removeAssetFromWatchlist({ watchlistId, symbol });

  changeList = async (watchlistId, name, symbols) =>
    list(
      await this.api.trading.watchlists.updateWatchlistById({
        watchlistId,
        updateWatchlistRequest: { name, symbols },
      }),
    );

  lists = async () => (await this.api.trading.watchlists.getWatchlists()).map(list);

  list = async (watchlistId) => list(await this.api.trading.watchlists.getWatchlistById({ watchlistId }));

  dropList = (watchlistId) => this.api.trading.watchlists.deleteWatchlistById({ watchlistId });

  // listen resolves when the server has confirmed the subscription.
  listen(put) {
    const stream = this.api.trading.stream({ url: `${socket}/stream` });
    this.updates = stream;
    return new Promise((done, fail) => {
      stream.onError((why) => fail(new Error(String(why))));
      stream.onTradeUpdate((u) => put({ event: u.event, qty: u.qty, price: u.price, order: order(u.order) }));
      stream.on("subscription", () => done());
      stream.subscribeTradeUpdates();
      stream.connect();
    });
  }

  // watch resolves when the server has confirmed the subscriptions.
  watch({ quote, trade, bar: put }) {
    const stream = this.api.marketData.stockStream({ feed: "iex", url: `${socket}/v2/iex` });
    this.market = stream;
    return new Promise((done, fail) => {
      stream.onError((why) => fail(new Error(String(why))));
      stream.onQuote((q) =>
        quote({ symbol: q.symbol, bid: q.bidPrice, ask: q.askPrice, bidSize: q.bidSize, askSize: q.askSize }),
      );
      stream.onTrade((t) => trade({ symbol: t.symbol, price: t.price, size: t.size, time: t.timestamp }));
      stream.onBar((b) => put(bar(b)));
      stream.on("subscription", () => done());
      stream.onConnect(() => {
        stream.subscribeForQuotes(["*"]);
        stream.subscribeForTrades(["*"]);
        stream.subscribeForBars(["*"]);
      });
      stream.connect();
    });
  }

  close() {
    this.updates?.disconnect();
    this.market?.disconnect();
  }
}

await run("node4", new Adapter(APCA_API_SECRET_KEY));
