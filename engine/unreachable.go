package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"syscall"
	"time"
)

// UnreachableError says that no engine answers, and why.
type UnreachableError struct {
	Endpoint string
	Reason   string // lower case: "no socket /var/run/docker.sock", "connection refused"
	Hint     string // a way out, or ""
	Err      error  // what the connection said, or nil
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("cannot reach the engine at %s: %s", e.Endpoint, e.Reason)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// diagnose finds out why there was no answer. The client drops the cause of most failed
// connections, so that the connection is tried once more.
func (e *Engine) diagnose(err error) *UnreachableError {
	u := &UnreachableError{Endpoint: e.endpoint, Err: err}
	proto, addr, _ := strings.Cut(e.endpoint, "://")
	switch proto {
	case "unix":
		u.explain(addr, dial("unix", addr))
	case "tcp", "http", "https":
		addr, _, _ = strings.Cut(addr, "/")
		u.explain("", dial("tcp", addr))
	case "ssh":
		u.explainSSH(e.ssh.cause())
	default:
		u.explain("", err)
	}
	return u
}

func dial(network, addr string) error {
	c, err := net.DialTimeout(network, addr, 5*time.Second)
	if err == nil {
		c.Close()
	}
	return err
}

// explain sets reason and hint by what a connection said; socket is "" without one.
func (e *UnreachableError) explain(socket string, err error) {
	var timeout net.Error
	switch {
	case err == nil:
		e.explainSilence()
	case socket != "" && errors.Is(err, fs.ErrNotExist):
		e.Reason = "no socket " + socket
		e.Hint = "is Docker installed and started? --host, DOCKER_HOST or --context choose another engine"
	case errors.Is(err, fs.ErrPermission):
		e.Reason = "permission denied"
		e.Hint = permissionHint(socket)
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Reason = "connection refused"
		e.Hint = "nothing listens there: is the engine started?"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		e.Reason = "timeout: no connection"
	default:
		e.Reason = firstLine(err)
	}
}

// explainSilence is for what accepts connections and does not answer as it should.
func (e *UnreachableError) explainSilence() {
	if errors.Is(e.Err, context.DeadlineExceeded) {
		e.Reason = "timeout: it accepts connections but does not answer"
		return
	}
	var untrusted *tls.CertificateVerificationError
	if errors.As(e.Err, &untrusted) {
		e.Reason = "its certificate is not trusted: " + firstLine(untrusted.Err)
		e.Hint = "ca.pem must be of the authority that signed it, and the address one that it names"
		return
	}
	e.Reason = firstLine(e.Err)
	if _, alert, ok := strings.Cut(e.Reason, "remote error: tls: "); ok && strings.Contains(alert, "certificate") {
		e.Reason = "it does not accept this client: " + alert
		e.Hint = "it wants cert.pem and key.pem of an authority that it knows"
	}
	if strings.Contains(e.Reason, "HTTP request to an HTTPS server") || strings.Contains(e.Reason, "malformed HTTP response") {
		e.Hint = "the engine wants TLS: DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH"
	}
}

func firstLine(err error) string {
	text := strings.TrimPrefix(err.Error(), "error during connect: ")
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
