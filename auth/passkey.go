package auth

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"evenkeel/core/trade"
)

// maxPasskeys bounds the passkeys of an account: its document has to hold them.
const maxPasskeys = 8

// A Passkey is a key that a device keeps and never gives away: the house has its public half (WebAuthn Level 3).
type Passkey struct {
	Name       string              `json:"name"`
	Since      trade.Time          `json:"since"`
	Site       string              `json:"site"` // the host for which it was made; it works for no other
	Credential webauthn.Credential `json:"credential"`
	Proved     trade.Time          `json:"proved,omitempty"` // the end of the challenge that it proved last
}

// A Site is a host by whose name the house is known to a browser, and the origin of its pages.
type Site struct{ Host, Origin string }

// purposeHandle seals the number of an account in the handle by which devices know it: it tells nothing to who finds
// it in one, and no index has to say whose it is.
const purposeHandle = "passkey handle"

// keeper is an account as the library wants to see it.
type keeper struct {
	id     trade.AccountID
	login  string
	handle []byte
	keys   []webauthn.Credential
}

func (k *keeper) WebAuthnID() []byte {
	if len(k.handle) > 0 {
		return k.handle
	}
	return number(k.id) // of passkeys that were made before there were handles
}

func number(id trade.AccountID) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

func (k *keeper) WebAuthnName() string { return k.login }

func (k *keeper) WebAuthnDisplayName() string { return k.login }

func (k *keeper) WebAuthnCredentials() []webauthn.Credential { return k.keys }

// keeper is the account with its passkeys of a site.
func (p *Proofs) keeper(id trade.AccountID, login string, site Site) *keeper {
	k := &keeper{id: id, login: login, handle: p.Handle}
	for i := range p.Passkeys {
		if p.Passkeys[i].Site == site.Host {
			k.keys = append(k.keys, p.Passkeys[i].Credential)
		}
	}
	return k
}

// unnamed reports whether the next passkey brings a new handle: it is the first, or those that are there know the
// account by its number.
func (p *Proofs) unnamed() bool { return len(p.Passkeys) == 0 || len(p.Handle) == 0 }

func (s Site) party() (*webauthn.WebAuthn, error) {
	party, err := webauthn.New(&webauthn.Config{RPID: s.Host, RPDisplayName: "Evenkeel", RPOrigins: []string{s.Origin}})
	if err != nil {
		return nil, fmt.Errorf("passkeys at %s: %w", s.Host, err)
	}
	return party, nil
}

// BeginPasskey makes what a browser is asked to make a passkey by, and what has to come back with it. The device is
// asked to find the passkey by itself, so that a login needs no name.
func (s *Sealer) BeginPasskey(
	id trade.AccountID, login string, p *Proofs, site Site,
) (options any, state []byte, err error) {
	party, err := site.party()
	if err != nil {
		return nil, nil, err
	}
	k := p.keeper(id, login, site)
	if p.unnamed() {
		k.handle = s.Seal(purposeHandle, number(id))
	}
	creation, session, err := party.BeginRegistration(k, webauthn.WithExclusions(
		webauthn.Credentials(k.keys).CredentialDescriptors()),
		webauthn.WithResidentKeyRequirement(protocol.ResidentKeyRequirementPreferred))
	if err != nil {
		return nil, nil, fmt.Errorf("passkeys at %s: %w", site.Host, err)
	}
	state, err = json.Marshal(session)
	return creation.Response, state, err
}

// AddPasskey takes the passkey that a browser made; ErrNobody when it does not belong to what was asked for.
func (p *Proofs) AddPasskey(
	id trade.AccountID, login string, site Site, state, made []byte, name string, now trade.Time,
) error {
	party, err := site.party()
	if err != nil {
		return err
	}
	var session webauthn.SessionData
	if err := json.Unmarshal(state, &session); err != nil {
		return ErrNobody
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(made)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNobody, err)
	}
	k := p.keeper(id, login, site)
	if p.unnamed() {
		k.handle = session.UserID
	}
	credential, err := party.CreateCredential(k, session, parsed)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNobody, err)
	}
	p.Handle = k.handle
	if len(p.Passkeys) >= maxPasskeys {
		p.Passkeys = slices.Delete(p.Passkeys, 0, 1)
	}
	credential.Attestation = webauthn.CredentialAttestation{} // nobody asks who made the device; it is long
	p.Passkeys = append(p.Passkeys, Passkey{Name: name, Since: now, Site: site.Host, Credential: *credential})
	return nil
}

