package prune

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"davit/engine/enginetest"
)

// TestWatch: the use of an image by a container that is removed at once is known later, under a policy that asks for
// it.
func TestWatch(t *testing.T) {
	t.Parallel()
	h := newRealHost(t, enginetest.DockerdOptions{})
	h.MakeImage(t, "app:1")
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- Watch(ctx, h.engine, h.env.StateDir, time.Now, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	h.CLI(t, "run", "--rm", "--name", "short", "--volume", "data:/data", "app:1", "true")
	known := func() *Facts {
		ledger, err := LedgerOf(h.env.StateDir)
		if err != nil {
			t.Fatal(err)
		}
		facts, err := Read(t.Context(), h.engine, ReadOptions{Now: time.Now, Used: ledger})
		if err != nil {
			t.Fatal(err)
		}
		return facts
	}
	image, volume := "", ""
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
		image, volume = "", ""
		for _, o := range known().Objects {
			switch {
			case o.Kind == Image && o.Name == "app:1":
				image = o.UsedFrom
			case o.Kind == Volume && o.Name == "data":
				volume = o.UsedFrom
			}
		}
		if strings.HasPrefix(image, "container short") && strings.HasPrefix(volume, "container short") {
			break
		}
	}
	if !strings.HasPrefix(image, "container short") || !strings.HasPrefix(volume, "container short") {
		t.Errorf("the image was used by %q, the volume by %q", image, volume)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
}
