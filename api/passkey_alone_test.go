package api

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"evenkeel/auth"
	"evenkeel/core/trade"
)

// keyed is a house at a name, with an investor who has a passkey.
type keyed struct {
	*house
	device       *device
	host, origin string
	page, bearer []string
}

func openKeyed(t *testing.T) *keyed {
	t.Helper()
	h := openHouse(t, sealed)
	u, err := url.Parse(h.url)
	if err != nil {
		t.Fatal(err)
	}
	k := &keyed{house: h, host: "localhost", origin: "http://localhost:" + u.Port(), device: newDevice(t)}
	h.url = strings.Replace(h.url, "127.0.0.1", k.host, 1)
	k.page = []string{"Origin", k.origin, "Sec-Fetch-Site", "same-origin"}
	k.bearer = append([]string{"Authorization", "Bearer " + h.login(t)}, k.page...)
	return k
}

// makePasskey makes one on a device, and returns the handle by which it knows the account.
func (k *keyed) makePasskey(t *testing.T, d *device) string {
	t.Helper()
	begun := k.send("POST", "/api/v1/second/passkeys", `{"password":"`+password+`"}`, k.bearer...)
	if begun.status != 200 {
		t.Fatalf("%d %s", begun.status, begun.raw)
	}
	d.handle = handleOf(t, begun.json["options"])
	done := k.send("POST", "/api/v1/second/passkeys/confirm", `{"name":"phone","enrolment":"`+
		begun.json["enrolment"].(string)+`","credential":`+
		d.make(t, challengeOf(begun.json["options"]), k.host, k.origin)+`}`, k.bearer...)
	if done.status != 200 {
		t.Fatalf("%d %s", done.status, done.raw)
	}
	return d.handle
}

// proof is what a device answers to a login that has begun.
func (k *keyed) proof(t *testing.T, d *device) string {
	t.Helper()
	asked := k.send("POST", "/api/v1/login/passkey", "", k.page...)
	if asked.status != 200 {
		t.Fatalf("%d %s", asked.status, asked.raw)
	}
	return `{"challenge":"` + asked.json["challenge"].(string) + `","credential":` +
		d.prove(t, challengeOf(asked.json["options"]), k.host, k.origin) + `}`
}

func (k *keyed) confirm(proof string) reply {
	return k.send("POST", "/api/v1/login/passkey/confirm", proof, k.page...)
}

// A passkey that is on many devices of its owner counts nothing (WebAuthn section 6.1.1), so that its count tells no
// proof from an older one: the house itself has to know which it took, also when the login that it opened is over.
func TestProofIsTakenOnce(t *testing.T) {
	k := openKeyed(t)
	k.device.still = true
	k.makePasskey(t, k.device)
	k.later(time.Second)
	proof := k.proof(t, k.device)
	first := k.confirm(proof)
	if first.status != 200 {
		t.Fatalf("%d %s", first.status, first.raw)
	}
	cookie := append([]string{"Cookie", sessionCookie + "=" + first.cookie(sessionCookie)}, k.page...)
	if r := k.send("POST", "/api/v1/logout", "", cookie...); r.status != 204 {
		t.Fatalf("logout: %d %s", r.status, r.raw)
	}
	if r := k.confirm(proof); r.status == 200 || r.cookie(sessionCookie) != "" {
		t.Errorf("a proof opened a second login after the first was over: %d %s", r.status, r.raw)
	}
	k.later(time.Second)
	if r := k.confirm(k.proof(t, k.device)); r.status != 200 {
		t.Errorf("the next proof: %d %s", r.status, r.raw)
	}
	late := k.proof(t, k.device)
	k.later(loginStepTime)
	if r := k.confirm(late); r.json["reason"] != stepOver {
		t.Errorf("a proof that came late: %d %s", r.status, r.raw)
	}
}

// Who enrolled before devices knew accounts by handles can add a passkey that logs in alone, and the old one stays a
// second proof.
func TestPasskeyOfBeforeHandles(t *testing.T) {
	k := openKeyed(t)
	k.device.still = true
	k.makePasskey(t, k.device)
	id := k.account
	p, err := k.server.proofs(id)
	if err != nil {
		t.Fatal(err)
	}
	p.Handle = nil
	body, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	k.must(&trade.Command{Kind: trade.PutDocumentKind,
		PutDocument: trade.PutDocument{Account: id, Name: []byte(auth.ProofsName), Body: body}})
	old := *k.device
	old.handle = encode([]byte{0, 0, 0, 0, 0, 0, 0, byte(id)})
	fresh := newDevice(t)
	fresh.id = []byte("another device of the tests")
	k.later(time.Second)
	if handle := k.makePasskey(t, fresh); len(handle) <= len(old.handle) {
		t.Errorf("a handle that tells the number: %s", handle)
	}
	if r := k.confirm(k.proof(t, fresh)); r.status != 200 {
		t.Errorf("the new passkey alone: %d %s", r.status, r.raw)
	}
	if r := k.confirm(k.proof(t, &old)); r.json["reason"] != proofWrong {
		t.Errorf("the old passkey alone: %d %s", r.status, r.raw)
	}
	k.later(time.Second)
	begun := k.send("POST", "/api/v1/login", `{"login":"`+login+`","password":"`+password+`"}`, k.page...)
	asked, _ := begun.json["passkey"].(map[string]any)
	if asked == nil {
		t.Fatalf("%d %s", begun.status, begun.raw)
	}
	r := k.send("POST", "/api/v1/login/second", `{"step":"`+begun.json["step"].(string)+`","challenge":"`+
		asked["challenge"].(string)+`","credential":`+
		old.prove(t, challengeOf(asked["options"]), k.host, k.origin)+`}`, k.page...)
	if r.status != 200 {
		t.Errorf("the old passkey as a second proof: %d %s", r.status, r.raw)
	}
}

// A proof is read from whoever comes: it names an account or is refused, and never panics.
func FuzzOwnerOf(f *testing.F) {
	sealer := auth.NewSealer(auth.NewSealKey())
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"",` +
		`"signature":"","userHandle":"AAAAAAAAAAE"}}`))
	f.Fuzz(func(t *testing.T, proof []byte) {
		if id, err := sealer.OwnerOf(proof); err == nil {
			t.Fatalf("%q is of account %d, which nobody sealed", proof, id)
		}
	})
}
