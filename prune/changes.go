package prune

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"davit/engine"
)

// changes listens to the engine while a run is under way. It knows which objects somebody pulled, tagged or made
// meanwhile, and whether the list of containers is still what it was: without it that list would have to be asked for
// before every removal.
type changes struct {
	engine Remover
	stop   context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	up      bool // events are received
	dirty   bool // containers came or went since uses was asked for
	uses    []engine.ContainerUse
	touched map[string]string // kind and id or name -> what happened
}

// listen begins; the caller ends it with close. It returns when events are received, or the engine will not send any.
func listen(ctx context.Context, e Remover) *changes {
	ctx, stop := context.WithCancel(ctx)
	c := &changes{engine: e, stop: stop, done: make(chan struct{}), dirty: true, touched: map[string]string{}}
	kinds := []string{"container", "image", "volume", "network"}
	// What comes, or is used; what goes otherwise is found out when it is asked for.
	actions := []string{"create", "start", "restart", "unpause", "rename", "pull", "tag", "load", "import", "connect", "destroy"}
	begun := make(chan struct{})
	var once sync.Once
	go func() {
		defer close(c.done)
		defer once.Do(func() { close(begun) })
		for ctx.Err() == nil {
			_ = e.Events(ctx, kinds, actions, func() { // it ends when the engine restarts, and begins again
				c.set(true)
				once.Do(func() { close(begun) })
			}, c.event)
			c.set(false)
			pause(ctx, 200*time.Millisecond)
		}
	}()
	select {
	case <-begun:
	case <-ctx.Done():
	}
	return c
}

func (c *changes) close() {
	c.stop()
	<-c.done
}

// pause waits, not longer than ctx lasts.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// set notes whether events are received. What was missed may have changed anything.
func (c *changes) set(up bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up, c.dirty = up, true
}

func (c *changes) event(e engine.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Kind == "container" {
		c.dirty = true
	}
	says := map[string]string{
		"pull": "it was pulled", "tag": "it got a name", "load": "it was loaded", "import": "it was imported",
		"connect": "a container was connected to it", "create": "it was made",
	}[e.Action]
	if says == "" || e.Kind == "container" {
		return nil
	}
	for _, name := range []string{e.ID, e.Name} {
		if name != "" {
			c.touched[e.Kind+" "+name] = says + " while the prune was under way"
		}
	}
	return nil
}

// reason says what somebody did to an object since the run began; "" for nothing.
func (c *changes) reason(o *Object) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := append([]string{o.ID, o.Name}, o.Tags...)
	for _, t := range o.Tags {
		names = append(names, strings.TrimSuffix(t, ":latest"))
	}
	for _, name := range names {
		if says := c.touched[string(o.Kind)+" "+name]; says != "" {
			return says
		}
	}
	return ""
}

// stale makes the next look at containers ask the engine.
func (c *changes) stale() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dirty = true
}

// containers returns what containers hold now.
func (c *changes) containers(ctx context.Context) ([]engine.ContainerUse, error) {
	c.mu.Lock()
	fresh := c.up && !c.dirty
	if c.dirty = false; fresh {
		defer c.mu.Unlock()
		return c.uses, nil
	}
	c.mu.Unlock()
	uses, err := c.engine.ContainerUses(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.uses = uses; err != nil {
		c.dirty = true
		return nil, fmt.Errorf("look for containers: %w", err)
	}
	return uses, nil
}
