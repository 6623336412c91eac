package main

import (
	"context"
	"fmt"
	"time"

	"davit/diskscan"

	"github.com/urfave/cli/v2"
)

// watchDisk scans again and again and says what grew, until it is interrupted.
func (h *host) watchDisk(c *cli.Context, first *diskscan.Survey, flags scanFlags) error {
	text := &textWriter{w: h.out}
	before, err := h.sample(c.Context, first)
	if err != nil {
		return err
	}
	if !flags.json {
		text.fileSystems(before.FileSystems, h.columns())
	}
	tick := time.NewTicker(flags.watch)
	defer tick.Stop()
	for text.err == nil {
		select {
		case <-c.Context.Done():
			return context.Cause(c.Context)
		case <-tick.C:
		}
		again, err := h.surveyOf(c)
		if err != nil {
			return err
		}
		after, err := h.sample(c.Context, again)
		if err != nil {
			return err
		}
		if grows := diskscan.Compare(before, after); flags.json {
			text.err = writeJSON(h.out, grows)
		} else {
			text.growing(grows, flags.top, h.columns())
		}
		before = after
	}
	return text.err
}

func (h *host) sample(ctx context.Context, s *diskscan.Survey) (*diskscan.Report, error) {
	r := s.Start()
	s.Attribute(ctx, r)
	return r, s.Scan(ctx, r, diskscan.ScanOptions{})
}

func (t *textWriter) growing(g *diskscan.Growing, n, width int) {
	t.linef("")
	t.linef("%s: %s/s in all", clock(g.Time), signed(g.Total))
	for _, fs := range g.FileSystems {
		until := "is not filling"
		if fs.SecondsUntilFull != nil {
			until = fmt.Sprintf("is full in %s at this speed", span(time.Duration(min(*fs.SecondsUntilFull, maxSpan))*time.Second))
		}
		t.linef("%s: %s/s, %s free, %s", fs.MountPoint, signed(fs.BytesPerSecond), size(fs.Free), until)
	}
	if len(g.Owners) == 0 {
		return
	}
	table := newTable(">PER SECOND", ">SIZE", "OWNER")
	for _, o := range g.Owners[:min(n, len(g.Owners))] {
		name := ownerSaid(diskscan.Owner{Kind: o.Kind, Name: o.Name, State: o.State})
		table.row(signed(o.BytesPerSecond), size(o.Bytes), truncate(name, max(20, width-30)))
	}
	t.table(table)
}

// maxSpan is a hundred years in seconds.
const maxSpan = 100 * 365 * 24 * 3600

func signed(bytes int64) string { return ifThen(bytes > 0, "+") + size(bytes) }
