package peer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Lives of what a private authority signs. A node whose certificate has ended is let in nowhere: `evenkeel ca show`
// says when each does, and a node says so in its log from RenewBefore on.
const (
	AuthorityLife   = 10 * 365 * 24 * time.Hour
	CertificateLife = 2 * 365 * 24 * time.Hour
	RenewBefore     = 60 * 24 * time.Hour
	backdated       = time.Hour // clocks of two machines may differ
)

// Limits of a certificate.
const (
	MaxNode   = 1<<32 - 1 // the protocol keeps ids above for its own threads
	MaxHosts  = 16        // names and addresses in one certificate
	maxHost   = 253       // bytes of one (RFC 1035, section 2.3.4)
	keyBits   = 64        // of a cluster's id
	serialBit = 120       // of a serial number (RFC 5280, section 4.1.2.2 allows 159)
)

// Names of the files that an authority writes.
const (
	AuthorityFile    = "ca.pem"
	AuthorityKeyFile = "ca.key"
	NodeFile         = "node.pem"
	NodeKeyFile      = "node.key"
	ExchangeFile     = "exchange.pem"
	ExchangeKeyFile  = "exchange.key"
)

const (
	scheme       = "evenkeel" // of the name that a certificate carries: evenkeel://<cluster>/node/<id>
	organization = "Evenkeel"
	certificate  = "CERTIFICATE"
	privateKey   = "PRIVATE KEY"
)

// An Authority signs the certificates of one cluster. Its key is needed on no node: keep it elsewhere.
type Authority struct {
	Cluster     string // 16 hexadecimal digits, made at random
	Certificate *x509.Certificate
	dir         string
	key         *ecdsa.PrivateKey
}

