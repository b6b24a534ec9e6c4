package api

import (
	"net/http"

	"evenkeel/intake"
)

// routeTable is every path that this front door answers.
var routeTable = concat(
	tradingRoutes, dataRoutes, nativeRoutes, udfRoutes,
	[]route{
		{"GET /stream", anyone, intake.Query, streamTrades, true},
		{"GET /v2/events/trades", reader, intake.Query, streamEvents, true},
		{"GET /v2/{feed}", anyone, intake.Quote, streamData, true},
		{"GET /healthz", anyone, intake.Inside, health, false},
		{"GET /readyz", anyone, intake.Inside, ready, false},
		{"GET /metrics", anyone, intake.Inside, metrics, false},
	},
)

// tradingRoutes are Alpaca's trading API.
var tradingRoutes = []route{
	{"GET /v2/account", reader, intake.Query, getAccount, false},
	{"GET /v2/account/configurations", reader, intake.Query, getConfigurations, false},
	{"PATCH /v2/account/configurations", holder, intake.Manage, patchConfigurations, false},
	{"GET /v2/account/activities", reader, intake.Query, getActivities, false},
	{"GET /v2/account/activities/{type}", reader, intake.Query, getActivities, false},
	{"GET /v2/account/portfolio/history", reader, intake.Query, getPortfolioHistory, false},
	{"POST /v2/orders", holder, intake.Order, postOrder, false},
	{"GET /v2/orders", reader, intake.Query, getOrders, false},
	{"DELETE /v2/orders", holder, intake.Cancel, deleteOrders, false},
	{"GET /v2/orders:by_client_order_id", reader, intake.Query, getOrderByClientID, false},
	{"GET /v2/orders/{id}", reader, intake.Query, getOrder, false},
	{"PATCH /v2/orders/{id}", holder, intake.Order, patchOrder, false},
	{"DELETE /v2/orders/{id}", holder, intake.Cancel, deleteOrder, false},
	{"GET /v2/positions", reader, intake.Query, getPositions, false},
	{"DELETE /v2/positions", holder, intake.Order, deletePositions, false},
	{"GET /v2/positions/{symbol}", reader, intake.Query, getPosition, false},
	{"DELETE /v2/positions/{symbol}", holder, intake.Order, deletePosition, false},
	{"GET /v2/assets", reader, intake.Quote, getAssets, false},
	{"GET /v2/assets/{symbol}", reader, intake.Quote, getAsset, false},
	{"GET /v2/clock", reader, intake.Quote, getClock, false},
	{"GET /v2/calendar", reader, intake.Quote, getCalendar, false},
	{"GET /v3/clock", reader, intake.Quote, getClocks, false},
	{"GET /v3/calendar/{market}", reader, intake.Quote, getMarketCalendar, false},
	{"GET /v2/watchlists", reader, intake.Query, getWatchlists, false},
	{"POST /v2/watchlists", holder, intake.Manage, postWatchlist, false},
	{"GET /v2/watchlists/{id}", reader, intake.Query, getWatchlist, false},
	{"PUT /v2/watchlists/{id}", holder, intake.Manage, putWatchlist, false},
	{"POST /v2/watchlists/{id}", holder, intake.Manage, addToWatchlist, false},
	{"DELETE /v2/watchlists/{id}", holder, intake.Manage, deleteWatchlist, false},
	{"DELETE /v2/watchlists/{id}/{symbol}", holder, intake.Manage, deleteFromWatchlist, false},
	{"GET /v2/watchlists:by_name", reader, intake.Query, getWatchlist, false},
	{"PUT /v2/watchlists:by_name", holder, intake.Manage, putWatchlist, false},
	{"POST /v2/watchlists:by_name", holder, intake.Manage, addToWatchlist, false},
	{"DELETE /v2/watchlists:by_name", holder, intake.Manage, deleteWatchlist, false},
	{"GET /v2/corporate_actions/announcements", reader, intake.Quote, emptyList, false},
	{"GET /v2/options/contracts", reader, intake.Quote, noContracts, false},
}

func concat(tables ...[]route) (all []route) {
	for _, t := range tables {
		all = append(all, t...)
	}
	return all
}

// routes makes the mux.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for i := range routeTable {
		mux.Handle(routeTable[i].pattern, &routeHandler{server: s, route: &routeTable[i], usual: &intake.Usual{}})
	}
	return mux
}

func emptyList(*Server, *call) (int, any, error) { return http.StatusOK, []any{}, nil }

func noContracts(*Server, *call) (int, any, error) {
	return http.StatusOK, map[string]any{"option_contracts": []any{}, "next_page_token": nil}, nil
}
