package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// maxAsked bounds the questions of the other side that are being answered at a time.
const maxAsked = 1024

// handler answers a question. Its error is told to who asked.
type handler func(ctx context.Context, o op, body []byte) ([]byte, error)

// peer is one side of a conversation. Its methods are safe for concurrent use.
type peer struct {
	frames *framer
	handle handler
	ctx    context.Context // of answering; ends with the conversation
	cancel context.CancelCauseFunc
	asked  chan struct{}

	mu      sync.Mutex
	next    uint32
	waiting map[uint32]chan frame
}

// newPeer speaks over r and w; run has to be called.
func newPeer(r io.Reader, w io.Writer, h handler) (*peer, error) {
	frames, err := newFramer(r, w)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	return &peer{
		frames: frames, handle: h, ctx: ctx, cancel: cancel,
		asked: make(chan struct{}, maxAsked), waiting: map[uint32]chan frame{},
	}, nil
}

// run reads frames until the other side ends or breaks the rules. What waits then ends with the error, which is nil
// when the other side ended between two frames.
func (p *peer) run() error {
	err := p.read()
	if errors.Is(err, io.EOF) {
		p.cancel(errEnded)
		return nil
	}
	p.cancel(fmt.Errorf("%w: %w", errEnded, err))
	return err
}

// errEnded is why nothing is answered any more.
var errEnded = errors.New("the connection to the helper container has ended")

func (p *peer) read() error {
	for {
		m, err := p.frames.read()
		if err != nil {
			return err
		}
		if m.kind != question {
			p.answered(m)
			continue
		}
		select {
		case p.asked <- struct{}{}:
		default:
			return errors.New("the other side asks too much at a time")
		}
		go func() {
			defer func() { <-p.asked }()
			p.reply(m)
		}()
	}
}

// answered gives an answer to who waits for it; nobody does any more when its context ended.
func (p *peer) answered(m frame) {
	p.mu.Lock()
	waits := p.waiting[m.id]
	delete(p.waiting, m.id)
	p.mu.Unlock()
	if waits != nil {
		waits <- m
	}
}

func (p *peer) reply(q frame) {
	body, err := p.handle(p.ctx, q.op, q.body)
	m := frame{kind: answer, id: q.id, body: body}
	if err == nil && len(body) > maxFrame {
		err = errors.New("the answer is too long")
	}
	if err != nil {
		m.kind, m.body = failure, packError(err)
	}
	if err := p.frames.write(m); err != nil {
		p.cancel(fmt.Errorf("%w: %w", errEnded, err))
	}
}

// call asks and waits for the answer.
func (p *peer) call(ctx context.Context, o op, body []byte) ([]byte, error) {
	waits := make(chan frame, 1)
	p.mu.Lock()
	p.next++
	id := p.next
	p.waiting[id] = waits
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.waiting, id)
		p.mu.Unlock()
	}()
	if err := p.frames.write(frame{kind: question, op: o, id: id, body: body}); err != nil {
		return nil, p.why(err)
	}
	select {
	case m := <-waits:
		if m.kind == failure {
			return nil, unpackError(m.body)
		}
		return m.body, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-p.ctx.Done():
		return nil, context.Cause(p.ctx)
	}
}

// why prefers the reason for which the conversation ended to what writing says then.
func (p *peer) why(err error) error {
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	return fmt.Errorf("%w: %w", errEnded, err)
}