// CreateAuthority makes the authority of a new cluster in a directory. It refuses to replace one.
func CreateAuthority(dir string) (*Authority, error) {
	cluster := hex.EncodeToString(random(keyBits).FillBytes(make([]byte, keyBits/8)))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: random(serialBit), BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		Subject:   pkix.Name{Organization: []string{organization}, CommonName: "Evenkeel cluster " + cluster},
		NotBefore: time.Now().Add(-backdated), NotAfter: time.Now().Add(AuthorityLife),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, URIs: []*url.URL{clusterName(cluster)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("sign the authority: %w", err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("sign the authority: %w", err)
	}
	keyText, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	err = writeNew(dir, map[string][]byte{AuthorityFile: encode(certificate, der), AuthorityKeyFile: keyText})
	if err != nil {
		return nil, err
	}
	return &Authority{Cluster: cluster, Certificate: parsed, dir: dir, key: key}, nil
}

// OpenAuthority reads what CreateAuthority made.
func OpenAuthority(dir string) (*Authority, error) {
	parsed, err := ReadCertificate(filepath.Join(dir, AuthorityFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no authority in %s: `evenkeel ca init --dir %s` makes one (%w)", dir, dir, err)
	}
	if err != nil {
		return nil, err
	}
	name, err := nameOf(parsed)
	if err != nil || !parsed.IsCA {
		return nil, fmt.Errorf("%s is no authority of Evenkeel", filepath.Join(dir, AuthorityFile))
	}
	file := filepath.Join(dir, AuthorityKeyFile)
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the authority's key is needed to sign: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != privateKey {
		return nil, fmt.Errorf("%s holds no private key in PEM", file)
	}
	any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	key, ok := any.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(parsed.PublicKey) {
		return nil, fmt.Errorf("%s is not the key of %s", file, AuthorityFile)
	}
	return &Authority{Cluster: name.Cluster, Certificate: parsed, dir: dir, key: key}, nil
}

// IssueNode makes the certificate of a node, for both ends of a connection, in a new directory; "" is node-<id> beside
// the authority. Other nodes know it by its id and cluster; hosts, if any, are for clients of its API.
func (a *Authority) IssueNode(node uint64, hosts []string, out string) (string, error) {
	if node == 0 || node > MaxNode {
		return "", fmt.Errorf("node %d: ids go from 1 to %d, and none is ever used twice", node, uint64(MaxNode))
	}
	if out == "" {
		out = filepath.Join(a.dir, fmt.Sprintf("node-%d", node))
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{Organization: []string{organization}, CommonName: fmt.Sprintf("Evenkeel node %d", node)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{dialledName(a.Cluster, node)},
		URIs:        []*url.URL{Name{Cluster: a.Cluster, Node: node}.url()},
	}
	return out, a.issue(template, hosts, out, NodeFile, NodeKeyFile)
}

// IssueExchange makes the server certificate of a simulated exchange in a new directory; "" is exchange beside the
// authority. Hosts are the names and addresses under which brokers reach it.
func (a *Authority) IssueExchange(hosts []string, out string) (string, error) {
	if len(hosts) == 0 {
		return "", errors.New("an exchange's certificate needs the names or addresses that brokers dial")
	}
	if out == "" {
		out = filepath.Join(a.dir, "exchange")
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{Organization: []string{organization}, CommonName: "Evenkeel simulated exchange"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		URIs:        []*url.URL{Name{Cluster: a.Cluster}.url()},
	}
	return out, a.issue(template, hosts, out, ExchangeFile, ExchangeKeyFile)
}

func (a *Authority) issue(template *x509.Certificate, hosts []string, out, file, keyFile string) error {
	if err := addHosts(template, hosts); err != nil {
		return err
	}
	template.SerialNumber, template.KeyUsage = random(serialBit), x509.KeyUsageDigitalSignature
	template.NotBefore, template.NotAfter = time.Now().Add(-backdated), time.Now().Add(CertificateLife)
	if template.NotAfter.After(a.Certificate.NotAfter) {
		template.NotAfter = a.Certificate.NotAfter
	}
	if !template.NotAfter.After(time.Now()) {
		return fmt.Errorf("the authority's own certificate ended on %s", a.Certificate.NotAfter.Format(time.DateOnly))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.Certificate, &key.PublicKey, a.key)
	if err != nil {
		return fmt.Errorf("sign a certificate: %w", err)
	}
	keyText, err := encodeKey(key)
	if err != nil {
		return err
	}
	return writeNew(out, map[string][]byte{
		AuthorityFile: encode(certificate, a.Certificate.Raw), file: encode(certificate, der), keyFile: keyText,
	})
}

// addHosts sorts hosts into addresses and names.
func addHosts(template *x509.Certificate, hosts []string) error {
	if len(hosts) > MaxHosts {
		return fmt.Errorf("%d hosts, at most %d", len(hosts), MaxHosts)
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
			continue
		}
		if !validHost(host) {
			return fmt.Errorf("host %q: a name such as node2.example or an address such as 10.0.0.2, without a port", host)
		}
		template.DNSNames = append(template.DNSNames, host)
	}
	return nil
}

// validHost allows what RFC 1123, section 2.1, does: letters, digits and hyphens between dots.
func validHost(host string) bool {
	if host == "" || len(host) > maxHost {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-'
			if !letter {
				return false
			}
		}
	}
	return true
}

// A Name is what a certificate of ours says of its owner.
type Name struct {
	Cluster string
	Node    uint64 // 0: the authority, or an exchange
}

func (n Name) url() *url.URL {
	u := clusterName(n.Cluster)
	if u.Path = "/exchange"; n.Node != 0 {
		u.Path = "/node/" + strconv.FormatUint(n.Node, 10)
	}
	return u
}

func clusterName(cluster string) *url.URL { return &url.URL{Scheme: scheme, Host: cluster} }

// dialledName is the name that a node's certificate has for those who dial it: which node it is, wherever it is.
func dialledName(cluster string, node uint64) string {
	return fmt.Sprintf("node-%d.%s.evenkeel.internal", node, cluster)
}

// nameOf reads the name out of a certificate.
func nameOf(c *x509.Certificate) (Name, error) {
	for _, u := range c.URIs {
		if u.Scheme != scheme {
			continue
		}
		n := Name{Cluster: u.Host}
		if id, ok := strings.CutPrefix(u.Path, "/node/"); ok {
			node, err := strconv.ParseUint(id, 10, 32)
			if err != nil || node == 0 || u.String() != (Name{u.Host, node}).url().String() {
				return Name{}, fmt.Errorf("the certificate's name %s says no node", u)
			}
			n.Node = node
		}
		return n, nil
	}
	return Name{}, errors.New("the certificate was not made by an authority of Evenkeel")
}

// ReadCertificate reads a certificate in PEM.
func ReadCertificate(file string) (*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != certificate {
		return nil, fmt.Errorf("%s holds no certificate in PEM", file)
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return parsed, nil
}

// CertificateName reads the name out of a certificate of ours.
func CertificateName(c *x509.Certificate) (Name, error) { return nameOf(c) }

// writeNew writes files into a directory that holds none of them yet. All are there afterwards, or none: a half-made
// set is taken back.
func writeNew(dir string, files map[string][]byte) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var written []string
	defer func() {
		if err != nil {
			for _, name := range written {
				err = errors.Join(err, os.Remove(name))
			}
		}
	}()
	for name := range files {
		file := filepath.Join(dir, name)
		if _, err := os.Lstat(file); err == nil {
			return fmt.Errorf("%s is there already, and is not overwritten: name another directory, or move it away", file)
		}
	}
	for name, text := range files {
		file := filepath.Join(dir, name)
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		written = append(written, file)
		_, err = f.Write(text)
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			return fmt.Errorf("write %s: %w", file, err)
		}
	}
	return nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return encode(privateKey, der), nil
}

// random returns a number of at most so many bits.
func random(bits uint) *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), bits))
	if err != nil {
		panic(err) // the system has no randomness: nothing may go on
	}
	return n
}
