package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func built() *App {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write([]byte("let a=1"))
	_ = w.Close()
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	return of(fstest.MapFS{".keep": file("kept"), "index.html": file("<p>app"), "assets/a-1.js": file("let a=1"),
		"assets/a-1.js.gz": {Data: z.Bytes()}, "assets/a-1.js.br": file("brotli"), "sw.js": file("self")})
}

func taken(path string) bool { return strings.HasPrefix(path, "/api/") }

func get(a *App, method, path string, headers ...string) (*http.Response, bool) {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	ours := a.Serve(w, r, taken)
	return w.Result(), ours
}

func TestWhoseRequest(t *testing.T) {
	for _, c := range []struct {
		method, path, accept string
		ours                 bool
	}{
		{"GET", "/", "text/html", true},
		{"GET", "/security/600519.SH", "text/html,*/*;q=0.8", true},
		{"GET", "/security/600519.SH", "application/json", false},
		{"POST", "/market", "text/html", false},
		{"GET", "/api/v1/quotes", "text/html", false},
		{"GET", "/assets/a-1.js", "*/*", true},
		{"HEAD", "/assets/a-1.js", "*/*", true},
		{"GET", "/assets/of-another-release.js", "text/html", false},
		{"GET", "/.keep", "*/*", false},
		{"GET", "/assets/a-1.js.gz", "*/*", false},
	} {
		if _, ours := get(built(), c.method, c.path, "Accept", c.accept); ours != c.ours {
			t.Errorf("%s %s for %s: ours %v, want %v", c.method, c.path, c.accept, ours, c.ours)
		}
	}
}

func TestForms(t *testing.T) {
	for _, c := range []struct{ accepts, coding, body string }{
		{"", "", "let a=1"}, {"gzip", "gzip", "let a=1"}, {"gzip, br", "br", "brotli"},
		{"br;q=0, gzip;q=1.0", "gzip", "let a=1"},
		{"br;q=0", "", "let a=1"}, {"BR", "br", "brotli"}, {"deflate", "", "let a=1"}, {"br;q=0.5", "br", "brotli"},
	} {
		r, _ := get(built(), "GET", "/assets/a-1.js", "Accept-Encoding", c.accepts)
		body := io.Reader(r.Body)
		if c.coding == "gzip" {
			body, _ = gzip.NewReader(r.Body)
		}
		text, err := io.ReadAll(body)
		if err != nil || string(text) != c.body || r.Header.Get("Content-Encoding") != c.coding {
			t.Errorf("%q: got %q as %q (%v), want %q", c.accepts, text, r.Header.Get("Content-Encoding"), err, c.coding)
		}
		if !strings.Contains(r.Header.Get("Cache-Control"), "immutable") || r.Header.Get("Vary") == "" {
			t.Errorf("%q: headers %v", c.accepts, r.Header)
		}
		again, _ := get(built(), "GET", "/assets/a-1.js", "Accept-Encoding", c.accepts, "If-None-Match",
			`"x", W/`+r.Header.Get("ETag"))
		if again.StatusCode != http.StatusNotModified || again.Header.Get("Content-Encoding") != "" {
			t.Errorf("%q: asked again: %v %v", c.accepts, again.Status, again.Header)
		}
	}
}

func TestPolicy(t *testing.T) {
	for _, path := range []string{"/", "/sw.js", "/assets/a-1.js"} {
		r, _ := get(built(), "GET", path, "Accept", "text/html")
		policy := r.Header.Get("Content-Security-Policy")
		for _, word := range []string{"default-src 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(policy, word) {
				t.Errorf("%s: the policy lacks %s", path, word)
			}
		}
		if strings.Contains(policy, "unsafe") || r.Header.Get("X-Content-Type-Options") != "nosniff" ||
			r.Header.Get("Referrer-Policy") == "" || r.Header.Get("Permissions-Policy") == "" {
			t.Errorf("%s: headers %v", path, r.Header)
		}
	}
	if r, _ := get(built(), "GET", "/", "Accept", "text/html"); r.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("the page is kept: %v", r.Header)
	}
}

func TestUnbuilt(t *testing.T) {
	r, ours := get(of(fstest.MapFS{".keep": {Data: nil}}), "GET", "/market", "Accept", "text/html")
	text, _ := io.ReadAll(r.Body)
	if !ours || !bytes.Contains(text, []byte("make web")) {
		t.Errorf("said %v %q", ours, text)
	}
}

func FuzzTakes(f *testing.F) {
	f.Add("gzip, br;q=0.5")
	f.Add("br;q=0")
	f.Fuzz(func(t *testing.T, accepted string) {
		if takes([]string{accepted}, "br") && !strings.Contains(strings.ToLower(accepted), "br") {
			t.Errorf("%q is taken to accept br", accepted)
		}
	})
}
