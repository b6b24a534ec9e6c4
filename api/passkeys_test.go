package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// device is an authenticator made of software: one passkey for one site.
type device struct {
	key    *ecdsa.PrivateKey
	count  uint32
	handle string // of whom it is, as the house said when it was made; it tells it with a proof
	blind  bool   // it does not look who uses it
	still  bool   // it does not count
	id     []byte // of its passkey
}

func newDevice(t *testing.T) *device {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &device{key: key, id: deviceID}
}

var deviceID = []byte("a device of the tests")

// data is the authenticator data of WebAuthn section 6.1: hash of the host, flags, counter.
func (d *device) data(host string, flags byte) []byte {
	sum := sha256.Sum256([]byte(host))
	if d.count++; d.still {
		d.count = 0
	}
	return binary.BigEndian.AppendUint32(append(sum[:], flags), d.count)
}

func client(kind, challenge, origin string) []byte {
	return fmt.Appendf(nil, `{"type":%q,"challenge":%q,"origin":%q,"crossOrigin":false}`, kind, challenge, origin)
}

func (d *device) make(t *testing.T, challenge, host, origin string) string {
	t.Helper()
	point, err := d.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	public, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]}) // COSE: ES256 on P-256
	if err != nil {
		t.Fatal(err)
	}
	data := append(d.data(host, 0x45), make([]byte, 16)...) // present, verified, with a credential; no model
	data = append(append(binary.BigEndian.AppendUint16(data, uint16(len(d.id))), d.id...), public...)
	object, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"id":%q,"rawId":%q,"type":"public-key","clientExtensionResults":{},"response":{`+
		`"clientDataJSON":%q,"attestationObject":%q,"transports":["internal"]}}`, encode(d.id), encode(d.id),
		encode(client("webauthn.create", challenge, origin)), encode(object))
}

func (d *device) prove(t *testing.T, challenge, host, origin string) string {
	t.Helper()
	flags := byte(0x05) // present, verified
	if d.blind {
		flags = 0x01
	}
	data, said := d.data(host, flags), client("webauthn.get", challenge, origin)
	hash := sha256.Sum256(said)
	digest := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, d.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"id":%q,"rawId":%q,"type":"public-key","clientExtensionResults":{},"response":{`+
		`"clientDataJSON":%q,"authenticatorData":%q,"signature":%q,"userHandle":%q}}`, encode(d.id), encode(d.id),
		encode(said), encode(data), encode(signature), d.handle)
}

func challengeOf(v any) string {
	options, _ := v.(map[string]any)
	challenge, _ := options["challenge"].(string)
	return challenge
}

// handleOf is by what a device that is asked to make a passkey shall know the account.
func handleOf(t *testing.T, v any) string {
	t.Helper()
	options, _ := v.(map[string]any)
	user, _ := options["user"].(map[string]any)
	handle, _ := user["id"].(string)
	if handle == "" {
		t.Fatalf("no handle: %v", v)
	}
	return handle
}

