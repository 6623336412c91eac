package storagetest

import (
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// Mishap is what can happen between a client and an HTTP server.
type Mishap string

// The mishaps.
const (
	SlowDown    Mishap = "503 SlowDown"
	ServerError Mishap = "500 InternalError"
	ResetBefore Mishap = "reset before the request is done"
	ResetAfter  Mishap = "reset after the request was done"
	Truncated   Mishap = "answer cut in the middle"
	HalfSent    Mishap = "request cut in the middle"
)

// Mishaps are all of them.
func Mishaps() []Mishap {
	return []Mishap{SlowDown, ServerError, ResetBefore, ResetAfter, Truncated, HalfSent}
}

// Flaky puts a proxy before an S3 server, in which something happens to every n-th request.
func (s Server) Flaky(t testing.TB, what Mishap, every int64) (Server, *atomic.Int64) {
	t.Helper()
	scheme := strings.TrimPrefix(s.URL, "s3://")
	at, err := url.Parse(scheme)
	if err != nil {
		t.Fatal(err)
	}
	p := &flaky{server: at.Host, what: what, every: every}
	p.forward = &httputil.ReverseProxy{
		// The client has signed for the host that it knows: that stays.
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", p.server, r.In.Host
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: p} //nolint:gosec // a test's own client
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	s.URL = strings.Replace(s.URL, at.Host, l.Addr().String(), 1)
	return s, &p.hits
}

type flaky struct {
	server  string
	what    Mishap
	every   int64
	forward *httputil.ReverseProxy
	count   atomic.Int64
	hits    atomic.Int64
}

func (p *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.count.Add(1)%p.every != 0 {
		p.forward.ServeHTTP(w, r)
		return
	}
	p.hits.Add(1)
	switch p.what {
	case SlowDown:
		answer(w, r, http.StatusServiceUnavailable, "SlowDown")
	case ServerError:
		answer(w, r, http.StatusInternalServerError, "InternalError")
	case ResetBefore:
		panic(http.ErrAbortHandler)
	case ResetAfter:
		p.forward.ServeHTTP(&lostAnswer{header: http.Header{}}, r)
		panic(http.ErrAbortHandler)
	case Truncated:
		p.forward.ServeHTTP(&cutAnswer{ResponseWriter: w}, r)
		panic(http.ErrAbortHandler)
	case HalfSent:
		r.Body = &cutBody{ReadCloser: r.Body, left: r.ContentLength / 2}
		p.forward.ServeHTTP(&lostAnswer{header: http.Header{}}, r)
		panic(http.ErrAbortHandler)
	}
}

func answer(w http.ResponseWriter, r *http.Request, status int, code string) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `<?xml version="1.0"?><Error><Code>`+code+`</Code><Message>try again</Message></Error>`)
}

// lostAnswer is an answer that never arrives.
type lostAnswer struct{ header http.Header }

func (l *lostAnswer) Header() http.Header         { return l.header }
func (l *lostAnswer) Write(p []byte) (int, error) { return len(p), nil }
func (l *lostAnswer) WriteHeader(int)             {}

// cutAnswer passes half of each piece on.
type cutAnswer struct{ http.ResponseWriter }

func (c *cutAnswer) Write(p []byte) (int, error) {
	if _, err := c.ResponseWriter.Write(p[:len(p)/2]); err != nil {
		return 0, err
	}
	_ = http.NewResponseController(c.ResponseWriter).Flush()
	return 0, io.ErrShortWrite
}

// cutBody ends in the middle, as that of a client whose connection broke.
type cutBody struct {
	io.ReadCloser
	left int64
}

func (c *cutBody) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.ReadCloser.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}
