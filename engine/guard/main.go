package guard

import (
	"context"
	"davit/engine/hostfs"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// lookEvery is how often a guard looks whether a freeze has expired.
const lookEvery = 250 * time.Millisecond

// Main is the guard process: `davit __guard --journal FILE`, args being what follows the
// subcommand. It returns the exit code: 0 when nothing is left to undo. It ends when ctx
// does; the journal then stays for [Recover].
func Main(ctx context.Context, args []string, connect Connect) int {
	// Only the owner's end counts, not what happens to its terminal.
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGPIPE)
	logger := log.New(os.Stderr, "davit guard: ", 0)
	flags := flag.NewFlagSet(Subcommand, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	path := flags.String("journal", "", "the owner's journal")
	leave := flags.Bool("leave-cgroup", false, "move to the root control groups")
	if err := flags.Parse(args); err != nil || *path == "" {
		logger.Printf("bad arguments %q", args)
		return 2
	}
	if *leave {
		standAside()
	}
	w := &watcher{connect: connect, logger: logger}
	if err := w.start(ctx, *path); err != nil {
		logger.Print(err)
		w.say(err.Error())
		return 1
	}
	if err := w.watch(ctx); err != nil {
		logger.Print(err)
		return 1
	}
	return 0
}

// watcher is a guard process at work.
type watcher struct {
	connect Connect
	logger  *log.Logger
	t       tail
	eng     Engine
	later   time.Time // after a failure, when to look for expired freezes again
	pipe    *os.File  // kept open: its end tells the owner that the guard is gone
}

// start gets everything that may fail out of the way, and then says "ready".
func (w *watcher) start(ctx context.Context, path string) error {
	pipe, err := os.OpenFile(fifoPath(path), os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err == nil {
		w.pipe = pipe
	} else {
		w.logger.Printf("the owner is gone already: %v", err)
	}
	if w.t.j, err = openJournal(path, time.Now); err != nil {
		return err
	}
	if err := w.t.read(); err != nil {
		return err
	}
	if w.eng, err = w.connect(ctx, w.t.head.Endpoint); err != nil {
		return err
	}
	me, err := self()
	if err != nil {
		return err
	}
	if err := w.t.j.append(true, record{Op: opGuard, Process: &me}); err != nil {
		return err
	}
	w.say(readyWord)
	return nil
}

// say tells the owner one line, if it is still there.
func (w *watcher) say(line string) {
	if w.pipe != nil {
		_, _ = fmt.Fprintln(w.pipe, strings.ReplaceAll(line, "\n", "; "))
	}
}

// watch waits for the owner's end, and meanwhile ends freezes that last too long.
func (w *watcher) watch(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- hostfs.LockWaiting(w.t.j.f) }()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			if err != nil {
				return err
			}
			return w.takeOver(ctx)
		case <-tick.C:
			if time.Now().Before(w.later) {
				continue
			}
			if err := w.expire(ctx); err != nil {
				w.logger.Print(err)
				w.later = time.Now().Add(longestDelay)
			}
		}
	}
}

// expire undoes, once, what is held for too long by an owner that lives.
func (w *watcher) expire(ctx context.Context) error {
	if err := w.t.read(); err != nil {
		return err
	}
	var late []*deed
	var news []record
	for _, d := range w.t.outstanding() {
		if d.hold <= 0 || time.Since(d.seen) < d.hold {
			continue
		}
		late = append(late, d)
		if !d.expired {
			d.expired = true
			news = append(news, record{Op: opExpired, Seq: d.seq})
		}
	}
	if len(late) == 0 {
		return nil
	}
	var err error
	if len(news) > 0 {
		w.logger.Printf("frozen for too long: thawing %d containers", len(news))
		err = w.t.j.append(true, news...)
	}
	_, undo := w.undoer().pass(ctx, late, time.Since(late[len(late)-1].seen))
	return errors.Join(err, undo)
}

// takeOver undoes what the dead owner left, and removes the journal when that is done.
// This process holds the lock from here to its end.
func (w *watcher) takeOver(ctx context.Context) error {
	if err := w.t.read(); err != nil {
		return err
	}
	if left := w.t.outstanding(); len(left) > 0 {
		w.logger.Printf("the owner is dead: undoing what it did to %d containers", len(left))
		if err := w.undoer().run(ctx, left, w.t.head.Limit); err != nil {
			return err
		}
	}
	return clear(w.t.j)
}

func (w *watcher) undoer() *undoer {
	return &undoer{eng: w.eng, j: w.t.j, by: "guard", report: func(d *deed, o Outcome) {
		w.logger.Printf("container %q: %s", d.target.Name, o)
	}}
}

// clear removes a journal in which nothing is outstanding, and what lies beside it. A log
// stays if somebody may want to read it.
func clear(j *journal) error {
	if !j.linked() {
		return nil // the owner has done it already
	}
	err := os.Remove(fifoPath(j.path))
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if fi, e := os.Stat(logPath(j.path)); e == nil && fi.Size() == 0 {
		err = errors.Join(err, os.Remove(logPath(j.path)))
	}
	return errors.Join(err, j.remove())
}
