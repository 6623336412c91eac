package engine_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"davit/engine"
	"davit/engine/enginetest"
)

// An engine that wants certificates (dockerd --tlsverify) is reached by a docker context
// that has them and by docker's environment; without them, or with those of strangers, the
// reason says so. It listens in its own network namespace: a port here leads to it.
func TestTLS(t *testing.T) {
	enginetest.NeedRoot(t)
	keys, strange := t.TempDir(), t.TempDir()
	makeKeys(t, keys)
	makeKeys(t, strange)
	d := enginetest.StartDockerd(t, enginetest.DockerdOptions{
		Hosts: []string{"tcp://127.0.0.1:2376"},
		Config: map[string]any{
			"tlsverify": true,
			"tlscacert": filepath.Join(keys, "ca.pem"),
			"tlscert":   filepath.Join(keys, "cert.pem"),
			"tlskey":    filepath.Join(keys, "key.pem"),
		},
	})
	host, config := "tcp://"+forwardInto(t, d.Netns, "127.0.0.1:2376"), t.TempDir()
	for name, files := range map[string][3]string{
		"good":      {keys, keys, keys},
		"impostor":  {strange, keys, keys},
		"strange":   {keys, strange, strange},
		"anonymous": {keys},
	} {
		docker := "host=" + host
		for i, kind := range []string{"ca", "cert", "key"} {
			if files[i] != "" {
				docker += "," + kind + "=" + filepath.Join(files[i], kind+".pem")
			}
		}
		d.CLI(t, "--config", config, "context", "create", name, "--docker", docker)
	}
	for _, c := range []struct {
		name, context, certPath, verify string
		reason, hint                    string // "": it answers
	}{
		{name: "context", context: "good"},
		{name: "environment", certPath: keys, verify: "1"},
		{name: "no TLS", reason: "HTTP request to an HTTPS server", hint: "DOCKER_TLS_VERIFY"},
		{name: "server of another authority", context: "impostor", reason: "its certificate is not trusted: x509: certificate signed by unknown authority", hint: "ca.pem"},
		{name: "certificate of another authority", context: "strange", reason: "it does not accept this client: ", hint: "cert.pem"},
		{name: "no certificate", context: "anonymous", reason: "it does not accept this client: ", hint: "cert.pem"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("DOCKER_TLS_VERIFY", c.verify)
			t.Setenv("DOCKER_CERT_PATH", c.certPath)
			target := engine.Target{Context: c.context, ConfigDir: config}
			if c.context == "" {
				target.Host = host
			}
			e, err := engine.Connect(t.Context(), target)
			if c.reason != "" {
				wantUnreachable(t, e, err, host, c.reason, c.hint)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			if info, err := e.Info(t.Context()); err != nil || info.DataRoot != d.DataRoot {
				t.Errorf("info %+v, %v; want data-root %s", info, err, d.DataRoot)
			}
			if local, reason := e.Local(t.Context()); local || reason != "it is reached over tcp" {
				t.Errorf("local %v, %q", local, reason)
			}
		})
	}
}

// forwardInto leads a port here into a network namespace.
func forwardInto(t *testing.T, netns, address string) string {
	t.Helper()
	l := listen(t, "tcp", "127.0.0.1:0")
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				out, err := dialIn(netns, address)
				if err != nil {
					t.Errorf("dial %s in %s: %v", address, netns, err)
					return
				}
				defer out.Close()
				go func() {
					io.Copy(out, in)
					out.(*net.TCPConn).CloseWrite()
				}()
				io.Copy(in, out)
			}()
		}
	}()
	return l.Addr().String()
}

// dialIn connects in a network namespace: a socket stays in the one it was made in.
func dialIn(netns, address string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread() // the thread ends with this goroutine, since it is not unlocked
		ns, err := os.Open("/run/netns/" + netns)
		if err != nil {
			made <- result{err: err}
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			made <- result{err: err}
			return
		}
		c, err := net.Dial("tcp", address)
		made <- result{c, err}
	}()
	r := <-made
	return r.conn, r.err
}

// makeKeys writes docker's ca.pem, and cert.pem and key.pem for 127.0.0.1, which serve both ends.
func makeKeys(t *testing.T, dir string) {
	t.Helper()
	caKey, key := newKey(t), newKey(t)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "both"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(dir, "key.pem"), "EC PRIVATE KEY", der)
	for name, c := range map[string]struct {
		cert *x509.Certificate
		key  *ecdsa.PrivateKey
	}{"ca.pem": {ca, caKey}, "cert.pem": {leaf, key}} {
		der, err := x509.CreateCertificate(rand.Reader, c.cert, ca, &c.key.PublicKey, caKey)
		if err != nil {
			t.Fatal(err)
		}
		writePEM(t, filepath.Join(dir, name), "CERTIFICATE", der)
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
