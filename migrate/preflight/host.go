package preflight

import (
	"context"
	"time"

	"davit/engine"
	"davit/engine/systemd"
)

// Docker is the engine as a survey needs it; engine.Engine is one.
type Docker interface {
	Endpoint() string
	Local(ctx context.Context) (bool, string)
	Info(ctx context.Context) (engine.Info, error)
	Containers(ctx context.Context) ([]engine.Container, error)
	Volumes(ctx context.Context) ([]engine.Volume, error)
}

// Units is the service manager; systemd.Conn is one.
type Units interface {
	Unit(ctx context.Context, name string) (systemd.Unit, error)
}

// Host is what a survey looks at.
type Host struct {
	Docker Docker // nil: it cannot be reached; Reach says why
	Reach  error
	Units  Units // nil: there is no systemd here
	EUID   int
	Now    func() time.Time
	// Progress is told, now and then, how much of the stores was counted; nil: nobody.
	Progress func(files, bytes int64)
}

// Look surveys the host. It gives an error only when ctx is done; what is wrong with the host is a refusal in the
// survey, which then lacks what could not be found out.
func Look(ctx context.Context, h Host, r Request) (*Survey, error) {
	f, err := gather(ctx, h, r)
	if err != nil {
		return nil, err
	}
	return judge(f, r, h.Now()), nil
}
