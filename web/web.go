// Package web serves the web app that is built into dist and embedded in the binary.
//
// Paths are those of the built files; every other page of the app (/market, /security/600519.SH) is index.html, whose
// router takes over. Invariants: a file whose name holds its hash is served as immutable, everything else is asked for
// anew by ETag; texts come in the form compressed by the build, nothing is compressed here; every answer carries the
// same strict policy, under which no inline script or style runs, no foreign origin is asked, no page frames ours, and
// only the service worker's address becomes a script by name. A request that is not the app's is the API's.
// It never reads the disk, and knows nothing of the API.
//
// Source: Content Security Policy Level 3, Trusted Types, RFC 9110 (conditional requests, content negotiation), RFC
// 8246.
package web

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed all:dist
var dist embed.FS

// Policy is the Content-Security-Policy of every page. Styles that scripts set one by one (CSSOM) need no exception.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; " +
	"connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; " +
	"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types evenkeel"

// permissions are what no page of ours may use; passkeys are for our own pages alone.
const permissions = "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), " +
	"payment=(), usb=(), publickey-credentials-get=(self), publickey-credentials-create=(self)"

// unbuilt is the page of a binary that was compiled before the web app was built.
const unbuilt = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Evenkeel</title>
<h1>Evenkeel</h1><p>The web app is not in this binary: build it with <code>make web</code>, then start again.</p>
<p lang="zh">此程序未包含网页应用:请运行 <code>make web</code> 后重新启动。</p></html>`

// asset is one file in the forms that it was built in.
type asset struct {
	plain, gzip, brotli []byte
	kind, etag          string
	immutable           bool
}

// App is the built web app.
type App struct {
	assets map[string]*asset // by path, with the leading slash
	index  *asset
	built  bool
}

// New reads what is embedded.
func New() *App {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the folder is named above
	}
	return of(files)
}

// of reads a built folder.
func of(files fs.FS) *App {
	a := &App{assets: map[string]*asset{}}
	texts := map[string][]byte{}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		texts[name], err = fs.ReadFile(files, name)
		return err
	})
	if err != nil {
		panic(fmt.Errorf("web: read what is embedded: %w", err)) // it is memory
	}
	for name, text := range texts {
		if ext := path.Ext(name); ext == ".gz" || ext == ".br" || strings.HasPrefix(path.Base(name), ".") {
			continue
		}
		sum := sha256.Sum256(text)
		a.assets["/"+name] = &asset{plain: text, gzip: texts[name+".gz"], brotli: texts[name+".br"], kind: kindOf(name),
			etag: base64.RawURLEncoding.EncodeToString(sum[:12]), immutable: strings.HasPrefix(name, "assets/")}
	}
	if a.index, a.built = a.assets["/index.html"]; !a.built {
		a.index = &asset{plain: []byte(unbuilt), kind: kindOf("index.html"), etag: "unbuilt"}
	}
	delete(a.assets, "/index.html")
	return a
}

// kindOf is the media type of a file, the same on every machine.
func kindOf(name string) string {
	switch ext := path.Ext(name); ext {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".webmanifest":
		return "application/manifest+json"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".woff2":
		return "font/woff2"
	case ".json":
		return "application/json"
	default:
		if kind := mime.TypeByExtension(ext); kind != "" {
			return kind
		}
		return "application/octet-stream"
	}
}

// Built reports whether the app is in the binary.
func (a *App) Built() bool { return a.built }

// Serve answers a request that is the app's, and reports whether it was. taken says which paths are the API's: no
// page is invented there.
func (a *App) Serve(w http.ResponseWriter, r *http.Request, taken func(path string) bool) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if file := a.assets[r.URL.Path]; file != nil {
		file.serve(w, r)
		return true
	}
	if taken(r.URL.Path) || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		return false
	}
	if strings.HasPrefix(r.URL.Path, "/assets/") { // of another release: the page must not come in its place
		return false
	}
	a.index.serve(w, r)
	return true
}

func (f *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", Policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Permissions-Policy", permissions)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "no-cache")
	if f.immutable {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	body, coding := f.plain, ""
	if f.gzip != nil || f.brotli != nil {
		h.Set("Vary", "Accept-Encoding")
		switch accepted := r.Header.Values("Accept-Encoding"); {
		case f.brotli != nil && takes(accepted, "br"):
			body, coding = f.brotli, "br"
		case f.gzip != nil && takes(accepted, "gzip"):
			body, coding = f.gzip, "gzip"
		}
	}
	etag := `"` + f.etag + `"`
	if coding != "" {
		etag = `"` + f.etag + "-" + coding + `"`
		h.Set("Content-Encoding", coding)
	}
	h.Set("ETag", etag)
	if matches(r.Header.Values("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // whoever asked may have gone
	}
}

// takes reports whether a content coding is accepted: named, and not with q=0.
func takes(accepted []string, coding string) bool {
	for _, line := range accepted {
		for part := range strings.SplitSeq(line, ",") {
			name, weight, _ := strings.Cut(part, ";")
			if !strings.EqualFold(strings.TrimSpace(name), coding) {
				continue
			}
			_, q, _ := strings.Cut(weight, "=")
			return strings.Trim(q, " 0.") != "" || strings.TrimSpace(q) == ""
		}
	}
	return false
}

// matches reports whether one of the tags that the client has is this one; weak ones compare alike.
func matches(had []string, etag string) bool {
	for _, line := range had {
		for part := range strings.SplitSeq(line, ",") {
			if tag := strings.TrimPrefix(strings.TrimSpace(part), "W/"); tag == etag || tag == "*" {
				return true
			}
		}
	}
	return false
}
