package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/network"
)

// Local tells whether the engine's file system is the one this process sees; if not, or
// if that cannot be proved, why. Only root can prove it.
//
// A unix socket proves nothing: it may be forwarded by ssh, or lead into a virtual
// machine. The proof is that
//
//   - the data-root that the engine names has, here, the databases of an engine that knows
//     the very networks that this one lists (their ids are random), and the same identity,
//   - a process holds the lock of such a database right now: it is no copy,
//   - the process at the other end of the socket is that process, or the service manager
//     that made the socket for it,
//   - that process sees the same folder by the data-root's path.
func (e *Engine) Local(ctx context.Context) (bool, string) {
	if err := e.proveLocal(ctx); err != nil {
		return false, err.Error()
	}
	return true, ""
}

func (e *Engine) proveLocal(ctx context.Context) error {
	socket, ok := strings.CutPrefix(e.endpoint, "unix://")
	if !ok {
		proto, _, _ := strings.Cut(e.endpoint, "://")
		return fmt.Errorf("it is reached over %s", proto)
	}
	info, err := e.Info(ctx)
	if err != nil {
		return err
	}
	ids, err := e.ownNetworks(ctx)
	if err != nil {
		return err
	}
	return proveHere(info, ids, socket)
}

// ownNetworks returns the ids of the networks that every engine has: they are random,
// and each engine has its own.
func (e *Engine) ownNetworks(ctx context.Context) ([]string, error) {
	list, err := e.api.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, e.wrap(err, "list networks")
	}
	var ids []string
	for _, n := range list {
		if isPredefined(n.Name) && len(n.ID) == 64 {
			ids = append(ids, n.ID)
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("it has no network of its own to tell it by")
	}
	return ids, nil
}