// AskPasskey makes what a browser is asked to prove a passkey by; nil when the account has none for the site.
func (p *Proofs) AskPasskey(id trade.AccountID, login string, site Site) (options any, state []byte, err error) {
	k := p.keeper(id, login, site)
	if len(k.keys) == 0 {
		return nil, nil, nil
	}
	party, err := site.party()
	if err != nil {
		return nil, nil, err
	}
	assertion, session, err := party.BeginLogin(k)
	if err != nil {
		return nil, nil, fmt.Errorf("passkeys at %s: %w", site.Host, err)
	}
	state, err = json.Marshal(session)
	return assertion.Response, state, err
}

// AskAnyPasskey makes what a browser is asked to prove a passkey by, whosever it is. The device has to see that its
// owner uses it (a finger, a face, a number): nothing else is asked for.
func AskAnyPasskey(site Site) (options any, state []byte, err error) {
	party, err := site.party()
	if err != nil {
		return nil, nil, err
	}
	assertion, session, err := party.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, nil, fmt.Errorf("passkeys at %s: %w", site.Host, err)
	}
	state, err = json.Marshal(session)
	return assertion.Response, state, err
}

// OwnerOf is the account whose passkey a proof says to be. It proves nothing yet: ProvePasskey does. ErrNobody when it
// names none of ours.
func (s *Sealer) OwnerOf(proof []byte) (trade.AccountID, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(proof)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNobody, err)
	}
	id, err := s.Open(purposeHandle, parsed.Response.UserHandle)
	if err != nil || len(id) != 8 {
		return 0, ErrNobody
	}
	return trade.AccountID(binary.BigEndian.Uint64(id)), nil
}

// ProvePasskey holds what a browser proved against what it was asked until end; ErrNobody when it is wrong. The
// counter of the passkey is brought forward in the proofs, and the challenge with it: a passkey proves challenges in
// their order, each once. The books know the token of a login while it lasts only, and a passkey that is on many
// devices counts nothing, so that neither tells a proof that comes again.
func (s *Sealer) ProvePasskey(
	id trade.AccountID, login string, p *Proofs, site Site, state, proof []byte, end trade.Time,
) (u Used, err error) {
	party, err := site.party()
	if err != nil {
		return u, err
	}
	var session webauthn.SessionData
	if err := json.Unmarshal(state, &session); err != nil {
		return u, ErrNobody
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(proof)
	if err != nil {
		return u, fmt.Errorf("%w: %w", ErrNobody, err)
	}
	k := p.keeper(id, login, site)
	if len(session.UserID) > 0 && bytes.Equal(parsed.Response.UserHandle, number(id)) { // made before there were handles
		k.handle, session.UserID = nil, number(id)
	}
	validate := party.ValidateLogin
	if len(session.UserID) == 0 { // it was asked of whoever came
		validate = func(user webauthn.User, session webauthn.SessionData,
			parsed *protocol.ParsedCredentialAssertionData) (*webauthn.Credential, error) {
			whose := func(_, _ []byte) (webauthn.User, error) { return user, nil }
			return party.ValidateDiscoverableLogin(whose, session, parsed)
		}
	}
	credential, err := validate(k, session, parsed)
	if err != nil {
		return u, fmt.Errorf("%w: %w", ErrNobody, err)
	}
	if credential.Authenticator.CloneWarning { // a copy of it was used: WebAuthn section 7.2, step 22
		return u, ErrNobody
	}
	at := slices.IndexFunc(p.Passkeys, func(one Passkey) bool {
		return one.Site == site.Host && bytes.Equal(one.Credential.ID, credential.ID)
	})
	if at < 0 || end <= p.Passkeys[at].Proved {
		return u, ErrNobody
	}
	p.Passkeys[at].Proved = end
	p.Passkeys[at].Credential.Authenticator.SignCount = credential.Authenticator.SignCount
	return s.once(u, binary.LittleEndian.AppendUint64(nil, uint64(id)), []byte("passkey"), []byte(session.Challenge)), nil
}
