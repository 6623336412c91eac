package job

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/nicholas-fedor/shoutrrr"
)

// tellTime is how long one message may take.
const tellTime = 20 * time.Second

// maxPing bounds what a ping says: healthchecks.io takes 100 kB.
const maxPing = 10_000

// teller sends messages about runs. It collects what went wrong as warnings of the record.
type teller struct {
	client *http.Client
	agent  string
	time   time.Duration
}

func newTeller(version string) *teller {
	return &teller{client: &http.Client{}, agent: "davit/" + version, time: tellTime}
}

// ping calls the dead-man switch; suffix is "/start", "/fail" or "".
func (t *teller) ping(ctx context.Context, p *Ping, suffix, text string) error {
	if p == nil {
		return nil
	}
	base, err := address(p.URL, p.URLFile)
	if err == nil {
		err = t.post(ctx, strings.TrimSuffix(base, "/")+suffix, []byte(text[:min(len(text), maxPing)]), nil)
	}
	if err != nil {
		return fmt.Errorf("ping%s: %w", suffix, hidden(err, base))
	}
	return nil
}

// tellAll sends the notifications of a run at once and returns what went wrong.
func (t *teller) tellAll(ctx context.Context, list []*Notification, r *Record) []error {
	errs := make([]error, len(list))
	var wait sync.WaitGroup
	for i, n := range list {
		if !n.wants(r) {
			continue
		}
		wait.Go(func() { errs[i] = t.tell(ctx, n, r) })
	}
	wait.Wait()
	var failed []error
	for i, err := range errs {
		if err != nil {
			failed = append(failed, fmt.Errorf("notification %s: %w", list[i].name, err))
		}
	}
	return failed
}

func (t *teller) tell(ctx context.Context, n *Notification, r *Record) error {
	to, err := address(cmp.Or(n.URL, n.Webhook), cmp.Or(n.URLFile, n.WebhookFile))
	if err != nil {
		return err
	}
	text, err := n.message(r)
	if err != nil {
		return err
	}
	if n.isShoutrrr() {
		return hidden(t.shout(ctx, to, cmp.Or(text, fmt.Sprintf("davit on %s: job %s: %s", r.Host, r.Job, r.Summary()))), to)
	}
	body, headers := []byte(text), n.Headers
	if text == "" {
		if body, err = json.Marshal(r); err != nil {
			return err
		}
		headers = map[string]string{"Content-Type": "application/json"}
		for k, v := range n.Headers {
			headers[k] = v
		}
	}
	return hidden(t.post(ctx, to, body, headers), to)
}

// shout sends by shoutrrr, which knows no context: a service that hangs is left behind.
func (t *teller) shout(ctx context.Context, to, text string) error {
	ctx, cancel := context.WithTimeout(ctx, t.time)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- shoutrrr.Send(to, text) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("no answer within %v", t.time)
	}
}

func (t *teller) post(ctx context.Context, to string, body []byte, headers map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, t.time)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", t.agent)
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	resp, err := t.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)) // so that the connection ends well
	if resp.StatusCode >= 300 {
		return fmt.Errorf("answered %s", resp.Status)
	}
	return nil
}
