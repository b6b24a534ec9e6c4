package peer

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// An Identity is who a node is, and whom it believes.
type Identity struct {
	Name
	Ends time.Time // of the certificate

	certificate tls.Certificate
	roots       *x509.CertPool
}

// protocolName keeps peers apart from whatever else speaks TLS at an address (RFC 7301).
const protocolName = "evenkeel-peer"

// LoadIdentity reads what Authority.IssueNode wrote.
func LoadIdentity(dir string) (*Identity, error) {
	i := &Identity{roots: x509.NewCertPool()}
	file := filepath.Join(dir, AuthorityFile)
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the authority that nodes believe: %w", err)
	}
	if !i.roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", file)
	}
	i.certificate, err = tls.LoadX509KeyPair(filepath.Join(dir, NodeFile), filepath.Join(dir, NodeKeyFile))
	if err != nil {
		return nil, fmt.Errorf("the node's certificate: %w", err)
	}
	leaf := i.certificate.Leaf
	if i.Name, err = nameOf(leaf); err == nil && i.Node == 0 {
		err = errors.New("it is not a node's")
	}
	if err != nil {
		return nil, fmt.Errorf("the node's certificate %s: %w", filepath.Join(dir, NodeFile), err)
	}
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, usage := range usages {
		options := x509.VerifyOptions{Roots: i.roots, KeyUsages: []x509.ExtKeyUsage{usage}}
		if _, err := leaf.Verify(options); err != nil {
			return nil, fmt.Errorf("the node's certificate %s does not hold: %w", filepath.Join(dir, NodeFile), err)
		}
	}
	i.Ends = leaf.NotAfter
	return i, nil
}

// base is what both ends of a connection ask for: TLS 1.3, and certificates of the cluster's authority.
func (i *Identity) base() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{i.certificate}, NextProtos: []string{protocolName},
		SessionTicketsDisabled: true, // a connection lasts, and each is proved anew
		// Small records first are for browsers that wait for the first byte.
		DynamicRecordSizingDisabled: true,
	}
}

// dialling is the configuration of the end that dials a node.
func (i *Identity) dialling(node uint64) *tls.Config {
	c := i.base()
	c.RootCAs, c.ServerName = i.roots, dialledName(i.Cluster, node)
	return c
}

// accepting is the configuration of the end that is dialled.
func (i *Identity) accepting() *tls.Config {
	c := i.base()
	c.ClientCAs, c.ClientAuth = i.roots, tls.RequireAndVerifyClientCert
	return c
}

// prove says which node is at the other end of a connection whose handshake is done.
func (i *Identity) prove(state *tls.ConnectionState) (uint64, error) {
	if state.NegotiatedProtocol != protocolName || len(state.PeerCertificates) == 0 {
		return 0, errors.New("the other end does not speak the peers' protocol")
	}
	name, err := nameOf(state.PeerCertificates[0])
	switch {
	case err != nil:
		return 0, err
	case name.Node == 0:
		return 0, errors.New("the certificate at the other end is not a node's")
	case name.Cluster != i.Cluster:
		return 0, fmt.Errorf("node %d is of cluster %s, this one is of %s", name.Node, name.Cluster, i.Cluster)
	}
	return name.Node, nil
}
