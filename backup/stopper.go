package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"davit/engine/guard"
)

// stopper stops containers for a restore in place and starts them again, guarded like a
// freeze: they run again also when this process dies.
type stopper struct {
	env         *Env
	targets     []guard.Target
	allowRMLoss bool
	holder      Holder
	frozen      Frozen
	began       time.Time
}

// maxSwap is how long the swap of folders may take before the guard starts the containers again.
const maxSwap = 5 * time.Minute

func newStopper(env *Env, targets []guard.Target, allowRMLoss bool) *stopper {
	return &stopper{env: env, targets: targets, allowRMLoss: allowRMLoss}
}

// stop returns when no container runs any more. Without containers it does nothing.
func (s *stopper) stop(ctx context.Context) error {
	if len(s.targets) == 0 {
		return nil
	}
	if s.holder == nil {
		if s.env.Hold == nil {
			return errors.New("nothing here can stop containers")
		}
		id, err := randomID(s.env.Rand)
		if err != nil {
			return err
		}
		s.holder, err = s.env.Hold(HoldOptions{RunID: "restore-" + id, MaxHold: maxSwap, AllowRMLoss: s.allowRMLoss})
		if err != nil {
			return err
		}
	}
	s.began = s.env.Now()
	f, err := s.holder.Freeze(ctx, s.targets, guard.Stop)
	if err != nil {
		return fmt.Errorf("stop containers: %w", err)
	}
	s.frozen = f
	return nil
}

// start starts them again, also when ctx is done, and notes how long they were stopped.
func (s *stopper) start(ctx context.Context, freezes *[]Freeze) error {
	if s.frozen == nil {
		return nil
	}
	f := s.frozen
	s.frozen = nil
	_, err := f.Thaw(ctx)
	*freezes = append(*freezes, Freeze{
		Containers: f.Names(), Items: []string{}, Hold: HoldStop, Seconds: s.env.Now().Sub(s.began).Seconds(),
	})
	if err != nil {
		return fmt.Errorf("start containers: %w", err)
	}
	return nil
}

// close ends the guard; what could not be started is left to it.
func (s *stopper) close() {
	if s.holder != nil {
		_ = s.holder.Close() // start has told what went wrong
	}
}
