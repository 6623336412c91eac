package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"

	"github.com/docker/cli/cli/connhelper"
	"github.com/docker/docker/client"
)

// sshDialer starts the ssh processes through which an engine is reached, and remembers
// why the last one failed: docker's client drops what ssh says. A nil one remembers nothing.
type sshDialer struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	mu   sync.Mutex
	last error
}

// newSSHDialer returns nil for an endpoint that is not reached over ssh.
func newSSHDialer(endpoint string) (*sshDialer, error) {
	helper, err := connhelper.GetConnectionHelper(endpoint)
	if err != nil || helper == nil {
		return nil, err
	}
	return &sshDialer{dial: helper.Dialer}, nil
}

// use makes a client dial with d. A login costs more than any question, so that
// connections are kept: more than are used at a time, since one that has just answered
// becomes idle a moment after the next question.
func (d *sshDialer) use(c *client.Client) error {
	if tr, ok := c.HTTPClient().Transport.(*http.Transport); ok {
		tr.MaxIdleConns, tr.MaxIdleConnsPerHost = 2*inspectWidth, 2*inspectWidth
	}
	return client.WithDialContext(d.dialContext)(c)
}

func (d *sshDialer) dialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := d.dial(ctx, network, addr)
	if err != nil {
		d.remember(err)
		return nil, err
	}
	half, ok := c.(halfCloser)
	if !ok {
		return c, nil
	}
	return &sshConn{halfCloser: half, dialer: d}, nil
}

func (d *sshDialer) remember(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = err
}

// cause is why the last ssh process failed, or nil.
func (d *sshDialer) cause() error {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

type halfCloser interface {
	net.Conn
	CloseRead() error
	CloseWrite() error
}

// sshConn is a connection whose end is remembered.
type sshConn struct {
	halfCloser
	dialer *sshDialer
}

func (c *sshConn) Read(p []byte) (int, error) {
	n, err := c.halfCloser.Read(p)
	if err != nil && strings.Contains(err.Error(), exited) {
		c.dialer.remember(err)
	}
	return n, err
}

func (c *sshConn) Write(p []byte) (int, error) {
	n, err := c.halfCloser.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		// Only reading tells why it ended.
		if _, rerr := c.Read(make([]byte, 1)); rerr != nil && rerr != io.EOF {
			err = rerr
		}
	}
	return n, err
}

// closeTime is how long a closed ssh process may take to end.
const closeTime = time.Second

// Close asks ssh to end. It does not wait for what ssh started itself: a command that
// leads to a silent host may last long.
func (c *sshConn) Close() error {
	done := make(chan error, 1)
	go func() { done <- c.halfCloser.Close() }()
	select {
	case err := <-done:
		return err
	case <-time.After(closeTime):
		return nil
	}
}

// Docker's connection says "command [ssh …] has exited with exit status 255, …: stderr=…".
const (
	exited = " has exited with exit status "
	stderr = ": stderr="
)

// explainSSH sets reason and hint by what ended the ssh process.
func (e *UnreachableError) explainSSH(cause error) {
	var timeout net.Error
	if errors.Is(e.Err, context.DeadlineExceeded) || cause == nil && errors.As(e.Err, &timeout) && timeout.Timeout() {
		e.Reason, e.Hint = "timeout: ssh does not get an answer", sshHint(e.Endpoint)
		return
	}
	if cause == nil {
		e.Reason = firstLine(e.Err)
		return
	}
	if errors.Is(cause, exec.ErrNotFound) {
		e.Reason, e.Hint = "there is no ssh command here", "install openssh-client"
		return
	}
	_, text, _ := strings.Cut(cause.Error(), exited)
	status, text, _ := strings.Cut(text, ",")
	_, text, _ = strings.Cut(text, stderr)
	e.Reason = lastLine(text)
	if e.Reason == "" {
		e.Reason = "ssh ended with status " + status
	}
	switch status {
	case "255": // ssh's own
		e.Hint = sshHint(e.Endpoint)
	case "126", "127": // the shell's
		e.Hint = "install the docker command there, in the PATH of a login without a terminal"
	default:
		e.Hint = "is the engine started there, and may this user use it?"
	}
}

func sshHint(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	command, user := "ssh ", ""
	if u.Port() != "" {
		command += "-p " + u.Port() + " "
	}
	if u.User != nil {
		user = u.User.Username() + "@"
	}
	return "this must work without a question, for the user who runs davit: " + command + user + u.Hostname() + " docker version"
}

// lastLine is where programs say what made them give up; banners come before it. What
// could steer a terminal is left out.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	text = strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
}
