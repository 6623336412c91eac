package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Client speaks with an agent. Its methods are safe for concurrent use.
type Client struct {
	peer *peer
	end  chan struct{} // closed when nothing is read any more

	blobs *blobSource // of a restore that runs
}

// helloTime is how long a container that was just started may take for its first word.
const helloTime = time.Minute

// Connect speaks with the agent whose output is r and whose input is w. Who closes them ends the conversation and has
// to do so; Wait waits for that.
func Connect(ctx context.Context, r io.Reader, w io.Writer) (*Client, error) {
	c := &Client{end: make(chan struct{}), blobs: &blobSource{}}
	var err error
	if c.peer, err = newPeer(r, w, c.blobs.answer); err != nil {
		return nil, err
	}
	go func() {
		defer close(c.end)
		_ = c.peer.run() // told by every call
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, helloTime, errors.New("no word from the helper container"))
	defer cancel()
	p := &packer{}
	p.number(protocol)
	body, err := c.peer.call(ctx, opHello, p.b)
	if err != nil {
		return nil, err
	}
	u := &unpacker{b: body}
	theirs, version := u.number(), u.text()
	if err := u.err(); err != nil {
		return nil, err
	}
	if theirs != protocol {
		return nil, fmt.Errorf("the davit in the helper container (%.40q) speaks another protocol than this one", version)
	}
	return c, nil
}

// Wait waits until the connection, which the caller closed, is read to its end.
func (c *Client) Wait() { <-c.end }

// Place is a folder, or a file in its folder, as the agent sees it.
type Place struct {
	File    string // name of the file that was opened; "" for a folder
	FSType  string
	Trusted bool // as in hostfs.Root.FSType
	Empty   bool // a folder with nothing in it
	// Free and Inodes are what the file system has left.
	Free, Inodes uint64

	client *Client
	tree   int64
	path   string
}

// Open opens a path of the agent's.
func (c *Client) Open(ctx context.Context, path string) (*Place, error) {
	p := &packer{}
	p.text(path)
	body, err := c.peer.call(ctx, opOpen, p.b)
	if err != nil {
		return nil, err
	}
	u := &unpacker{b: body}
	place := &Place{client: c, path: path, tree: u.number(), File: u.text(), FSType: u.text(), Trusted: u.flag(), Empty: u.flag()}
	place.Free, place.Inodes = u.natural(), u.natural()
	if place.File != "" && !plainName(place.File) {
		u.bad = true
	}
	return place, u.err()
}

// Settle writes out what is dirty in the place's file system, and returns the agent's time before that.
func (p *Place) Settle(ctx context.Context) (time.Time, error) {
	q := &packer{}
	q.number(p.tree)
	body, err := p.client.peer.call(ctx, opSettle, q.b)
	if err != nil {
		return time.Time{}, err
	}
	u := &unpacker{b: body}
	at := u.time()
	return at.Time(), u.err()
}
