package api

import (
	"net"
	"net/http"
	"strings"
)

// DemoLogin is an account of a demo server, as its login page offers it.
type DemoLogin struct {
	Login    string `json:"login"`
	Password string `json:"password"`
	Staff    bool   `json:"staff"` // for the operators' page
}

// getDemo is GET /api/v1/demo: whether this is a demo server, and, to who sits at its machine, the accounts that it
// made. It also tells a page that begins whether its login holds, so that asking is no refusal in a browser's console.
func getDemo(s *Server, c *call) (int, any, error) {
	accounts := []DemoLogin{}
	if s.Demo && s.DemoLogins != nil && atMachine(c.r) {
		accounts = append(accounts, s.DemoLogins()...)
	}
	_, err := s.identify(c)
	return http.StatusOK, map[string]any{"demo": s.Demo, "session": err == nil, "accounts": accounts}, nil
}

// atMachine reports whether a request comes from the machine itself, and not through a proxy on it.
func atMachine(r *http.Request) bool {
	for name := range r.Header {
		if name == "Forwarded" || name == "Via" || strings.HasPrefix(name, "X-Forwarded-") || name == "X-Real-Ip" {
			return false
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

// Owns reports whether a path is this server's, whatever the method: no page of the web app is invented there.
func Owns(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return firstWords[first]
}

// firstWords are the first parts of all paths of routeTable.
var firstWords = func() map[string]bool {
	words := map[string]bool{}
	for i := range routeTable {
		_, path, _ := strings.Cut(routeTable[i].pattern, " /")
		first, _, _ := strings.Cut(path, "/")
		words[first] = true
	}
	return words
}()
