package api

import (
	"net/http"
	"strings"
	"time"

	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// getAssets is GET /v2/assets.
func getAssets(s *Server, c *call) (int, any, error) {
	q := c.query()
	status := q.choice("status", "any", "active", "inactive")
	if q.err != nil {
		return 0, nil, q.err
	}
	exchange, class := q.text("exchange"), q.text("asset_class")
	venue, named := venueOf(exchange)
	list := []assetEntity{}
	none := status == "inactive" || exchange != "" && !named || class != "" && class != "us_equity" &&
		class != "cn_equity"
	if none {
		return http.StatusOK, list, nil
	}
	for _, line := range s.Listing.Securities() {
		if line.ID != 0 && (!named || line.Venue == venue) {
			list = append(list, s.asset(&line, c.native))
		}
	}
	return http.StatusOK, list, nil
}

// getAsset is GET /v2/assets/{symbol_or_id}.
func getAsset(s *Server, c *call) (int, any, error) {
	line, err := s.security(c.r.PathValue("symbol"))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, s.asset(&line, c.native), nil
}

// session is what the clocks tell: the phase of a venue now and what comes next.
type session struct {
	phase     trade.Phase
	until     trade.Time // 0: not known
	open      bool
	marketDay bool
	nextOpen  trade.Time
	nextClose trade.Time
}

// searchDays is how far the clocks look for the next trading day.
const searchDays = 60

// session asks the exchange's word first, then the calendar of the rules: a simulated exchange may keep other hours.
func (s *Server) session(v trade.Venue) session {
	now := s.now()
	table := s.Rules()
	day, at := rules.Split(now)
	open, _ := table.IsTradingDay(day)
	n := session{phase: table.PhaseAt(v, day, at), marketDay: open}
	if _, begins, ok := table.Next(v, day, at); ok {
		n.until = rules.Join(day, begins)
	}
	if p, _ := s.Listing.Phase(v); p != trade.UnknownPhase {
		n.phase = p
		n.marketDay = n.marketDay || p != trade.Closed
		if heard, ok := s.Market.SessionOf(v); ok && heard.Phase == p {
			n.until = heard.Next
		}
	}
	n.open = marketPhase(n.phase) == "core"
	n.nextOpen = s.nextMoment(v, now, trade.Continuous, false)
	n.nextClose = s.nextMoment(v, now, trade.ClosingCall, true)
	return n
}

// nextMoment returns the next begin, or end, of a phase on a trading day after now; a day ahead when the rules know
// none.
func (s *Server) nextMoment(v trade.Venue, now trade.Time, phase trade.Phase, end bool) trade.Time {
	table := s.Rules()
	day, _ := rules.Split(now)
	for range searchDays {
		if open, _ := table.IsTradingDay(day); open {
			at, ok := table.Begins(v, day, phase)
			if ok && end {
				_, at, ok = table.Next(v, day, at)
			}
			if moment := rules.Join(day, at); ok && moment > now {
				return moment
			}
		}
		day = rules.AddDays(day, 1)
	}
	return now + trade.Time(24*time.Hour)
}

func local(t trade.Time) string { return time.Unix(0, int64(t)).In(shanghai).Format(time.RFC3339) }

// getClock is GET /v2/clock.
func getClock(s *Server, _ *call) (int, any, error) {
	n := s.session(trade.SSE)
	return http.StatusOK, map[string]any{"timestamp": stamp(s.now()), "is_open": n.open, "next_open": local(n.nextOpen),
		"next_close": local(n.nextClose)}, nil
}

// getClocks is GET /v3/clock.
func getClocks(s *Server, c *call) (int, any, error) {
	q := c.query()
	markets := q.list("markets")
	clocks := []any{}
	for _, v := range venues {
		if len(markets) > 0 && !names(markets, v.venue) {
			continue
		}
		n := s.session(v.venue)
		clocks = append(clocks, map[string]any{
			"market": s.market(v.venue), "timestamp": stamp(s.now()), "phase": marketPhase(n.phase),
			"phase_until": stampOrNull(n.until), "is_market_day": n.marketDay, "next_market_open": local(n.nextOpen),
			"next_market_close": local(n.nextClose), "is_open": n.open,
			"cn": map[string]any{"phase": phaseWords[n.phase].name, "phase_text": phaseWords[n.phase].english,
				"phase_text_zh": phaseWords[n.phase].chinese},
		})
	}
	return http.StatusOK, map[string]any{"clocks": clocks}, nil
}

func names(words []string, v trade.Venue) bool {
	for _, w := range words {
		if named, ok := venueOf(w); ok && named == v {
			return true
		}
	}
	return false
}

func (s *Server) market(v trade.Venue) map[string]any {
	for _, known := range venues {
		if known.venue == v {
			return map[string]any{"acronym": known.acronym, "mic": marketCode(v), "bic": known.bic, "name": known.name,
				"name_zh": known.nameZH, "timezone": "Asia/Shanghai"}
		}
	}
	return nil
}

// calendarDays bounds a calendar answer.
const calendarDays = 3_700

// calendar walks the trading days of a request: from start to end, by default this year and the next.
func (s *Server) calendar(q *query, visit func(trade.Day)) error {
	from, to := q.day("start"), q.day("end")
	if q.err != nil {
		return q.err
	}
	today := dayOf(s.Clock())
	if from == 0 {
		from = today/10000*10000 + 101
	}
	if to == 0 {
		to = (max(today, from)/10000+1)*10000 + 1231
	}
	from, to = max(from, rules.FirstDay), min(to, rules.LastDay)
	table := s.Rules()
	for n := 0; from <= to && n < calendarDays; n++ {
		if open, _ := table.IsTradingDay(from); open {
			visit(from)
		}
		from = rules.AddDays(from, 1)
	}
	return nil
}

// hours are the times of a trading day as texts, from the rules.
func (s *Server) hours(v trade.Venue, day trade.Day, phase trade.Phase, end bool, layout string) string {
	table := s.Rules()
	at, ok := table.Begins(v, day, phase)
	if ok && end {
		_, at, ok = table.Next(v, day, at)
	}
	if !ok {
		return ""
	}
	return time.Unix(0, int64(rules.Join(day, at))).In(shanghai).Format(layout)
}

// getCalendar is GET /v2/calendar. Settlement is the next trading day.
func getCalendar(s *Server, c *call) (int, any, error) {
	list := []any{}
	err := s.calendar(c.query(), func(day trade.Day) {
		next, _ := s.Rules().NextTradingDay(day)
		list = append(list, map[string]any{
			"date":          dayText(day),
			"open":          s.hours(trade.SSE, day, trade.Continuous, false, "15:04"),
			"close":         s.hours(trade.SSE, day, trade.ClosingCall, true, "15:04"),
			"session_open":  s.hours(trade.SSE, day, trade.OpeningCall, false, "1504"),
			"session_close": s.hours(trade.SSE, day, trade.ClosingCall, true, "1504"), "settlement_date": dayText(next),
		})
	})
	return http.StatusOK, list, err
}

// getMarketCalendar is GET /v3/calendar/{market}.
func getMarketCalendar(s *Server, c *call) (int, any, error) {
	v, ok := venueOf(c.r.PathValue("market"))
	if !ok {
		return 0, nil, say(notFound, clip(c.r.PathValue("market")))
	}
	list := []any{}
	err := s.calendar(c.query(), func(day trade.Day) {
		next, _ := s.Rules().NextTradingDay(day)
		moment := func(phase trade.Phase, end bool) *string {
			if text := s.hours(v, day, phase, end, time.RFC3339); text != "" {
				return &text
			}
			return nil
		}
		list = append(list, map[string]any{
			"date": dayText(day), "core_start": moment(trade.Continuous, false), "core_end": moment(trade.ClosingCall, true),
			"pre_start": moment(trade.OpeningCall, false), "pre_end": moment(trade.OpeningGap, true),
			"lunch_start": moment(trade.Lunch, false), "lunch_end": moment(trade.Lunch, true),
			"post_start": moment(trade.FixedPriceEntry, false), "post_end": moment(trade.FixedPriceTrading, true),
			"settlement_date": dayText(next),
		})
	})
	return http.StatusOK, map[string]any{"calendar": list, "market": s.market(v)}, err
}

// assetMatches reports whether a security is meant by a text that somebody types: code, symbol, name or pinyin.
func assetMatches(line *trade.Security, text string) bool {
	text = strings.ToUpper(text)
	return strings.Contains(string(line.Symbol), text) || strings.Contains(strings.ToUpper(string(line.Name)), text) ||
		strings.Contains(strings.ToUpper(string(line.Pinyin)), text)
}
