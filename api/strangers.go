package api

import (
	"net/http"
	"time"
)

// Knows reports whether a request's credentials are somebody's, as far as this node knows by itself.
func (s *Server) Knows(r *http.Request) bool {
	ask, err := s.credentials(&call{r: r})
	if err != nil {
		return false
	}
	_, err = ask()
	return err == nil
}

// IsLogin reports whether a request is a login, which the waiting room's door looks at.
func IsLogin(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Path == loginPath }

// strangersReturn is when who asks too much without saying who they are may ask again.
const strangersReturn = 2 * time.Second

// TooManyStrangers answers a request whose address, or all of whose kind, ask too much without saying who they are.
// The connection ends with it.
func TooManyStrangers(w http.ResponseWriter, r *http.Request) {
	c := &call{w: w, r: r, id: requestID(), chinese: readsChinese(r)}
	h := w.Header()
	h.Set("X-Request-Id", c.id)
	h.Set("Connection", "close")
	protect(h)
	f := say(rateLimited, seconds(strangersReturn))
	f.After = strangersReturn
	c.fail(f)
}