func TestPasskeys(t *testing.T) {
	h := openHouse(t, sealed)
	_, router := described(t)
	u, err := url.Parse(h.url)
	if err != nil {
		t.Fatal(err)
	}
	const host = "localhost"
	origin := "http://" + host + ":" + u.Port()
	h.url = strings.Replace(h.url, "127.0.0.1", host, 1) // an address in numbers has no passkeys
	page := []string{"Origin", origin, "Sec-Fetch-Site", "same-origin"}
	bearer := append([]string{"Authorization", "Bearer " + h.login(t)}, page...)
	check := func(path, body string, status int, headers ...string) reply {
		t.Helper()
		r := h.send("POST", path, body, headers...)
		if r.status != status {
			t.Fatalf("%s: %d, want %d: %s", path, r.status, status, r.raw)
		}
		conforms(t, router, "POST", path, body, r)
		return r
	}
	const password = `{"password":"` + password + `"}`
	check("/api/v1/second/passkeys", `{"password":"another one"}`, 422, bearer...)
	check("/api/v1/second/passkeys", password, 403, bearer[:2]...)
	begun := check("/api/v1/second/passkeys", password, 200, bearer...)
	d := newDevice(t)
	made := func(challenge, origin string) string {
		return `{"name":"phone","enrolment":"` + begun.json["enrolment"].(string) + `","credential":` +
			d.make(t, challenge, host, origin) + `}`
	}
	challenge := challengeOf(begun.json["options"])
	d.handle = handleOf(t, begun.json["options"])
	check("/api/v1/second/passkeys/confirm", made(challenge, "http://evil.example"), 422, bearer...)
	check("/api/v1/second/passkeys/confirm", made("AAAA", origin), 422, bearer...)
	done := check("/api/v1/second/passkeys/confirm", made(challenge, origin), 200, bearer...)
	if codes := done.json["recovery_codes"].([]any); len(codes) != 10 {
		t.Errorf("%v", codes)
	}

	const loginBody = `{"login":"` + login + `","password":"correct horse"}`
	in := func() (step, seal, challenge string) {
		t.Helper()
		r := check("/api/v1/login", loginBody, 202, page...)
		asked, _ := r.json["passkey"].(map[string]any)
		seal, _ = asked["challenge"].(string)
		return r.json["step"].(string), seal, challengeOf(asked["options"])
	}
	second := func(step, seal, credential string) string {
		return `{"step":"` + step + `","challenge":"` + seal + `","credential":` + credential + `}`
	}
	step, seal, challenge := in()
	for what, wrong := range map[string]string{"another site": d.prove(t, challenge, "evil.example", origin),
		"another page":      d.prove(t, challenge, host, "http://evil.example"),
		"another challenge": d.prove(t, "AAAA", host, origin),
		"another device":    newDevice(t).prove(t, challenge, host, origin)} {
		r := h.send("POST", "/api/v1/login/second", second(step, seal, wrong), page...)
		if r.json["reason"] != proofWrong || r.cookie(sessionCookie) != "" {
			t.Errorf("%s: %d %s", what, r.status, r.raw)
		}
	}
	step, seal, challenge = in()
	proof := second(step, seal, d.prove(t, challenge, host, origin))
	opened := check("/api/v1/login/second", proof, 200, page...)
	if opened.cookie(sessionCookie) == "" || opened.json["token"] != nil {
		t.Errorf("%s", opened.raw)
	}
	h.send("POST", "/api/v1/login/second", `{"step":"`+step+`","code":"123456"}`, page...) // no app: it is wrong
	if r := h.send("POST", "/api/v1/login/second", proof, page...); r.status == 200 {
		t.Errorf("one proof opens two logins: %s", r.raw)
	}
	r := h.send("GET", "/api/v1/second", "", bearer...)
	conforms(t, router, "GET", "/api/v1/second", "", r)
	keys, _ := json.Marshal(r.json["passkeys"])
	if !strings.Contains(string(keys), `"name":"phone"`) || r.json["totp"] != false {
		t.Errorf("%s", r.raw)
	}
	alone := func(prove func(challenge string) string) (string, reply) {
		t.Helper()
		asked := check("/api/v1/login/passkey", "", 200, page...)
		body := `{"challenge":"` + asked.json["challenge"].(string) + `","credential":` +
			prove(challengeOf(asked.json["options"])) + `}`
		return body, h.send("POST", "/api/v1/login/passkey/confirm", body, page...)
	}
	right := func(challenge string) string { return d.prove(t, challenge, host, origin) }
	as := func(change func(d *device)) func(string) string {
		return func(challenge string) string {
			other := *d
			other.count += 10
			change(&other)
			return other.prove(t, challenge, host, origin)
		}
	}
	check("/api/v1/login/passkey", "", 403)
	var body string
	for what, wrong := range map[string]func(string) string{
		"another site":      func(challenge string) string { return d.prove(t, challenge, "evil.example", origin) },
		"another page":      func(challenge string) string { return d.prove(t, challenge, host, "http://evil.example") },
		"another challenge": func(string) string { return right("AAAA") },
		"another device":    as(func(d *device) { d.key = newDevice(t).key }),
		"nobody looked":     as(func(d *device) { d.blind = true }),
		"of nobody":         as(func(d *device) { d.handle = "" }),
		"of a number":       as(func(d *device) { d.handle = encode([]byte{0, 0, 0, 0, 0, 0, 0, 1}) }),
		"of a stranger":     as(func(d *device) { d.handle = encode(make([]byte, 36)) }),
		"an old count":      as(func(d *device) { d.count = 0 }),
		"no proof":          func(string) string { return `{}` },
	} {
		if _, r := alone(wrong); r.json["reason"] != proofWrong || r.cookie(sessionCookie) != "" {
			t.Errorf("%s: %d %s", what, r.status, r.raw)
		}
		d.count += 20
		if body, r = alone(right); r.status != 200 { // those that fail in a row are paused
			t.Fatalf("after %s: %d %s", what, r.status, r.raw)
		}
	}
	conforms(t, router, "POST", "/api/v1/login/passkey/confirm", body, r)
	if r.status != 200 || r.cookie(sessionCookie) == "" || r.json["login"] != login {
		t.Errorf("a passkey alone: %d %s", r.status, r.raw)
	}
	if r := h.send("POST", "/api/v1/login/passkey/confirm", body, page...); r.status == 200 {
		t.Errorf("one proof opens two logins: %s", r.raw)
	}
	_, seal, challenge = in()
	body = `{"challenge":"` + seal + `","credential":` + right(challenge) + `}`
	r = h.send("POST", "/api/v1/login/passkey/confirm", body, page...)
	if r.json["reason"] != stepOver {
		t.Errorf("a second step's challenge: %d %s", r.status, r.raw)
	}
	gone := `{"id":"` + base64.RawURLEncoding.EncodeToString(deviceID) + `","password":"correct horse"}`
	check("/api/v1/second/passkeys/remove", gone, 204, bearer...)
	check("/api/v1/second/passkeys/remove", gone, 404, bearer...)
	check("/api/v1/login", loginBody, 200, page...)
	if _, r := alone(right); r.json["reason"] != proofWrong {
		t.Errorf("a passkey that was removed: %d %s", r.status, r.raw)
	}
}
